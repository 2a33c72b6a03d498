/*
 * wan_heap.c - see wan_heap.h. Keys lie in the array itself, so that a sift
 * touches one cache line per level and no packet. Used by wan_fwd.c.
 */
#include "twin/wan_heap.h"

#include "common/pure/alloc.h"

#include <assert.h>

enum {
	ARITY = 4
};

static bool heap_before(const struct wan_heap_item *a,
    const struct wan_heap_item *b);

void
wan_heap_init(struct wan_heap *h, size_t cap)
{
	*h = (struct wan_heap){ .v = xcalloc(cap, sizeof *h->v), .cap = cap };
}

void
wan_heap_free(struct wan_heap *h)
{
	free(h->v);
	*h = (struct wan_heap){ 0 };
}

bool
wan_heap_push(struct wan_heap *h, int64_t due_ns, void *p)
{
	struct wan_heap_item it = { .due_ns = due_ns, .p = p };
	size_t i, up;

	if (h->n == h->cap)
		return false;
	it.seq = h->seq++;
	for (i = h->n++; i > 0; i = up) {
		up = (i - 1) / ARITY;
		if (!heap_before(&it, &h->v[up]))
			break;
		h->v[i] = h->v[up];
	}
	h->v[i] = it;
	return true;
}

int64_t
wan_heap_due(const struct wan_heap *h)
{
	return h->n > 0 ? h->v[0].due_ns : INT64_MAX;
}

void *
wan_heap_pop(struct wan_heap *h)
{
	struct wan_heap_item last;
	size_t i = 0, first, best, k;
	void *top;

	assert(h->n > 0);
	top = h->v[0].p;
	last = h->v[--h->n];
	while ((first = ARITY * i + 1) < h->n) {
		best = first;
		for (k = first + 1; k < first + ARITY && k < h->n; k++)
			if (heap_before(&h->v[k], &h->v[best]))
				best = k;
		if (!heap_before(&h->v[best], &last))
			break;
		h->v[i] = h->v[best];
		i = best;
	}
	if (h->n > 0)
		h->v[i] = last;
	return top;
}

static bool
heap_before(const struct wan_heap_item *a, const struct wan_heap_item *b)
{
	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns;
	return a->seq < b->seq;
}
