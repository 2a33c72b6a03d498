#!/bin/bash
# Evaluations of a spec's VMs, lemons, tables: of replayed benchmarks, whose
# values are known. See eval.py. Usage, as root: eval.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - evaluations, needs root and /dev/net/tun"
	exit 0
fi
if [ -z "${MW_INSIDE:-}" ]; then
	MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/eval.py" "$1"
