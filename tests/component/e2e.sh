#!/bin/bash
# The whole product, as a user has it: create, measure, place, command, end;
# then the same with hosts that are there already. See e2e.py.
# Usage, as root: e2e.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - the product end to end, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/e2e.py" "$1"
