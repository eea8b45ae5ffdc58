#!/usr/bin/env bash
# fuzz.sh DURATION: runs every fuzz target of the module for DURATION each and
# fails if one of them finds something. Crashers land in testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=$1
failed=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "== $package $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" || failed=1
done < <(git grep -I --untracked -oE '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed 's/:func /:/')
exit "$failed"
