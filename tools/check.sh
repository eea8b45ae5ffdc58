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
		grep '^note: ' <<<"$out" || true
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
	go vet ./... && go vet -tags armv7 ./interop && { ! nested || go -C tools vet ./...; }
}

staticcheck() {
	go tool -modfile=tools/go.mod staticcheck ./... && { ! nested || (cd tools && go tool staticcheck ./...); }
}

modules() {
	go mod verify && tidy . && tidy tools
}

# tidy compares go.mod and go.sum with what go mod tidy would write. For go.sum
# that takes modules which only the tests of our libraries import; where one
# cannot be had (no network, or the proxy does not have it), go.mod is judged
# alone, and the build has shown that go.sum holds what it needs.
tidy() {
	local diff errors
	errors=$(mktemp)
	diff=$(go -C "$1" mod tidy -e -diff 2>"$errors") || true
	grep -v '^go: downloading' "$errors" >"$errors.left" || true
	if [[ $diff == *'diff current/go.mod'* ]] || [[ $diff && ! -s $errors.left ]]; then
		printf 'go mod tidy would change %s:\n%s\n' "$1" "$diff"
		cat "$errors.left"
		rm "$errors" "$errors.left"
		return 1
	fi
	[[ -z $diff ]] || echo "note: go.sum in $1 not compared: $(tail -n 1 "$errors.left")"
	rm "$errors" "$errors.left"
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
