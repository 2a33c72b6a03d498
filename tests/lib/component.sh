#!/bin/bash
# Runs component tests: scripts that print "ok - what", "not ok - what" or
# "skip - what, why" per case and end with status 0. A script that ends with
# another status, or that prints no case at all, has failed. After each one,
# nothing that it started may be left. Usage: component.sh BUILD_DIR SCRIPT...
set -uo pipefail
build=$(realpath "$1")
shift
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log" "$log.before"' EXIT

# Of ours alone: others may test on this machine, too.
export MW_COMPONENT=$$.$SECONDS.$RANDOM
ours() { # PID
	grep -qz "^MW_COMPONENT=$MW_COMPONENT\$" "/proc/$1/environ" 2>/dev/null
}
leftovers() {
	local pid dir
	for pid in $(pgrep '^milkyway'); do
		ours "$pid" && ps -o pid=,args= -p "$pid"
	done
	# A twin's groups are named by its pid.
	for dir in /sys/fs/cgroup/milkyway-twin-* /sys/fs/cgroup/*/milkyway-twin-*; do
		pid=${dir##*milkyway-twin-}
		pid=${pid%%-*}
		[ -d "$dir" ] && { ours "$pid" || [ ! -d "/proc/$pid" ]; } && echo "$dir"
	done
	grep -o '/[^ ]*milkyway[^ ]*' /proc/mounts || true
	ip -br link show twin0 2>/dev/null || true
}

for script in "$@"; do
	name=$(basename "$script" .sh)
	leftovers | sort >"$log.before"
	began=$SECONDS
	timeout -k 10 600 bash "$script" "$build" >"$log" 2>&1
	status=$?
	p=$(grep -c '^ok - ' "$log")
	f=$(grep -c '^not ok - ' "$log")
	s=$(grep -c '^skip - ' "$log")
	[ "$status" -eq 0 ] && [ $((p + f + s)) -gt 0 ] || f=$((f + (f == 0)))
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		left=$(leftovers | sort | comm -13 "$log.before" -)
		[ -z "$left" ] && break
		sleep 0.5
	done
	if [ -n "$left" ]; then
		echo "left behind by $name: $left"
		f=$((f + 1))
	fi
	echo "$name: $p passed, $f failed, $s skipped (exit status $status, $((SECONDS - began)) s)"
	grep '^skip - ' "$log"
	[ "$f" -gt 0 ] && tail -80 "$log" | sed 's/^/    /'
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ -n "${MW_TALLY:-}" ] && echo "$passed $failed $skipped" >>"$MW_TALLY"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
