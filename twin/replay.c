/*
 * replay.c - writes the sysbench of a replaying VM: numbers of the world with
 * a little seeded noise, printed by replay_sysbench.sh. Such a VM says so in
 * /run/milkyway-twin.json.
 */
#include "twin/replay.h"

#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "twin/replay_sysbench.sh.h"

#include <math.h>

#define VALUES 16
#define NOISE 0.01

/* Events per second of sysbench behind one unit of the kind. */
static double
events_per_unit(enum kind k)
{
	switch (k) {
	case KIND_MEMR:
	case KIND_MEMW: return 1.0 / 64; /* blocks of 64 MiB */
	case KIND_FIOR:
	case KIND_FIOW: return 256; /* blocks of 4 KiB */
	default: return 1;
	}
}

char *
replay_script(const struct world_spec *spec, const char *seed)
{
	struct str s = STR_INIT;
	struct rng r;
	uint64_t h = 0;

	for (const char *p = seed; *p; p++)
		h = rng_mix(h ^ (unsigned char)*p);
	rng_seed(&r, h);
	str_add(&s, "#!/bin/sh\n");
	for (size_t k = 0; k <= KIND_DBW; k++) {
		if (isnan(spec->scores[k]))
			continue;
		str_addf(&s, "%s=\"", kind_info((enum kind)k)->name);
		for (int i = 0; i < VALUES; i++) {
			double v = spec->scores[k] *
			    events_per_unit((enum kind)k) *
			    (1 + NOISE * rng_normal(&r));

			str_addf(&s, "%lld ", (long long)fmax(1, v * 1000));
		}
		str_add(&s, "\"\n");
	}
	str_add(&s, replay_sysbench_sh);
	return str_take(&s);
}
