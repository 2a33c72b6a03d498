"""The conformance cases of the aws driver against moto behind the fault proxy.
Part of drivers.sh: drivers_aws.py BUILD_DIR MOTO_SERVER"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import faultproxy
import moto


def main():
    build, server = sys.argv[1:]
    # whoever stops this must not leave a moto behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="mw-aws-", dir="/var/tmp") as dir:
        cloud, there = moto.Moto(server, 5555, dir), ("127.0.0.1", 5555)
        # moto has no client tokens: the proxy keeps that promise
        proxies = [faultproxy.Proxy(("127.0.0.1", 0), there, os.environ.get("MW_PROXY_LOG"), True).start()]
        try:
            with open(os.open(dir + "/cred", os.O_CREAT | os.O_WRONLY, 0o400), "w") as f:
                json.dump({"ClientId": cloud.id, "ClientSecret": cloud.secret}, f)
            plain, env = proxies[0].port, dict(os.environ, MW_CASES_CREDENTIAL="file:" + dir + "/cred")
            env["MW_CASES_PROXY"] = "127.0.0.1:%d" % plain
            if shutil.which("openssl"):
                names = ("127.0.0.1", "ec2.example")
                faultproxy.certificates(dir, *names)
                proxies += [faultproxy.Proxy(("127.0.0.1", 0), there, tls=faultproxy.serving("%s/%s.pem" % (dir, n)))
                            .start() for n in names]
                env["MW_CASES_TLS"] = "%d %d %s/ca.pem" % (proxies[1].port, proxies[2].port, dir)
            first = cloud.all()
            status = subprocess.call(
                [build + "/tests/component/driver_cases", "aws", "http://127.0.0.1:%d/" % plain, "aws",
                 "us-east-1", "t3.micro", "amazon-linux-2023"], env=env)
            # a dry run of CreateVpc is carried out by moto: one per verify
            left = {k: len(v - first[k]) for k, v in cloud.all().items()
                    if v - first[k] and k not in ("vpcs", "groups", "tables")}
            own = cloud.ec2("DescribeVpcs", **{"Filter.1.Name": "tag:mw-deployment",
                                               "Filter.1.Value.1": "conformance"}).findall("vpcSet/item")
            ok = not left and not own
            print("%s - aws nothing is left in the cloud%s" % ("ok" if ok else "not ok", left or ""), flush=True)
            return status or not ok
        finally:
            for p in proxies:
                p.stop()
            cloud.stop()


if __name__ == "__main__":
    sys.exit(main())
