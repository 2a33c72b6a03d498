#!/bin/bash
# The drop-in for CB-Milkyway, over real HTTP on loopback, with real sysbench.
set -eu
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" -ne 0 ]; then
	echo "skip - facade, needs root for a network namespace"
	exit 0
fi
exec unshare --net python3 "$here/facade.py" "$build"
