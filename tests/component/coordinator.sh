#!/bin/sh
# The real milkywayd with a cloud and agents made of Python: API, link, store.
exec python3 tests/component/coordinator.py "$1"
