"""The last brake on the bill, with the database deleted: what carries the tag of
a deployment is listed and ended from a file of connections alone; VMs of others
stay. To be run in a network namespace of its own."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

OTHER = "b0000000-0000-4000-8000-00000000000b"


def foreign(p, name, tags):
    status, vm = p.twin("POST", "/v1/clouds/aws/vms", {
        "token": name, "name": name, "region": "us-east-1", "spec": "t3.small", "image": "debian-12", "tags": tags})
    assert status in (200, 201, 202), (status, vm)
    return vm["id"]


def alive(p):
    return {v["id"] for v in p.truth()["items"] if v.get("state", "") not in ("gone", "terminated")}


def connections(p, path, *more):
    with open(path, "w") as f:
        json.dump({"connections": [{"driver": "twin", "endpoint": p.twin_socket}] + list(more)}, f)
    return path


def cases(p):
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
    check("a dry run ends nothing", rc == 0 and err.count("would end") == 3 and ours | others == alive(p), out + err)
    rc, out, err = p.cli(*d)
    check("without a terminal it wants --yes", rc == 2 and ours | others == alive(p), out + err)
    for bad in ("", deployment[:-1], "x" * 36 + "y", "*"):
        rc, out, err = p.cli("destroy", "--deployment", bad, "--connections", file, "--yes")
        check("not a deployment: \"%s\"" % bad[:40], rc == 2 and ours | others == alive(p), out + err)
    rc, out, err = p.cli(*d, "--yes", "-o", "json", timeout=60)
    got = json.loads(out)
    check("destroy ends all of the deployment", rc == 0 and got["found"] == 3 and got["gone"] == 3 and got["left"] == 0, out + err)
    check("it tells each VM", err.count("  gone ") == 3, err)
    check("nothing of it is left in the clouds, nothing else was touched", alive(p) == others, alive(p))
    rc, out, err = p.cli(*d, "--yes")
    check("once more is fine", rc == 0 and alive(p) == others, out + err)

    blind = connections(p, home + "/blind.json", {"id": "far", "driver": "none", "endpoint": "/no"})
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
