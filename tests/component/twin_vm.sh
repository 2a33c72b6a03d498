#!/bin/sh
# The emulated network and its VMs: see twin_vm.c. Usage: twin_vm.sh BUILD_DIR
exec "$1/tests/component/twin_vm" "$1/milkyway-twin-init"
