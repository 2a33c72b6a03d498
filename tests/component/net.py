"""Networks, groups and keys of a group of VMs in moto: what they let in, that
they follow, that nothing of them is left. See net.sh."""
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import conn_use
import moto
import product
from product import check, until

SPEC, IMAGE = "t3.micro", "amazon-linux-2023"
FAST = ("link.address=127.0.0.1", "link.advertise=127.0.0.1", "agent.install=false", "schedule.defaults=none",
        "cloud.late_apply_s=1", "cloud.list_visible_s=1", "lifecycle.poll_ms=200", "cloud.rate=1000",
        "lifecycle.sweep_s=2")


class Door:
    """TLS in front of moto, at an address that is not loopback."""

    def __init__(self, dir, address, port):
        self.pem = dir + "/door.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", dir + "/door.key", "-out", self.pem, "-days", "2", "-subj", "/CN=door", "-addext",
                        "subjectAltName=IP:" + address], check=True, capture_output=True)
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.pem, dir + "/door.key")
        self.inside = port
        plain = socket.create_server((address, 0))
        self.port = plain.getsockname()[1]
        self.socket = ctx.wrap_socket(plain, server_side=True)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            s = socket.create_connection(("127.0.0.1", self.inside))
            for a, b in ((c, s), (s, c)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        try:
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Net(product.Product):
    def __init__(self, build, server):
        super().__init__(build)
        self.server, self.moto = server, moto.Moto(server, 5556, self.dir)
        self.first = self.moto.all()

    def secret(self, wrong=False):
        return {"ClientId": self.moto.id, "ClientSecret": "x" * 40 if wrong else self.moto.secret}

    def connect(self, name="aws-us", wrong=False, **more):
        body = {"driver": "aws", "csp": "aws", "region": "us-east-1", "secret": self.secret(wrong),
                "endpoint": "http://127.0.0.1:%d/" % self.moto.port}
        body.update(more)
        body = {k: v for k, v in body.items() if v is not None}
        return self.act("PUT", "/v1/connections/" + name, body)[1]

    def group(self, name, count=1, connection="aws-us", query=""):
        return self.api("PUT", "/v1/ns/default/mcis/" + name + query, {"groups": [
            {"name": "g", "count": count, "connection": connection, "spec": SPEC, "image": IMAGE}]})

    def running(self, name):
        return until(lambda: {v["status"] for v in self.mcis(name)["vms"]} == {"Running"}, 40)

    def delete(self, name):
        self.api("DELETE", "/v1/ns/default/mcis/" + name)

    def check(self, name="aws-us"):
        return self.api("POST", "/v1/connections/%s/check" % name, {})[1]

    def ssh_rules(self):
        """The networks that may come to port 22, of all our groups."""
        out, mine = set(), self.first["groups"]
        for g in self.moto.ec2("DescribeSecurityGroups").iterfind("securityGroupInfo/item"):
            if g.findtext("groupId") in mine or g.findtext("groupName") == "default":
                continue
            for perm in g.iterfind("ipPermissions/item"):
                if perm.findtext("toPort") == "22":
                    out |= {r.findtext("cidrIp") for r in perm.iterfind("ipRanges/item")}
        return out

    def made(self):
        """Not the networks: moto carries out the dry runs of a check."""
        now = self.moto.all()
        return {k: now[k] for k in ("instances", "subnets", "keys")}

    def nothing_left(self, seconds=40):
        return until(lambda: self.moto.all() == self.first, seconds)

    def left(self):
        return {k: sorted(v - self.first[k]) for k, v in self.moto.all().items() if v - self.first[k]}

    def close(self, **more):
        super().close(**more)
        self.moto.stop()


def ssh_from(p):
    p.start(*FAST)
    check("a connection is added", p.connect().get("state") == "done", p.get("/v1/connections"))
    j = p.check()
    check("its check tells from where SSH is let in", j["ok"] and j["sshFrom"] == "127.0.0.1/32", j)
    rc, out, err = p.cli("connection", "check", "aws-us")
    check("also to people", rc == 0 and "let SSH in from 127.0.0.1/32" in out, out + err)
    p.group("m", 2)
    check("a group runs", p.running("m"), p.mcis("m"))
    check("its groups let SSH in from us alone", "127.0.0.1/32" in p.ssh_rules() and "0.0.0.0/0" not in p.ssh_rules(),
          p.ssh_rules())
    p.connect(sshFrom="203.0.113.0/24")
    check("another network, and the rule follows", until(lambda: p.ssh_rules() == {"203.0.113.0/24"}, 20), p.ssh_rules())
    check("and the check says so", p.check()["sshFrom"] == "203.0.113.0/24", p.check())
    p.connect(sshFrom="any")
    check("everywhere only if somebody says any", until(lambda: p.ssh_rules() == {"0.0.0.0/0"}, 20), p.ssh_rules())
    p.kill()
    p.start(*FAST, "cloud.ssh_from=198.51.100.1/32")
    check("a new start keeps what the connection says", p.check()["sshFrom"] == "0.0.0.0/0", p.check())
    p.connect()
    check("without it the setting counts, also for groups of an earlier process",
          until(lambda: p.ssh_rules() == {"198.51.100.1/32"}, 20), p.ssh_rules())
    for bad in ("anywhere", "0.0.0.0/0", "203.0.113.7", "2001:db8::/32"):
        j = p.api("PUT", "/v1/connections/aws-us", {"driver": "aws", "csp": "aws", "region": "us-east-1",
                                                     "secret": p.secret(), "sshFrom": bad})
        check("no network: " + bad, j[0] == 400 and "any" in json.dumps(j[1]), j)
    rc, out, err = p.run("milkywayd", "--state-dir", p.dir + "/other", "--set", "cloud.ssh_from=somewhere")
    check("nor as a setting", rc == 2 and "cloud.ssh_from" in err and "auto" in err, (rc, err))


def hidden(p):
    door = Door(p.dir, "5.5.5.5", p.moto.port)
    if p.starts:
        p.kill()
    p.start(*FAST)
    far = dict(endpoint="https://5.5.5.5:%d/" % door.port, caFile=door.pem)
    j = p.connect("aws-far", **far)
    check("a public cloud is added from a private address", j.get("state") == "done", j)
    before = p.made()
    j = p.check("aws-far")
    check("its check refuses and names the ways out", not j["ok"] and all(
        w in j["detail"] for w in ("10.9.9.9", "cloud.ssh_from=", "--ssh-from", "any")), j)
    status, j = p.group("far", connection="aws-far")
    check("no group of VMs is taken on", status == 400 and "--ssh-from" in json.dumps(j), (status, j))
    status, j = p.group("far", connection="aws-far", query="?dryRun=1")
    check("nor planned", status == 400, (status, j))
    # a process that did not call that cloud yet
    p.connect("aws-far", sshFrom="any", **far)
    p.kill()
    p.start(*FAST)
    p.connect("aws-far", **far)
    check("nothing was made", p.made() == before, p.made())
    p.connect("aws-far", sshFrom="192.0.2.0/24", **far)
    check("told the network, it works", p.check("aws-far")["sshFrom"] == "192.0.2.0/24", p.check("aws-far"))
    status, j = p.group("far", connection="aws-far")
    check("a group of VMs is taken on", status == 202 and p.running("far"), (status, j))
    check("and lets SSH in from there", "192.0.2.0/24" in p.ssh_rules(), p.ssh_rules())
    p.delete("far")
    door.socket.close()


def ip(*args):
    subprocess.run(("ip",) + args, check=True)


def moved(p):
    """A laptop that changes its network."""
    door = Door(p.dir, "10.9.9.9", p.moto.port)
    for a in ("10.1.1.1", "10.1.1.2"):
        ip("addr", "add", a + "/32", "dev", "lo")
    way = lambda a: ip("route", "replace", "local", "10.9.9.9", "dev", "lo", "src", a, "table", "local")
    way("10.1.1.1")
    fresh(p)
    j = p.connect("aws-lap", endpoint="https://10.9.9.9:%d/" % door.port, caFile=door.pem)
    assert j["state"] == "done", j
    p.group("lap", connection="aws-lap")
    check("a private cloud: a group runs", p.running("lap"), p.mcis("lap"))
    check("SSH comes from the address that reaches it", p.ssh_rules() == {"10.1.1.1/32"}, p.ssh_rules())
    way("10.1.1.2")
    ip("addr", "del", "10.1.1.1/32", "dev", "lo")
    check("another address, and the rule follows", until(lambda: p.ssh_rules() == {"10.1.1.2/32"}, 60), p.ssh_rules())
    check("the check says so", p.check("aws-lap")["sshFrom"] == "10.1.1.2/32", p.check("aws-lap"))
    p.delete("lap")
    door.socket.close()


def brake(p, connections):
    """What is there is ended from credentials alone."""
    deployment = p.get("/v1/version")["deployment"]
    rows = until(lambda: p.left().get("instances") and p.left(), 20)
    p.kill()
    file = p.dir + "/elsewhere.json"
    with open(file, "w") as f:
        json.dump({"connections": connections}, f)
    want = 4  # an instance, a network, a group, a key
    look = ("orphans", "--offline", "--connections", file, "--deployment", deployment)
    rc, out, err = p.cli(*look, "-o", "json")
    j = json.loads(out)
    check("offline, networks, groups and keys are listed", rc == 0 and {x["kind"] for x in j["parts"]} ==
          {"network", "security group", "SSH key"} and {x["deployment"] for x in j["parts"]} == {deployment}, (j, err))
    rc, out, err = p.cli(*look)
    check("also to people", rc == 0 and "network" in out and "3 networks, groups and keys" in err, out + err)
    d = ("destroy", "--deployment", deployment, "--connections", file)
    rc, out, err = p.cli(*d, "--dry-run")
    check("a dry run names all and ends nothing", rc == 0 and err.count("would end") == want and p.left() == rows,
          (out, err, rows, p.left()))
    rc, out, err = p.cli(*d, "--yes", timeout=100)
    check("destroy ends all of it", rc == 0 and "0 left" in out, out + err)
    check("nothing is left in the cloud", p.nothing_left(2), p.left())
    vm, net = err.rfind("  gone             aws-us i-"), err.find("  gone             aws-us vpc-")
    check("the network after the VM", 0 < vm < net, err)
    rc, out, err = p.cli(*d, "--yes")
    check("once more is fine", rc == 0, out + err)


def destroy(p):
    fresh(p)
    p.group("d")
    check("a group runs", p.running("d"), p.mcis("d"))
    credential_brake(p)


def credential_brake(p):
    path = p.dir + "/key.json"
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o400), "w") as f:
        json.dump(p.secret(), f)
    brake(p, [{"id": "aws-us", "driver": "aws", "csp": "aws", "region": "us-east-1", "credential": "file:" + path,
                    "endpoint": "http://127.0.0.1:%d/" % p.moto.port}])


def fresh(p):
    """Another deployment."""
    if p.starts:
        p.kill()
    for f in os.listdir(p.dir):
        if f.startswith("milkyway.db"):
            os.unlink(p.dir + "/" + f)
    p.start(*FAST)
    p.connect()
    p.first = p.moto.all()


def sealed(p):
    with open(p.dir + "/credentials/aws-us", "rb") as f:
        return f.read()


def secrets(p):
    fresh(p)
    old = sealed(p)
    j = p.connect(wrong=True)
    check("a wrong secret is refused", j["state"] == "failed" and "AuthFailure" in json.dumps(j), j)
    row = p.get("/v1/connections/aws-us")
    check("the old one stays, and the connection is fine", sealed(p) == old and row["verified"] and p.check()["ok"], row)
    j = p.connect(wrong=True, endpoint="http://127.0.0.1:1/")
    check("nor does another endpoint take it along", j["state"] == "failed" and sealed(p) == old and
          p.get("/v1/connections/aws-us")["endpoint"] != "http://127.0.0.1:1/", j)
    for wrong in (True, False):
        p.api("PUT", "/v1/connections/aws-us", {
            "driver": "aws", "csp": "aws", "region": "us-east-1", "secret": p.secret(wrong),
            "endpoint": "http://127.0.0.1:%d/" % p.moto.port})
        time.sleep(0.3)  # somewhere in the trial
        p.kill()
        p.start()
        check("killed while a %s one is tried: one works" % ("wrong" if wrong else "right"), p.check()["ok"], p.check())
    j = p.connect()
    check("a right one replaces it", j["state"] == "done" and sealed(p) != old and p.check()["ok"], j)
    shown = open(p.dir + "/milkywayd.log").read()
    check("no secret is in the log", p.moto.secret not in shown and "x" * 40 not in shown)


def kills(p):
    """Killed at random moments between create and the end: nothing is left."""
    n = int(os.environ.get("MW_KILLS", "20"))
    fresh(p)
    p.kill()
    # late answers are believed in for long: only rows that owe one wait
    p.start(*FAST, "cloud.late_apply_s=%d" % LATE)
    kill_loop(p, n)
    left = p.nothing_left(LATE + 30)
    check("killed %d times: nothing is left" % n, left, p.left())


def kill_loop(p, n):
    seed = int(os.environ.get("MW_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print("# seed %d" % seed)
    for i in range(n):
        name = "k%d" % i
        p.group(name, 1)
        time.sleep(rng.random() * 2.5)
        p.kill()
        p.start()
        if rng.random() < 0.5:
            until(lambda: p.made() != before(p), 5)
        p.delete(name)
        if rng.random() < 0.5:
            time.sleep(rng.random())
            p.kill()
            p.start()
        ended = until(lambda: not p.get("/v1/ns/default/mcis")["items"], 60)
        check("%s is forgotten" % name, ended, p.get("/v1/ns/default/mcis"))


def before(p):
    return {k: p.first[k] for k in ("instances", "subnets", "keys")}


def quick(p):
    """The end after a restart: no wait where nothing can land late."""
    fresh(p)
    p.group("q")
    check("a group runs", p.running("q"), p.mcis("q"))
    p.kill()
    p.start(*FAST, "cloud.late_apply_s=300")
    p.delete("q")
    began = time.monotonic()
    check("its parts are gone long before a lost request could land", p.nothing_left(40), p.left())
    rows = lambda: p.api("DELETE", "/v1/connections/aws-us")
    check("and forgotten", until(lambda: rows()[0] in (204, 404), 40), rows())
    print("# %.1f s after the delete" % (time.monotonic() - began))


def short(p):
    """A little of each, for every run of all tests."""
    fresh(p)
    kill_loop(p, 3)
    check("killed three times: nothing is left", p.nothing_left(30), p.left())
    p.group("d")
    check("a group runs", p.running("d"), p.mcis("d"))
    check("its groups let SSH in from us alone", p.ssh_rules() == {"127.0.0.1/32"}, p.ssh_rules())
    s, j = conn_use.put(p, region="us-west-2")
    check("its connection cannot become another region", s == 409 and "another name" in j["hint"], (s, j))
    credential_brake(p)


def in_use(p):
    fresh(p)
    os.makedirs(p.dir + "/run2")
    p.kill()
    p.start(*FAST, "credentials.dir=" + p.dir + "/run2")
    conn_use.run(p)


LATE = 15
CASES = (short, in_use, ssh_from, hidden, moved, destroy, secrets, quick, kills)


def main():
    p = Net(sys.argv[1], sys.argv[2])
    try:
        for case in CASES:
            if case.__name__ not in (sys.argv[3:] or ["short"]):
                continue
            began = time.monotonic()
            case(p)
            print("# %s: %.1f s" % (case.__name__, time.monotonic() - began), flush=True)
    except Exception as e:
        check("no surprise", False, repr(e))
        import traceback
        traceback.print_exc()
    finally:
        if product.failures:
            p.logs()
        p.close()
    return 1 if product.failures else 0


if __name__ == "__main__":
    sys.exit(main())
