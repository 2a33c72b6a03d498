"""Connections whose clouds hold something: what may become of them; and what is
refused before anything is kept. Against two clouds of moto. See net.sh."""
import json
import os
import socket

import moto
from product import check, until

WAYS = ("delete or end these first", "use another name")


def rows(p):
    return {r["id"]: r for r in p.get("/v1/connections")["items"]}


def put(p, name="aws-us", **more):
    body = {"driver": "aws", "csp": "aws", "region": "us-east-1", "secret": p.secret(),
            "endpoint": "http://127.0.0.1:%d/" % p.moto.port}
    body.update(more)
    return p.api("PUT", "/v1/connections/" + name, {k: v for k, v in body.items() if v is not None})


def write(path, data, mode=0o600):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as f:
        f.write(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def kept(p, what, row):
    vms = {v["status"] for v in p.mcis("u")["vms"]}
    check(what + ": the connection and its VM stay", rows(p)["aws-us"] == row and vms == {"Running"} and p.check()["ok"],
          (rows(p)["aws-us"], vms))


def refused_bodies(p):
    before = rows(p)
    for what, more in (("no credential", dict(secret=None)), ("ftp", dict(endpoint="ftp://127.0.0.1/")),
                       ("plain http to elsewhere", dict(endpoint="http://192.0.2.7/")),
                       ("a path that is not whole", dict(secret=None, credential="file:cred/x.json"))):
        s, j = put(p, "bad", **more)
        check("%s is refused, and nothing kept" % what, s == 400 and rows(p) == before and
              not os.path.exists(p.dir + "/credentials/bad"), (s, j))
    rc, out, err = p.cli("connection", "add", "bad", "--driver", "aws", "--region", "us-east-1", "--endpoint",
                         "ftp://127.0.0.1/", "--credential", "env:")
    check("also to people", rc == 2 and "https://" in err and rows(p) == before, (rc, out + err))


def prices(p):
    before = rows(p)
    f = p.dir + "/prices.json"
    for data, word in ((b'{"t3.micro": "x"', "line 1"), (b"root:$6$salt:1:0:99999:7:::\n", "line 1"),
                       ({"t3.micro": "0.01"}, "t3.micro"), ({"t3.micro": -1}, "t3.micro"), ([1], "object"), ({}, "no price")):
        write(f, data)
        s, j = put(p, "bad", prices=f)
        text = json.dumps(j)
        check("no prices: %.20r" % (data,), s == 400 and f in text and word in text and "salt" not in text and
              "root" not in text and rows(p) == before, (s, j))
    write(f, {"t3.micro": 0.0104, "t3.small": 0.0208})
    j = p.connect("priced", prices=f)
    check("good ones are counted", j["state"] == "done" and "2 of " in json.dumps(j) and f in json.dumps(j), j)
    rc, out, err = p.cli("connection", "add", "priced", "--driver", "aws", "--region", "us-east-1", "--endpoint",
                         "http://127.0.0.1:%d/" % p.moto.port, "--credential", "sealed:aws-us", "--prices", f)
    check("also to people", rc == 0 and "2 of " in err and f in err, (rc, out + err))
    s, j = p.api("DELETE", "/v1/connections/priced")
    assert s == 204, j


def another_cloud(p, row, other):
    sealed = open(p.dir + "/credentials/aws-us", "rb").read()
    for what, more in (("another region", dict(region="us-west-2")), ("another cloud", dict(csp="aws2")),
                       ("another driver", dict(driver="twin", secret=None, endpoint="/nowhere.sock"))):
        s, j = put(p, **more)
        check("%s is refused while VMs use it" % what, s == 409 and all(w in j["hint"] for w in WAYS), (s, j))
        kept(p, what, row)
    theirs = {"ClientId": other.id, "ClientSecret": other.secret}
    url = "http://127.0.0.1:%d/" % other.port
    j = p.connect(secret=theirs, endpoint=url)
    check("a cloud that shows none of them is refused", j["state"] == "failed" and "another account or cloud" in
          json.dumps(j) and "another name" in json.dumps(j), j)
    kept(p, "another endpoint", row)
    path = write(p.dir + "/run2/theirs.json", theirs, 0o400)
    j = p.connect(secret=None, credential="file:" + path, endpoint=url)
    check("nor by a file", j.get("state") == "failed" and "another account or cloud" in json.dumps(j), j)
    kept(p, "a file", row)
    check("its secret is the old one", open(p.dir + "/credentials/aws-us", "rb").read() == sealed)
    j = p.connect("aws-them", secret=theirs, endpoint=url)
    check("another name is a way out", j["state"] == "done" and len(rows(p)) == 2, j)


def same_cloud(p):
    key, secret = p.moto.other
    j = p.connect(secret={"ClientId": key, "ClientSecret": secret})
    check("another key of the account is taken", j["state"] == "done" and p.check()["ok"], j)
    j = p.connect(endpoint="http://localhost:%d/" % p.moto.port)
    check("another name of the endpoint, too", j["state"] == "done" and "localhost" in rows(p)["aws-us"]["endpoint"], j)
    j = p.connect()
    assert j["state"] == "done", j


def busy(p):
    """An endpoint that never answers."""
    mute = socket.create_server(("127.0.0.1", 0))
    row = rows(p)["aws-them"]
    s, j = put(p, "aws-them", endpoint="http://127.0.0.1:%d/" % mute.getsockname()[1])
    assert s == 202, j
    s, d = p.api("DELETE", "/v1/connections/aws-them")
    check("none is removed while somebody adds it", s == 409 and "action" in d["hint"], (s, d))
    mute.close()
    j = p.wait(j["actionId"])
    check("that fails, and the old one stays", j["state"] == "failed" and rows(p)["aws-them"] == row, j)
    s, d = p.api("DELETE", "/v1/connections/aws-them")
    check("then it is removed, and stays so", s == 204 and "aws-them" not in rows(p), (s, d))


def once(p):
    """Connections of one region, each with another reference."""
    deployment = p.get("/v1/version")["deployment"]
    conns = []
    for i in range(3):
        path = write("%s/key%d.json" % (p.dir, i), p.secret(), 0o400)
        conns.append({"id": "c%d" % i, "driver": "aws", "csp": "aws", "region": "us-east-1", "credential": "file:" + path,
                      "endpoint": "http://127.0.0.1:%d" % p.moto.port + "/" * (i % 2)})
    file = write(p.dir + "/three.json", {"connections": conns})
    rc, out, err = p.cli("orphans", "--offline", "--connections", file, "--deployment", deployment, "-o", "json")
    j = json.loads(out)
    check("offline, a VM of three connections is one", rc == 0 and len(j["items"]) == 1 and len(j["parts"]) == 3, (j, err))
    return file, deployment


def run(p):
    other = moto.Moto(p.server, 5557, p.dir + "/run2")
    try:
        refused_bodies(p)
        prices(p)
        made = p.made()
        p.group("u")
        check("a group runs", p.running("u"), p.mcis("u"))
        another_cloud(p, rows(p)["aws-us"], other)
        same_cloud(p)
        busy(p)
        file, deployment = once(p)
        p.kill()
        rc, out, err = p.cli("destroy", "--deployment", deployment, "--connections", file, "--yes", timeout=100)
        check("destroy ends each once", rc == 0 and "0 left" in out and err.count("  gone  ") == 4, out + err)
        check("nothing is left", p.made() == made, (made, p.made()))
    finally:
        other.stop()
