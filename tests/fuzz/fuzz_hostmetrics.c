/*
 * fuzz_hostmetrics.c - texts of /proc and cgroups, minutes in beats, and
 * records on disk. What is accepted is valid and comes back as it was.
 */
#include "agent/host/hostparse.h"
#include "common/hostjson.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
beat(const char *p, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_parse(p, size, JSON_BODY_MAX, &err);
	struct json_at at;
	struct host_rec r;

	if (j != NULL && json_at_root(&at, j, &err) &&
	    hostjson_decode(&at, &r, &err) && !host_rec_valid(&r, 60))
		abort();
	json_decref(j);
}

static void
record(const uint8_t *data, size_t size)
{
	uint8_t blob[HOST_BLOB_MAX];
	struct host_rec r = { 0 }, again = { 0 };

	if (!host_unpack(data, size, &r))
		return;
	if (!host_unpack(blob, host_pack(&r, blob), &again) ||
	    memcmp(&r, &again, sizeof r) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct hostparse_cpu cpu;
	int64_t a, b;

	(void)!hostparse_stat(p, size, &cpu);
	if ((hostparse_diskstats(p, size, &a, &b) ||
		hostparse_iostat(p, size, &a, &b) ||
		hostparse_blkio(p, size, &a, &b)) &&
	    (a < 0 || b < 0))
		abort();
	(void)!hostparse_key(p, size, "usage_usec", &a);
	beat(p, size);
	record(data, size);
	return 0;
}
