#!/usr/bin/env python3
"""Writes the world files of bench-data/worlds.

Usage: make_worlds.py [--deck DIR] [OUTPUT_DIR]

deck17.json comes from the two tables deck-rtt-17x17.csv and deck-cpu.csv in DIR
(bench-data/deck), global100.json and tiny.json from the tables below. Where
every number comes from is told in bench-data/README.md. Same input, same bytes.
"""
import argparse
import csv
import json
import pathlib

PRICES_AS_OF = "2024-06"
# What lifecycle may rely on; seconds of the twin, which is faster than life.
BOUNDS = {"lateApplyMaxS": 2, "listVisibleMaxS": 1, "tokenTtlS": 0}
COMMON_CAPS = ["TAG_ATOMIC", "LIST_BY_TAG", "IMPORT_KEY", "CONSOLE"]
CAPS = {
    "aws": ["IDEM_TOKEN", "LIST_BY_TOKEN"] + COMMON_CAPS,
    "gcp": ["IDEM_TOKEN", "UNIQUE_NAME"] + COMMON_CAPS,
    "azure": ["UNIQUE_NAME"] + COMMON_CAPS,
    "alibaba": ["IDEM_TOKEN"] + COMMON_CAPS,
    "cloudit": COMMON_CAPS,
}
# Delays of the imitated cloud in ms, [p50, p99]; a world's timeScale shortens
# them. Orders of magnitude from everyday use, not measurements.
LATENCIES = {
    "aws": {"create": [14000, 40000], "stop": [20000, 50000],
            "start": [12000, 30000], "reboot": [6000, 20000],
            "terminate": [12000, 40000], "api": [60, 400]},
    "gcp": {"create": [12000, 30000], "stop": [20000, 60000],
            "start": [12000, 30000], "reboot": [6000, 20000],
            "terminate": [25000, 60000], "api": [80, 500]},
    "azure": {"create": [20000, 60000], "stop": [20000, 60000],
              "start": [15000, 45000], "reboot": [8000, 25000],
              "terminate": [25000, 70000], "api": [120, 900]},
    "alibaba": {"create": [15000, 40000], "stop": [10000, 30000],
                "start": [12000, 30000], "reboot": [6000, 20000],
                "terminate": [10000, 30000], "api": [80, 500]},
    "cloudit": {"create": [20000, 60000], "stop": [10000, 40000],
                "start": [12000, 40000], "reboot": [8000, 25000],
                "terminate": [12000, 40000], "api": [150, 900]},
}
IMAGES = [{"id": "debian-12", "name": "Debian 12 (bookworm)",
           "user": "cb-user", "arch": "x86_64"}]

# ---------------------------------------------------------------- deck-17
# name: (vCPU, memory MiB, on-demand USD per hour), Linux.
DECK_SPECS = {
    ("aws", "ap-northeast-2", "c5.xlarge"): (4, 8192, 0.192),
    ("aws", "us-east-1", "c3.8xlarge"): (32, 61440, 1.68),
    ("aws", "us-east-1", "f1.2xlarge"): (8, 124928, 1.65),
    ("aws", "us-east-1", "i2.2xlarge"): (8, 62464, 1.705),
    ("aws", "us-east-1", "m4.4xlarge"): (16, 65536, 0.80),
    ("aws", "us-east-1", "m4.xlarge"): (4, 16384, 0.20),
    ("aws", "us-east-1", "t2.2xlarge"): (8, 32768, 0.3712),
    ("azure", "koreacentral", "Standard_D11_v2"): (2, 14336, 0.185),
    ("gcp", "asia-east1", "e2-highcpu-16"): (16, 16384, 0.4582),
    ("gcp", "asia-east1", "e2-highcpu-2"): (2, 2048, 0.0573),
    ("gcp", "asia-east1", "e2-highcpu-8"): (8, 8192, 0.2291),
    ("gcp", "asia-east1", "e2-highmem-16"): (16, 131072, 0.8373),
    ("gcp", "asia-east1", "e2-highmem-2"): (2, 16384, 0.1047),
    ("gcp", "asia-east1", "e2-medium"): (2, 4096, 0.0388),
    ("gcp", "asia-east1", "e2-standard-8"): (8, 32768, 0.3104),
    ("gcp", "asia-east1", "n1-standard-16"): (16, 61440, 0.88),
    ("gcp", "europe-west3", "e2-highcpu-2"): (2, 2048, 0.0637),
}
DECK_REGIONS = {
    ("aws", "ap-northeast-2"): ("Seoul", 37.57, 126.98, ["a", "c"]),
    ("aws", "us-east-1"): ("Northern Virginia", 39.04, -77.49, ["a", "b"]),
    ("azure", "koreacentral"): ("Korea Central (Seoul)", 37.57, 126.98,
                                ["1", "2"]),
    ("gcp", "asia-east1"): ("Changhua County", 24.05, 120.52, ["a", "b"]),
    ("gcp", "europe-west3"): ("Frankfurt", 50.11, 8.68, ["a", "b"]),
}

# -------------------------------------------------------------- global100
# region: (display, latitude, longitude): the city a provider names for the
# region in its public documentation, at city-centre precision.
AWS = {
    "us-east-1": ("Northern Virginia", 39.04, -77.49),
    "us-east-2": ("Columbus, Ohio", 39.96, -83.00),
    "us-west-1": ("San Francisco Bay Area", 37.77, -122.42),
    "us-west-2": ("Boardman, Oregon", 45.84, -119.70),
    "ca-central-1": ("Montreal", 45.50, -73.57),
    "ca-west-1": ("Calgary", 51.05, -114.07),
    "sa-east-1": ("Sao Paulo", -23.55, -46.63),
    "eu-west-1": ("Dublin", 53.35, -6.26),
    "eu-west-2": ("London", 51.51, -0.13),
    "eu-west-3": ("Paris", 48.86, 2.35),
    "eu-central-1": ("Frankfurt", 50.11, 8.68),
    "eu-central-2": ("Zurich", 47.38, 8.54),
    "eu-north-1": ("Stockholm", 59.33, 18.07),
    "eu-south-1": ("Milan", 45.46, 9.19),
    "eu-south-2": ("Zaragoza", 41.65, -0.89),
    "ap-northeast-1": ("Tokyo", 35.68, 139.69),
    "ap-northeast-2": ("Seoul", 37.57, 126.98),
    "ap-northeast-3": ("Osaka", 34.69, 135.50),
    "ap-east-1": ("Hong Kong", 22.32, 114.17),
    "ap-southeast-1": ("Singapore", 1.35, 103.82),
    "ap-southeast-2": ("Sydney", -33.87, 151.21),
    "ap-southeast-3": ("Jakarta", -6.21, 106.85),
    "ap-southeast-4": ("Melbourne", -37.81, 144.96),
    "ap-south-1": ("Mumbai", 19.08, 72.88),
    "ap-south-2": ("Hyderabad", 17.39, 78.49),
    "me-south-1": ("Manama", 26.23, 50.59),
    "me-central-1": ("Dubai", 25.20, 55.27),
    "af-south-1": ("Cape Town", -33.92, 18.42),
}
GCP = {
    "us-central1": ("Council Bluffs, Iowa", 41.26, -95.86),
    "us-east1": ("Moncks Corner, South Carolina", 33.20, -80.01),
    "us-east4": ("Ashburn, Virginia", 39.04, -77.49),
    "us-east5": ("Columbus, Ohio", 39.96, -83.00),
    "us-south1": ("Dallas", 32.78, -96.80),
    "us-west1": ("The Dalles, Oregon", 45.59, -121.18),
    "us-west2": ("Los Angeles", 34.05, -118.24),
    "us-west3": ("Salt Lake City", 40.76, -111.89),
    "us-west4": ("Las Vegas", 36.17, -115.14),
    "northamerica-northeast1": ("Montreal", 45.50, -73.57),
    "northamerica-northeast2": ("Toronto", 43.65, -79.38),
    "southamerica-east1": ("Osasco, Sao Paulo", -23.53, -46.79),
    "southamerica-west1": ("Santiago", -33.45, -70.67),
    "europe-west1": ("St. Ghislain", 50.45, 3.82),
    "europe-west2": ("London", 51.51, -0.13),
    "europe-west3": ("Frankfurt", 50.11, 8.68),
    "europe-west4": ("Eemshaven", 53.44, 6.84),
    "europe-west6": ("Zurich", 47.38, 8.54),
    "europe-north1": ("Hamina", 60.57, 27.20),
    "europe-central2": ("Warsaw", 52.23, 21.01),
    "europe-southwest1": ("Madrid", 40.42, -3.70),
    "asia-east1": ("Changhua County", 24.05, 120.52),
    "asia-east2": ("Hong Kong", 22.32, 114.17),
    "asia-northeast1": ("Tokyo", 35.68, 139.69),
    "asia-northeast2": ("Osaka", 34.69, 135.50),
    "asia-northeast3": ("Seoul", 37.57, 126.98),
    "asia-southeast1": ("Jurong West, Singapore", 1.35, 103.71),
    "asia-southeast2": ("Jakarta", -6.21, 106.85),
    "asia-south1": ("Mumbai", 19.08, 72.88),
    "australia-southeast1": ("Sydney", -33.87, 151.21),
}
AZURE = {
    "eastus": ("Virginia", 37.43, -78.66),
    "eastus2": ("Boydton, Virginia", 36.67, -78.39),
    "centralus": ("Des Moines, Iowa", 41.59, -93.62),
    "northcentralus": ("Chicago, Illinois", 41.88, -87.63),
    "southcentralus": ("San Antonio, Texas", 29.42, -98.49),
    "westus": ("San Francisco Bay Area", 37.77, -122.42),
    "westus2": ("Quincy, Washington", 47.23, -119.85),
    "westus3": ("Phoenix", 33.45, -112.07),
    "canadacentral": ("Toronto", 43.65, -79.38),
    "canadaeast": ("Quebec City", 46.81, -71.21),
    "brazilsouth": ("Campinas, Sao Paulo", -22.91, -47.06),
    "northeurope": ("Dublin", 53.35, -6.26),
    "westeurope": ("Middenmeer, Netherlands", 52.81, 4.99),
    "uksouth": ("London", 51.51, -0.13),
    "francecentral": ("Paris", 48.86, 2.35),
    "germanywestcentral": ("Frankfurt", 50.11, 8.68),
    "switzerlandnorth": ("Zurich", 47.38, 8.54),
    "swedencentral": ("Gavle", 60.67, 17.14),
    "norwayeast": ("Oslo", 59.91, 10.75),
    "japaneast": ("Tokyo", 35.68, 139.69),
    "japanwest": ("Osaka", 34.69, 135.50),
    "koreacentral": ("Seoul", 37.57, 126.98),
    "eastasia": ("Hong Kong", 22.32, 114.17),
    "southeastasia": ("Singapore", 1.35, 103.82),
    "australiaeast": ("Sydney", -33.87, 151.21),
    "centralindia": ("Pune", 18.52, 73.86),
    "uaenorth": ("Dubai", 25.20, 55.27),
    "southafricanorth": ("Johannesburg", -26.20, 28.05),
}
ALIBABA = {
    "cn-hangzhou": ("Hangzhou", 30.27, 120.16),
    "cn-beijing": ("Beijing", 39.90, 116.41),
    "cn-shenzhen": ("Shenzhen", 22.54, 114.06),
    "cn-hongkong": ("Hong Kong", 22.32, 114.17),
    "ap-northeast-1": ("Tokyo", 35.68, 139.69),
    "ap-northeast-2": ("Seoul", 37.57, 126.98),
    "ap-southeast-1": ("Singapore", 1.35, 103.82),
    "ap-southeast-5": ("Jakarta", -6.21, 106.85),
    "us-east-1": ("Virginia", 39.04, -77.49),
    "us-west-1": ("Silicon Valley", 37.39, -122.08),
    "eu-central-1": ("Frankfurt", 50.11, 8.68),
    "me-east-1": ("Dubai", 25.20, 55.27),
}
# A private cloud has no public regions: two Korean sites stand for it.
CLOUDIT = {
    "kr-seoul": ("Seoul", 37.57, 126.98),
    "kr-daejeon": ("Daejeon", 36.35, 127.38),
}
# spec: (vCPU, memory MiB, USD per hour in the provider's cheapest regions)
SPECS = {
    "aws": {"t3.small": (2, 2048, 0.0208), "t3.medium": (2, 4096, 0.0416),
            "m5.large": (2, 8192, 0.096), "c5.xlarge": (4, 8192, 0.17),
            "r5.xlarge": (4, 32768, 0.252)},
    "gcp": {"e2-small": (2, 2048, 0.0168), "e2-medium": (2, 4096, 0.0335),
            "e2-standard-2": (2, 8192, 0.067),
            "e2-standard-4": (4, 16384, 0.134),
            "e2-highmem-4": (4, 32768, 0.1808)},
    "azure": {"Standard_B1ms": (1, 2048, 0.0207),
              "Standard_B2s": (2, 4096, 0.0416),
              "Standard_D2s_v3": (2, 8192, 0.096),
              "Standard_D4s_v3": (4, 16384, 0.192),
              "Standard_E4s_v3": (4, 32768, 0.252)},
    "alibaba": {"ecs.t6-c1m1.large": (2, 2048, 0.0199),
                "ecs.g6.large": (2, 8192, 0.098),
                "ecs.c6.xlarge": (4, 8192, 0.168),
                "ecs.r6.xlarge": (4, 32768, 0.24)},
    "cloudit": {"small": (2, 4096, None), "medium": (4, 8192, None)},
}
# Regions cost more away from the cheapest ones; three rough classes.
DEAR = {
    1.15: ["ca-", "eu-", "europe-", "northeurope", "westeurope", "uksouth",
           "francecentral", "germanywestcentral", "swedencentral",
           "norwayeast", "canada", "northamerica-", "us-west-1", "westus",
           "us-west2", "us-west3", "us-west4", "centralindia", "ap-south-",
           "asia-south1"],
    1.25: ["ap-northeast-", "ap-southeast-", "ap-east-", "asia-", "japan",
           "korea", "eastasia", "southeastasia", "australia", "eu-central-2",
           "europe-west6", "switzerlandnorth", "cn-hongkong"],
    1.5: ["sa-east", "southamerica-", "brazilsouth", "af-", "southafrica",
          "me-", "uaenorth"],
}


def price_class(region):
    best = 1.0
    longest = 0
    for factor, starts in DEAR.items():
        for start in starts:
            if region.startswith(start) and len(start) > longest:
                best, longest = factor, len(start)
    return best


def micros(usd):
    return None if usd is None else round(usd * 1_000_000)


def spec(name, vcpu, memory, usd, regions=None, scores=None):
    s = {"id": name, "vcpu": vcpu, "memoryMiB": memory, "arch": "x86_64",
         "costPerHourMicros": micros(usd),
         "costReason": None if usd is not None else "privateCloudNoPrice"}
    if regions:
        s["regions"] = regions
    if scores:
        s["scores"] = scores
    return s


def region(name, display, lat, lon, zones):
    return {"id": name, "display": display, "lat": lat, "lon": lon,
            "zones": zones}


def cloud(csp, regions, specs, vms):
    return {"id": csp, "csp": csp, "regions": regions, "specs": specs,
            "images": IMAGES, "quotas": {"vms": vms},
            "latenciesMs": LATENCIES[csp],
            "api": {"ratePerS": 0, "burst": 0, "pageSize": 100,
                    "listLagMs": 0},
            "caps": CAPS[csp], **BOUNDS}


def deck17(deck):
    with open(deck / "deck-rtt-17x17.csv", encoding="utf-8") as f:
        rows = list(csv.reader(f))
    with open(deck / "deck-cpu.csv", encoding="utf-8") as f:
        cpu = {r["spec"]: {"cpus": float(r["cpus"]), "cpum": float(r["cpum"])}
               for r in csv.DictReader(f)}
    names = rows[0][1:]
    rtt = [[float(x) if x else None for x in r[1:]] for r in rows[1:]]
    assert names == [r[0] for r in rows[1:]]
    sites = [{"site": "-".join(k), "cloud": k[0], "region": k[1],
              "spec": k[2]} for k in DECK_SPECS]
    assert [s["site"] for s in sites] == names
    clouds = []
    for csp in ("aws", "azure", "gcp"):
        regions = [region(r, *v) for (c, r), v in DECK_REGIONS.items()
                   if c == csp]
        specs = [spec(name, *DECK_SPECS[c, r, name], [r],
                      cpu["-".join((c, r, name))])
                 for c, r, name in DECK_SPECS if c == csp]
        clouds.append(cloud(csp, regions, specs, 200))
    return {
        "name": "deck17",
        "about": "The 17 specs of the Cloud-Barista deck (2nd open "
                 "conference, 2020): its round-trip times between all pairs "
                 "and its CPU rates, as printed. Memory sizes and prices are "
                 "not from the deck: documented sizes of the instance types, "
                 "and approximate public on-demand Linux list prices as of "
                 + PRICES_AS_OF + "; see bench-data/README.md.",
        "seed": 7, "timeScale": 0.015, "cpuScale": 0.125, "bench": "measured",
        "coordinatorSite": "aws-ap-northeast-2-c5.xlarge",
        "asymmetry": "max",
        "useTranspose": [{"from": "aws-us-east-1-" + s, "to": "gcp-*"}
                         for s in ("c3.8xlarge", "f1.2xlarge", "i2.2xlarge",
                                   "m4.4xlarge", "m4.xlarge")],
        "intraSiteRttMs": 0.3,
        "clouds": clouds, "sites": sites, "rttMs": rtt, "rttModel": None,
    }


def global_specs(csp, regions):
    classes = {}
    for r in regions:
        classes.setdefault(price_class(r), []).append(r)
    out = []
    for factor, members in sorted(classes.items()):
        for name, (vcpu, memory, usd) in SPECS[csp].items():
            usd = None if usd is None else round(usd * factor, 4)
            out.append(spec(name, vcpu, memory, usd,
                            None if len(classes) == 1 else members))
    return out


def global100():
    clouds = []
    for csp, table in (("aws", AWS), ("gcp", GCP), ("azure", AZURE),
                       ("alibaba", ALIBABA), ("cloudit", CLOUDIT)):
        zones = ["1", "2"] if csp == "azure" else ["a", "b"]
        regions = [region(r, *v, zones) for r, v in table.items()]
        clouds.append(cloud(csp, regions, global_specs(csp, table), 1000))
    assert sum(len(c["regions"]) for c in clouds) == 100
    return {
        "name": "global100",
        "about": "100 regions of five clouds at their public city "
                 "coordinates. Round-trip times are synthetic (distance and a "
                 "seeded detour, common/pure/geo.h); prices are approximate "
                 "public on-demand list prices as of " + PRICES_AS_OF +
                 ", by three rough classes of regions; Cloudit is a private "
                 "cloud without a price. See bench-data/README.md.",
        "seed": 7, "timeScale": 0.015, "cpuScale": 0.125, "bench": "measured",
        "coordinatorSite": "aws-ap-northeast-2",
        "clouds": clouds,
        "rttMs": None, "rttModel": {"kind": "distance", "seed": 7},
    }


def tiny():
    aws = cloud("aws", [region("ap-northeast-2", "Seoul", 37.57, 126.98,
                               ["a"]),
                        region("us-east-1", "Northern Virginia", 39.04,
                               -77.49, ["a"])],
                [spec("t3.small", 2, 2048, 0.0208)], 8)
    gcp = cloud("gcp", [region("asia-east1", "Changhua County", 24.05,
                               120.52, ["a"]),
                        region("europe-west3", "Frankfurt", 50.11, 8.68,
                               ["a"])],
                [spec("e2-small", 2, 2048, 0.0168)], 8)
    for c in (aws, gcp):
        c["latenciesMs"] = {"create": [200, 400], "stop": [200, 400],
                            "start": [200, 400], "reboot": [200, 400],
                            "terminate": [200, 400], "api": [1, 5]}
    return {
        "name": "tiny", "about": "Four sites on two clouds with round "
        "numbers, for tests.", "seed": 1, "timeScale": 1, "cpuScale": 0.25,
        "bench": "measured", "coordinatorSite": "aws-ap-northeast-2",
        "intraSiteRttMs": 0.3, "clouds": [aws, gcp],
        "rttMs": [[0.3, 180, 40, 250], [180, 0.3, 190, 90],
                  [40, 190, 0.3, 260], [250, 90, 260, 0.3]],
        "rttModel": None,
    }


def dump(value, indent=0):
    """JSON with one line per innermost list or object: readable diffs."""
    pad = " " * (indent + 1)
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(flat) + indent <= 100 or (
            isinstance(value, list) and
            not any(isinstance(v, (dict, list)) for v in value)):
        return flat
    if isinstance(value, dict):
        body = [json.dumps(k, ensure_ascii=False) + ": " + dump(v, indent + 1)
                for k, v in value.items()]
        return "{\n" + ",\n".join(pad + b for b in body) + "\n" + pad[1:] + "}"
    body = [dump(v, indent + 1) for v in value]
    return "[\n" + ",\n".join(pad + b for b in body) + "\n" + pad[1:] + "]"


def main():
    here = pathlib.Path(__file__).resolve().parent
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--deck", type=pathlib.Path, default=here / "deck",
                   help="folder of the deck's tables")
    p.add_argument("out", type=pathlib.Path, nargs="?",
                   default=here / "worlds")
    args = p.parse_args()
    worlds = [deck17(args.deck), global100(), tiny()]
    args.out.mkdir(parents=True, exist_ok=True)
    for w in worlds:
        path = args.out / (w["name"] + ".json")
        path.write_text(dump(w) + "\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
