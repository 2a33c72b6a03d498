#!/bin/sh
# The OpenStack driver against the recorded answers of a real one.
exec python3 tests/component/openstack.py "$1"
