#!/usr/bin/env bash
# Installs the Debian packages that the tests need and that are missing, when
# it may (as root or with passwordless sudo); else says exactly what to install
# and fails. It asks for nothing on the terminal.
set -euo pipefail

# Each line: what must be there (a path, with patterns, or a program in PATH),
# and the Debian packages that bring it.
needs() {
	cat <<-'END'
		openssl                                         openssl
		jq                                              jq
		curl                                            curl ca-certificates
		mosquitto_pub                                   mosquitto-clients
		mosquitto_sub                                   mosquitto-clients
		pki                                             strongswan-pki
		/usr/lib/ipsec/plugins/libstrongswan-openssl.so libstrongswan-standard-plugins
		swtpm                                           swtpm
		/usr/lib/*/ossl-modules/tpm2.so                 tpm2-openssl
		gcc                                             gcc libc6-dev
		chromium                                        chromium
		python3                                         python3
		tinyproxy                                       tinyproxy-bin
		microsocks                                      microsocks
		systemd-analyze                                 systemd
		softhsm2-util                                   softhsm2
		/usr/lib/softhsm/libsofthsm2.so                 softhsm2
		pkcs11-tool                                     opensc
		/usr/lib/*/libtpm2_pkcs11.so.1                  libtpm2-pkcs11-1
		/usr/lib/postgresql/*/bin/initdb                postgresql
		/usr/lib/postgresql/*/bin/postgres              postgresql
	END
}

present() {
	if [[ $1 == /* ]]; then
		compgen -G "$1" >/dev/null
	else
		command -v "$1" >/dev/null
	fi
}

missing() {
	local what packages
	while read -r what packages; do
		present "$what" || printf '%s\n' $packages
	done < <(needs) | sort -u
}

mapfile -t packages < <(missing)
((${#packages[@]})) || exit 0

apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
if ((EUID != 0)); then
	apt=(sudo -n "${apt[@]}")
fi
if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! sudo -n true 2>/dev/null; }; then
	cat >&2 <<-END
		The tests run against real programs that are not on this machine. As root:

		    apt-get update && apt-get install -y --no-install-recommends ${packages[*]}

		(Debian's names; on another system install what brings the same programs.)
	END
	exit 1
fi

echo "installing for the tests: ${packages[*]}" >&2
"${apt[@]}" update -q >&2
"${apt[@]}" install -y -q --no-install-recommends "${packages[@]}" >&2 </dev/null

mapfile -t packages < <(missing)
if ((${#packages[@]})); then
	echo "still missing after installing: ${packages[*]}" >&2
	exit 1
fi
