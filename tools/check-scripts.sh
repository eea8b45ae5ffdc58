#!/usr/bin/env bash
# Checks the shell scripts: bash accepts them, they are executable and start
# strict, themselves or by the library they share; no script sleeps, because a sleep hides a missing condition.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
complain() {
	echo "$1: $2"
	bad=1
}
while IFS= read -r -d '' f; do
	[[ -f $f ]] || continue
	bash -n "$f" || bad=1
	[[ $(head -n 1 "$f") == '#!/usr/bin/env bash' ]] || { [[ $f == */testdata/* ]] || complain "$f" 'does not start with #!/usr/bin/env bash'; }
	grep -qE '^(set -euo pipefail|\. "\$LIB")$' "$f" || complain "$f" 'does not set -euo pipefail'
	if [[ $f != */testdata/* && ! -x $f ]]; then complain "$f" 'is not executable'; fi
	if grep -nE '^[^#]*\bsleep +[0-9$]' "$f"; then complain "$f" 'sleeps'; fi
done < <(git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run)
exit "$bad"
