#!/usr/bin/env bash
# Brings what the emulated ARMv7 machine needs (interop/guest): QEMU, installed
# with apt when that may be done, and Debian's kernel with its network drivers,
# unpacked into the cache folder without touching this machine's packages. What
# is there already is left alone.
set -euo pipefail

suite=bookworm # its modules are not compressed
dir=${XDG_CACHE_HOME:-$HOME/.cache}/mooring/armv7

if ! command -v qemu-system-arm >/dev/null; then
	apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
	((EUID == 0)) || apt=(sudo -n "${apt[@]}")
	if ! command -v apt-get >/dev/null || ! "${apt[@]}" update -q >&2 ||
		! "${apt[@]}" install -y -q --no-install-recommends qemu-system-arm >&2 </dev/null; then
		echo "The emulated machine needs qemu-system-arm. As root: apt-get install qemu-system-arm" >&2
		exit 1
	fi
fi
[[ -e $dir/vmlinuz ]] && exit 0

if ! command -v apt-get >/dev/null || [[ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]]; then
	echo "The kernel of the emulated machine comes from Debian's archive, by apt-get and its keyring; put vmlinuz and modules/ of another one into $dir." >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,root} "$dir/modules"
mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | grep -m1 -oE '^(URIs:|deb) .*https?://[^ ]+' | grep -oE 'https?://[^ ]+') || mirror=
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $suite main" >"$work/sources.list"
: >"$work/status"
options=(-o APT::Architecture=armhf -o APT::Architectures::=armhf -o Dir::State="$work/state" -o Dir::State::status="$work/status"
	-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
	-o Acquire::Languages=none)
((EUID)) || options+=(-o APT::Sandbox::User=root)

apt-get "${options[@]}" update -qq >&2
kernel=$(apt-cache "${options[@]}" depends linux-image-armmp | awk '/Depends: linux-image/ { print $2; exit }')
(cd "$work" && apt-get "${options[@]}" download -qq "$kernel" >&2)
dpkg-deb -x "$work"/linux-image-*.deb "$work/root"

for module in virtio_mmio failover net_failover virtio_net; do # in the order of loading
	find "$work/root" -name "$module.ko" -exec cp {} "$dir/modules/" \;
	echo "$module.ko"
done >"$dir/modules/list"
cp "$work"/root/boot/vmlinuz-* "$dir/vmlinuz.new"
mv "$dir/vmlinuz.new" "$dir/vmlinuz" # last: with it all is there
