/*
 * wan_flow.c - see wan_flow.h. Used by wan_fwd.c.
 */
#include "twin/wan_flow.h"

#include "common/pure/alloc.h"
#include "common/pure/rng.h"

#include <assert.h>

enum {
	PLACES = 8 /* where a pair may lie */
};

void
wan_flows_init(struct wan_flows *t, size_t size)
{
	assert(size >= PLACES && (size & (size - 1)) == 0);
	*t = (struct wan_flows){ .v = xcalloc(size, sizeof *t->v),
		.mask = size - 1 };
}

void
wan_flows_free(struct wan_flows *t)
{
	free(t->v);
	*t = (struct wan_flows){ 0 };
}

struct wan_flow *
wan_flows_get(struct wan_flows *t, uint32_t src, uint32_t dst, int64_t now_ns)
{
	size_t base = (size_t)rng_mix((uint64_t)src << 32 | dst) & t->mask;
	struct wan_flow *oldest = NULL, *f;
	size_t i;

	for (i = 0; i < PLACES; i++) {
		f = &t->v[(base + i) & t->mask];
		if (f->src == src + 1 && f->dst == dst + 1)
			return f;
		if (!oldest || f->last_due_ns < oldest->last_due_ns)
			oldest = f;
	}
	if (oldest->last_due_ns > now_ns)
		t->evictions++;
	*oldest = (struct wan_flow){ .src = src + 1, .dst = dst + 1 };
	return oldest;
}
