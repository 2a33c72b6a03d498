#!/bin/bash
# Placements over HTTP: answers that come later, a restart in between, bad
# questions, many at once. Usage, as root: place.sh BUILD_DIR
set -u
if [ "$(id -u)" != 0 ] || [ ! -e /dev/net/tun ]; then
	echo "skip - place, needs root and /dev/net/tun"
	exit 0
fi
exec unshare -n bash -c 'ip link set lo up; exec python3 "$@"' x \
    "$(dirname "$0")/place.py" "$1"
