#!/bin/bash
# Runs inside the namespaces, once: databases, configuration files, users,
# service catalogue, schema migrations. Passwords are fixed: nothing is reachable from outside the namespace.
set -euo pipefail
export LC_ALL=C.UTF-8 HOME=/stack
L=/var/log/stack
T0=$(date +%s); T() { echo "[$(( $(date +%s) - T0 ))s] $*"; }
NOVA_HOST=osnode                    # must equal the host in agent.sql

hostname $NOVA_HOST
mkdir -p $L /etc/stack /stack/{mysql,rabbit,fernet,cred,images,nova,neutron} /run/mysqld
chown mysql:mysql /run/mysqld /stack/mysql
chmod 700 /stack/fernet /stack/cred
[ -d /stack/mysql/mysql ] || mysql_install_db --user=mysql --datadir=/stack/mysql --skip-test-db >$L/mysql_install.log 2>&1
/stack/start.sh base
T "mariadb and rabbitmq up"

MYSQL="mysql -S /run/mysqld/mysqld.sock"
for d in keystone placement glance nova nova_api nova_cell0 neutron; do
    for h in 127.0.0.1 localhost; do
        echo "CREATE DATABASE IF NOT EXISTS $d CHARACTER SET utf8; GRANT ALL ON $d.* TO 'os'@'$h' IDENTIFIED BY 'os';"
    done
done | $MYSQL

DB=mysql+pymysql://os:os@127.0.0.1
RB=rabbit://guest:guest@127.0.0.1:5672/
KS=http://127.0.0.1:5000/v3
first() { local f; for f in "$@"; do [ -e "$f" ] && { echo "$f"; return; }; done; }
auth() {
    printf '%s\n' "auth_url = $KS" "auth_type = password" "project_domain_name = Default" "user_domain_name = Default" \
        "project_name = service" "username = $1" "password = secret" "region_name = RegionOne"
}
kat() { printf '%s\n' "[keystone_authtoken]" "www_authenticate_uri = $KS"; auth "$1"; }

cat > /etc/stack/keystone.conf <<C
[DEFAULT]
log_file = $L/keystone.log
[database]
connection = $DB/keystone
[token]
provider = fernet
[fernet_tokens]
key_repository = /stack/fernet
[credential]
key_repository = /stack/cred
C
K="keystone-manage --config-file /etc/stack/keystone.conf"
$K db_sync >$L/ks_sync.log 2>&1
T "keystone schema"
$K fernet_setup --keystone-user root --keystone-group root >>$L/ks_sync.log 2>&1
$K credential_setup --keystone-user root --keystone-group root >>$L/ks_sync.log 2>&1
# a traceback "_removeHandlerRef" at exit is harmless
$K bootstrap --bootstrap-password secret --bootstrap-region-id RegionOne \
    --bootstrap-admin-url $KS --bootstrap-public-url $KS --bootstrap-internal-url $KS >>$L/ks_sync.log 2>&1
/stack/start.sh base
T "keystone up"

python3 - <<'P'
# One process: the openstack command costs about 2 s per call.
import json, urllib.request as u
B = "http://127.0.0.1:5000/v3"
def rq(m, p, b=None, tok=None):
    h = {"Content-Type": "application/json"}
    if tok: h["X-Auth-Token"] = tok
    f = u.urlopen(u.Request(B + p, method=m, data=json.dumps(b).encode() if b else None, headers=h))
    d = f.read()
    return f.headers, (json.loads(d) if d else None)
dom = {"name": "Default"}
h, _ = rq("POST", "/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": dom, "password": "secret"}}}, "scope": {"project": {"name": "admin", "domain": dom}}}})
t = h["X-Subject-Token"]
rid = {r["name"]: r["id"] for r in rq("GET", "/roles", tok=t)[1]["roles"]}
sp = rq("POST", "/projects", {"project": {"name": "service", "domain_id": "default"}}, t)[1]["project"]["id"]
for n, ty, url in (("nova", "compute", "http://127.0.0.1:8774/v2.1"), ("placement", "placement", "http://127.0.0.1:8778"),
                   ("glance", "image", "http://127.0.0.1:9292"), ("neutron", "network", "http://127.0.0.1:9696")):
    us = rq("POST", "/users", {"user": {"name": n, "password": "secret", "domain_id": "default"}}, t)[1]["user"]["id"]
    for r in ("admin", "service"):
        if r in rid: rq("PUT", f"/projects/{sp}/users/{us}/roles/{rid[r]}", tok=t)
    sv = rq("POST", "/services", {"service": {"name": n, "type": ty}}, t)[1]["service"]["id"]
    for i in ("public", "internal", "admin"):
        rq("POST", "/endpoints", {"endpoint": {"service_id": sv, "interface": i, "url": url, "region_id": "RegionOne"}}, t)
# the tenant that tests use: project demo, user demo, password demo
p = rq("POST", "/projects", {"project": {"name": "demo", "domain_id": "default"}}, t)[1]["project"]["id"]
us = rq("POST", "/users", {"user": {"name": "demo", "password": "demo", "domain_id": "default"}}, t)[1]["user"]["id"]
rq("PUT", f"/projects/{p}/users/{us}/roles/{rid['member']}", tok=t)
P
T "users and catalogue"

cat > /etc/stack/placement.conf <<C
[DEFAULT]
log_file = $L/placement.log
[placement_database]
connection = $DB/placement
[api]
auth_strategy = keystone
$(kat placement)
C
cat > /etc/stack/glance-api.conf <<C
[DEFAULT]
bind_host = 127.0.0.1
bind_port = 9292
workers = 1
log_file = $L/glance.log
enabled_backends = file1:file
[database]
connection = $DB/glance
[glance_store]
default_backend = file1
[file1]
filesystem_store_datadir = /stack/images
[paste_deploy]
flavor = keystone
config_file = $(first /etc/glance/glance-api-paste.ini /usr/share/glance-common/glance-api-paste.ini /usr/share/glance-api/glance-api-paste.ini)
$(kat glance)
C
cat > /etc/stack/neutron.conf <<C
[DEFAULT]
bind_host = 127.0.0.1
core_plugin = ml2
service_plugins = router
transport_url = $RB
auth_strategy = keystone
api_workers = 1
rpc_workers = 1
state_path = /stack/neutron
log_file = $L/neutron.log
api_paste_config = $(first /etc/neutron/api-paste.ini /usr/share/neutron-common/api-paste.ini /usr/share/neutron-api/api-paste.ini)
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
[database]
connection = $DB/neutron
[oslo_concurrency]
lock_path = /stack/neutron
$(kat neutron)
[nova]
$(auth nova)
[placement]
$(auth placement)
C
cat > /etc/stack/ml2.ini <<C
[ml2]
type_drivers = local,flat,vlan
tenant_network_types = local
mechanism_drivers = openvswitch
extension_drivers = port_security
[ml2_type_flat]
flat_networks = public
[securitygroup]
enable_security_group = true
C
# No log_file for nova: the services share one file, and with "python3 -c" a log_dir would produce a
# file named "<string>.log". start.sh sends each service's stderr to its own file.
cat > /etc/stack/nova.conf <<C
[DEFAULT]
state_path = /stack/nova
transport_url = $RB
my_ip = 127.0.0.1
host = $NOVA_HOST
compute_driver = fake.MediumFakeDriver
osapi_compute_listen = 127.0.0.1
osapi_compute_workers = 1
enabled_apis = osapi_compute
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
[api]
auth_strategy = keystone
[api_database]
connection = $DB/nova_api
[database]
connection = $DB/nova
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 5
[wsgi]
api_paste_config = $(first /etc/nova/api-paste.ini /usr/share/nova-common/api-paste.ini /usr/share/nova-api/api-paste.ini)
[oslo_concurrency]
lock_path = /stack/nova
[vnc]
enabled = false
[glance]
api_servers = http://127.0.0.1:9292
$(kat nova)
[neutron]
$(auth neutron)
[placement]
$(auth placement)
C

placement-manage --config-file /etc/stack/placement.conf db sync >$L/pl_sync.log 2>&1 & P1=$!
glance-manage --config-file /etc/stack/glance-api.conf db_sync >$L/gl_sync.log 2>&1 & P2=$!
neutron-db-manage --config-file /etc/stack/neutron.conf --config-file /etc/stack/ml2.ini upgrade heads >$L/ne_sync.log 2>&1 & P3=$!
NM="nova-manage --config-file /etc/stack/nova.conf"
$NM api_db sync >$L/nova_sync.log 2>&1
$NM cell_v2 map_cell0 --database_connection $DB/nova_cell0 >>$L/nova_sync.log 2>&1
$NM cell_v2 create_cell --name cell1 >>$L/nova_sync.log 2>&1 || true
$NM db sync >>$L/nova_sync.log 2>&1
T "nova schema"
wait $P1; wait $P2; wait $P3
T "all schemas"
$MYSQL < /stack/agent.sql
T "done; schemas and users are there"
