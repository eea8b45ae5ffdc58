#!/usr/bin/env bash
# dist.sh DIR: builds the programs for each target listed in cross/targets and
# writes DIR/SHA256SUMS. VERSION, LDFLAGS and AGENT_… come from the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$1
rm -rf "$dir"
mkdir -p "$dir"
while read -r name programs settings; do
	[[ -z $name || $name == '#'* ]] && continue
	for program in ${programs//,/ }; do
		out=$dir/${program}_${VERSION}_linux_$name
		echo "$out"
		flags= ldflags=$LDFLAGS
		[[ $program == mooring-agent ]] && flags=$AGENT_FLAGS
		[[ $program == mooring-agent && $settings == *GOARCH=amd64* ]] && ldflags+=" $AGENT_LDFLAGS_amd64"
		# shellcheck disable=SC2086 # settings and flags are words on purpose
		env CGO_ENABLED=0 GOOS=linux $settings \
			go build -trimpath -buildvcs=false $flags -ldflags "$ldflags" -o "$out" "./${program#mooring-}/cmd/$program"
	done
done <cross/targets
cp LICENSE "$dir/"
(cd "$dir" && sha256sum ./mooring-* LICENSE >SHA256SUMS)
