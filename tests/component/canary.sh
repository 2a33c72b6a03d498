#!/bin/bash
# Secrets stay where they are kept: canaries in every form of credential, clouds
# that answer nonsense, and then a search everywhere. See canary.py.
# Usage: canary.sh BUILD_DIR
exec unshare -n bash -c 'ip link set lo up && exec python3 "$@"' canary "$(dirname "$0")/canary.py" "$@"
