#!/usr/bin/env bash
# Runs go generate on a copy of the tree and shows what differs from what is
# committed. The tree itself is never touched.
set -euo pipefail
cd "$(dirname "$0")/.."

git grep -qI --untracked '^//go:generate ' -- '*.go' || exit 0

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard |
	while IFS= read -r -d '' f; do [[ -e $f ]] && printf '%s\0' "$f"; done |
	tar -c --null -T - | tar -x -C "$copy"
cp -r "$copy" "$copy.before"
trap 'rm -rf "$copy" "$copy.before"' EXIT
go -C "$copy" generate ./...
if ! diff -ru "$copy.before" "$copy"; then
	echo "generated files are not up to date: run go generate ./..." >&2
	exit 1
fi
