#!/bin/sh
# /metrics of a real coordinator and of a real agent: the format, its bounds,
# and whether the dashboard and the alerts name only series that exist.
exec python3 tests/component/metrics.py "$1"
