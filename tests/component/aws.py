"""The product against moto through a fault proxy: creates under every fault,
verbs, scale, full zones, wrong input, kill -9 in the middle, and at the end
nothing is left in the cloud. See aws.sh."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import faultproxy
import moto
import product
from product import check, until

# of the families that the driver knows, moto has this one
SPEC, IMAGE = "t3.micro", "amazon-linux-2023"


class Aws(product.Product):
    def __init__(self, build, server):
        super().__init__(build)
        self.moto = moto.Moto(server, 5555, self.dir)
        # what a target without ClientToken lacks the proxy keeps
        self.proxy = faultproxy.Proxy(("127.0.0.1", 0), ("127.0.0.1", 5555),
                                      os.environ.get("MW_PROXY_LOG", self.dir + "/proxy.log"), True).start()
        self.first = None

    def credential(self, name, id, secret):
        path = "%s/%s" % (self.dir, name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o400), "w") as f:
            json.dump({"ClientId": id, "ClientSecret": secret}, f)
        return "file:" + path

    def connect(self, name, credential, region="us-east-1"):
        _, j = self.act("PUT", "/v1/connections/" + name, {
            "driver": "aws", "csp": "aws", "region": region, "credential": credential,
            "endpoint": "http://127.0.0.1:%d/" % self.proxy.port})
        return j

    def put(self, name, count=1, zone=None, spec=SPEC, image=IMAGE, groups=None, query=""):
        g = groups or [{"name": "g", "count": count, "connection": "aws-us", "spec": spec, "image": image}]
        if zone:
            g[0]["zone"] = zone
        return self.api("PUT", "/v1/ns/default/mcis/" + name + query, {"groups": g})

    def statuses(self, name):
        return sorted(v["status"] for v in self.mcis(name)["vms"])

    def do(self, name, action):
        return self.act("POST", "/v1/ns/default/mcis/%s/actions" % name, {"action": action}, 30)

    def delete(self, name):
        status, j = self.api("DELETE", "/v1/ns/default/mcis/" + name)
        return j.get("actionId") if status == 202 else None

    def running(self, name):
        """Its instances, once the product says that all run."""
        ok = until(lambda: set(self.statuses(name)) == {"Running"}, 40)
        return self.moto.instances(mw_mcis=name) if ok else self.mcis(name)["vms"]

    def close(self, **more):
        super().close(**more)
        self.proxy.stop()
        self.moto.stop()


def of(vm):
    """In the form of a RunInstances: for that VM."""
    return "mw-vm&[^&]*Value=%s(&|$)" % vm


def group(name, count=1, **more):
    return dict(name=name, count=count, connection="aws-us", spec=SPEC, image=IMAGE, **more)


def told(p, what, j, *words):
    text = json.dumps(j)
    check(what, all(w in text for w in words), text)


def connections(p):
    good = p.credential("good", p.moto.id, p.moto.secret)
    j = p.connect("aws-us", good)
    check("a connection is verified and imported", j.get("state") == "done", j)
    # moto carries out the dry run of CreateVpc
    p.first = p.moto.all()
    check("types with their facts", p.get("/v1/specs?connection=aws-us&limit=1000")["items"])
    since = len(p.proxy.log())
    j = p.connect("aws-wrong", p.credential("wrong", p.moto.id, "x" * 40))
    said = json.dumps(j) + json.dumps([c for c in p.get("/v1/connections")["items"] if c["id"] == "aws-wrong"])
    calls = len(p.proxy.log(since=since))
    check("a wrong key: said with the cloud's code, asked twice at most", "AuthFailure" in said and calls <= 2,
          (calls, said))
    check("and without the key", "x" * 40 not in said and p.moto.secret not in said)
    # moto crashes on such a region; this is what EC2 says
    p.proxy.add("answer", count=0, status=401, code="AuthFailure",
                message="Credential should be scoped to a valid region, not 'atlantis-1'.")
    j = p.connect("aws-nowhere", good, "atlantis-1")
    p.proxy.clear()
    told(p, "a region that is not there is said", [j, p.get("/v1/connections")], "valid region, not 'atlantis-1'")
    # moto's own policies refuse
    j = p.connect("aws-weak", p.credential("weak", *p.moto.weak))
    told(p, "permissions that are missing are named, all of them", j, "may not " + ", ".join(moto.DENIED))
    p.proxy.add("skew", count=0, seconds=3 * 86400, action="DescribeRegions", code="AuthFailure")
    j = p.connect("aws-late", good)
    p.proxy.clear()
    told(p, "a clock that is off by days is said, not a wrong key", j, "this machine's clock is 3 days behind")
    for name in ("aws-wrong", "aws-nowhere", "aws-weak", "aws-late"):
        p.api("DELETE", "/v1/connections/" + name)


def wrong_input(p):
    status, j = p.put("bad", spec="t3.enormous")
    check("an unknown type is refused at once", status == 400 and "t3.enormous" in json.dumps(j), j)
    status, j = p.put("bad", image="windows-3.11")
    check("an unknown image is refused at once, with those there are", status == 400 and
          "windows-3.11" in json.dumps(j) and IMAGE + ", or any ami-..." in json.dumps(j), j)
    status, j = p.put("bad", zone="us-east-1z")
    check("an unknown zone is refused at once, with those there are", status == 400 and
          "no zone us-east-1z" in json.dumps(j) and "us-east-1a us-east-1b" in json.dumps(j), j)
    status, j = p.put("noami", image="ami-00000000000000000")
    check("an image by its id is accepted", status == 202, j)
    vm = until(lambda: (v := p.mcis("noami")["vms"][0])["status"] == "Failed" and v, 20)
    told(p, "an image that is not there: the cloud's words", vm, "InvalidAMIID", "INVALID")


NAMES = ("lost", "gone", "slow", "done5xx", "torn", "html", "early", "twice")
STEPS = ("s1", "s2", "s3")


def faults(p):
    """One VM per fault of RunInstances; networks whose steps fail; faults by
    chance; all at once, as none waits for another."""
    add = p.proxy.add
    run = dict(action="RunInstances")
    add("dropAfter", body=of("lost-1"), **run)
    add("dropBefore", body=of("gone-1"), **run)
    add("answer", body=of("slow-1"), status=503, code="RequestLimitExceeded", headers={"Retry-After": "1"}, **run)
    add("after", body=of("done5xx-1"), status=503, code="Unavailable", **run)
    add("truncate", body=of("torn-1"), **run)
    add("after", body=of("html-1"), status=200, headers={"Content-Type": "text/html"}, body_is="<html><p>hello", **run)
    add("answer", body=of("early-1"), code="InvalidGroup.NotFound", **run)
    add("double", body=of("twice-1"), at="once", **run)
    add("dropAfter", action="CreateVpc")
    add("after", action="CreateInternetGateway", status=500, code="InternalError")
    add("cut", action="CreateSubnet")
    add("dropAfter", action="CreateSecurityGroup")
    add("dropAfter", action="ImportKeyPair")
    for seed, kind in enumerate(("dropAfter", "dropBefore", "cut", "double")):
        add(kind, body=of("chance-[0-9]*"), count=0, probability=0.15, seed=seed, **run)
    add("answer", action="DescribeInstances", code="InvalidInstanceID.NotFound", forS=1)
    before = p.moto.all()["vpcs"]
    status, j = p.put("m", groups=[group(n) for n in NAMES] + [
        group("a", 2, zone="us-east-1a"), group("b", zone="us-east-1b")])  # its network is the second
    assert status == 202, j
    p.put("chance", groups=[group("chance", 8)])
    for name in STEPS:
        p.put(name)
    v = p.running("m")
    for name in NAMES:
        mine = [x for x in v if x.get("tags", {}).get("mw-vm") == name + "-1"]
        sends = [x for x in p.proxy.log("RunInstances") if re.search(of(name + "-1"), x["body"])]
        check("%s: exactly one instance, one token in %d sends" % (name, len(sends)),
              len(mine) == 1 and len({x["token"] for x in sends}) == 1, (v, sends))
        check("%s: each send is signed by its time" % name,
              len({x["date"] for x in sends}) == len({x["signature"] for x in sends}), sends)
    check("eleven VMs, where their groups want them", len(v) == 11 and
          sorted(x.get("zone") for x in v if x["tags"]["mw-vm"][:2] in ("a-", "b-")) ==
          ["us-east-1a"] * 2 + ["us-east-1b"], v)
    v = p.running("chance")
    sends = [x for x in p.proxy.log("RunInstances") if re.search(of("chance-[0-9]*"), x["body"])]
    check("faults by chance: eight instances, eight tokens in %d sends" % len(sends),
          len(v) == 8 and len({x["token"] for x in sends}) == 8, (v, sends))
    check("each network is made whole in spite of all", all(len(p.running(n)) == 1 for n in STEPS))
    made = p.moto.all()["vpcs"] - before
    check("and once for each group of VMs", len(made) == 2 + len(STEPS), made)
    p.proxy.clear()
    for name in STEPS + ("chance",):
        p.delete(name)


def verbs(p):
    """With a cloud whose clock is 20 minutes ahead."""
    since = len(p.proxy.log())
    for action in ("StopInstances", "StartInstances", "RebootInstances", "DescribeInstances"):
        p.proxy.add("skew", action=action, count=0, seconds=1200)
    for action, word in (("suspend", "Suspended"), ("resume", "Running"), ("reboot", "Running")):
        _, j = p.do("m", action)
        check("%s ends done, all %s" % (action, word), j.get("state") == "done" and
              set(p.statuses("m")) == {word}, (j, p.statuses("m")))
    refused = [x for x in p.proxy.log(since=since) if x["status"] == 400]
    log = open(p.dir + "/milkywayd.log").read()
    check("this machine's clock is corrected, at the cost of few calls (%d)" % len(refused),
          0 < len(refused) <= 12 and "clock is off" in log, refused)
    p.proxy.clear()
    status, j = p.put("m", groups=[group("a", 3, zone="us-east-1a")], query="?allowRemove=1")
    check("scale is accepted", status == 202, j)
    v = until(lambda: len(x := p.moto.instances(mw_mcis="m")) == 3 and p.statuses("m") == ["Running"] * 3 and x, 30)
    check("scaled: three in one zone", v and {x["zone"] for x in v} == {"us-east-1a"}, v or p.statuses("m"))
    p.delete("m")


def full(p):
    no_room = "We currently do not have sufficient t3.micro capacity in the zone you requested."
    p.proxy.add("answer", action="RunInstances", body=of("full-1"), code="InsufficientInstanceCapacity",
                message=no_room)
    p.proxy.add("answer", action="RunInstances", body=of("pinned-1"), count=0, code="InsufficientInstanceCapacity",
                message=no_room)
    p.proxy.add("answer", action="RunInstances", body=of("quota-1"), count=0, code="VcpuLimitExceeded",
                message="You have requested more vCPU capacity than your current vCPU limit of 5 allows.")
    p.put("full", groups=[group("full"), group("pinned", zone="us-east-1a"), group("quota")])
    until(lambda: p.statuses("full") == ["Failed", "Failed", "Running"], 30)
    v = p.moto.instances(mw_mcis="full")
    check("a full zone: the next one is taken", [x["zone"] for x in v if x["tags"]["mw-vm"] == "full-1"] ==
          ["us-east-1b"], v)
    vms = {x["vmId"]: x for x in p.mcis("full")["vms"]}
    for name, code, word in (("pinned-1", "InsufficientInstanceCapacity", "CAPACITY"),
                             ("quota-1", "VcpuLimitExceeded", "QUOTA")):
        told(p, "%s: class, code and request in one sentence" % name, vms[name], code, word, "(request ")
        check("%s: nothing is there" % name, not [x for x in v if x["tags"]["mw-vm"] == name], v)
    p.proxy.clear()
    for name in ("full", "noami"):
        p.delete(name)


def lost_keys(p):
    """The files of a group's key are lost: the way out is said, and is one."""
    p.put("lost")
    p.running("lost")
    key = [f[:-4] for f in os.listdir(p.dir + "/ssh") if f.endswith(".pub")]
    for name in key:
        os.unlink("%s/ssh/%s.pub" % (p.dir, name))
        os.unlink("%s/ssh/%s.sealed" % (p.dir, name))
    p.restart()  # what it has asked for it does not ask again
    p.put("lost", count=2)
    said = until(lambda: [k for k in key if "delete the key pair " + k in json.dumps(p.mcis("lost"))], 20)
    told(p, "a lost key: the way out is said", p.mcis("lost"), "another key has that name", "of the state directory back")
    for name in said or key:
        p.moto.ec2("DeleteKeyPair", KeyName=name)
    p.put("lost", count=3)
    ok = until(lambda: p.statuses("lost").count("Running") >= 2, 20)
    check("and it helps", ok, p.mcis("lost")["vms"])
    p.delete("lost")


def killed(p):
    p.proxy.add("delayAnswer", action="RunInstances", seconds=2, count=2, skip=1)
    since, n = len(p.proxy.log()), len(p.moto.instances())
    p.put("kill", count=4)
    until(lambda: len(p.moto.instances()) >= n + 2, 20)
    p.kill()
    p.proxy.clear()
    # within the bound lists do not show them yet
    p.proxy.add("replace", action="DescribeInstances", pattern="<reservationSet>.*</reservationSet>",
                by="<reservationSet></reservationSet>", forS=1)
    p.start()
    v = p.running("kill")
    sends = p.proxy.log("RunInstances", since)
    check("kill -9 in the middle of create: four instances, four tokens in %d sends" % len(sends),
          len(v) == 4 and len({x["token"] for x in sends}) == 4, (v, sends))
    p.delete("kill")
    until(lambda: p.proxy.log("TerminateInstances", since), 20)
    p.kill()
    p.start()


def the_end(p):
    for name in [m["name"] for m in p.get("/v1/ns/default/mcis")["items"]]:
        p.delete(name)
    until(lambda: not p.get("/v1/ns/default/mcis")["items"], 40)
    left = until(lambda: p.moto.all() == p.first, 30)
    now = p.moto.all()
    check("nothing is left: instances, networks, subnets, groups, keys, gateways, routes", left,
          ({k: sorted(v - p.first[k]) for k, v in now.items()}, p.get("/v1/connections")))
    log = open(p.dir + "/milkywayd.log").read()
    check("the secrets are in no log", not [s for s in (p.moto.secret, p.moto.weak[1], "x" * 40) if s in log])


def cases(p):
    p.start("link.address=127.0.0.1", "link.advertise=127.0.0.1", "agent.install=false", "log.level=debug",
            "credentials.dir=" + p.dir,
            "cloud.late_apply_s=1", "cloud.list_visible_s=1", "lifecycle.poll_ms=200", "cloud.rate_percent=500")
    for case in (connections, wrong_input, faults, verbs, full, lost_keys, killed, the_end):
        began = time.monotonic()
        case(p)
        print("# %s: %.1f s" % (case.__name__, time.monotonic() - began), flush=True)


def main():
    p = Aws(sys.argv[1], sys.argv[2])
    try:
        cases(p)
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
