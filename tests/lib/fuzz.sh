#!/bin/sh
# Runs libFuzzer programs that are already built, MW_JOBS (default: one per
# core) at a time, each for MW_FUZZ_S seconds (default 10), on a copy of its
# corpus in tests/fuzz/corpus/NAME. Counts and reports as run.sh does; the
# input that broke a program is printed as hex.
set -u
seconds=${MW_FUZZ_S:-10}
here=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1:-}" = --one ]; then # WORK PROGRAM
	name=$(basename "$3" | sed 's/^fuzz_//')
	dir=$2/$name
	mkdir -p "$dir/corpus"
	if [ -d "$here/fuzz/corpus/$name" ]; then
		cp -r "$here/fuzz/corpus/$name/." "$dir/corpus/"
	fi
	timeout -k 5 $((seconds + 60)) "$3" -max_total_time="$seconds" \
	    -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$dir/bad-" "$dir/corpus" \
	    >"$dir/log" 2>&1 </dev/null &
	trap 'kill -TERM $!' TERM INT
	wait $!
	echo $? >"$dir/status"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
printf '%s\n' "$@" |
    xargs -P "${MW_JOBS:-$(nproc)}" -I '{}' sh "$0" --one "$work" '{}'

for t in "$@"; do
	name=$(basename "$t" | sed 's/^fuzz_//')
	dir=$work/$name
	status=$(cat "$dir/status" 2>/dev/null || echo "unknown, it was not run")
	if [ "$status" = 0 ]; then
		passed=$((passed + 1))
		echo "ok   $name: $(sed -n \
		    's/^stat::number_of_executed_units: *//p' "$dir/log") inputs"
	else
		failed=$((failed + 1))
		echo "FAIL $name, exit status $status:"
		case $status in 124 | 137) echo "    no end within $((seconds + 60)) s" ;; esac
		tail -n 60 "$dir/log" | sed 's/^/    /'
		for bad in "$dir"/bad-*; do
			[ -f "$bad" ] && od -An -tx1 "$bad" | head -n 40
		done
	fi
done

[ -n "${MW_TALLY:-}" ] && echo "$passed $failed 0" >>"$MW_TALLY"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
