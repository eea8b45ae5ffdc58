#!/usr/bin/env bash
# dist.sh DIR: builds the programs for each target listed in cross/targets and
# writes DIR/SHA256SUMS. VERSION and LDFLAGS come from the Makefile.
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
		tags=
		[[ $program == mooring-agent ]] && tags=$AGENT_TAGS
		# shellcheck disable=SC2086 # settings are words on purpose
		env CGO_ENABLED=0 GOOS=linux $settings \
			go build -trimpath -buildvcs=false -tags "$tags" -ldflags "$LDFLAGS" -o "$out" "./${program#mooring-}/cmd/$program"
	done
done <cross/targets
cp LICENSE "$dir/"
(cd "$dir" && sha256sum ./mooring-* LICENSE >SHA256SUMS)
