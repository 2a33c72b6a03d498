/*
 * mesh.c - arm, go, disarm: the life of this agent's part in a matrix round.
 * Promises: one row per round that got its go; nothing is kept of a round
 * that was disarmed. Called by agent.c.
 */
#include "agent/mesh.h"

#include "agent/prober.h"
#include "agent/responder.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define ARMED_MAX_NS (60 * NS_PER_S) /* without a go we give up */

enum mesh_state {
	MESH_IDLE,
	MESH_ARMED,
	MESH_PROBING,
	MESH_DONE /* the row is out; cleared on the next turn */
};

struct mesh {
	struct loop *loop;
	const struct mesh_ops *ops;
	void *arg;
	struct responder *responder;
	enum mesh_state state;
	struct mesh_arm arm; /* members are ours */
	struct echo_key *key;
	struct prober *prober;
	struct loop_timer *armed_timer, *done_timer;
};

static void
forget(void *arg)
{
	struct mesh *m = arg;

	loop_timer_clear(m->armed_timer);
	loop_timer_clear(m->done_timer);
	prober_free(m->prober);
	m->prober = NULL;
	echo_key_free(m->key);
	m->key = NULL;
	free(m->arm.members);
	memset(&m->arm, 0, sizeof m->arm);
	if (m->state != MESH_IDLE) {
		m->state = MESH_IDLE;
		m->ops->on_hold(m->arg, false);
	}
}

static void
armed_too_long(void *arg)
{
	struct mesh *m = arg;

	log_warn("agent", m->arm.round_id, "round got no go\taction=forget");
	responder_disarm(m->responder, echo_round_number(m->arm.round_id));
	forget(m);
}

bool
mesh_new(struct loop *l, uint16_t port, const struct mesh_ops *ops, void *arg,
    struct mesh **out, struct mw_err *err)
{
	struct mesh *m = xcalloc(1, sizeof *m);

	m->loop = l;
	m->ops = ops;
	m->arg = arg;
	if (!responder_new(l, port, ops->is_busy, arg, &m->responder, err)) {
		free(m);
		return false;
	}
	m->armed_timer = loop_timer_new(l, armed_too_long, m);
	m->done_timer = loop_timer_new(l, forget, m);
	*out = m;
	return true;
}

void
mesh_free(struct mesh *m)
{
	if (m == NULL)
		return;
	prober_free(m->prober);
	echo_key_free(m->key);
	free(m->arm.members);
	loop_timer_free(m->armed_timer);
	loop_timer_free(m->done_timer);
	responder_free(m->responder);
	free(m);
}

uint16_t
mesh_port(const struct mesh *m)
{
	return responder_port(m->responder);
}

bool
mesh_active(const struct mesh *m)
{
	return m->state != MESH_IDLE;
}

void
mesh_stats(const struct mesh *m, struct mesh_stats *out)
{
	responder_counts(m->responder, &out->answered, &out->refused);
}

void
mesh_arm(struct mesh *m, const struct mesh_arm *a)
{
	/* A coordinator that restarted knows nothing of its last round. */
	if (m->state == MESH_PROBING)
		log_info("agent", m->arm.round_id,
		    "round given up for a new one	new=%s", a->round_id);
	forget(m);
	m->arm = *a;
	m->arm.members = xmemdup(a->members, a->n * sizeof *a->members);
	m->key = echo_key_new(a->key);
	memset(m->arm.key, 0, sizeof m->arm.key);
	responder_arm(m->responder, echo_key_new(a->key),
	    echo_round_number(a->round_id), a->self, a->n, a->sweeps);
	m->state = MESH_ARMED;
	loop_timer_set(m->armed_timer, ARMED_MAX_NS);
	m->ops->on_hold(m->arg, true);
}

static bool
is_busy(void *arg)
{
	struct mesh *m = arg;

	return m->ops->is_busy(m->arg);
}

static void
row_done(void *arg, struct matrix_cell *cells)
{
	struct mesh *m = arg;
	struct proto_row row = { .src = m->arm.self,
		.n = m->arm.n,
		.cells = cells };

	str_copy(row.round_id, sizeof row.round_id, m->arm.round_id);
	m->state = MESH_DONE;
	m->ops->on_row(m->arg, &row);
	/* The prober called us: it goes on the next turn. */
	loop_timer_set(m->done_timer, 0);
}

bool
mesh_go(struct mesh *m, const char *round_id, int64_t delay_ns,
    struct mw_err *err)
{
	struct prober_conf conf = { .loop = m->loop,
		.arm = &m->arm,
		.key = m->key,
		.delay_ns = delay_ns,
		.is_busy = is_busy,
		.on_done = row_done,
		.arg = m };

	if (m->state != MESH_ARMED || strcmp(m->arm.round_id, round_id) != 0)
		return err_set(err, MW_CONFLICT, 0, "round %s is not armed",
		    round_id);
	if (!prober_start(&conf, &m->prober, err))
		return false;
	loop_timer_clear(m->armed_timer);
	m->state = MESH_PROBING;
	return true;
}

void
mesh_disarm(struct mesh *m, const char *round_id)
{
	responder_disarm(m->responder, echo_round_number(round_id));
	if (m->state != MESH_IDLE && strcmp(m->arm.round_id, round_id) == 0)
		forget(m);
}
