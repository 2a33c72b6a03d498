#!/bin/bash
# Placements that are applied and watched: over a limit, lost, a move, back, and
# what a restart keeps. See drift.py. Usage, as root: drift.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - placements that are watched, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/drift.py" "$1"
