#!/bin/bash
# Real agents in network namespaces against a small coordinator in Python.
set -eu
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" -ne 0 ]; then
	echo "skip - agent, needs root for network namespaces"
	exit 0
fi
exec python3 "$here/agent.py" "$build"
