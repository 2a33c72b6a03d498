#!/bin/bash
# Bundles: made from a running group, verified, compared, placed from, turned
# into samples of PerfKitBenchmarker. See bundle.py. Usage, as root:
# bundle.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - bundles, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/bundle.py" "$1"
