"""Records what the driver asks a real OpenStack, what that answers and what the
driver makes of it: record.py BUILD_DIR, in the network namespace of the cloud.
One file for each call in recorded/; tests/component/openstack.py replays them."""
import glob
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
os.environ["MW_OS_TENANT"] = "recorder"  # whose lists hold nothing of other runs
import cloud
from proxy import Proxy

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 42 + "B"
TAGS = ["tag.mw-deployment=recorded", "tag.mw-slot=1", "tag.mw-gen=1"]
RULES = ["rule=tcp,22,22,198.51.100.7/32", "rule=udp,7472,7472,10.78.0.0/16"]
# name, region or None, call; $x is what step x answered. "wait": until the VM is in that state
STEPS = [
    ("verify", None, ["verify"]),
    ("region-unknown", "Atlantis", ["verify"]),
    ("password-wrong", None, ["verify"]),
    ("regions", None, ["regions"]),
    ("specs", None, ["specs"]),
    ("images", None, ["images"]),
    ("net", None, ["net_ensure", "name=mw-recordedrecordedabcd"]),
    ("net-again", None, ["net_ensure", "name=mw-recordedrecordedabcd"]),
    ("sg", None, ["sg_ensure", "name=mw-recordedrecordedabcd", *RULES]),
    ("sg-other-rules", None, ["sg_ensure", "name=mw-recordedrecordedabcd", RULES[0]]),
    ("key", None, ["key_ensure", "key_name=mw-recordedrecordedabcd", "public_key=" + KEY]),
    ("key-again", None, ["key_ensure", "key_name=mw-recordedrecordedabcd", "public_key=" + KEY]),
    ("key-other", None, ["key_ensure", "key_name=mw-recordedrecordedabcd", "public_key=" + KEY[:-2] + "CC"]),
    ("create", None, ["vm_create", "name=mwrecorded1", "spec=m1.tiny", "image=test", "key_name=mw-recordedrecordedabcd",
                      "network=$net", "security_group=$sg", "user_data=#!/bin/sh\n", *TAGS]),
    ("get-build", None, ["vm_get", "csp_id=$create"]),
    ("wait", None, ["ACTIVE"]),
    ("list", None, ["vm_list", TAGS[0]]),
    ("list-others", None, ["vm_list", "tag.mw-deployment=another"]),
    ("create-no-flavor", None, ["vm_create", "name=x", "spec=m9.none", "image=test"]),
    ("create-no-image", None, ["vm_create", "name=x", "spec=m1.tiny", "image=none"]),
    ("create-quota", None, ["vm_create", "name=x", "spec=m1.huge", "image=test", "network=$net"]),
    ("create-no-net", None, ["vm_create", "name=x", "spec=m1.tiny", "image=test",
                             "network=00000000-0000-4000-8000-000000000000"]),
    ("reboot", None, ["vm_reboot", "csp_id=$create"]),
    ("wait", None, ["ACTIVE"]),
    ("suspend", None, ["vm_suspend", "csp_id=$create"]),
    ("suspend-busy", None, ["vm_suspend", "csp_id=$create"]),
    ("wait", None, ["SHUTOFF"]),
    ("get-stopped", None, ["vm_get", "csp_id=$create"]),
    ("reboot-stopped", None, ["vm_reboot", "csp_id=$create"]),
    ("resume", None, ["vm_resume", "csp_id=$create"]),
    ("wait", None, ["ACTIVE"]),
    ("parts", None, ["part_list"]),
    ("net-delete-busy", None, ["net_delete", "name=mw-recordedrecordedabcd"]),
    ("sg-delete-busy", None, ["sg_delete", "name=mw-recordedrecordedabcd"]),
    ("terminate", None, ["vm_terminate", "csp_id=$create"]),
    ("wait", None, [None]),
    ("list-deleted", None, ["vm_list", TAGS[0]]),
    ("list-ended-by-us", None, ["vm_terminate", "csp_id=$create", "then", "vm_list", TAGS[0]]),
    ("get-gone", None, ["vm_get", "csp_id=$create"]),
    ("terminate-gone", None, ["vm_terminate", "csp_id=$create"]),
    ("sg-delete", None, ["sg_delete", "name=mw-recordedrecordedabcd"]),
    ("key-delete", None, ["key_delete", "key_name=mw-recordedrecordedabcd"]),
    ("key-delete-again", None, ["key_delete", "key_name=mw-recordedrecordedabcd"]),
    ("net-delete", None, ["net_delete", "name=mw-recordedrecordedabcd"]),
]


def environment(name=""):
    return dict(os.environ, OS_USERNAME=cloud.TENANT, OS_PROJECT_NAME=cloud.TENANT,
                OS_PASSWORD="wrong" if name == "password-wrong" else cloud.TENANT,
                OS_USER_DOMAIN_NAME="Default", OS_PROJECT_DOMAIN_NAME="Default")


def call(build, url, region, args, name=""):
    out = subprocess.run([build + "/tests/component/os_run", url, region or "RegionOne", *args],
                         env=environment(name), stdout=subprocess.PIPE, timeout=120)
    return json.loads(out.stdout)


def wait(t, vm, want, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s = [s for s in t.servers() if s["id"] == vm]
        if (not s and want is None) or (s and s[0]["status"] == want and not s[0]["OS-EXT-STS:task_state"]):
            return
        time.sleep(0.2)
    raise AssertionError("%s is not %s" % (vm, want))


def main(build):
    cloud.prepare()
    left = cloud.sweep()
    assert not left, left
    t, ids = cloud.tenant(), {}
    for old in glob.glob(HERE + "/recorded/*.json"):
        os.remove(old)
    with Proxy() as proxy:
        for n, (name, region, args) in enumerate(STEPS):
            if name == "wait":
                wait(t, ids["create"], args[0])
                continue
            args = [re.sub(r"\$(\w+)", lambda m: ids[m.group(1)], a) for a in args]
            proxy.exchanges = []
            made = call(build, proxy.url, region, args, name)
            ids[name] = made["cspId"]
            print("%-18s %s/%s %d requests %s" % (name, made["class"], made["reason"], len(proxy.exchanges),
                                                  (made["message"] or "")[:110]), flush=True)
            with open("%s/recorded/%02d-%s.json" % (HERE, n + 1, name), "w") as f:
                json.dump(dict(name=name, region=region, args=args, exchanges=proxy.exchanges, made=made), f, indent=1)
                f.write("\n")
    left = cloud.sweep()
    print("left: %s" % (left or "nothing"))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(os.path.realpath(sys.argv[1])))
