#!/bin/sh
# The twin's control API with real VMs, in a network namespace of its own: see
# twin_api.py. Usage: twin_api.sh BUILD_DIR
here=$(dirname "$0")
if [ "$(id -u)" -ne 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - twin API, needs root and /dev/net/tun"
	exit 0
fi
exec unshare -n python3 "$here/twin_api.py" "$1" "$here/../.."
