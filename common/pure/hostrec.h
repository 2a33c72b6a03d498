/*
 * hostrec.h - how busy a machine was in one minute (or, folded, one hour):
 * what agents count, the coordinator keeps and the API shows.
 *
 * Every figure is an integer in 1 / scale of its unit, -1 if unknown. Shares
 * are averages over the time that is covered, byte figures are sums of it.
 */
#ifndef MW_COMMON_PURE_HOSTREC_H
#define MW_COMMON_PURE_HOSTREC_H

#include "common/pure/mw.h"

enum host_field {
	HOST_CPU, /* not idle, not waiting for a disk */
	HOST_CPU_MAX, /* of the samples of 5 s */
	HOST_STEAL,
	HOST_STEAL_MAX,
	HOST_IOWAIT,
	HOST_LOAD1,
	HOST_LOAD1_MAX,
	HOST_MEM_USED, /* total - available; cgroup: without file cache */
	HOST_MEM_USED_MAX,
	HOST_MEM_TOTAL, /* or the limit of the cgroup */
	HOST_NET_RX, /* all interfaces but lo */
	HOST_NET_TX,
	HOST_DISK_READ,
	HOST_DISK_WRITE,
	HOST_PSI_CPU, /* share of time in which some task waited for it */
	HOST_PSI_IO,
	HOST_PSI_MEM,
	HOST_FIELDS
};

enum host_fold {
	HOST_AVG, /* weighted by the time that is covered */
	HOST_MAX,
	HOST_SUM,
	HOST_LAST
};

struct host_info {
	const char *name; /* in JSON: "cpuPct" */
	int64_t scale; /* v / scale is in the unit of the name */
	enum host_fold fold;
	int64_t max; /* of v */
};

/* Groups of figures that are the cgroup's, not the whole kernel's. */
enum {
	HOST_CG_CPU = 1, /* cpu and its maximum */
	HOST_CG_MEM = 2,
	HOST_CG_PSI = 4,
	HOST_CG_DISK = 8,
	HOST_CG_ALL = 15
};

struct host_rec {
	int64_t at; /* minutes, or hours, since 1970 */
	int64_t covered_s; /* 1..60, or ..3600: time that was sampled */
	int64_t bench_s; /* of it, while our own benchmark ran */
	unsigned cgroup; /* HOST_CG_ bits */
	int64_t v[HOST_FIELDS];
};

#define HOST_BLOB_MAX 200

const struct host_info *host_info(enum host_field f);
/* "cpu", "mem", "psi", "disk"; NULL behind the last bit. */
const char *host_cgroup_name(size_t bit);
/* The whole: "host", "cgroup", or "mixed". */
const char *host_scope(unsigned cgroup);
/* Every value within its range, bench_s within covered_s. */
bool host_rec_valid(const struct host_rec *r,
    int64_t covered_max_s) mw_must_check;

/*
 * The form on disk: a byte 1 (version), a byte of HOST_CG_ bits, then as LEB128
 * covered_s, bench_s and all fields in their order, each plus one (0: unknown).
 * A newer version may append fields. `at` is the key and not in it.
 */
size_t host_pack(const struct host_rec *r, uint8_t out[HOST_BLOB_MAX]);
/* False: damaged. r->at is left alone. */
bool host_unpack(const uint8_t *p, size_t n, struct host_rec *r) mw_must_check;

/*
 * One record of several, oldest first; out->at is the caller's. A figure that
 * no part knows is unknown; averages and sums are over the parts that know it.
 * n: 1..HOST_FOLD_MAX.
 */
#define HOST_FOLD_MAX 60
void host_fold(const struct host_rec *parts, size_t n, struct host_rec *out);

/* v in its unit, NAN if unknown. */
double host_value(const struct host_rec *r, enum host_field f);
/* A sum of bytes as bytes per second of the covered time, NAN if unknown. */
double host_per_s(const struct host_rec *r, enum host_field f);

#endif
