#!/bin/sh
# Schedules and benchmarks just in time: the real milkywayd, a cloud and agents
# made of Python.
exec python3 tests/component/schedule.py "$1"
