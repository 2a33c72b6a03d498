/*
 * link.h - server of the agent link (docs/link.md): TLS 1.3 with client
 * certificates, frames, limits. Who an agent is comes from its certificate
 * alone; what it says is validated and handed to agents, bench and mesh.
 */
#ifndef MW_COORDINATOR_LINK_H
#define MW_COORDINATOR_LINK_H

#include "common/json.h"
#include "common/loop.h"
#include "common/pure/result.h"

struct coord;
struct link;

struct link_stats {
	uint64_t accepted, refused, frames, broken, dropped;
	size_t open;
	/* Benchmark results that were well formed, by kind and validity. */
	uint64_t results[KIND_COUNT][RESULT_VALIDITY_COUNT];
};

struct link *link_new(struct coord *c, struct mw_err *err) mw_must_check;
void link_free(struct link *l);
uint16_t link_port(const struct link *l);
/* False: that agent has no link now. */
bool link_send(struct link *l, int64_t slot, int64_t gen, json_t *take_msg);
/* Says bye and closes, e.g. "GONE". */
void link_drop(struct link *l, int64_t slot, int64_t gen, const char *code,
    const char *message);
void link_stats(const struct link *l, struct link_stats *out);

#endif
