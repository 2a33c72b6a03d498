#!/bin/bash
# Inside the cloud: writes the configuration of all services to /etc/stack. The
# passwords are fixed words: nothing here can be reached from outside.
set -euo pipefail
conf=/etc/stack
logs=/var/log/stack
keystone=http://127.0.0.1:5000/v3

database() { # NAME
	echo "connection = mysql+pymysql://os:os@127.0.0.1/$1"
}

login() { # SERVICE: as whom it asks the others
	cat <<-END
		auth_url = $keystone
		auth_type = password
		project_domain_name = Default
		user_domain_name = Default
		project_name = service
		username = $1
		password = secret
		region_name = RegionOne
	END
}

# How it checks tokens. A token that ends while a request is under way is good
# when a service shows it together with its own, as on clouds in production.
tokens() { # SERVICE
	cat <<-END
		[keystone_authtoken]
		www_authenticate_uri = $keystone
		service_token_roles = admin
		service_token_roles_required = true
		$(login "$1")
	END
}

mkdir -p $conf $logs
# Cheap hashes: with the usual ones each token takes a second of two cores.
cat >$conf/keystone.conf <<END
[DEFAULT]
log_file = $logs/keystone.log
[identity]
password_hash_rounds = 4
[database]
$(database keystone)
[token]
provider = fernet
[fernet_tokens]
key_repository = /stack/fernet
[credential]
key_repository = /stack/credential
END

cat >$conf/placement.conf <<END
[DEFAULT]
log_file = $logs/placement.log
[placement_database]
$(database placement)
[api]
auth_strategy = keystone
$(tokens placement)
END

cat >$conf/glance-api.conf <<END
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 9292
workers = 1
log_file = $logs/glance.log
enabled_backends = files:file
[database]
$(database glance)
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = /stack/images
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
$(tokens glance)
END

# Ports bind without any agent process: Open vSwitch's mechanism asks only for
# a row in the table of agents, which agent.sql writes.
cat >$conf/neutron.conf <<END
[DEFAULT]
bind_host = 127.0.0.1
core_plugin = ml2
service_plugins = router
transport_url = rabbit://guest:guest@127.0.0.1:5672/
auth_strategy = keystone
api_workers = 1
rpc_workers = 1
state_path = /stack/neutron
log_file = $logs/neutron.log
api_paste_config = /etc/neutron/api-paste.ini
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
[database]
$(database neutron)
[oslo_concurrency]
lock_path = /stack/neutron
$(tokens neutron)
[nova]
$(login nova)
[placement]
$(login placement)
END

cat >$conf/ml2.ini <<END
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers = openvswitch
extension_drivers = port_security
[ml2_type_flat]
flat_networks = public
[securitygroup]
enable_security_group = true
END

# No log_file: nova's services would share it; each one's stderr has its own.
# host is that of agent.sql.
cat >$conf/nova.conf <<END
[DEFAULT]
state_path = /stack/nova
transport_url = rabbit://guest:guest@127.0.0.1:5672/
my_ip = 127.0.0.1
host = osnode
compute_driver = fake.MediumFakeDriver
osapi_compute_listen = 127.0.0.1
osapi_compute_workers = 1
enabled_apis = osapi_compute
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
report_interval = 3
[api]
auth_strategy = keystone
[api_database]
$(database nova_api)
[database]
$(database nova)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 5
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
[oslo_concurrency]
lock_path = /stack/nova
[vnc]
enabled = false
[glance]
api_servers = http://127.0.0.1:9292
$(tokens nova)
[service_user]
send_service_user_token = true
$(login nova)
[neutron]
$(login nova)
[placement]
$(login placement)
END
