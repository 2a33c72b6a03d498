#!/bin/sh
# Runs test programs, MW_JOBS (default: one per core) at a time, each for at
# most MW_PROGRAM_S seconds (300), prints the logs of those that fail, and
# counts single test cases. Exit status 77 of a program means skipped; its last
# line of output is the reason. A cmocka program counts its cases, any other
# program counts as one. What is printed keeps the order of the arguments.
# MW_TALLY: a file that gets one more line "passed failed skipped".
set -u
seconds=${MW_PROGRAM_S:-600}
if [ "${1:-}" = --one ]; then # LOGS PROGRAM: its output and exit status
	log=$2/$(basename "$3")
	timeout -k 5 "$seconds" "$3" >"$log" 2>&1 </dev/null &
	trap 'kill -TERM $!' TERM INT
	wait $!
	echo $? >"$log.status"
	exit 0
fi
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0

# The longest first: what starts last ends last.
for first in prop_placement prop_prepared prop_place_users test_sim \
    prop_curve test_migrate test_child; do
	for t in "$@"; do
		[ "$(basename "$t")" = "$first" ] && echo "$t"
	done
done >"$logs/first"
printf '%s\n' "$@" | grep -vxF -f "$logs/first" | cat "$logs/first" - |
    xargs -P "${MW_JOBS:-$(nproc)}" -I '{}' sh "$0" --one "$logs" '{}'

# count LOG WORD: the number in cmocka's summary line "[  WORD  ] n test(s)".
count() {
	sed -n "s/^\[  $2 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$1" |
	    awk '{ n += $1 } END { print n + 0 }'
}

for t in "$@"; do
	log=$logs/$(basename "$t")
	touch "$log"
	rc=$(cat "$log.status" 2>/dev/null || echo "unknown, it was not run")
	p=$(count "$log" PASSED)
	f=$(count "$log" FAILED)
	s=$(count "$log" SKIPPED)
	if [ "$rc" = 77 ]; then
		skipped=$((skipped + 1))
		echo "SKIP $(basename "$t"): $(tail -n 1 "$log")"
		continue
	fi
	if [ "$rc" != 0 ]; then
		[ "$f" -eq 0 ] && f=1
		case $rc in 124 | 137) echo "no end within $seconds s" >>"$log" ;; esac
		echo "FAIL $(basename "$t"), exit status $rc:"
		sed 's/^/    /' "$log"
	elif [ $((p + f + s)) -eq 0 ]; then
		p=1
	fi
	if [ "$s" -gt 0 ]; then
		echo "SKIP $s in $(basename "$t"):"
		# the reason stands before each case
		grep -B 1 '^\[  SKIPPED \] [a-z]' "$log" |
		    grep -v '^\[\|^--\|^$' | sort -u | sed 's/^/    /'
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
done

[ -n "${MW_TALLY:-}" ] && echo "$passed $failed $skipped" >>"$MW_TALLY"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
