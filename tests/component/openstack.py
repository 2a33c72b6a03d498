"""Replays tests/openstack/recorded: each file is one call of the driver, the
requests it has to make, their real answers and what the driver has
to make of them. Any other request fails the case."""
import glob
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [ROOT + "/tests/openstack", ROOT + "/tests/lib"]
import product
from product import check
from record import call, environment

RECORDED = b"http://127.0.0.1:5999/"


def plain(path):
    """The moment of a question differs each time."""
    return re.sub(r"changes-since=[^&]*", "changes-since=T", path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def go(self):
        s = self.server
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = (self.command, plain(self.path))
        with s.lock:  # a floating address is asked for beside the call
            n = next((i for i, e in enumerate(s.left) if asked == (e["method"], plain(e["path"]))), None)
            e = s.left.pop(n) if n is not None else None
        if not e or \
                (e["body"] not in (None, "SECRET") and json.loads(text or b"null") != e["body"]):
            s.wrong.append((asked, text[:300], e and (e["method"], e["path"], e["body"])))
            e = dict(status=599, headers={}, answer=None)
        elif "/auth/" not in self.path and self.headers.get("X-Auth-Token") != "TOKEN":
            s.wrong.append((asked, "without the token"))
        a = e["answer"]
        body = b"" if a is None else a.encode() if isinstance(a, str) else json.dumps(a).encode()
        body = body.replace(RECORDED, b"http://127.0.0.1:%d/" % s.server_port)
        self.send_response(e["status"])
        for k, v in e["headers"].items():
            self.send_header(k, v)
        if e["status"] != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if e["status"] != 204:
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = go


def missing(rec, left):
    """Requests that the driver had to make; reads end before an address is given."""
    reads = rec["args"][0] in ("vm_get", "vm_list")
    return [(e["method"], e["path"]) for e in left if not (reads and e["path"].startswith("/network/"))]


def replay(build, rec):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    s.daemon_threads, s.lock, s.left, s.wrong = True, threading.Lock(), list(rec["exchanges"]), []
    threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        made = call(build, "http://127.0.0.1:%d/identity/v3" % s.server_port, rec["region"], rec["args"], rec["name"])
        check("%s: %s/%s after %d requests" % (rec["name"], rec["made"]["class"], rec["made"]["reason"],
                                               len(rec["exchanges"])),
              made == rec["made"] and not s.wrong and not missing(rec, s.left),
              dict(made=made, expected=rec["made"], wrong=s.wrong, not_asked=missing(rec, s.left)))
    finally:
        s.shutdown()
        s.server_close()


class Trouble(http.server.BaseHTTPRequestHandler):
    """A Keystone that is silent, or fails; a Nova that refuses every token."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def tell(self, status, body=b"{}", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        s = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        s.tokens += 1
        if s.trouble == "silent":
            s.over.wait(60)
            self.close_connection = True
            return
        if s.trouble == "failing" and s.tokens < 3:
            self.tell(503)
            return
        catalog = [{"type": kind, "endpoints": [{"interface": "public", "region_id": "RegionOne",
                                                 "url": "http%s://127.0.0.1%s:%d" % (
                                                     "s" * hasattr(s, "tls"),
                                                     "@localhost.example" * (s.trouble == "elsewhere"),
                                                     s.server_port)}]}
                   for kind in ("compute", "network", "image")]
        self.tell(201, json.dumps({"token": {"catalog": catalog}}).encode(), X_Subject_Token="T%d" % s.tokens)

    def do_GET(self):
        s = self.server
        s.asked += 1
        ended = {"id": "x", "name": "mwx", "status": "DELETED", "OS-EXT-STS:task_state": "deleting"}
        self.tell(401 if s.trouble == "refusing" else 200, json.dumps(
            {"networks": [], "floatingips": [], "servers": [ended] * ("changes-since" in self.path)}).encode())

    def do_DELETE(self):
        self.tell(404)


def trouble(build, kind, want, message, tokens, asked, *args):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trouble)
    s.daemon_threads, s.trouble, s.tokens, s.asked, s.over = True, kind, 0, 0, threading.Event()
    threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        made = call(build, "http://127.0.0.1:%d/v3" % s.server_port, None,
                    args or ["verify", "deadline_ms=%d" % (1500 if kind == "silent" else 60000)])
        check("%s: %s" % (kind, want), made["class"] + "/" + made["reason"] == want and
              message in (made["message"] or "") and s.tokens == tokens and s.asked == asked,
              (made, s.tokens, s.asked))
        return made
    finally:
        s.over.set()
        s.shutdown()
        s.server_close()


class Renewed(Trouble):
    """TLS whose certificate and CA are replaced with the third read."""

    def do_POST(self):
        self.server.old.append(self.client_address[1])
        super().do_POST()

    def do_GET(self):
        s = self.server
        s.ports.append(self.client_address[1])
        if len(s.ports) == 3:
            os.replace(s.ca, s.dir + "/ca.pem")
            s.tls = s.next
        if len(s.ports) == 4:  # libcurl counts the age of a connection in whole seconds
            time.sleep(2.2)
        super().do_GET()
        self.close_connection = len(s.ports) == 4  # only older ones are kept


class TLSServer(http.server.ThreadingHTTPServer):
    def get_request(self):
        c, a = self.socket.accept()
        return self.tls.wrap_socket(c, server_side=True, do_handshake_on_connect=False), a

    def handle_error(self, *_):
        pass  # a handshake that the client broke off


def certificate(dir, name):
    path = "%s/%s.pem" % (dir, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", path + ".key", "-out", path, "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path, path + ".key")
    return path, tls


def renewed(build, what, follows, want):
    """follows: the server shows a certificate of the new CA from then on."""
    with tempfile.TemporaryDirectory(prefix="mw-ca-") as dir:
        (old, first), (new, second) = certificate(dir, "old"), certificate(dir, "new")
        shutil.copy(old, dir + "/ca.pem")
        s = TLSServer(("127.0.0.1", 0), Renewed)
        s.daemon_threads, s.trouble, s.tokens, s.asked, s.old, s.ports = True, "", 0, 0, [], []
        s.dir, s.ca, s.tls, s.next = dir, new, first, second if follows else first
        threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            out = subprocess.run([build + "/tests/component/os_run", "https://127.0.0.1:%d/v3" % s.server_port,
                                  "RegionOne", "verify", "then", "verify"], stdout=subprocess.PIPE, timeout=120,
                                 env=dict(environment(""), OS_CACERT=dir + "/ca.pem"))
            made = json.loads(out.stdout)
            check(what, made["class"] == want and len(s.ports) == (6 if follows else 3) and
                  not set(s.old + s.ports[:3]) & set(s.ports[3:]), (made, s.old, s.ports))
        finally:
            s.shutdown()
            s.server_close()


def main(build):
    trouble(build, "silent", "DEFINITE/UNSENT", "Keystone", 1, 0)  # within the call's own deadline
    trouble(build, "failing", "OK/NONE", "", 3, 3)
    trouble(build, "refusing", "DEFINITE/AUTH", "", 2, 2)  # one new token, one replay
    # a catalogue that names another host without TLS: the token does not go there
    trouble(build, "elsewhere", "DEFINITE/UNSENT", "without TLS", 1, 0)
    renewed(build, "a renewed CA file is read with the next call", True, "OK")
    renewed(build, "no connection outlives the CA it was trusted by", False, "DEFINITE")
    # two deletes at once: a task that stays is not taken for a server that is still ending
    ended = trouble(build, "ended", "OK/NONE", "", 1, 3, "vm_terminate", "csp_id=x", "then", "vm_list")
    check("a deleted server is told as such", [v["native"] for v in ended["items"]] == ["DELETED"], ended)
    files = sorted(glob.glob(ROOT + "/tests/openstack/recorded/*.json"))
    check("there are recordings", len(files) > 30, files)
    for path in files:
        with open(path) as f:
            replay(build, json.load(f))
    return 1 if product.failures else 0


if __name__ == "__main__":
    sys.exit(main(os.path.realpath(sys.argv[1])))
