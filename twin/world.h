/*
 * world.h - what the twin emulates: clouds, regions, specs, sites and the one
 * round-trip time of every pair of sites. The format is docs/world-format.md.
 *
 * world_parse() is strict: an unknown field, a range broken, a name used twice
 * or two cells that contradict each other without a rule is an error with a
 * JSON pointer. A world never changes after it was parsed.
 *
 * Units are in the names; times that the file gives in milliseconds of the
 * cloud are not yet multiplied by time_scale.
 */
#ifndef MW_TWIN_WORLD_H
#define MW_TWIN_WORLD_H

#include "common/pure/arena.h"
#include "common/pure/err.h"
#include "common/pure/result.h"

#define WORLD_MAX_SITES 2000
#define WORLD_MAX_CLOUDS 100
#define WORLD_MAX_REGIONS 1000 /* of one cloud */
#define WORLD_MAX_SPECS 1000 /* of one cloud */
#define WORLD_FILE_MAX (8 * 1024 * 1024)
#define WORLD_NONE SIZE_MAX

struct native; /* cloud_native.h */

struct world_region {
	const char *id, *display;
	double lat, lon;
	const char **zones;
	size_t nzones;
};

struct world_spec {
	const char *id, *arch;
	bool *offered; /* per region of the cloud */
	int64_t vcpu, memory_mib;
	int64_t cost_per_hour_micros; /* -1: unknown, cost_reason says why */
	const char *cost_reason;
	double scores[KIND_COUNT]; /* NaN: unknown; used by bench "replay" */
};

struct world_image {
	const char *id, *name, *user, *arch;
};

enum world_op { /* delays of a cloud; a world may set each */
	WORLD_OP_API,
	WORLD_OP_CREATE,
	WORLD_OP_STOP,
	WORLD_OP_START,
	WORLD_OP_REBOOT,
	WORLD_OP_TERMINATE,
	WORLD_OP_COUNT
};

struct world_latency { /* log-normal */
	double p50_ms, p99_ms;
};

struct world_cloud {
	const char *id, *csp;
	const struct native *native;
	struct world_region *regions;
	size_t nregions;
	struct world_spec *specs;
	size_t nspecs;
	struct world_image *images;
	size_t nimages;
	int64_t quota_vms, quota_vcpus; /* 0: none */
	struct world_latency latency[WORLD_OP_COUNT];
	double rate_per_s; /* 0: no limit */
	int64_t burst, page_size, list_lag_ms, terminated_listed_s;
	unsigned caps; /* enum csp_cap */
	int64_t late_apply_max_s, list_visible_max_s, token_ttl_s;
};

struct world_site {
	const char *name;
	size_t cloud, region;
	size_t spec; /* WORLD_NONE: all specs of the region */
};

struct world {
	struct arena *arena;
	const char *name, *about;
	uint64_t seed;
	double time_scale, cpu_scale;
	bool replay; /* sysbench answers from scores */
	struct world_cloud *clouds;
	size_t nclouds;
	struct world_site *sites;
	size_t nsites;
	size_t coordinator_site;
	int32_t *rtt_us; /* nsites * nsites, symmetric; -1: unreachable */
};

struct world *world_parse(const char *bytes, size_t n,
    struct mw_err *err) mw_must_check;
struct world *world_load(const char *path, struct mw_err *err) mw_must_check;
void world_free(struct world *w); /* NULL is fine */

/* The index of that name, or WORLD_NONE. */
size_t world_cloud_find(const struct world *w, const char *id);
size_t world_region_find(const struct world_cloud *c, const char *id);
/* The spec of that name that is offered in the region. */
size_t world_spec_find(const struct world_cloud *c, size_t region,
    const char *id);
size_t world_image_find(const struct world_cloud *c, const char *id);
size_t world_site_find(const struct world *w, const char *name);
/* The site of a VM. */
size_t world_site_of(const struct world *w, size_t cloud, size_t region,
    size_t spec);
/* "aws-*" matches every name with that start; without '*' the whole name. */
bool world_pattern_match(const char *pattern, const char *name);
const char *world_op_name(enum world_op op); /* key of latenciesMs */

#endif
