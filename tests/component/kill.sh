#!/bin/bash
# The real coordinator, killed at chosen system calls, with a failing disk and
# a jumping clock, over a cloud without machines: a short selection. The long
# runs are make kill-points, kill-random and kill-disk (docs/simulator.md).
# Usage: kill.sh BUILD_DIR
set -u
here=$(dirname "$0")/../kill
# Ports of our own, where that is allowed.
if [ -z "${MW_INSIDE:-}" ] && unshare -n true 2>/dev/null; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
[ -z "${MW_INSIDE:-}" ] || ip link set lo up
exec python3 "$here/kill.py" "$1" short
