#!/bin/sh
# Runs test programs one by one, each for at most 120 s, prints the logs of
# those that fail, and counts single test cases. Exit status 77 of a program
# means skipped; its last line of output is the reason. A cmocka program
# counts its cases, any other program counts as one.
# MW_TALLY: a file that gets one more line "passed failed skipped".
set -u
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0

# count LOG WORD: the number in cmocka's summary line "[  WORD  ] n test(s)".
count() {
	sed -n "s/^\[  $2 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$1" |
	    awk '{ n += $1 } END { print n + 0 }'
}

for t in "$@"; do
	log=$logs/$(basename "$t")
	timeout -k 5 120 "$t" >"$log" 2>&1 </dev/null
	rc=$?
	p=$(count "$log" PASSED)
	f=$(count "$log" FAILED)
	s=$(count "$log" SKIPPED)
	if [ "$rc" -eq 77 ]; then
		skipped=$((skipped + 1))
		echo "SKIP $(basename "$t"): $(tail -n 1 "$log")"
		continue
	fi
	if [ "$rc" -ne 0 ]; then
		[ "$f" -eq 0 ] && f=1
		[ "$rc" -eq 124 ] && echo "no end within 120 s" >>"$log"
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
