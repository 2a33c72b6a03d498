#!/bin/bash
# Inside the cloud, once: databases, schemas, users and the catalogue. Can be
# repeated if it was cut.
set -euo pipefail
export LC_ALL=C.UTF-8 HOME=/stack
conf=/etc/stack
logs=/var/log/stack

step() { # NAME COMMAND...: its output goes to a log, which a failure names
	local name=$1
	shift
	"$@" >>"$logs/setup-$name.log" 2>&1 || {
		echo "setup.sh: $1 failed, see $logs/setup-$name.log" >&2
		exit 1
	}
}

folders() {
	mkdir -p /stack/{mysql,rabbit,fernet,credential,images,nova,neutron} /run/mysqld
	chown mysql:mysql /stack/mysql /run/mysqld
	chmod 700 /stack/fernet /stack/credential
	[ -d /stack/mysql/mysql ] ||
		step mysql mysql_install_db --user=mysql --datadir=/stack/mysql --skip-test-db
}
databases() {
	local name host
	for name in keystone placement glance neutron nova nova_api nova_cell0; do
		echo "CREATE DATABASE IF NOT EXISTS $name CHARACTER SET utf8;"
		for host in 127.0.0.1 localhost; do
			echo "GRANT ALL ON $name.* TO 'os'@'$host' IDENTIFIED BY 'os';"
		done
	done | mysql -S /run/mysqld/mysqld.sock
}
schema_keystone() {
	local url=http://127.0.0.1:5000/v3
	local manage=(keystone-manage --config-file "$conf/keystone.conf")
	step keystone "${manage[@]}" db_sync
	step keystone "${manage[@]}" fernet_setup --keystone-user root --keystone-group root
	step keystone "${manage[@]}" credential_setup --keystone-user root --keystone-group root
	step keystone "${manage[@]}" bootstrap --bootstrap-password secret --bootstrap-region-id RegionOne \
		--bootstrap-admin-url $url --bootstrap-public-url $url --bootstrap-internal-url $url
}
schema_nova() {
	local manage=(nova-manage --config-file "$conf/nova.conf")
	step nova "${manage[@]}" api_db sync
	step nova "${manage[@]}" cell_v2 map_cell0 \
		--database_connection mysql+pymysql://os:os@127.0.0.1/nova_cell0
	"${manage[@]}" cell_v2 list_cells 2>/dev/null | grep -q ' cell1 ' ||
		step nova "${manage[@]}" cell_v2 create_cell --name cell1
	step nova "${manage[@]}" db sync
}

folders
/stack/start.sh databases
databases
schema_nova &
jobs=($!)
step placement placement-manage --config-file $conf/placement.conf db sync &
jobs+=($!)
step glance glance-manage --config-file $conf/glance-api.conf db_sync &
jobs+=($!)
step neutron neutron-db-manage --config-file $conf/neutron.conf --config-file $conf/ml2.ini upgrade heads &
jobs+=($!)
schema_keystone
/stack/start.sh keystone
python3 /stack/catalog.py
for job in "${jobs[@]}"; do wait "$job"; done
mysql -S /run/mysqld/mysqld.sock </stack/agent.sql
