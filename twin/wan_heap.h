/*
 * wan_heap.h - packets in flight, ordered by the time they are due; equal
 * times leave in the order they came. A 4-ary heap of fixed capacity: no
 * allocation after wan_heap_init().
 */
#ifndef MW_TWIN_WAN_HEAP_H
#define MW_TWIN_WAN_HEAP_H

#include "common/pure/mw.h"

struct wan_heap_item {
	int64_t due_ns;
	uint64_t seq;
	void *p;
};

struct wan_heap {
	struct wan_heap_item *v;
	size_t n, cap;
	uint64_t seq;
};

void wan_heap_init(struct wan_heap *h, size_t cap);
void wan_heap_free(struct wan_heap *h);
/* False if the heap is full. */
bool wan_heap_push(struct wan_heap *h, int64_t due_ns, void *p) mw_must_check;
/* The next time, or INT64_MAX if empty. */
int64_t wan_heap_due(const struct wan_heap *h);
void *wan_heap_pop(struct wan_heap *h); /* must not be empty */

#endif
