#!/bin/bash
# The product while things go wrong: hostile requests, SSH that fails, VMs and
# agents that die, a coordinator that is killed, clouds that lie. See faults.py.
# Usage, as root: faults.sh BUILD_DIR [CASE...]; MW_SEED repeats a run
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - faults, needs root and /dev/net/tun"
	exit 0
fi
run() { # CASE...
	unshare -n bash -c 'ip link set lo up; exec python3 "$@"' x \
	    "$(dirname "$0")/faults.py" "$build" "$@"
}
build=$1
shift
if [ $# -gt 0 ]; then
	run "$@"
	exit
fi
# They mostly wait: side by side, each in a network of its own.
export MW_SEED="${MW_SEED:-$RANDOM}"
out=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$out"' EXIT
run hostile ssh >"$out/1" 2>&1 &
run deaths frozen >"$out/2" 2>&1 &
run kills >"$out/3" 2>&1 &
run measured clouds >"$out/4" 2>&1 &
status=0
for _ in 1 2 3 4; do
	wait -n || status=1
done
cat "$out"/*
exit $status
