#!/bin/sh
# Runs libFuzzer programs that are already built, each for MW_FUZZ_S seconds
# (default 10), on a copy of its corpus in tests/fuzz/corpus/NAME. Counts and
# reports as run.sh does; the input that broke a program is printed as hex.
set -u
seconds=${MW_FUZZ_S:-10}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

for t in "$@"; do
	name=$(basename "$t" | sed 's/^fuzz_//')
	dir=$work/$name
	mkdir -p "$dir/corpus"
	if [ -d "$here/fuzz/corpus/$name" ]; then
		cp -r "$here/fuzz/corpus/$name/." "$dir/corpus/"
	fi
	if timeout -k 5 $((seconds + 60)) "$t" -max_total_time="$seconds" \
	    -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$dir/bad-" "$dir/corpus" \
	    >"$dir/log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok   $name: $(sed -n \
		    's/^stat::number_of_executed_units: *//p' "$dir/log") inputs"
	else
		failed=$((failed + 1))
		echo "FAIL $name:"
		tail -n 60 "$dir/log" | sed 's/^/    /'
		for bad in "$dir"/bad-*; do
			[ -f "$bad" ] && od -An -tx1 "$bad" | head -n 40
		done
	fi
done

[ -n "${MW_TALLY:-}" ] && echo "$passed $failed 0" >>"$MW_TALLY"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
