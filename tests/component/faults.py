"""Everything that goes wrong, on VMs of the world "tiny"; see faults.sh."""
import copy
import glob
import http.client
import json
import os
import random
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from product import check, main, mcis_file, until

PLACES = {"aws1": ("aws-ap-northeast-2", "t3.small"), "aws2": ("aws-us-east-1", "t3.small"),
          "gcp1": ("gcp-asia-east1", "e2-small"), "gcp2": ("gcp-europe-west3", "e2-small")}
NS = "/v1/ns/default/mcis"
SEED = int(os.environ.get("MW_SEED") or random.SystemRandom().randrange(1 << 30))
rng = random.Random(SEED)


def groups(n=1):
    return [(name, n, where, spec) for name, (where, spec) in PLACES.items()]


def begin(p, name, *g, **more):
    status, a = p.api("PUT", NS + "/" + name, mcis_file(name, *(g or groups()), **more))
    assert status == 202, (status, a)
    return a["actionId"]


def create(p, name, *g, seconds=60, **more):
    a = p.wait(begin(p, name, *g, **more), seconds)
    assert a["state"] == "done" and a["outcome"] == "ok", a


def delete(p, name):
    status, a = p.act("DELETE", NS + "/" + name)
    check("%s: everything of it can be deleted" % name, status == 202 and a["state"] == "done" and
          until(lambda: not p.truth()["items"], 20), (status, a, p.truth()["items"]))


def once(p, what, name, statuses=("Running",)):
    """Every VM that the MCIS has exists exactly once, and no other."""
    vms = p.mcis(name)["vms"]
    real = sorted(v["id"] for v in p.truth()["items"])
    have = sorted(v["cspResourceId"] for v in vms if v["status"] == "Running")
    check(what, real == have and all(v["status"] in statuses for v in vms),
          ([(v["vmId"], v["status"], v["statusReason"], v["cspResourceId"]) for v in vms], real))


def by_vm(rows):
    return {r["vmId"]: r for r in rows}


# Hostile requests ----------------------------------------------------------

QUERY = {"mode": "place", "groups": [{"name": "vm", "count": 1}], "constraints": {"maxRttMs": 40},
         "objective": {"mode": "weighted", "terms": [{"term": "price", "weight": 1}]}, "topK": 2,
         "from": {"ns": "default", "mcis": ["t"], "siteBy": "region"}}
BODIES = {  # of every route that takes one: a good one, which is never sent
    ("POST", "/v1/connections/discover"): {"driver": "twin", "endpoint": "/x"},
    ("PUT", "/v1/connections/x"): {"driver": "twin", "csp": "aws", "region": "r", "endpoint": "/x", "credential": "env:NONE"},
    ("POST", NS): {"name": "u", "fromPlacement": "pl-1", "rank": 1},
    ("PUT", NS + "/u"): mcis_file("u", *groups(), description="", labels={}, requireAgent=True),
    ("POST", NS + "/t/actions"): {"action": "suspend"},
    ("POST", NS + "/t/vms/aws1-1/actions"): {"action": "suspend"},
    ("POST", NS + "/t/commands"): {"command": "true", "selector": {"k": "v"}, "timeoutS": 5},
    ("POST", NS + "/t/agents"): {"action": "uninstall"},
    ("POST", NS + "/t/benchmarks"): {"kinds": ["cpus"], "profile": "quick", "vms": ["aws1-1"], "seed": 1},
    ("POST", NS + "/t/rtt"): {"targets": ["10.200.0.1"], "count": 3},
    ("POST", NS + "/t/matrix"): {"k": 10, "windowMs": 500},
    ("POST", "/v1/placements"): QUERY,
}
FREE_TEXT = ("/description", "/labels", "/selector", "/command")


def leaves(j, at=""):
    """(pointer, value) of everything in j."""
    for k, v in j.items() if isinstance(j, dict) else enumerate(j):
        yield "%s/%s" % (at, k), v
        if isinstance(v, (dict, list)):
            yield from leaves(v, "%s/%s" % (at, k))


def changed(j, pointer, value):
    j = copy.deepcopy(j)
    at = j
    *path, last = pointer.split("/")[1:]
    for k in path:
        at = at[int(k) if isinstance(at, list) else k]
    at[int(last) if isinstance(at, list) else last] = value
    return j


def bad_values(v):
    """What must not stand where v stands."""
    if isinstance(v, bool):
        return ["yes", 1]
    if isinstance(v, (int, float)):
        return ["5s", "7", -1, 1e300, 10**17, [1]]
    if isinstance(v, str):
        return [7, {"a": 1}, "x" * 100000]
    return [7, "text"]


def snapshot(p):
    """Everything that a request could have changed."""
    paths = ["/v1/ns", NS, NS + "/t", NS + "/t/benchmarks", NS + "/t/results", "/v1/connections", "/v1/placements",
             "/v1/actions", "/v1/events?after=0&limit=1000"]
    return json.dumps([p.get(x) for x in paths])


def requests(p):
    before = snapshot(p)
    wrong, no_pointer, n = [], [], 0

    def refused(key, what, body, pointer=None):
        nonlocal n
        n += 1
        try:
            status, j = p.api(*key, body)
        except (OSError, http.client.HTTPException) as e:
            # a server may close before it read a body that is too long
            status, j = 413 if pointer is None else 0, repr(e)
        if not 400 <= status < 500 or status in (401, 404):
            wrong.append((key, what, status, j))
        elif pointer is not None and not any(e["pointer"].startswith(pointer) for e in j.get("errors") or []):
            no_pointer.append((key, what, pointer, j))

    for key, good in BODIES.items():
        refused(key, "unknown field", dict(good, surprise=1), "/surprise")
        for pointer, v in leaves(good):
            if not pointer.startswith(FREE_TEXT) or pointer.count("/") == 1:
                for bad in bad_values(v):
                    if not (pointer == "/command" and isinstance(bad, str)) and not (
                            pointer == "/seed" and bad == 10**17):
                        refused(key, "%s=%.20r" % (pointer, bad), changed(good, pointer, bad),
                                pointer if len(str(bad)) < 1000 else None)
            if isinstance(v, dict) and not pointer.startswith(FREE_TEXT):
                refused(key, "unknown field in " + pointer, changed(good, pointer + "/surprise", 1),
                        pointer + "/surprise")
        first = next(iter(good))
        text = json.dumps(good)
        refused(key, "twice the same key", '{%s:%s,%s' % (json.dumps(first), json.dumps(good[first]), text[1:]))
        refused(key, "1 MiB and more", text[:-1] + " " * (1 << 20) + "}")
        refused(key, "10,000 deep", '{"%s":%s%s}' % (first, "[" * 10000, "]" * 10000))
        refused(key, "cut", text[:-1])
        refused(key, "not UTF-8", text.encode()[:-1] + b',"\xff\xfe":1}')
        refused(key, "no object", "[%s]" % text)
    check("%d hostile bodies are refused with 4xx" % n, not wrong, wrong[:5])
    check("and the field is named", not no_pointer, (len(no_pointer), no_pointer[:5]))
    check("nothing has changed", snapshot(p) == before)
    status, j = p.api("GET", "/v1/version")
    check("the coordinator still answers", status == 200, (status, j))


def shell_text(p):
    """Text that a shell would act on; the canary shows if one did."""
    canary = p.dir + "/canary"
    evil = ["1.1.1.1; touch %s", "$(touch %s)", "`touch %s`", "1.1.1.1|touch %s", "1.1.1.1\ntouch %s", "-I %s",
            "10.200.0.1 & touch %s"]
    evil = [e % canary for e in evil]
    before, wrong = snapshot(p), []
    for e in evil:
        for key, pointer in (
                (("POST", NS + "/t/rtt"), "/targets/0"), (("PUT", "/v1/connections/x"), "/csp"),
                (("PUT", "/v1/connections/x"), "/region"), (("POST", "/v1/connections/discover"), "/driver"),
                (("POST", NS + "/t/benchmarks"), "/vms/0"), (("POST", NS + "/t/benchmarks"), "/kinds/0"),
                (("PUT", NS + "/u"), "/name"), (("PUT", NS + "/u"), "/groups/0/name"),
                (("PUT", NS + "/u"), "/groups/0/spec"), (("PUT", NS + "/u"), "/groups/0/connection"),
                (("PUT", NS + "/u"), "/groups/0/image"), (("POST", NS), "/name"),
                (("POST", "/v1/placements"), "/from/mcis/0")):
            status, j = p.api(*key, changed(BODIES[key], pointer, e))
            if not 400 <= status < 500:
                wrong.append((key, pointer, e, status, j))
        status, j = p.api("POST", NS + "/t/commands", {"command": "true", "selector": {e: e}})
        if not 400 <= status < 500:
            wrong.append(("selector", e, status, j))
        for path in ("%s/%s" % (NS, "t%3b%20id"), "/v1/ns/%24%28id%29/mcis"):
            status, j = p.api("GET", path)
            if not 400 <= status < 500:
                wrong.append((path, status, j))
    check("shell text in names and addresses is refused", not wrong, wrong[:5])
    check("nothing has changed", snapshot(p) == before)
    for e in evil:
        # an endpoint is a path of a file: looked up, never run
        status, a = p.act("POST", "/v1/connections/discover", {"driver": "twin", "endpoint": e})
        if status < 400 and a["state"] != "failed":
            wrong.append(("endpoint", e, status, a))
    check("an endpoint that would be shell text fails", not wrong, wrong[:5])
    status, a = p.act("POST", NS + "/t/commands", {"argv": ["echo"] + evil, "timeoutS": 20})
    items = p.get(NS + "/t/commands/" + a["actionId"])["items"]
    check("arguments of exec arrive as they are", [i["stdout"] for i in items] == [" ".join(evil) + "\n"] * 4, items)
    a = p.act("POST", NS + "/t/commands", {"argv": ["ls", canary]})[1]
    items = p.get(NS + "/t/commands/" + a["actionId"])["items"]
    check("no shell has seen any of it", not os.path.exists(canary) and all(i["exitCode"] == 2 for i in items), items)


def connections(p):
    bad = lambda **h: p.api("GET", "/v1/version", **h)[0]
    check("a request without token is 401", bad(Authorization="") == 401)
    check("with a wrong one too", bad(Authorization="Bearer mw_00000000_" + "A" * 43) == 401)
    check("with a shortened one too", bad(Authorization="Bearer " + p.token[:-1]) == 401)
    check("a foreign Host is refused", 400 <= bad(Host="evil.example") < 500 and 400 <= bad(Host="10.200.0.1") < 500)
    check("a local one is not", bad(Host="localhost:7470") == 200)
    many, cut = [], 0
    for _ in range(80):
        s = socket.create_connection(("127.0.0.1", 7470), timeout=5)
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        many.append(s)
    for s in many:
        try:
            cut += not s.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            cut += 1
    check("at most 64 connections of one address", cut == 80 - 64, cut)
    for s in many:
        s.close()
    check("then new ones are fine again", until(lambda: answers(p), 5))


def answers(p):
    try:
        return p.api("GET", "/v1/version")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def dribble(head, seconds, out):
    """Sends a byte now and then, for ever; out gets when it was cut."""
    s = socket.create_connection(("127.0.0.1", 7470), timeout=0.25)
    t0 = time.monotonic()
    s.sendall(head)
    while time.monotonic() - t0 < seconds:
        try:
            s.sendall(b"x")
            if s.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    out.append(time.monotonic() - t0)
    s.close()


def dribbles(p):
    """Runs beside the other cases; what it returns ends it."""
    auth = "POST /v1/placements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" % p.token
    head, body = [], []
    threads = [threading.Thread(target=dribble, args=(b"GET /v1/version HTTP/1.1\r\nX: ", 60, head), daemon=True),
               threading.Thread(target=dribble, args=(
                   (auth + "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{").encode(), 60, body),
                   daemon=True)]
    for t in threads:
        t.start()

    def end():
        for t in threads:
            t.join(65)
        check("a head byte by byte is cut at its deadline", head and 3 < head[0] < 15, head)
        check("a body byte by byte too", body and 20 < body[0] < 45, body)
    return end


def hostile(p):
    create(p, "t")
    p.act("POST", NS + "/t/matrix", {"k": 5, "windowMs": 300})
    end = dribbles(p)
    requests(p)
    shell_text(p)
    end()
    connections(p)  # last: its wrong tokens are counted for a minute
    delete(p, "t")


CASES = {"hostile": hostile}


def cases(p):
    p.twin_up()
    p.start()
    p.discover()
    for name in sys.argv[2:] or CASES:
        t0 = time.monotonic()
        print("# %s" % name)
        CASES[name](p)
        p.no_faults()
        print("# %s: %.0f s" % (name, time.monotonic() - t0), flush=True)


if __name__ == "__main__":
    print("# MW_SEED=%d" % SEED)
    sys.exit(main(sys.argv[1], cases))
