#!/bin/bash
# Runs one component test for component.sh and tells what it leaves behind. As
# root in namespaces of its own for network, mounts and IPC, with a loopback, a
# folder for temporary files (TMPDIR) and one for names of network namespaces.
# What is left there is named, ended and removed.
# Usage: component_one.sh BUILD_DIR SCRIPT SECONDS DIR
# DIR gets log (all output), status (exit status) and left (one line each).
set -uo pipefail
build=$1 script=$2 seconds=$3 dir=$4
if [ -z "${MW_ONE:-}" ]; then
	if unshare -n -m -i true 2>/dev/null; then
		MW_ONE=namespaces exec unshare -n -m -i bash "$0" "$@"
	fi
	MW_ONE=plain
fi
mode=$MW_ONE
unset MW_ONE

if [ "$mode" = namespaces ]; then
	ip link set lo up
	mkdir -p /run/netns
	mount -t tmpfs -o mode=755 tmpfs /run/netns || exit 1
fi
mkdir -m 1777 "$dir/tmp"
# of processes that leave our namespaces, too
mark=$dir
mounts() {
	cut -d ' ' -f 2 /proc/self/mounts | sort
}
# What the test started: pids, without this shell and what it runs right now.
processes() {
	local proc pid
	for proc in $(grep -lzsxF "MW_COMPONENT=$mark" /proc/[0-9]*/environ) /proc/[0-9]*/ns/{ipc,net}; do
		case $proc in
		*/ns/*)
			[ "$mode" = namespaces ] || continue
			[ "$proc" -ef "/proc/$$/ns/${proc##*/}" ] || continue
			;;
		esac
		pid=${proc#/proc/}
		pid=${pid%%/*}
		[ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] || echo "$pid"
	done | sort -u
}
left() {
	local pid
	for pid in $(processes); do
		ps -o pid=,args= -p "$pid" | cut -c 1-200
	done
	ls -A "$dir/tmp"
	[ "$mode" = namespaces ] || return
	mounts | comm -13 "$dir/mounts" -
	ip -br link show | grep -v '^lo '
	ls -A /run/netns
}
mounts >"$dir/mounts"

MW_COMPONENT=$mark TMPDIR=$dir/tmp timeout -k 10 "$seconds" \
	bash "$script" "$build" >"$dir/log" 2>&1 </dev/null &
child=$!
# the runner ends us: the test gets the chance to clean up
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
	wait "$child"
	status=$?
done

for _ in $(seq 20); do
	left >"$dir/left"
	[ -s "$dir/left" ] || break
	sleep 0.5
done
if [ -s "$dir/left" ]; then
	for pid in $(processes); do
		kill -KILL "$pid" 2>/dev/null
	done
fi
rm -rf --one-file-system "$dir/tmp"
echo "$status" >"$dir/status"
