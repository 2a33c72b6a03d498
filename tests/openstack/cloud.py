"""A tenant's and an administrator's eyes on the OpenStack of these tests: the
standard library only, nothing of the product. Prepares flavors, an image, an
external network, an application credential; lists what is left."""
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
KEYSTONE, NOVA = "http://127.0.0.1:5000/v3", "http://127.0.0.1:8774/v2.1"
NEUTRON, GLANCE = "http://127.0.0.1:9696/v2.0", "http://127.0.0.1:9292/v2"
DOMAIN = {"name": "Default"}
# The tenant's user, password and project: another one than "demo" lets two runs share a cloud.
TENANT = os.environ.get("MW_OS_TENANT", "demo")


def ask(method, url, body=None, token=None, raw=None):
    """(status, headers, parsed answer)"""
    h = {"Content-Type": "application/octet-stream" if raw else "application/json",
         "Accept": "application/json", "OpenStack-API-Version": "compute 2.1"}
    if token:
        h["X-Auth-Token"] = token
    data = raw or (json.dumps(body).encode() if body is not None else None)
    try:
        f = urllib.request.urlopen(urllib.request.Request(url, method=method, data=data, headers=h), timeout=90)
    except urllib.error.HTTPError as e:
        f = e
    text = f.read()
    try:
        return f.status, f.headers, json.loads(text) if text else None
    except ValueError:
        return f.status, f.headers, text[:200]


class Tenant:
    def __init__(self, user, password, project):
        body = {"auth": {"identity": {"methods": ["password"], "password": {
            "user": {"name": user, "domain": DOMAIN, "password": password}}},
            "scope": {"project": {"name": project, "domain": DOMAIN}}}}
        status, headers, j = ask("POST", KEYSTONE + "/auth/tokens", body)
        assert status == 201, (status, j)
        self.token, self.user = headers["X-Subject-Token"], j["token"]["user"]["id"]
        self.project = j["token"]["project"]["id"]

    def __call__(self, method, url, body=None, raw=None):
        status, _, j = ask(method, url, body, self.token, raw)
        return status, j

    def get(self, url, key):
        status, j = self("GET", url)
        assert status == 200, (url, status, j)
        return j[key]

    def servers(self):
        return self.get(NOVA + "/servers/detail", "servers")

    def left(self):
        """{kind: names} of what a project has that nobody gave it."""
        at = "?project_id=" + self.project
        found = {
            "servers": [s["name"] for s in self.servers()],
            "ports": [p["device_owner"] for p in self.get(NEUTRON + "/ports" + at, "ports")],
            "floatingips": [f["floating_ip_address"] for f in self.get(NEUTRON + "/floatingips" + at, "floatingips")],
            "routers": [r["name"] for r in self.get(NEUTRON + "/routers" + at, "routers")],
            "subnets": [s["name"] for s in self.get(NEUTRON + "/subnets" + at, "subnets")],
            "networks": [n["name"] for n in self.get(NEUTRON + "/networks" + at, "networks")],
            "groups": [g["name"] for g in self.get(NEUTRON + "/security-groups" + at, "security_groups")
                       if g["name"] != "default"],
            "keys": [k["keypair"]["name"] for k in self.get(NOVA + "/os-keypairs", "keypairs")],
        }
        return {k: v for k, v in found.items() if v}

    def application_credential(self, name):
        """(id, secret); the one of that name before it ends."""
        url = "%s/users/%s/application_credentials" % (KEYSTONE, self.user)
        for c in self.get(url, "application_credentials"):
            if c["name"] == name:
                self("DELETE", url + "/" + c["id"])
        status, j = self("POST", url, {"application_credential": {"name": name}})
        assert status == 201, (status, j)
        return j["application_credential"]["id"], j["application_credential"]["secret"]


def admin():
    return Tenant("admin", "secret", "admin")


def tenant():
    return Tenant(TENANT, TENANT, TENANT)


def prepare_tenant(a):
    if a.get(KEYSTONE + "/projects?name=" + TENANT, "projects"):
        return
    _, p = a("POST", KEYSTONE + "/projects", {"project": {"name": TENANT, "domain_id": "default"}})
    _, u = a("POST", KEYSTONE + "/users", {"user": {"name": TENANT, "password": TENANT, "domain_id": "default"}})
    role = a.get(KEYSTONE + "/roles?name=member", "roles")[0]["id"]
    a("PUT", KEYSTONE + "/projects/%s/users/%s/roles/%s" % (p["project"]["id"], u["user"]["id"], role))


def prepare():
    """What an administrator gives: a project, flavors, one image, one external network, a second region."""
    a = admin()
    prepare_tenant(a)
    prepare_region(a, "RegionTwo")
    have = {f["name"] for f in a.get(NOVA + "/flavors/detail", "flavors")}
    for i, (name, ram, cpus) in enumerate((("m1.tiny", 512, 1), ("m1.small", 2048, 1), ("m1.medium", 4096, 2),
                                           ("m1.huge", 65536, 2))):
        if name not in have:
            a("POST", NOVA + "/flavors", {"flavor": {"name": name, "ram": ram, "vcpus": cpus, "disk": 1,
                                                     "id": str(i + 1)}})
    if not a.get(GLANCE + "/images?name=test", "images"):
        _, image = a("POST", GLANCE + "/images", {"name": "test", "disk_format": "raw", "container_format": "bare",
                                                  "visibility": "public", "os_distro": "debian"})
        a("PUT", GLANCE + "/images/%s/file" % image["id"], raw=b"\0" * 1024)
    if not a.get(NEUTRON + "/networks?name=public", "networks"):
        _, j = a("POST", NEUTRON + "/networks", {"network": {
            "name": "public", "router:external": True, "provider:network_type": "flat",
            "provider:physical_network": "public"}})
        a("POST", NEUTRON + "/subnets", {"subnet": {"network_id": j["network"]["id"], "cidr": "203.0.113.0/24",
                                                    "ip_version": 4, "enable_dhcp": False}})


def prepare_region(a, name):
    """The same services once more, told by another name of this machine."""
    if name in [r["id"] for r in a.get(KEYSTONE + "/regions", "regions")]:
        return
    a("POST", KEYSTONE + "/regions", {"region": {"id": name}})
    for e in a.get(KEYSTONE + "/endpoints?interface=public", "endpoints"):
        a("POST", KEYSTONE + "/endpoints", {"endpoint": dict(
            service_id=e["service_id"], interface="public", region_id=name,
            url=e["url"].replace("127.0.0.1", "localhost"))})


def processes(word):
    """Services of the cloud whose command line has that word: those in our
    network, so never others of this machine."""
    mine, found = os.readlink("/proc/self/ns/net"), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            argv = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
            if os.readlink("/proc/%s/ns/net" % pid) == mine and argv[0] in (b"python3", b"uwsgi") and \
                    any(word.encode() in a for a in argv):
                found.append(int(pid))
        except OSError:
            continue
    return found


class Stopped:
    """A service of the cloud that stands still."""

    def __init__(self, word):
        self.pids = processes(word)
        assert self.pids, "there is no process " + word

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)


def stop_keystone():
    """At once; services that have a token to check then answer 503."""
    pids = processes("keystone-wsgi-public")
    assert pids, "there is no keystone"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while processes("keystone-wsgi-public"):
        time.sleep(0.05)


def start_keystone(token_life_s=3600):
    subprocess.run(["bash", os.path.join(HERE, "cloud.sh"), "in", "env", "OS_TOKEN__EXPIRATION=%d" % token_life_s,
                    "/stack/start.sh", "keystone"], check=True, stdout=subprocess.DEVNULL)


class NoKeystone:
    """Keystone is not there."""

    def __enter__(self):
        stop_keystone()

    def __exit__(self, *_):
        start_keystone()


class ShortTokens:
    """Tokens that Keystone gives live so long only."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        stop_keystone()
        start_keystone(self.seconds)

    def __exit__(self, *_):
        stop_keystone()
        start_keystone()


def sweep(seconds=60):
    """Deletes what an interrupted run left in the tenant's project."""
    t = tenant()
    for s in t.servers():
        t("DELETE", NOVA + "/servers/" + s["id"])
    end = time.monotonic() + seconds
    while t.servers() and time.monotonic() < end:
        time.sleep(0.5)
    at = "?project_id=" + t.project
    for f in t.get(NEUTRON + "/floatingips" + at, "floatingips"):
        t("DELETE", NEUTRON + "/floatingips/" + f["id"])
    for r in t.get(NEUTRON + "/routers" + at, "routers"):
        for p in t.get(NEUTRON + "/ports?device_id=" + r["id"], "ports"):
            t("PUT", NEUTRON + "/routers/%s/remove_router_interface" % r["id"], {"port_id": p["id"]})
        t("DELETE", NEUTRON + "/routers/" + r["id"])
    for n in t.get(NEUTRON + "/networks" + at, "networks"):
        t("DELETE", NEUTRON + "/networks/" + n["id"])
    for g in t.get(NEUTRON + "/security-groups" + at, "security_groups"):
        if g["name"] != "default":
            t("DELETE", NEUTRON + "/security-groups/" + g["id"])
    for k in t.get(NOVA + "/os-keypairs", "keypairs"):
        t("DELETE", NOVA + "/os-keypairs/" + k["keypair"]["name"])
    return t.left()


if __name__ == "__main__":
    prepare()
    print(sweep() or "nothing is left")
