"""moto, an EC2 that others wrote, on this machine: a process, an access key
whose signatures it checks, and a small client of our own to see what is in it.
The signature here is not the one of the product: two readings of one text."""
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree as ET

DENIED = ("ec2:CreateVpc", "ec2:RunInstances", "ec2:StopInstances", "ec2:TerminateInstances")  # to the user "weak"
NS = re.compile(r"\{[^}]*\}")


class Moto:
    def __init__(self, server, port, dir):
        self.port = port
        env = dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT="9", MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION="1",
                   MOTO_ENABLE_AMI_VALIDATION="1", MOTO_ENABLE_KEYPAIR_VALIDATION="1")
        self.log = open(dir + "/moto.log", "w")
        self.process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", str(port)], env=env, stdout=self.log,
                                        stderr=self.log)
        end = time.monotonic() + 60
        while True:
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise AssertionError("moto does not start")
                time.sleep(0.1)
        # the first nine calls are not checked
        self.id, self.secret = self.user("u")
        self.weak = self.user("weak", *DENIED)
        self.other = self.user("v")
        # its first answers take seconds, and checks have ten
        for action in ("DescribeRegions", "DescribeImages", "DescribeInstances"):
            self.ec2(action)

    def user(self, name, *denied):
        """A user who may do everything but that: (access key, secret)."""
        rules = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        if denied:
            rules.append({"Effect": "Deny", "Action": list(denied), "Resource": "*"})
        self.iam(Action="CreateUser", UserName=name)
        self.iam(Action="PutUserPolicy", UserName=name, PolicyName="p",
                 PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": rules}))
        key = self.iam(Action="CreateAccessKey", UserName=name)
        return [re.search("<%s>(.*?)<" % k, key).group(1) for k in ("AccessKeyId", "SecretAccessKey")]

    def iam(self, **form):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("POST", "/", urllib.parse.urlencode(dict(form, Version="2010-05-08")), {
            "Host": "iam.amazonaws.com", "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/iam/aws4_request, "
                             "SignedHeaders=host, Signature=0"})
        r = c.getresponse()
        text = r.read().decode()
        assert r.status == 200, text
        return text

    def ec2(self, action, region="us-east-1", **form):
        """The answer's tree, names without their space."""
        body = urllib.parse.urlencode(dict(form, Action=action, Version="2016-11-15"))
        host, now = "127.0.0.1:%d" % self.port, time.gmtime()
        date, day = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
        kind = "application/x-www-form-urlencoded"
        signed = "content-type;host;x-amz-date"
        canonical = "POST\n/\n\ncontent-type:%s\nhost:%s\nx-amz-date:%s\n\n%s\n%s" % (
            kind, host, date, signed, hashlib.sha256(body.encode()).hexdigest())
        scope = "%s/%s/ec2/aws4_request" % (day, region)
        text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (date, scope, hashlib.sha256(canonical.encode()).hexdigest())
        key = ("AWS4" + self.secret).encode()
        for part in (day, region, "ec2", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("POST", "/", body, {
            "Content-Type": kind, "X-Amz-Date": date,
            "Authorization": "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
                self.id, scope, signed, hmac.new(key, text.encode(), hashlib.sha256).hexdigest())})
        r = c.getresponse()
        text = r.read().decode()
        assert r.status == 200, text
        root = ET.fromstring(text)
        for e in root.iter():
            e.tag = NS.sub("", e.tag)
        return root

    def instances(self, **tags):
        """What is not terminated, as dictionaries."""
        form = {}
        for i, (k, v) in enumerate(tags.items(), 1):
            form["Filter.%d.Name" % i] = "tag:" + k.replace("_", "-")
            form["Filter.%d.Value.1" % i] = v
        out = []
        for e in self.ec2("DescribeInstances", **form).iterfind("reservationSet/item/instancesSet/item"):
            state = e.findtext("instanceState/name")
            if state != "terminated":
                out.append({"id": e.findtext("instanceId"), "state": state, "type": e.findtext("instanceType"),
                            "zone": e.findtext("placement/availabilityZone"),
                            "tags": {t.findtext("key"): t.findtext("value") for t in e.iterfind("tagSet/item")}})
        return out

    def all(self, region="us-east-1"):
        """Everything a deployment can make, {kind: set of ids}."""
        def ids(action, path, name):
            return {e.findtext(name) for e in self.ec2(action, region).iterfind(path)}
        return {
            "instances": {i["id"] for i in self.instances()} if region == "us-east-1" else set(),
            "vpcs": ids("DescribeVpcs", "vpcSet/item", "vpcId"),
            "subnets": ids("DescribeSubnets", "subnetSet/item", "subnetId"),
            "groups": ids("DescribeSecurityGroups", "securityGroupInfo/item", "groupId"),
            "keys": ids("DescribeKeyPairs", "keySet/item", "keyName"),
            "gateways": ids("DescribeInternetGateways", "internetGatewaySet/item", "internetGatewayId"),
            "tables": ids("DescribeRouteTables", "routeTableSet/item", "routeTableId"),
        }

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()
