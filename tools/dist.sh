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

# mooring-pkcs11 loads vendors' libraries and needs a C library: it is built for
# the targets whose compiler is on this machine, against that compiler's glibc.
while read -r name cc settings; do
	command -v "$cc" >/dev/null || { echo "no $cc: mooring-pkcs11 is not built for $name"; continue; }
	out=$dir/mooring-pkcs11_${VERSION}_linux_$name
	echo "$out"
	# shellcheck disable=SC2086 # settings are words on purpose
	env CGO_ENABLED=1 GOOS=linux CC="$cc" $settings \
		go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o "$out" ./hsm/cmd/mooring-pkcs11
done <<-'END'
	amd64   x86_64-linux-gnu-gcc    GOARCH=amd64
	arm64   aarch64-linux-gnu-gcc   GOARCH=arm64
	armv5   arm-linux-gnueabi-gcc   GOARCH=arm GOARM=5
	armv7   arm-linux-gnueabihf-gcc GOARCH=arm GOARM=7
	riscv64 riscv64-linux-gnu-gcc   GOARCH=riscv64
END
cp LICENSE "$dir/"
(cd "$dir" && sha256sum ./mooring-* LICENSE >SHA256SUMS)
