#!/bin/bash
# Networks, groups and keys in a cloud: from where VMs let SSH in, secrets that
# change, the end of all of it also after kill -9 and from credentials alone.
# Against moto, see net.py; without cases a short one, `make net` runs all.
# Usage, as root: net.sh BUILD_DIR [CASE...]
set -u
if [ -z "${MW_INSIDE:-}" ]; then
	if ! moto=$(bash "$(dirname "$0")/../lib/moto.sh"); then
		echo "skip - networks against moto, $moto"
		exit 0
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "skip - networks against moto, needs root for a network namespace"
		exit 0
	fi
	MW_MOTO=$moto MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
# a public address that this machine reaches from a private one
ip addr add 10.9.9.9/32 dev lo
ip addr add 5.5.5.5/32 dev lo
ip route replace local 5.5.5.5 dev lo src 10.9.9.9 table local
build=$1
shift
exec python3 "$(dirname "$0")/net.py" "$build" "$MW_MOTO" "$@"
