"""The product against a real OpenStack control plane, through the coordinator
and the command line: cases.py BUILD_DIR [CASE...]. Run by cloud.sh in the
network namespace of that cloud; see README.md."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import cloud
import product
from product import check, until
from proxy import Proxy

SETTINGS = ("link.advertise=127.0.0.1", "link.address=127.0.0.1", "agent.install=false")
# How late a lost request may land, how long a new server may stay unlisted: this cloud is as near as
# a cloud can be. BOUNDS=driver keeps what the driver assumes of any cloud; waits are eight times longer.
LATE, VISIBLE = (300, 120) if os.environ.get("BOUNDS") == "driver" else (40, 10)
BOUNDS = ("cloud.late_apply_s=%d" % LATE, "cloud.list_visible_s=%d" % VISIBLE)
SETTLE = (LATE + VISIBLE) + min(180, (LATE + VISIBLE) // 2 + 1)  # the lifecycle's rule


def secret(p, name, **values):
    """A credential file; its reference."""
    path = "%s/%s.json" % (p.dir, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(values, f)
    return "file:" + path


def password(p, name="password", **more):
    return secret(p, name, **dict(dict(Username=cloud.TENANT, Password=cloud.TENANT, DomainName="Default",
                                       ProjectName=cloud.TENANT), **more))


def connect(p, name, credential, endpoint=cloud.KEYSTONE, region="RegionOne", csp="openstack", **more):
    return p.act("PUT", "/v1/connections/" + name, dict(driver="openstack", endpoint=endpoint, csp=csp,
                                                        region=region, credential=credential, **more))


def wish(p, name, *groups):
    """groups: (name, count, connection[, spec[, image]])"""
    path = "%s/%s.json" % (p.dir, name)
    with open(path, "w") as f:
        json.dump(dict(name=name, groups=[
            dict(name=g[0], count=g[1], connection=g[2], spec=(g[3:4] or ("m1.tiny",))[0],
                 image=(g[4:5] or ("test",))[0]) for g in groups]), f)
    return path


def told(p, what, want, *args, text="", timeout=300):
    t = time.monotonic()
    rc, out, err = p.cli(*args, timeout=timeout)
    check("%s [%.1f s]" % (what, time.monotonic() - t), rc == want and text in out + err, (rc, out, err))
    return out + err


def vms(p, name):
    return p.mcis(name)["vms"]


def gone(p, name, t, seconds=120):
    """Deletes the MCIS; then nothing may be left in the project."""
    told(p, "mcis delete", 0, "mcis", "delete", name, "--yes")
    start = time.monotonic()
    left = until(lambda: not t.left(), seconds)
    check("nothing of %s is left in the cloud [%.0f s]" % (name, time.monotonic() - start), left, t.left())


# ---- the cases ------------------------------------------------------------


def connection(p, t):
    status, j = connect(p, "os", password(p))
    check("a connection by password", j.get("state") == "done", (status, j))
    app, key = t.application_credential("milkyway")
    status, j = connect(p, "os-app", secret(p, "app", ApplicationCredentialId=app, ApplicationCredentialSecret=key),
                        csp="lab")  # a name of our own; the words are OpenStack's
    check("one by application credential", j.get("state") == "done", (status, j))
    specs = {s["name"]: s for s in p.get("/v1/specs?connection=os")["items"]}
    check("flavors with their sizes", specs["m1.medium"]["vcpu"] == 2 and specs["m1.medium"]["memoryMiB"] == 4096, specs)
    text = p.run("milkyway", "connection", "list")[1]
    check("no secret in what is shown", key not in text and "assword" not in text, text)


def life(p, t):
    file = wish(p, "life", ("a", 3, "os"), ("b", 1, "os-app", "m1.small"))
    told(p, "create", 0, "mcis", "create", "-f", file)
    v = vms(p, "life")
    check("four VMs run", [x["status"] for x in v] == ["Running"] * 4, v)
    real = {s["id"]: s for s in t.servers()}
    check("they exist once", sorted(real) == sorted(x["cspResourceId"] for x in v), real)
    own = lambda: all(x["publicIp"] and x["publicIp"].startswith("203.0.113.") for x in vms(p, "life"))
    start = time.monotonic()
    check("each gets a floating address", until(own, 90), vms(p, "life"))
    print("# addresses after %.1f s" % (time.monotonic() - start))
    n = len(t.get(cloud.NEUTRON + "/floatingips", "floatingips"))
    check("exactly one each", n == 4, n)
    told(p, "the same file changes nothing", 0, "mcis", "create", "-f", file)
    for verb, end, word in (("suspend", "Suspended", "SHUTOFF"), ("resume", "Running", "ACTIVE"),
                            ("reboot", "Running", "ACTIVE")):
        told(p, verb, 0, "mcis", verb, "life")
        check("all are " + end, {x["status"] for x in vms(p, "life")} == {end}, vms(p, "life"))
        check("in the cloud %s" % word, {s["status"] for s in t.servers()} == {word}, [s["status"] for s in t.servers()])
    told(p, "scale up", 0, "mcis", "scale", "life", "a=4")
    check("five VMs", len(t.servers()) == 5 and {x["status"] for x in vms(p, "life")} == {"Running"}, vms(p, "life"))
    told(p, "scale down", 0, "mcis", "scale", "life", "a=1", "--yes")
    check("two VMs", until(lambda: len(t.servers()) == 2, 30), t.servers())
    check("and two addresses", until(lambda: len(t.left().get("floatingips", [])) == 2, 60), t.left())
    told(p, "terminate", 0, "mcis", "terminate", "life", "--yes")
    check("no VM", not t.servers(), t.servers())
    gone(p, "life", t)


def quota(p, t):
    told(p, "11 VMs where 10 may be", 12, "mcis", "create", "-f", wish(p, "many", ("q", 11, "os")))
    run = lambda: [x for x in vms(p, "many") if x["status"] == "Running"]
    errors = lambda: [s["id"] for s in t.servers() if s["status"] == "ERROR"]
    check("those in ERROR are terminated", until(lambda: not errors(), 120), errors())
    check("at most 10 run", 0 < len(run()) <= 10, len(run()))
    print("# %d run" % len(run()))
    failed = [x for x in vms(p, "many") if x["status"] == "Failed"]
    check("the others say why", failed and all("uota" in json.dumps(x) for x in failed), failed)
    gone(p, "many", t)


def scheduler(p, t):
    with cloud.Stopped("nova.cmd.scheduler"):
        rc, out, err = p.cli("mcis", "create", "-f", wish(p, "lost", ("x", 1, "os")), "--no-wait")
        check("a create with the scheduler dead", rc == 0, (rc, out, err))
        first = until(lambda: [s for s in t.servers() if s["status"] == "BUILD"], 60)
        check("stays in BUILD", first, t.servers())
        bad = until(lambda: [s for s in t.servers() if s["status"] == "ERROR"] or
                    vms(p, "lost")[0]["generation"] > 1, 120)
        check("then ERROR is seen", bad, t.servers())
    again = until(lambda: vms(p, "lost")[0]["status"] == "Running", 240)
    v = vms(p, "lost")[0]
    check("a new generation runs", again and v["cspResourceId"] != first[0]["id"], v)
    check("the first one is gone", until(lambda: len(t.servers()) == 1, 60), t.servers())
    gone(p, "lost", t)


def busy(p, t):
    told(p, "create", 0, "mcis", "create", "-f", wish(p, "busy", ("x", 1, "os")))
    vm = vms(p, "busy")[0]["cspResourceId"]
    with cloud.Stopped("nova.cmd.compute"):
        status, j = t("POST", cloud.NOVA + "/servers/%s/action" % vm, {"reboot": {"type": "SOFT"}})
        check("somebody else reboots it, and that hangs", status == 202, (status, j))
        rc, out, err = p.cli("mcis", "suspend", "busy", "--no-wait")
        check("suspend is accepted", rc == 0, (rc, out, err))
        time.sleep(3)
    check("and done when the cloud is free again", until(lambda: vms(p, "busy")[0]["status"] == "Suspended", 150),
          vms(p, "busy"))
    gone(p, "busy", t)


def token(p, t):
    with Proxy() as proxy:
        status, j = connect(p, "os-proxy", password(p), endpoint=proxy.url)
        check("a connection through a proxy", j.get("state") == "done", (status, j))
        told(p, "create", 0, "mcis", "create", "-f", wish(p, "tok", ("x", 2, "os-proxy")))
        before = proxy.count("POST", "/auth/tokens")
        proxy.refuse(1)
        told(p, "suspend with a token that ended", 0, "mcis", "suspend", "tok")
        check("one new token", proxy.count("POST", "/auth/tokens") == before + 1,
              (before, proxy.count("POST", "/auth/tokens")))
        proxy.page = 2
        told(p, "scale with pages of two", 0, "mcis", "scale", "tok", "x=7", timeout=600)
        check("seven VMs, none twice", len(t.servers()) == 7, len(t.servers()))
        p.restart()
        check("a restart finds all of them", until(lambda: {x["status"] for x in vms(p, "tok")} ==
              {"Running", "Suspended"}, 60) and len(t.servers()) == 7, vms(p, "tok"))
        proxy.page = 0
        proxy.lose("POST", "/servers", 1)
        told(p, "scale with a lost answer", 0, "mcis", "scale", "tok", "x=8", timeout=600)
        check("eight VMs: the lost one was found", until(lambda: len(t.servers()) == 8, 60), len(t.servers()))
        gone(p, "tok", t, LATE + 120)  # what the process before asked for may come late


def expiry(p, t):
    # 60 s: the services themselves renew theirs 30 s before the end
    life, rounds = 60, 0
    with cloud.ShortTokens(life), Proxy() as proxy:
        start = time.monotonic()
        status, j = connect(p, "os-short", password(p), endpoint=proxy.url)
        check("a connection whose tokens live %d s" % life, j.get("state") == "done", (status, j))
        told(p, "create", 0, "mcis", "create", "-f", wish(p, "short", ("x", 2, "os-short")))
        while time.monotonic() - start < 3.5 * life:
            for verb in ("suspend", "resume", "reboot"):
                told(p, verb, 0, "mcis", verb, "short")
            rounds += 1
        told(p, "scale up", 0, "mcis", "scale", "short", "x=4")
        check("four VMs, none twice", len(t.servers()) == 4, t.servers())
        tokens, lived = proxy.count("POST", "/auth/tokens"), time.monotonic() - start
        print("# %d rounds, %d tokens in %.0f s" % (rounds, tokens, lived))
        check("tokens are renewed before they end, and no more often",
              lived / life <= tokens <= lived / (life * 0.8) + 3, (tokens, lived))
        refused = [e["path"] for e in proxy.exchanges if e["status"] == 401]
        check("no request was refused", not refused, refused)
        failed = [e for e in p.events() if "fail" in e["type"].lower() and e.get("mcis") == "short"]
        check("nothing failed", not failed, failed)
        gone(p, "short", t)


def keystone(p, t):
    with Proxy() as proxy:
        status, j = connect(p, "os-503", password(p), endpoint=proxy.url)
        check("a connection", j.get("state") == "done", (status, j))
        proxy.fail(4)
        status, j = connect(p, "os-503", password(p, "again"), endpoint=proxy.url)
        check("Keystone answers 503 four times: asked again", j.get("state") == "done" and not proxy.failing, (status, j))
        told(p, "create", 0, "mcis", "create", "-f", wish(p, "ks", ("x", 2, "os-503")))
        with cloud.NoKeystone():
            rc, out, err = p.cli("mcis", "suspend", "ks", "--no-wait")
            check("suspend without a Keystone is accepted", rc == 0, (rc, out, err))
            time.sleep(15)
            check("and not given up", not [x for x in vms(p, "ks") if x["status"] == "Failed"], vms(p, "ks"))
        check("and done when it is back", until(lambda: {x["status"] for x in vms(p, "ks")} == {"Suspended"}, 180),
              vms(p, "ks"))
        before = sum(e["method"] == "POST" and e["path"].endswith("/servers") and e["status"] == 202
                     for e in proxy.exchanges)
        with cloud.NoKeystone():
            rc, out, err = p.cli("mcis", "scale", "ks", "x=4", "--no-wait")
            check("scale without a Keystone is accepted", rc == 0, (rc, out, err))
            time.sleep(15)
        check("four VMs when it is back", until(lambda: [x["status"] for x in vms(p, "ks")].count("Running") == 2,
                                                SETTLE + 180) and len(vms(p, "ks")) == 4, vms(p, "ks"))
        check("each exists once", sorted(s["id"] for s in t.servers()) ==
              sorted(x["cspResourceId"] for x in vms(p, "ks")), t.servers())
        made = sum(e["method"] == "POST" and e["path"].endswith("/servers") and e["status"] == 202
                   for e in proxy.exchanges) - before
        check("and was made once", made == 2, made)
        gone(p, "ks", t)


def openssl(p, *args):
    subprocess.run(["openssl", *args], cwd=p.dir, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(p, name):
    """A private CA: NAME.pem, NAME.key."""
    openssl(p, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem")
    return "%s/%s.pem" % (p.dir, name)


def certificate(p, ca, host):
    """Files of a certificate of that CA for that host, and its key."""
    openssl(p, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host,
            "-addext", "subjectAltName=DNS:" + host, "-keyout", "front.key", "-out", "front.csr")
    openssl(p, "x509", "-req", "-in", "front.csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
            "-copy_extensions", "copy", "-days", "2", "-out", "front.pem")
    return p.dir + "/front.pem", p.dir + "/front.key"


def tls(p, t):
    ca, other = authority(p, "lab-ca"), authority(p, "other-ca")
    with Proxy("localhost", certificate(p, "lab-ca", "localhost")) as proxy:
        by_number = proxy.url.replace("localhost", "127.0.0.1")
        for what, url, more, words in (
                ("a CA that the machine does not know", proxy.url, {}, "certificate"),
                ("another CA", proxy.url, {"caFile": other}, "certificate"),
                ("another host's name", by_number, {"caFile": ca}, "127.0.0.1"),
                ("a CA file that is not there", proxy.url, {"caFile": p.dir + "/none.pem"}, "caFile"),
                ("a CA file without a certificate", proxy.url, {"caFile": p.dir + "/front.key"}, "certificate")):
            status, j = connect(p, "bad", password(p), endpoint=url, **more)
            check(what + " is refused", j.get("state") != "done" and words in json.dumps(j), (status, j))
            print("# %s: %s" % (what, json.dumps(j.get("error") or j.get("detail") or j)[:300]))
        check("without a request", not proxy.exchanges, proxy.exchanges)
        status, j = connect(p, "os-tls", password(p), endpoint=proxy.url, caFile=ca)
        check("its own CA is accepted", j.get("state") == "done", (status, j))
        told(p, "create", 0, "mcis", "create", "-f", wish(p, "tls", ("x", 2, "os-tls")))
        p.restart()
        check("the CA is known after a restart", until(lambda: {x["status"] for x in vms(p, "tls")} == {"Running"}, 60),
              vms(p, "tls"))
        told(p, "check", 0, "connection", "check", "os-tls")
        services = {e["path"].split("/")[1] for e in proxy.exchanges}
        check("all services by TLS", services == {"identity", "compute", "network", "image"}, services)
        gone(p, "tls", t, LATE + 120)


def regions(p, t):
    with Proxy() as proxy:
        status, j = connect(p, "nowhere", password(p), endpoint=proxy.url, region="Atlantis")
        text = json.dumps(j)
        check("an unknown region is refused, with those there are",
              j.get("state") != "done" and "RegionOne" in text and "RegionTwo" in text, (status, j))
        proxy.exchanges = []
        status, j = connect(p, "os-two", password(p), endpoint=proxy.url, region="RegionTwo")
        check("a connection to the second region", j.get("state") == "done", (status, j))
        told(p, "create", 0, "mcis", "create", "-f", wish(p, "two", ("x", 1, "os-two")))
        there = {e["path"].split("/")[1] for e in proxy.exchanges} - {"identity"}
        check("only its endpoints are asked", there == {"two-compute", "two-network", "two-image"}, there)
        gone(p, "two", t)
        status, j = p.act("POST", "/v1/connections/discover", dict(driver="openstack", endpoint=proxy.url,
                                                                   credential=password(p)))
        found = {c["region"] for c in p.get("/v1/connections")["items"] if c["id"].startswith("openstack-")}
        check("every region is found", j.get("state") == "done" and found == {"RegionOne", "RegionTwo"}, (status, j, found))


def wrong(p, t):
    for what, credential, region, words in (
            ("a wrong password", password(p, "w1", Password="no"), "RegionOne", ("401", "req-")),
            ("a wrong project", password(p, "w2", ProjectName="no"), "RegionOne", ("401", "req-")),
            ("a wrong region", password(p), "Atlantis", ("Atlantis",))):
        status, j = connect(p, "bad", credential, region=region)
        text = json.dumps(j)
        check(what + " is told", j.get("state") != "done" and all(w in text for w in words), (status, j))
        print("# %s: %s" % (what, text[:400]))
    for what, spec, image in (("an unknown flavor", "m9.none", "test"), ("an unknown image", "m1.tiny", "none")):
        rc, out, err = p.cli("mcis", "create", "-f", wish(p, "bad", ("x", 1, "os", spec, image)))
        check(what + " is told", rc != 0 and (spec if image == "test" else image) in out + err, (rc, out, err))
        print("# %s: %s" % (what, (out + err).strip()))
        if rc and "bad" in [m["name"] for m in p.get("/v1/ns/default/mcis")["items"]]:
            p.cli("mcis", "delete", "bad", "--yes")
    rc, out, err = p.cli("mcis", "create", "-f", wish(p, "huge", ("x", 1, "os", "m1.huge")), timeout=200)
    check("a flavor beyond the quota is told, with the cloud's code and request",
          rc != 0 and "uota" in out + err and "req-" in out + err, (rc, out, err))
    print("# quota: " + (out + err).strip())
    p.cli("mcis", "delete", "huge", "--yes")
    check("nothing is left", until(lambda: not t.left(), 60), t.left())


def killed(p, t):
    names = lambda: {m["name"] for m in p.get("/v1/ns/default/mcis")["items"]}
    for wait in (0.3, 1.5, 4):
        name = "kill%d" % (wait * 10)
        rc, out, err = p.cli("mcis", "create", "-f", wish(p, name, ("x", 3, "os")), "--no-wait")
        time.sleep(wait)
        p.restart()
        start = time.monotonic()
        check("killed %.1f s into create: all run" % wait,
              until(lambda: [x["status"] for x in vms(p, name)] == ["Running"] * 3, SETTLE + 120), vms(p, name))
        print("# they run after %.0f s" % (time.monotonic() - start))
        check("three VMs, no more", until(lambda: len(t.servers()) == 3, 30), t.servers())
        p.cli("mcis", "delete", name, "--yes", "--no-wait")
        time.sleep(wait)
        p.restart()
        check("killed %.1f s into delete: no VM is left" % wait, until(lambda: not t.servers(), SETTLE + 120),
              t.servers())
        if name in names():
            told(p, "a second delete", 0, "mcis", "delete", name, "--yes", timeout=SETTLE + 120)
        check("the MCIS is forgotten", until(lambda: name not in names(), SETTLE + 120), names())
    # what the process before asked for may come late
    start = time.monotonic()
    check("nothing is left", until(lambda: not t.left(), LATE + 120), t.left())
    print("# nothing is left after %.0f s" % (time.monotonic() - start))


CASES = [connection, life, wrong, regions, tls, busy, token, expiry, keystone, quota, killed, scheduler]


def main():
    wanted = sys.argv[2:]
    cloud.prepare()
    left = cloud.sweep()
    assert not left, "the project is not empty: %s" % left
    p, t = product.Product(sys.argv[1]), cloud.tenant()
    try:
        p.start("credentials.dir=" + p.dir, *SETTINGS, *BOUNDS)
        for case in CASES:
            if wanted and case is not connection and case.__name__ not in wanted:
                continue
            print("# ---- %s" % case.__name__, flush=True)
            start = time.monotonic()
            try:
                case(p, t)
            except Exception as e:
                check("no surprise in " + case.__name__, False, repr(e))
                product.traceback.print_exc()
            print("# %s took %.0f s" % (case.__name__, time.monotonic() - start), flush=True)
    finally:
        if product.failures:
            p.logs()
        p.close(keep_files=bool(os.environ.get("MW_KEEP")))
        left = cloud.sweep()
        check("the project is empty", not left, left)
    return 1 if product.failures else 0


if __name__ == "__main__":
    sys.exit(main())
