#!/bin/bash
# The real milkywayd under abuse: agents that lie, readers that do not read, a
# full disk, SIGKILL while results and rounds arrive. See abuse.py.
# Usage: abuse.sh BUILD_DIR [CASE...]
exec python3 "$(dirname "$0")/abuse.py" "$@"
