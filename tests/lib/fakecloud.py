"""A cloud that does what milkyway-twin promises (docs/twin-api.md), at once and
without a single VM: for tests of the coordinator."""
import http.server
import json
import os
import socketserver
import threading
import urllib.parse

# How each cloud spells its states.
WORDS = {"gcp": {"running": "RUNNING", "stopped": "TERMINATED"}}
SPECS = [("small", 2, 4096, 50000), ("large", 8, 16384, 200000), ("unknown", 4, 8192, None)]


class Cloud:
    def __init__(self, path, clouds=("aws", "gcp"), regions=("r1", "r2"), host_slots=2):
        self.path, self.clouds, self.regions = path, clouds, regions
        self.host_slots = host_slots
        self.vms, self.by_token, self.calls = {}, {}, {}
        self.lock = threading.Lock()
        self.next = 1
        if os.path.exists(path):
            os.unlink(path)
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                n = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(n)) if n else None
                url = urllib.parse.urlsplit(self.path)
                q = dict(urllib.parse.parse_qsl(url.query))
                with cloud.lock:
                    status, answer = cloud.answer(self.command, url.path.strip("/").split("/")[1:], q, body)
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                if data:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do

            def log_message(self, *args):
                pass

            def address_string(self):
                return "unix"

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, p, q, body):
        self.calls[method] = self.calls.get(method, 0) + 1
        if p == ["status"]:
            return 200, {"twin": "fake", "version": "0", "addresses": {"coordinator": "127.0.0.1"}}
        if p == ["clouds"]:
            return 200, {"items": [{"id": c, "csp": c, "caps": ["IDEM_TOKEN", "TAG_ATOMIC", "LIST_BY_TAG",
                                    "LIST_BY_TOKEN", "IMPORT_KEY"], "lateApplyMaxS": 1, "listVisibleMaxS": 1,
                                    "tokenTtlS": 0} for c in self.clouds]}
        if p[0] != "clouds" or p[1] not in self.clouds:
            return self.error(404, "notFound")
        cloud, rest = p[1], p[2:]
        if rest == ["regions"]:
            return 200, {"items": [{"id": r, "csp": cloud, "display": r.upper(), "lat": 1.5, "lon": 2.5,
                                    "zones": ["a"]} for r in self.regions]}
        if rest == ["specs"]:
            return 200, {"items": [{"name": n, "arch": "x86_64", "vcpu": v, "memoryMiB": m,
                                    "costPerHourMicros": c, "currency": "USD",
                                    "costReason": None if c else "unknownToCloud"} for n, v, m, c in SPECS]}
        if rest == ["images"]:
            return 200, {"items": [{"id": "debian-12", "name": "Debian", "user": "cb-user", "arch": "x86_64"}]}
        if rest[0] == "keys":
            return (200, {"id": rest[1]}) if method == "PUT" else (204, None)
        if rest == ["vms"] and method == "POST":
            return self.create(cloud, body)
        if rest == ["vms"]:
            return 200, {"items": [v for v in self.vms.values() if self.matches(v, cloud, q)], "next": None}
        vm = self.vms.get(rest[1])
        if vm is None:
            return self.error(404, "notFound")
        if rest[2:] == ["console"]:
            return 200, {"text": ""}
        if rest[2:] == ["actions"]:
            vm["nativeState"] = self.word(cloud, {"stop": "stopped", "suspend": "stopped"}.get(body["action"],
                                                                                               "running"))
            return 202, vm
        if method == "DELETE":
            del self.vms[vm["id"]]
            return 202, vm
        return 200, vm

    @staticmethod
    def word(cloud, state):
        return WORDS.get(cloud, {}).get(state, state)

    def matches(self, vm, cloud, q):
        if vm["cloud"] != cloud:
            return False
        for k, v in q.items():
            if k == "region" and vm["region"] != v or k == "token" and vm["token"] != v:
                return False
            if k.startswith("tag.") and vm["tags"].get(k[4:]) != v:
                return False
        return True

    def create(self, cloud, b):
        if b["token"] in self.by_token:
            return 202, self.by_token[b["token"]]
        n = self.next
        self.next += 1
        vm = {"id": "i-%012d" % n, "cloud": cloud, "region": b["region"], "zone": "a", "name": b["name"],
              "token": b["token"], "tags": b["tags"], "spec": b["spec"], "image": b["image"],
              "key": b.get("key"), "nativeState": self.word(cloud, "running"), "fault": None,
              "publicIp": "127.1.%d.%d" % (n >> 8, n & 255), "privateIp": "10.0.0.1", "sshUser": "cb-user",
              "sshPort": 22, "hostId": "fake-host", "hostSlots": self.host_slots, "hostNeed": 1,
              "createdAt": "2026-01-05T03:00:01.260Z", "bootId": "boot-%d" % n}
        self.vms[vm["id"]] = self.by_token[b["token"]] = vm
        return 202, vm

    @staticmethod
    def error(status, code):
        return status, {"error": {"code": code, "message": code, "nativeCode": code, "httpStatus": status,
                                  "retryAfterS": None}}
