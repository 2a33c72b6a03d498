#!/bin/bash
# AWS through the whole product: coordinator, fault proxy, and an EC2 that
# others wrote (moto), which checks every signature. See aws.py.
# Usage, as root: aws.sh BUILD_DIR
set -u
if [ -z "${MW_INSIDE:-}" ]; then
	if ! moto=$(bash "$(dirname "$0")/../lib/moto.sh"); then
		echo "skip - aws against moto, $moto"
		exit 0
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "skip - aws against moto, needs root for a network namespace"
		exit 0
	fi
	MW_MOTO=$moto MW_INSIDE=1 exec unshare -n bash "$0" "$@"
fi
ip link set lo up
exec python3 "$(dirname "$0")/aws.py" "$1" "$MW_MOTO"
