#!/bin/bash
# The product while things go wrong: hostile requests, SSH that fails, VMs and
# agents that die, a coordinator that is killed, clouds that lie. See faults.py.
# Usage, as root: faults.sh BUILD_DIR [CASE...]; MW_SEED repeats a run
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - faults, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/faults.py" "$@"
