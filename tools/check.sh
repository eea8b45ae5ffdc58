#!/usr/bin/env bash
# What `make check` runs: everything that judges the sources without running
# the programs. All steps run, also after a failure, so that one run tells all.
# No network is needed once the module cache is warm.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=()

step() { # step NAME COMMAND...
	local name=$1
	shift
	printf '%-14s' "$name"
	local out
	if out=$("$@" 2>&1); then
		echo ok
	else
		echo FAILED
		printf '%s\n' "$out" | sed 's/^/    /'
		failed+=("$name")
	fi
}

# sources lists the Go files that git would commit.
sources() {
	git ls-files -z --cached --others --exclude-standard -- '*.go' | while IFS= read -r -d '' f; do
		[[ -f $f ]] && printf '%s\0' "$f"
	done
}

formatted() {
	local bad
	bad=$(sources | xargs -0 -r gofmt -l)
	[[ -z $bad ]] || { printf 'not formatted (gofmt -w):\n%s\n' "$bad"; return 1; }
}

# nested tells whether the module in tools has Go code of its own.
nested() { compgen -G 'tools/*/*.go' >/dev/null; }

# The shell does not stop at a failure inside a function whose result is asked
# for, so each of these is one chain.
vet() {
	go vet ./... && { ! nested || go -C tools vet ./...; }
}

staticcheck() {
	go tool -modfile=tools/go.mod staticcheck ./... && { ! nested || (cd tools && go tool staticcheck ./...); }
}

modules() {
	go mod verify && go mod tidy -diff && go -C tools mod tidy -diff
}

step gofmt        formatted
step vet          vet
step staticcheck  staticcheck
step architecture go test -run 'TestArchitecture|TestRulesBite' .
step modules      modules
step generated    tools/check-generated.sh
step scripts      tools/check-scripts.sh

if ((${#failed[@]})); then
	echo "check: failed: ${failed[*]}" >&2
	exit 1
fi
