#!/bin/bash
# Prints the path of a moto_server (an EC2 that others wrote), installed once
# into build/venv. MW_MOTO names one that is there already. Status 1 and the
# reason on standard output if it cannot be had, e.g. without a network.
set -u
[ -n "${MW_MOTO:-}" ] && { echo "$MW_MOTO"; exit 0; }
root=$(realpath "$(dirname "$0")/../..")
venv=$root/build/venv
mark=$venv/moto-5.2.5
log=$root/build/venv.log
if [ ! -e "$mark" ]; then
	mkdir -p "$root/build"
	exec 9>"$root/build/venv.lock"
	flock -w 450 9 || { echo "somebody else installs moto for minutes"; exit 1; }
	if [ ! -e "$mark" ]; then
		if ! python3 -m venv "$venv" >"$log" 2>&1; then
			echo "no python3-venv here"
			exit 1
		fi
		if ! timeout 400 "$venv/bin/pip" install -q --retries 1 --timeout 15 \
		    'moto[server,ec2]==5.2.5' >>"$log" 2>&1; then
			why=$(grep -i error "$log" | tail -1 | cut -c1-120)
			echo "moto cannot be installed: ${why:-pip needs more than 400 s}"
			exit 1
		fi
		touch "$mark"
	fi
fi
echo "$venv/bin/moto_server"
