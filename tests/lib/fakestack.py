"""An OpenStack of a few lines on this machine, for what is left after its
servers: networks, routers, addresses, groups, keys. It answers as the API
references say and refuses what is still in use."""
import http.server
import json
import threading
import urllib.parse


class Stack:
    def __init__(self):
        # set -> id -> object
        self.sets = {s: {} for s in ("networks", "routers", "ports", "floatingips", "security_groups", "keypairs")}
        self.deleted = []
        stack = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def go(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urllib.parse.urlsplit(self.path)
                status, answer = stack.answer(self.command, url.path.strip("/").split("/")[1:],
                                              dict(urllib.parse.parse_qsl(url.query)), json.loads(body or b"null"))
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("X-Subject-Token", "TOKEN")
                if status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = go

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, kind, id, **more):
        self.sets[kind][id] = dict(id=id, **more)

    def left(self):
        return {k: sorted(v) for k, v in self.sets.items() if v}

    def busy(self, kind, id):
        """Neutron refuses to delete what something lives in."""
        if kind == "networks":
            return any(p["network_id"] == id for p in self.sets["ports"].values())
        return kind == "routers" and any(p["device_id"] == id for p in self.sets["ports"].values())

    def answer(self, method, path, query, body):
        if path[0] == "auth":
            return 201, {"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": [
                {"type": t, "endpoints": [{"interface": "public", "region_id": "R", "region": "R", "url": self.url + u}]}
                for t, u in (("compute", "/c"), ("network", "/n"), ("image", "/i"))]}}
        path = [p for p in path if p not in ("v2.0", "v2")]
        kind = {"security-groups": "security_groups", "os-keypairs": "keypairs"}.get(path[0], path[0])
        if kind == "servers":
            return 200, {"servers": []}
        if kind not in self.sets:
            return 404, {"itemNotFound": {"message": method + " " + "/".join(path)}}
        things = self.sets[kind]
        if method == "GET":
            found = [t for t in things.values() if all(str(t.get(k)) == v for k, v in query.items())]
            return 200, {kind: [{"keypair": t} for t in found] if kind == "keypairs" else found}
        id = urllib.parse.unquote(path[1])
        if method == "PUT" and path[-1] == "remove_router_interface":
            self.sets["ports"].pop(body["port_id"])
            return 200, {}
        if method != "DELETE" or id not in things:
            return 404, {"itemNotFound": {"message": "no " + id}}
        if self.busy(kind, id):
            return 409, {"NeutronError": {"type": "InUse", "message": "in use"}}
        del things[id]
        self.deleted.append(kind)
        return 204, None
