#!/bin/bash
# The conformance cases of the drivers on this OpenStack; run by cloud.sh.
set -uo pipefail
export MW_OS_TENANT=conformance
export MW_CASES_CREDENTIAL=env: OS_USERNAME=conformance OS_PASSWORD=conformance OS_PROJECT_NAME=conformance
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
cd "$(dirname "$0")" || exit 1
python3 cloud.py || exit 1
"$(realpath "$OLDPWD/$1" 2>/dev/null || realpath "$1")/tests/component/driver_cases" openstack \
	http://127.0.0.1:5000/v3 openstack RegionOne m1.tiny test
status=$?
left=$(python3 cloud.py)
echo "# swept: $left"
exit $status
