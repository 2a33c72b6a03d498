/*
 * hostrec.c - see hostrec.h. One table of figures drives packing, folding,
 * checking, and, elsewhere, JSON and /metrics.
 */
#include "common/pure/hostrec.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define VERSION 1
#define PCT_MAX 1000000 /* 100 times 100 %, for cgroups that may burst */
#define MIB_MAX (INT64_C(1) << 40)
#define BIG (INT64_C(1) << 53) /* exact in a double */

static const struct host_info infos[HOST_FIELDS] = {
	[HOST_CPU] = { "cpuPct", 100, HOST_AVG, PCT_MAX },
	[HOST_CPU_MAX] = { "cpuMaxPct", 100, HOST_MAX, PCT_MAX },
	[HOST_STEAL] = { "stealPct", 100, HOST_AVG, PCT_MAX },
	[HOST_STEAL_MAX] = { "stealMaxPct", 100, HOST_MAX, PCT_MAX },
	[HOST_IOWAIT] = { "iowaitPct", 100, HOST_AVG, PCT_MAX },
	[HOST_LOAD1] = { "load1", 100, HOST_AVG, 100000000 },
	[HOST_LOAD1_MAX] = { "load1Max", 100, HOST_MAX, 100000000 },
	[HOST_MEM_USED] = { "memUsedMiB", 1, HOST_AVG, MIB_MAX },
	[HOST_MEM_USED_MAX] = { "memUsedMaxMiB", 1, HOST_MAX, MIB_MAX },
	[HOST_MEM_TOTAL] = { "memTotalMiB", 1, HOST_LAST, MIB_MAX },
	[HOST_NET_RX] = { "netRxBytes", 1, HOST_SUM, BIG },
	[HOST_NET_TX] = { "netTxBytes", 1, HOST_SUM, BIG },
	[HOST_DISK_READ] = { "diskReadBytes", 1, HOST_SUM, BIG },
	[HOST_DISK_WRITE] = { "diskWriteBytes", 1, HOST_SUM, BIG },
	[HOST_PSI_CPU] = { "psiCpuPct", 100, HOST_AVG, PCT_MAX },
	[HOST_PSI_IO] = { "psiIoPct", 100, HOST_AVG, PCT_MAX },
	[HOST_PSI_MEM] = { "psiMemPct", 100, HOST_AVG, PCT_MAX },
};

const struct host_info *
host_info(enum host_field f)
{
	return &infos[f];
}

const char *
host_cgroup_name(size_t bit)
{
	static const char *const names[] = { "cpu", "mem", "psi", "disk" };

	return bit < ARRAY_LEN(names) ? names[bit] : NULL;
}

const char *
host_scope(unsigned cgroup)
{
	return cgroup == 0          ? "host"
	    : cgroup == HOST_CG_ALL ? "cgroup"
				    : "mixed";
}

bool
host_rec_valid(const struct host_rec *r, int64_t covered_max_s)
{
	if (r->covered_s < 1 || r->covered_s > covered_max_s ||
	    r->bench_s < 0 || r->bench_s > r->covered_s ||
	    r->cgroup > HOST_CG_ALL)
		return false;
	for (size_t f = 0; f < HOST_FIELDS; f++)
		if (r->v[f] < -1 || r->v[f] > infos[f].max)
			return false;
	return true;
}

static size_t
put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v > 0x7f) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

/* Values of up to 56 bits: what is longer is not ours. */
static bool
get(const uint8_t **p, const uint8_t *end, int64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 56 && *p < end; shift += 7) {
		uint8_t b = *(*p)++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*out = (int64_t)v;
			return true;
		}
	}
	return false;
}

size_t
host_pack(const struct host_rec *r, uint8_t out[HOST_BLOB_MAX])
{
	size_t n = 0;

	out[n++] = VERSION;
	out[n++] = (uint8_t)r->cgroup;
	n += put(out + n, (uint64_t)r->covered_s);
	n += put(out + n, (uint64_t)r->bench_s);
	for (size_t f = 0; f < HOST_FIELDS; f++)
		n += put(out + n, (uint64_t)(r->v[f] + 1));
	assert(n <= HOST_BLOB_MAX);
	return n;
}

bool
host_unpack(const uint8_t *p, size_t n, struct host_rec *r)
{
	const uint8_t *end = p + n;

	if (n < 2 || p[0] != VERSION)
		return false;
	r->cgroup = p[1];
	p += 2;
	if (!get(&p, end, &r->covered_s) || !get(&p, end, &r->bench_s))
		return false;
	for (size_t f = 0; f < HOST_FIELDS; f++) {
		if (!get(&p, end, &r->v[f]))
			return false;
		r->v[f]--;
	}
	return p == end && host_rec_valid(r, 3600);
}

/* 60 parts of at most 2^53, or of 2^40 times 3600 s, fit. */
static int64_t
fold_one(const struct host_rec *parts, size_t n, enum host_field f)
{
	const struct host_info *info = &infos[f];
	int64_t best = -1, sum = 0, weight = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t v = parts[i].v[f], s = parts[i].covered_s;

		if (v < 0)
			continue;
		sum += info->fold == HOST_AVG ? v * s : v;
		weight += s;
		if (info->fold == HOST_LAST || v > best)
			best = v;
	}
	if (weight == 0 || info->fold == HOST_MAX || info->fold == HOST_LAST)
		return best;
	if (info->fold == HOST_AVG)
		sum = (sum + weight / 2) / weight;
	return sum < info->max ? sum : info->max;
}

void
host_fold(const struct host_rec *parts, size_t n, struct host_rec *out)
{
	struct host_rec r = { .at = out->at };

	assert(n > 0 && n <= HOST_FOLD_MAX);
	for (size_t i = 0; i < n; i++) {
		r.covered_s += parts[i].covered_s;
		r.bench_s += parts[i].bench_s;
	}
	r.cgroup = parts[n - 1].cgroup;
	for (size_t f = 0; f < HOST_FIELDS; f++)
		r.v[f] = fold_one(parts, n, (enum host_field)f);
	*out = r;
}

double
host_value(const struct host_rec *r, enum host_field f)
{
	if (r->v[f] < 0)
		return (double)NAN;
	return (double)r->v[f] / (double)infos[f].scale;
}

double
host_per_s(const struct host_rec *r, enum host_field f)
{
	return host_value(r, f) / (double)r->covered_s;
}
