/*
 * wan_flow.h - what the forwarder knows about each live (source, destination)
 * pair: the last due time, which later packets may not undercut, and the path
 * as worked out when the rules last changed.
 *
 * A table of fixed size. An entry whose last packet is delivered clamps
 * nothing any more and may be replaced; only if all places of a pair are live
 * one is pushed out and counted.
 */
#ifndef MW_TWIN_WAN_FLOW_H
#define MW_TWIN_WAN_FLOW_H

#include "twin/wan_model.h"

struct wan_flow {
	uint32_t src, dst; /* slots + 1; 0: free */
	uint32_t gen; /* of the rules that path was made from */
	int64_t last_due_ns;
	struct wan_path path;
};

struct wan_flows {
	struct wan_flow *v;
	size_t mask;
	uint64_t evictions;
};

/* size: a power of two. */
void wan_flows_init(struct wan_flows *t, size_t size);
void wan_flows_free(struct wan_flows *t);
/* The flow of the pair; a new one has gen 0 and last_due_ns 0. */
struct wan_flow *wan_flows_get(struct wan_flows *t, uint32_t src, uint32_t dst,
    int64_t now_ns);

#endif
