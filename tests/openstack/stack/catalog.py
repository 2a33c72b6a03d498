"""Inside the cloud, once: the services' users and endpoints. One process, as
each call of the openstack command costs seconds."""
import json
import urllib.request

KEYSTONE = "http://127.0.0.1:5000/v3"
DOMAIN = {"name": "Default"}
SERVICES = (("nova", "compute", "http://127.0.0.1:8774/v2.1"), ("placement", "placement", "http://127.0.0.1:8778"),
            ("glance", "image", "http://127.0.0.1:9292"), ("neutron", "network", "http://127.0.0.1:9696"))


def ask(method, path, body=None, token=None):
    """(headers, parsed answer)"""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["X-Auth-Token"] = token
    data = json.dumps(body).encode() if body else None
    answer = urllib.request.urlopen(urllib.request.Request(KEYSTONE + path, method=method, data=data, headers=headers))
    text = answer.read()
    return answer.headers, json.loads(text) if text else None


def log_in():
    body = {"auth": {
        "identity": {"methods": ["password"],
                     "password": {"user": {"name": "admin", "domain": DOMAIN, "password": "secret"}}},
        "scope": {"project": {"name": "admin", "domain": DOMAIN}}}}
    return ask("POST", "/auth/tokens", body)[0]["X-Subject-Token"]


def main():
    token = log_in()

    def ensure(one, many, key, **values):
        """The id of the thing whose key has that value; made if there is none."""
        found = ask("GET", "/%s?%s=%s" % (many, key, values[key]), token=token)[1][many]
        return (found[0] if found else ask("POST", "/" + many, {one: values}, token)[1][one])["id"]

    project = ensure("project", "projects", "name", name="service", domain_id="default")
    role = ask("GET", "/roles?name=admin", token=token)[1]["roles"][0]["id"]
    for name, kind, url in SERVICES:
        user = ensure("user", "users", "name", name=name, password="secret", domain_id="default")
        ask("PUT", "/projects/%s/users/%s/roles/%s" % (project, user, role), token=token)
        service = ensure("service", "services", "type", name=name, type=kind)
        if not ask("GET", "/endpoints?service_id=" + service, token=token)[1]["endpoints"]:
            for face in ("public", "internal", "admin"):
                ask("POST", "/endpoints", {"endpoint": dict(service_id=service, interface=face, url=url,
                                                            region_id="RegionOne")}, token)


if __name__ == "__main__":
    main()
