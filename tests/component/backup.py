"""Backups of a coordinator that works; putting one back; VMs that were made after
it; databases that are damaged. To be run in a network namespace of its own."""
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import UnixHTTP, ask, check, main, mcis_file, until

NS = "/v1/ns/default/mcis/"
SETTINGS = ("agent.install=false", "schedule.defaults=none", "lifecycle.sweep_s=1")


def alive(p):
    return {v["id"] for v in p.truth()["items"]}


def put(p, name, conn, spec, n=1):
    status, end = p.act("PUT", NS + name, mcis_file(name, ("x", n, conn, spec), requireAgent=False))
    assert status == 202 and end["state"] == "done", (status, end)
    return {v["cspResourceId"] for v in p.mcis(name)["vms"]}


def backup(p, conn, spec):
    b = p.dir + "/b.tar"
    old = put(p, "old", conn, spec)
    rc, out, err = p.cli("backup", b)
    check("a backup of a coordinator that works", rc == 0 and os.stat(b).st_mode & 0o777 == 0o600, out + err)
    rc, out, err = p.cli("backup", b)
    check("a file that is there stays", rc == 5, out + err)
    with tarfile.open(b) as t:
        check("tar reads it", t.getnames() == ["manifest.json", "milkyway.db"], t.getnames())
        m = json.load(t.extractfile("manifest.json"))
        data = t.extractfile("milkyway.db").read()
    check("it names its deployment", m["deployment"] == p.get("/v1/version")["deployment"], m)
    token = open(p.dir + "/token").read().strip().encode()
    check("no private key lies open", not os.path.exists(p.dir + "/ca.key") and
          all(x.endswith((".pub", ".sealed")) for x in os.listdir(p.dir + "/ssh")), os.listdir(p.dir + "/ssh"))
    key = p.run("milkywayd", "--state-dir", p.dir, "--unseal", "ca.key")[1].encode()
    key = re.sub(rb"-----.*?-----|\s", b"", key)[:40]
    check("who may read the files gets the key", len(key) == 40)
    check("no token and no key is in it", token not in data and key not in data.replace(b"\n", b""))
    check("only admins may", p.api("POST", "/v1/backups", Authorization="Bearer mw_00000000_" + "a" * 43)[0] == 401)
    check("nobody waits for another's", p.api("GET", "/v1/backups/ac-99")[0] == 404)
    return b, old


def refused(p, b):
    rc, out, err = p.cli("restore", b)
    check("no restore beside a coordinator", rc == 5 and "works in" in err, out + err)
    p.kill()
    rc, out, err = p.cli("restore", b)
    check("nor over a database", rc == 5 and "--replace" in err, out + err)
    raw = bytearray(open(b, "rb").read())
    raw[len(raw) // 2] ^= 1
    with open(p.dir + "/bad.tar", "wb") as f:
        f.write(raw)
    before = open(p.dir + "/milkyway.db", "rb").read()
    for name, what in (("bad.tar", "a damaged one"), ("token", "what is no backup")):
        rc, out, err = p.cli("restore", p.dir + "/" + name, "--replace", "--yes")
        check("%s is refused and nothing is touched" % what,
              rc == 2 and open(p.dir + "/milkyway.db", "rb").read() == before, out + err)
    open(p.dir + "/milkyway.db.restore", "w").close()
    rc, out, err = p.run("milkywayd", "--state-dir", p.dir)
    check("a restore that was cut is not taken for a start", rc == 5 and "restore" in err, (rc, err))


def former(p):
    return {f for f in os.listdir(p.dir) if ".before-" in f and not f.endswith("-wal")}


def epoch(p):
    db = sqlite3.connect(p.dir + "/milkyway.db")
    try:
        return int(db.execute("SELECT value FROM meta WHERE key = 'db_epoch'").fetchone()[0])
    finally:
        db.close()


def restored(p, b, old, late, grown):
    rc, out, err = p.cli("restore", b, "--replace", "--yes")
    check("restored", rc == 0 and "orphans" in out, out + err)
    check("the former database is kept", former(p))
    p.start()
    items = until(lambda: len(i := p.get("/v1/orphans")["items"]) == len(late | grown) and i) or p.get("/v1/orphans")["items"]
    check("what the copy does not know is in quarantine",
          {i["cspResourceId"] for i in items} == late | grown and {i["decision"] for i in items} == {"quarantine"}, items)
    check("with its name", "default/late/x-1" in {i["vm"] for i in items}, items)
    n = len(p.events(type="lifecycle.orphan"))
    check("each was told once", n == len(late | grown), n)
    rc, out, err = p.cli("doctor")
    check("the doctor says so", rc == 4 and "milkyway orphans" in out, out)
    rc, out, err = p.cli("orphans")
    check("and so does the table", rc == 4 and "quarantine" in out and "adopt|terminate|ignore" in err, out + err)
    new = put(p, "new", *p.where)
    check("new VMs are others", not new & (old | late | grown) and alive(p) == old | late | grown | new, (new, alive(p)))
    check("nothing was ended, also after more sweeps", until(lambda: p.get("/v1/orphans")["items"][0]["lastSeenAt"] >
          items[0]["lastSeenAt"]) and alive(p) == old | late | grown | new)
    a, rest = sorted(late)[0], sorted(late)[1:]
    rc, out, err = p.cli("orphans", "adopt", a, "--yes")
    check("no place lacks it: no adoption", rc == 5 and "terminate" in err, out + err)
    rc, out, err = p.cli("orphans", "terminate", a, "--yes")
    check("one is ended on our word", rc == 0 and until(lambda: a not in alive(p)), out + err)
    rc, out, err = p.cli("orphans", "ignore", rest[0], "--yes")
    check("one is left alone", rc == 0 and p.cli("orphans", "ignore", "i-none", "--yes")[0] == 3, out + err)
    check("the VM of the place that grew waits", grown <= alive(p), grown)
    p.restart()
    d = {i["cspResourceId"]: i for i in p.get("/v1/orphans")["items"]}
    check("decisions outlive the process", d[rest[0]]["decision"] == "ignore" and d[rest[0]]["decidedBy"], d)
    check("and nothing is told again", len(p.events(type="lifecycle.orphan")) <= n + 3, p.events(type="lifecycle.orphan"))


def damage(name, data):
    if name == "no database":
        return b"this is text, not a database" * 400
    if name == "a torn header":
        return b"\0" * 100 + data[100:]
    if name == "a cut file":
        return data[:len(data) // 2]
    return data[:8192] + bytes(b ^ 0x5a for b in data[8192:40960]) + data[40960:]  # flipped bits


def listed(p, name, vms):
    status, j = p.api("GET", "/v1/orphans")
    got = sorted(v["cspResourceId"] for v in j.get("items", []))
    check("%s: every VM that exists is listed, once" % name, status == 200 and got == sorted(vms) and
          j["deployment"] == p.deployment and j["notListed"] == [] and all(x["kind"] and x["id"] for x in j["parts"]),
          (status, j))
    rc, out, err = p.cli("orphans")
    check("%s: and in words" % name, rc == 0 and all(v in out for v in vms) and "rescue mode" in err, out + err)


def not_listed(p):
    """Neither a list without the file, nor a wait for one."""
    path = p.dir + "/connections.json"
    text = open(path).read()
    j = json.loads(text)
    broken = {"id": "no", "driver": "twin", "endpoint": p.dir + "/none.sock", "csp": "aws", "region": "r"}
    for what, content in (("no file", None), ("a broken file", "{"),
                          ("a cloud is away", json.dumps(dict(j, connections=j["connections"] + [broken])))):
        if content:
            with open(path, "w") as f:
                f.write(content)
        else:
            os.unlink(path)
        status, a = p.api("GET", "/v1/orphans")
        if what == "a cloud is away":
            ok = status == 200 and a["items"] and [x["connection"] for x in a["notListed"]] == ["no"]
        else:
            ok = status >= 400 and "cannot be listed" in a["detail"] and "restore" in a["hint"]
        check("rescue mode, %s: that is told" % what, ok, (status, a))
    with open(path, "w") as f:
        f.write(json.dumps({"connections": j["connections"]}))
    status, a = p.api("GET", "/v1/orphans")
    check("a deployment that nobody names is not guessed", status == 200 and a["deployment"] is None and
          "all" in a["warning"] and {v["cspResourceId"] for v in a["items"]} >= alive(p), (status, a))
    with open(path, "w") as f:
        f.write(text)


def rescue(p, b):
    p.deployment = p.get("/v1/version")["deployment"]
    p.coordinator.terminate()
    p.coordinator.wait()
    good = open(p.dir + "/milkyway.db", "rb").read()
    vms = alive(p)
    for name in ("no database", "a torn header", "a cut file", "flipped bits"):
        bad = damage(name, good)
        with open(p.dir + "/milkyway.db", "wb") as f:
            f.write(bad)
        with open(p.dir + "/milkywayd.log", "a") as log:
            p.coordinator = subprocess.Popen([p.build + "/milkywayd", "--state-dir", p.dir], stdout=log, stderr=log)
        state = until(lambda: p.coordinator.poll() is None and up(p) and p.api("GET", "/healthz")[1])
        check("%s: rescue mode" % name, state == "rescue\n" and p.api("GET", "/readyz")[0] == 503, state)
        for method, path in (("PUT", NS + "x"), ("DELETE", NS + "old"), ("GET", "/v1/ns"), ("POST", "/v1/backups")):
            status, j = p.api(method, path, {} if method != "GET" else None)
            check("%s: %s %s names the way out" % (name, method, path), status == 503 and "restore" in j["hint"] and
                  "orphans --offline" in j["hint"], (status, j))
        check("%s: strangers get nothing" % name, p.api("GET", "/v1/ns", Authorization="Bearer x")[0] == 401)
        listed(p, name, vms)
        rc, out, err = p.cli("doctor")
        check("%s: the doctor knows" % name, rc == 4 and "damaged" in out, out + err)
        if name == "flipped bits":
            not_listed(p)
        p.coordinator.terminate()
        check("%s: it ends when asked" % name, p.coordinator.wait(20) == 0)
        check("%s: the file is as it was, no VM was ended" % name,
              open(p.dir + "/milkyway.db", "rb").read()[:4096] == bad[:4096] and alive(p) == vms)
    kept, epochs = former(p), []
    for n in 1, 2, 3:  # often within one second
        rc, out, err = p.cli("restore", b, "--replace", "--yes")
        epochs.append(epoch(p))
        check("a damaged database is replaced on our word, %d" % n, rc == 0, out + err)
    check("each begins an epoch of its own", 0 < epochs[0] < epochs[1] < epochs[2], epochs)
    check("each former one is kept", len(former(p)) == len(kept) + 3 and kept < former(p), former(p))
    p.start()
    check("and all is there again", p.mcis("old")["name"] == "old" and alive(p) == vms)


def no_verdict(p):
    """The child that reads the database through is killed, as where memory is short."""
    big = p.dir + "/big"
    os.mkdir(big)
    p.coordinator.terminate()
    p.coordinator.wait()
    shutil.copy(p.dir + "/milkyway.db", big)
    db = sqlite3.connect(big + "/milkyway.db", isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("CREATE TABLE much(x UNIQUE)")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
               "INSERT INTO much SELECT i || hex(zeroblob(50)) FROM n")
    db.close()
    d = subprocess.Popen([p.build + "/milkywayd", "--state-dir", big], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    children = "/proc/%d/task/%d/children" % (d.pid, d.pid)
    child = until(lambda: d.poll() is None and open(children).read().split())
    os.kill(int(child[0]), signal.SIGKILL)
    said = d.communicate(timeout=60)[0].decode()
    check("a check that was killed is no verdict", d.returncode == 1 and "killed by signal 9" in said and
          "start again" in said, (d.returncode, said))
    p.start()


def waits(p):
    """Who waits for an action outlives the coordinator."""
    twin = ask(UnixHTTP(p.twin_socket), "GET", "/v1/status")[1]["pid"]
    os.kill(twin, signal.SIGSTOP)  # so that nothing ends
    _, a = p.api("PUT", NS + "wait", mcis_file("wait", ("x", 1) + p.where, requireAgent=False))
    for back in False, True:
        said = p.dir + "/waits"
        with open(said, "w") as f:
            w = subprocess.Popen([p.build + "/milkyway", "action", "wait", a["actionId"], "--dir", p.dir],
                                 stdout=f, stderr=f)
        until(lambda: "create" in open(said).read())
        p.kill()
        until(lambda: "asking again" in open(said).read())
        if back:
            os.kill(twin, signal.SIGCONT)
            p.start()
        rc = w.wait(60)
        text = open(said).read()
        if back:
            check("who waits sees the end of it", rc == 0 and "done" in text, (rc, text))
        else:
            check("who waited long enough hears that it goes on", rc == 7 and "goes on" in text and
                  "action wait " + a["actionId"] in text, (rc, text))
            p.start()
    status, end = p.act("DELETE", NS + "wait")
    assert end["state"] == "done", (status, end)


def by_hand(p, b):
    """A damaged database as a user meets it: up, down, restore, up."""
    p.coordinator.terminate()
    p.coordinator.wait()
    vms, d = alive(p), p.dir
    data = open(d + "/milkyway.db", "rb").read()
    with open(d + "/milkyway.db", "wb") as f:
        f.write(damage("a cut file", data))
    for n in "first", "second":
        rc, out, err = p.cli("up", "--world", p.world)
        check("%s up: the reason and the way out" % n, rc == 4 and "damaged" in err and "milkyway down" in err and
              "restore FILE" in err and "did not start" not in err, (rc, out, err))
    pid = open(d + "/milkywayd.up").read().strip()
    rc, out, err = p.cli("restore", b, "--replace", "--yes")
    check("nothing is restored under rescue mode", rc == 5 and "pid " + pid in err and "milkyway down" in err, out + err)
    os.kill(int(pid), signal.SIGTERM)  # as down, which would end the twin, too
    check("it ends", until(lambda: not os.path.exists("/proc/" + pid)))
    rc, out, err = p.cli("restore", b, "--replace", "--yes")
    check("then it can be", rc == 0, out + err)
    rc, out, err = p.cli("up", "--world", p.world)
    check("and up works", rc == 0 and alive(p) == vms and p.mcis("old")["name"] == "old", out + err)
    pid = open(d + "/milkywayd.up").read().strip()
    os.kill(int(pid), signal.SIGTERM)
    check("what it started ends", until(lambda: not os.path.exists("/proc/" + pid)))
    open(d + "/milkyway.db.restore", "w").close()  # a start that fails for another reason
    rc, out, err = p.cli("up", "--world", p.world)
    check("up that fails leaves nothing behind", rc == 1 and "did not start" in err and
          not os.path.exists(d + "/milkywayd.up"), out + err)
    os.unlink(d + "/milkyway.db.restore")


def up(p):
    try:
        return p.api("GET", "/healthz")[0]
    except OSError:
        return False


def cases(p):
    p.twin_up()
    p.start(*SETTINGS)
    p.discover()
    spec = p.get("/v1/specs")["items"][0]
    p.where = spec["connection"], spec["name"]
    b, old = backup(p, *p.where)
    late = put(p, "late", *p.where, n=2)
    grown = put(p, "old", *p.where, n=2) - old
    refused(p, b)
    restored(p, b, old, late, grown)
    rescue(p, b)
    no_verdict(p)
    waits(p)
    by_hand(p, b)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], cases))
