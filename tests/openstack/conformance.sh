#!/bin/bash
# The conformance cases of the drivers on this OpenStack; run by cloud.sh. Their
# lines go to BUILD_DIR/conformance-openstack.lines, for make verification-table.
set -uo pipefail
export MW_OS_TENANT=conformance
export MW_CASES_CREDENTIAL=env: OS_USERNAME=conformance OS_PASSWORD=conformance OS_PROJECT_NAME=conformance
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
build=$(realpath "$1")
cd "$(dirname "$0")" || exit 1
python3 cloud.py || exit 1
"$build/tests/component/driver_cases" openstack http://127.0.0.1:5000/v3 \
	openstack RegionOne m1.tiny test | tee "$build/conformance-openstack.lines"
status=$?
left=$(python3 cloud.py)
echo "# swept: $left"
exit $status
