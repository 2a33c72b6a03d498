/*
 * lane.c - the table of kinds in variants, and what a profile measures.
 */
#include "common/pure/lane.h"

#include "common/pure/str.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct lane_info lanes[LANE_COUNT] = {
	[KIND_CPUS] = { KIND_CPUS, "std", "primes below 10,000, one thread" },
	[KIND_CPUM] = { KIND_CPUM, "std",
	    "primes below 10,000, a thread per usable CPU" },
	[KIND_MEMR] = { KIND_MEMR, "std", "64 MiB blocks, one thread" },
	[KIND_MEMW] = { KIND_MEMW, "std", "64 MiB blocks, one thread" },
	[KIND_FIOR] = { KIND_FIOR, "std",
	    "random 4 KiB, O_DIRECT, four threads" },
	[KIND_FIOW] = { KIND_FIOW, "std",
	    "random 4 KiB, O_DIRECT, four threads" },
	[KIND_DBR] = { KIND_DBR, "std", "MariaDB, read-only transactions" },
	[KIND_DBW] = { KIND_DBW, "std", "MariaDB, write-only transactions" },
	[KIND_RTT] = { KIND_RTT, "std", "round-trip time to one address" },
	[KIND_MRTT] = { KIND_MRTT, "std",
	    "round-trip times between all members" },
	[LANE_FIOR_SEQ] = { KIND_FIOR, "seq",
	    "sequential 1 MiB, O_DIRECT, one thread" },
	[LANE_FIOW_SEQ] = { KIND_FIOW, "seq",
	    "sequential rewrite of 1 MiB, O_DIRECT, one thread" },
	[LANE_MEMR_N] = { KIND_MEMR, "n",
	    "64 MiB blocks, a thread per usable CPU" },
	[LANE_MEMW_N] = { KIND_MEMW, "n",
	    "64 MiB blocks, a thread per usable CPU" },
	[LANE_CPUM_2N] = { KIND_CPUM, "2n",
	    "primes below 10,000, two threads per usable CPU" },
	[LANE_CPUM_SUSTAINED] = { KIND_CPUM, "sustained",
	    "300 s without a break: what is left when burst credits are" },
	[LANE_FIOW_SUSTAINED] = { KIND_FIOW, "sustained",
	    "300 s without a break: what is left when burst credits are" },
	[LANE_DBR_PGSQL] = { KIND_DBR, "pgsql",
	    "PostgreSQL, read-only transactions" },
	[LANE_DBW_PGSQL] = { KIND_DBW, "pgsql",
	    "PostgreSQL, write-only transactions" },
	[LANE_DBR_LITE] = { KIND_DBR, "lite", "SQLite, 14 reads each" },
	[LANE_DBW_LITE] = { KIND_DBW, "lite",
	    "SQLite, 4 writes each, flushed to the disk" },
#define LEGACY(k, text) [LANE_LEGACY + (k)] = { (k), "legacy", (text) }
	LEGACY(KIND_CPUS, "as CB-Milkyway: primes below 100,000, one thread"),
	LEGACY(KIND_CPUM, "as CB-Milkyway: primes below 100,000, all CPUs"),
	LEGACY(KIND_MEMR, "as CB-Milkyway: 1 KiB blocks, mostly the loop"),
	LEGACY(KIND_MEMW, "as CB-Milkyway: 1 KiB blocks, mostly the loop"),
	LEGACY(KIND_FIOR, "as CB-Milkyway: 50 MB, mostly the page cache"),
	LEGACY(KIND_FIOW, "as CB-Milkyway: 50 MB, mostly the page cache"),
	LEGACY(KIND_DBR, "as CB-Milkyway: one thread, 100,000 rows"),
	LEGACY(KIND_DBW, "as CB-Milkyway: one thread, 100,000 rows"),
#undef LEGACY
};

static const struct {
	const char *profile;
	unsigned lanes;
} defaults[] = {
	{ "quick", LANES_STD },
	{ "standard",
	    LANES_STD | LANE_BIT(LANE_FIOR_SEQ) | LANE_BIT(LANE_FIOW_SEQ) },
	{ "deep",
	    LANES_STD | LANE_BIT(LANE_FIOR_SEQ) | LANE_BIT(LANE_FIOW_SEQ) |
		LANE_BIT(LANE_MEMR_N) | LANE_BIT(LANE_MEMW_N) |
		LANE_BIT(LANE_CPUM_2N) | LANES_SUSTAINED },
	{ "legacy", LANES_LEGACY },
};

const struct lane_info *
lane_info(unsigned lane)
{
	assert(lane < LANE_COUNT);
	return &lanes[lane];
}

void
lane_name(unsigned lane, char out[LANE_NAME_MAX])
{
	const struct lane_info *l = lane_info(lane);
	bool std = strcmp(l->variant, "std") == 0;

	snprintf(out, LANE_NAME_MAX, "%s%s%s", kind_info(l->kind)->name,
	    std ? "" : ".", std ? "" : l->variant);
}

bool
lane_find(enum kind k, const char *variant, unsigned *lane)
{
	for (unsigned i = 0; i < LANE_COUNT; i++)
		if (lanes[i].kind == k &&
		    strcmp(lanes[i].variant, variant) == 0) {
			*lane = i;
			return true;
		}
	return false;
}

bool
lane_parse(const char *name, unsigned *lane)
{
	const char *dot = strchr(name, '.');
	size_t n = dot != NULL ? (size_t)(dot - name) : strlen(name);
	char word[16];
	enum kind k;

	if (n >= sizeof word)
		return false;
	snprintf(word, sizeof word, "%.*s", (int)n, name);
	return kind_parse(word, &k) &&
	    lane_find(k, dot != NULL ? dot + 1 : "std", lane);
}

unsigned
lanes_of_kinds(unsigned kinds)
{
	unsigned set = 0;

	for (unsigned i = 0; i < LANE_COUNT; i++)
		if ((kinds >> lanes[i].kind & 1) != 0)
			set |= LANE_BIT(i);
	return set;
}

unsigned
lanes_default(const char *profile)
{
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (strcmp(defaults[i].profile, profile) == 0)
			return defaults[i].lanes;
	return 0;
}

unsigned
lanes_for(const char *profile, unsigned set)
{
	if (strcmp(profile, "legacy") == 0)
		return ((set & LANES_STD) << LANE_LEGACY) |
		    (set & LANES_LEGACY);
	return set & LANES_BENCH & ~LANES_LEGACY;
}

bool
lanes_on_engine(unsigned set, const char *engine, unsigned *out)
{
	static const struct {
		const char *name;
		unsigned read, write;
	} engines[] = {
		{ "mariadb", KIND_DBR, KIND_DBW },
		{ "pgsql", LANE_DBR_PGSQL, LANE_DBW_PGSQL },
		{ "lite", LANE_DBR_LITE, LANE_DBW_LITE },
	};
	size_t i = 0;

	while (i < ARRAY_LEN(engines) && strcmp(engines[i].name, engine) != 0)
		i++;
	if (i == ARRAY_LEN(engines) ||
	    (i > 0 && (set & LANES_DB_MYSQL & LANES_LEGACY) != 0))
		return false;
	*out = set & ~(LANE_BIT(KIND_DBR) | LANE_BIT(KIND_DBW));
	if ((set & LANE_BIT(KIND_DBR)) != 0)
		*out |= LANE_BIT(engines[i].read);
	if ((set & LANE_BIT(KIND_DBW)) != 0)
		*out |= LANE_BIT(engines[i].write);
	return true;
}
