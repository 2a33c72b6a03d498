#!/bin/bash
# The last brake: VMs are found and ended by their tags, without database or
# coordinator. See brake.py.
# Usage, as root: brake.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - the last brake, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/brake.py" "$1"
