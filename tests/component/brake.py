"""The last brake on the bill, with the database deleted: what carries the tag of
a deployment is listed and ended from a file of connections alone; VMs of others
stay. To be run in a network namespace of its own."""
import base64
import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import fakestack
from product import check, main, mcis_file, until

OTHER = "b0000000-0000-4000-8000-00000000000b"


def foreign(p, name, tags):
    status, vm = p.twin("POST", "/v1/clouds/aws/vms", {
        "token": name, "name": name, "region": "us-east-1", "spec": "t3.small", "image": "debian-12", "tags": tags})
    assert status in (200, 201, 202), (status, vm)
    return vm["id"]


def alive(p):
    return {v["id"] for v in p.truth()["items"] if v.get("state", "") not in ("gone", "terminated")}


def keys(p):
    """All keys in the clouds of the twin."""
    found = []
    for c in p.twin("GET", "/v1/clouds")[1]["items"]:
        for r in p.twin("GET", "/v1/clouds/%s/regions" % c["id"])[1]["items"]:
            found += p.twin("GET", "/v1/clouds/%s/keys?region=%s" % (c["id"], r["id"]))[1]["items"]
    return found


def key_name(deployment, mcis):
    """Network, group and key of an MCIS; where a cloud keeps no tags they tell
    whose they are."""
    digest = hashlib.sha256(("%s|%d|0" % (deployment, mcis)).encode()).digest()
    return "mw-" + base64.b32encode(digest).decode().lower()[:20]


def openstack(p):
    """By contract: what the driver leaves there, and what others have."""
    s = fakestack.Stack()
    deployment = "a0000000-0000-4000-8000-00000000000a"
    for of, mcis, conn in ((deployment, 1, "lab"), (deployment, 7000, "renamed"), (OTHER, 1, "lab")):
        k = key_name(of, mcis)
        n = "n" + k
        s.add("networks", n, name="%s.%s" % (k, conn), description="made by Milkyway")
        s.add("routers", "r" + k, name="%s.%s" % (k, conn))
        s.add("ports", "p" + k, network_id=n, device_id="r" + k, device_owner="network:router_interface")
        s.add("floatingips", "f" + k, description="mw-key=%s server=gone" % k)
        s.add("security_groups", "g" + k, name=k)
        s.add("keypairs", k, name=k, public_key="ssh-ed25519 AAAA x")
    s.add("networks", "public", name="public")
    s.add("security_groups", "default", name="default")
    s.add("keypairs", "mw-mine", name="mw-mine")
    file = p.dir + "/os.json"
    with open(file, "w") as f:
        json.dump({"deployment": OTHER, "connections": [
            {"id": "lab", "driver": "openstack", "csp": "lab", "region": "R", "endpoint": s.url + "/v3",
             "credential": "env:"}]}, f)
    env = {"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "D", "OS_PROJECT_NAME": "P"}
    rc, out, err = p.cli("orphans", "--offline", "--connections", file, "-o", "json", env=env)
    parts = json.loads(out)["parts"]
    check("OpenStack: names tell what is ours", rc == 0 and len(parts) == 9 and
          {x["deployment"] for x in parts if x["key"] == key_name(OTHER, 1)} == {OTHER}, (rc, out, err))
    rc, out, err = p.cli("destroy", "--deployment", deployment, "--connections", file, "--yes", env=env, timeout=60)
    k = key_name(OTHER, 1)
    check("OpenStack: networks, routers, addresses, groups, keys are ended", rc == 0 and "6 gone" in out and s.left() == {
        "networks": ["n" + k, "public"], "routers": ["r" + k], "ports": ["p" + k], "floatingips": ["f" + k],
        "security_groups": ["default", "g" + k], "keypairs": sorted([k, "mw-mine"])}, (rc, out, err, s.left()))


def connections(p, path, *more):
    with open(path, "w") as f:
        json.dump({"connections": [{"driver": "twin", "endpoint": p.twin_socket}] + list(more)}, f)
    return path


def cases(p):
    openstack(p)
    p.twin_up()
    p.start("agent.install=false", "schedule.defaults=none")
    p.discover()
    conns = [c["id"] for c in p.get("/v1/connections")["items"]]
    specs = {s["connection"]: s["name"] for s in p.get("/v1/specs")["items"]}
    a, b = conns[0], conns[-1]
    status, end = p.act("PUT", "/v1/ns/default/mcis/g", mcis_file("g", ("x", 2, a, specs[a]), ("y", 1, b, specs[b]),
                                                                  requireAgent=False))
    check("a group runs", status == 202 and end["state"] == "done", end)
    deployment = p.get("/v1/version")["deployment"]
    ours = alive(p)
    check("it is three VMs", len(ours) == 3, p.truth())
    check("each region has its key", len(keys(p)) == 2, keys(p))
    rc, out, err = p.cli("orphans")
    check("no orphan while the coordinator knows them", rc == 0, out + err)

    home = p.dir + "/elsewhere"
    os.mkdir(home)
    saved = p.dir + "/connections.json"
    others = {foreign(p, "f-untagged", {"owner": "somebody"}),
              foreign(p, "f-other", {"mw-deployment": OTHER, "mw-slot": "1", "mw-gen": "1"}),
              foreign(p, "f-prefix", {"mw-deployment": deployment[:-1], "mw-slot": "1", "mw-gen": "1"})}
    p.kill()
    check("the coordinator leaves a file of its connections", until(lambda: os.path.exists(saved)) and
          {c["id"] for c in json.load(open(saved))["connections"]} == set(conns), os.listdir(p.dir))
    shutil.copy(saved, home + "/saved.json")
    for f in os.listdir(p.dir):
        if f.startswith(("milkyway.db", "ca", "token", "connections")):
            os.unlink(p.dir + "/" + f)
    file = connections(p, home + "/c.json")

    rc, out, err = p.cli("orphans", "--offline", "--connections", file, "-o", "json")
    got = json.loads(out)
    mine = [v for v in got["items"] if v["deployment"] == deployment]
    check("offline, all VMs with our tag are listed", rc == 0 and {v["cspResourceId"] for v in mine} == ours, out + err)
    check("with their names and ages", {v["vm"] for v in mine} == {"default/g/x-1", "default/g/x-2", "default/g/y-1"} and
          all(v["createdAt"] for v in mine), mine)
    check("and those of others, by deployment", {v["deployment"] for v in got["items"]} == {deployment, OTHER, deployment[:-1]}, got)
    rc, out, err = p.cli("orphans", "--offline", "--connections", file)
    check("a table for people", rc == 0 and "default/g/x-1" in out and "f-untagged" not in out, out + err)
    rc, out2, err = p.cli("orphans", "--offline", "--connections", home + "/saved.json", "-o", "json", "--deployment", deployment)
    check("the coordinator's file serves as well", {v["cspResourceId"] for v in json.loads(out2)["items"]} == ours, out2 + err)

    d = ["destroy", "--deployment", deployment, "--connections", file]
    rc, out, err = p.cli(*d, "--dry-run")
    check("a dry run ends nothing", rc == 0 and err.count("would end") == 3 + 2 and ours | others == alive(p), out + err)
    rc, out, err = p.cli(*d)
    check("without a terminal it wants --yes", rc == 2 and ours | others == alive(p), out + err)
    for bad in ("", deployment[:-1], "x" * 36 + "y", "*"):
        rc, out, err = p.cli("destroy", "--deployment", bad, "--connections", file, "--yes")
        check("not a deployment: \"%s\"" % bad[:40], rc == 2 and ours | others == alive(p), out + err)
    rc, out, err = p.cli(*d, "--yes", "-o", "json", timeout=60)
    got = json.loads(out)
    check("destroy ends all of the deployment", rc == 0 and got["found"] == 3 and got["gone"] == 3 and got["left"] == 0, out + err)
    check("and their keys", got["partsFound"] == 2 and got["partsGone"] == 2, got)
    check("it tells each VM and key", err.count("  gone ") == 3 + 2, err)
    check("no key is left", not keys(p), keys(p))
    check("nothing of it is left in the clouds, nothing else was touched", alive(p) == others, alive(p))
    rc, out, err = p.cli(*d, "--yes")
    check("once more is fine", rc == 0 and alive(p) == others, out + err)

    blind = connections(p, home + "/blind.json", {"id": "far", "driver": "none", "endpoint": "/no"}, {
        "id": "shut", "driver": "aws", "csp": "aws", "region": "r1", "credential": "sealed:shut"})
    rc, out, err = p.cli("destroy", "--deployment", OTHER, "--connections", blind, "--dry-run", timeout=60)
    check("a dry run says what it could not see, and that this is no yes", rc == 4 and "would end" in err and
          "far could not be listed" in err and "aws, openstack, static, twin" in err and
          "there is no sealed credential shut" in err and "way out: put a copy" in err, (rc, out, err))
    rc, out, err = p.cli("destroy", "--deployment", OTHER, "--connections", blind, "--yes", timeout=60)
    check("a cloud that cannot be asked is no success", rc == 9 and "far" in err, out + err)
    check("what could be reached was ended", len(alive(p)) == 2 and alive(p) < others, alive(p))
    rc, out, err = p.cli("orphans", "--offline", "--connections", blind)
    check("nor when only looking", rc == 9 and "far" in err and deployment[:-1] in out, out + err)
    for text in ("{", "[]", '{"connections":[]}', '{"connections":[{"driver":"twin","x":1}]}', '{"connections":[{"driver":"twin","csp":"aws"}]}'):
        with open(home + "/bad.json", "w") as f:
            f.write(text)
        rc, out, err = p.cli("orphans", "--offline", "--connections", home + "/bad.json")
        check("a broken file is refused: " + text, rc == 2 and "way out" in err, (rc, out, err))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], cases))
