#!/usr/bin/env bash
# Says what to do when Go is missing or older than go.mod asks for.
set -euo pipefail
cd "$(dirname "$0")/.."

want=$(awk '$1 == "go" { print $2; exit }' go.mod)
if ! command -v go >/dev/null; then
	echo "Go $want or newer is needed and there is no 'go' in PATH: see https://go.dev/doc/install" >&2
	exit 1
fi
have=$(GOTOOLCHAIN=local go env GOVERSION)
have=${have#go}
oldest=$(printf '%s\n%s\n' "$want" "${have%% *}" | sort -V | head -n 1)
# Go 1.21 and later can fetch the newer toolchain themselves unless told not to.
if [[ $oldest != "$want" && $(go env GOTOOLCHAIN 2>/dev/null || echo local) == local ]]; then
	echo "Go $want or newer is needed, this is Go $have: see https://go.dev/doc/install" >&2
	exit 1
fi
