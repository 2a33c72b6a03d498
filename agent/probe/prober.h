/*
 * prober.h - sends one member's probes of one matrix round and makes a row of
 * cells of the answers. One socket, read at each send or every 25 ms; the
 * kernel's stamps tell the times.
 */
#ifndef MW_AGENT_PROBER_H
#define MW_AGENT_PROBER_H

#include "agent/probe/mesh.h"
#include "common/pure/matrix.h"

struct prober;

struct prober_conf {
	struct loop *loop;
	const struct mesh_arm *arm; /* lives as long as the prober */
	const struct echo_key *key; /* same */
	int64_t delay_ns; /* until the first probe */
	bool (*is_busy)(void *arg);
	/* arm->n cells, borrowed. Free the prober afterwards, not inside. */
	void (*on_done)(void *arg, struct matrix_cell *cells);
	void *arg;
};

bool prober_start(const struct prober_conf *conf, struct prober **out,
    struct mw_err *err) mw_must_check;
void prober_free(struct prober *p); /* NULL is fine; no callback follows */

/* Statistics of one pair's answers, in order of sending; sorts rtt_ns. Pure. */
void prober_cell(struct matrix_cell *c, int64_t *rtt_ns, size_t n);

#endif
