/*
 * fuzz_world.c - arbitrary bytes as a world file. A world that is accepted is
 * consistent: symmetric, every site within its cloud.
 */
#include "twin/world.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct mw_err err = MW_ERR_INIT;
	struct world *w;

	if (n > 65536)
		return 0;
	w = world_parse((const char *)p, n, &err);
	if (!w) {
		if (err.code == MW_OK || err.msg[0] == '\0')
			abort();
		return 0;
	}
	for (size_t i = 0; i < w->nsites; i++) {
		const struct world_site *s = &w->sites[i];

		if (s->cloud >= w->nclouds ||
		    s->region >= w->clouds[s->cloud].nregions)
			abort();
		for (size_t k = 0; k < w->nsites; k++) {
			if (w->rtt_us[i * w->nsites + k] !=
			    w->rtt_us[k * w->nsites + i])
				abort();
		}
	}
	if (w->coordinator_site >= w->nsites)
		abort();
	world_free(w);
	return 0;
}
