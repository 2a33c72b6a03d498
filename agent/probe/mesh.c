/*
 * mesh.c - arm, go, disarm: the life of this agent's part in a matrix round.
 * Promises: one row per round that got its go, at the latest after window,
 * late and extra time; nothing is kept of a round that was disarmed. Called by
 * agent.c.
 */
#include "agent/probe/mesh.h"

#include "agent/probe/prober.h"
#include "agent/probe/reach.h"
#include "agent/probe/responder.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define REACH_PPS 500
#define ARMED_MAX_NS (60 * NS_PER_S) /* without a go we give up */

enum mesh_state {
	MESH_IDLE,
	MESH_ARMED,
	MESH_PROBING,
	MESH_REACHING, /* other methods, for pairs that UDP does not reach */
	MESH_DONE /* the row is out; cleared on the next turn */
};

struct mesh {
	struct loop *loop;
	const struct mesh_ops *ops;
	void *arg;
	struct responder *responder;
	enum mesh_state state;
	struct mesh_arm arm; /* members and targets are ours */
	bool *absent; /* arm.n */
	struct pinger *pinger; /* may be NULL */
	struct matrix_cell *cells; /* arm.n, while MESH_REACHING */
	struct reach *reach;
	uint32_t *reached; /* member of each of its targets */
	size_t nreached;
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
	reach_free(m->reach);
	m->reach = NULL;
	free(m->cells);
	m->cells = NULL;
	free(m->reached);
	m->reached = NULL;
	free(m->absent);
	m->absent = NULL;
	free(m->arm.members);
	free(m->arm.targets);
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
	reach_free(m->reach);
	free(m->cells);
	free(m->reached);
	free(m->absent);
	echo_key_free(m->key);
	free(m->arm.members);
	free(m->arm.targets);
	loop_timer_free(m->armed_timer);
	loop_timer_free(m->done_timer);
	responder_free(m->responder);
	free(m);
}

void
mesh_use_pinger(struct mesh *m, struct pinger *pinger)
{
	m->pinger = pinger;
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
mesh_arm(struct mesh *m, const struct mesh_arm *a)
{
	/* A coordinator that restarted knows nothing of its last round. */
	if (m->state == MESH_PROBING || m->state == MESH_REACHING)
		log_info("agent", m->arm.round_id,
		    "round given up for a new one	new=%s", a->round_id);
	forget(m);
	m->arm = *a;
	m->arm.members = xmemdup(a->members, a->n * sizeof *a->members);
	if (a->targets != NULL) { /* an empty list is not everybody */
		m->arm.targets =
		    xcalloc(a->ntargets + 1, sizeof *m->arm.targets);
		memcpy(m->arm.targets, a->targets,
		    a->ntargets * sizeof *a->targets);
	}
	m->absent = xcalloc(a->n, sizeof *m->absent);
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

/* The row is complete; who called us is freed on the next turn. */
static void
hand_out(struct mesh *m, struct matrix_cell *cells)
{
	struct proto_row row = { .src = m->arm.self,
		.n = m->arm.n,
		.cells = cells };

	str_copy(row.round_id, sizeof row.round_id, m->arm.round_id);
	m->state = MESH_DONE;
	m->ops->on_row(m->arg, &row);
	loop_timer_set(m->done_timer, 0);
}

static void
on_reached(void *arg, struct reach_result *results, bool late)
{
	struct mesh *m = arg;

	(void)late;
	for (size_t i = 0; i < m->nreached; i++) {
		struct matrix_cell *c = &m->cells[m->reached[i]];
		struct reach_result *x = &results[i];

		if (x->n == 0)
			continue; /* the hole keeps its reason */
		c->lost = (uint16_t)x->lost;
		c->flags = x->flags | MATRIX_F_UDP_BLOCKED;
		c->at_wall_ns = clock_wall_ns();
		prober_cell(c, x->rtt_ns, x->n);
		c->method = x->method;
	}
	hand_out(m, m->cells);
}

/* UDP was tried and nothing came back, though the member takes part. */
static bool
is_blocked(const struct mesh *m, uint32_t i, const struct matrix_cell *c)
{
	return !m->absent[i] && c->lost > 0 &&
	    (c->why == MATRIX_NO_ANSWER || c->why == MATRIX_REFUSED);
}

static size_t
list_blocked(struct mesh *m, const struct matrix_cell *cells,
    struct reach_target *out)
{
	uint32_t n = m->arm.n, i;
	size_t count = 0;

	m->reached = xcalloc(n, sizeof *m->reached);
	/* From our neighbour on, so that not all begin with the same one. */
	for (uint32_t k = 1; k < n; k++) {
		i = (m->arm.self + k) % n;
		if (!is_blocked(m, i, &cells[i]))
			continue;
		m->reached[count] = i;
		out[count++] = (struct reach_target){ m->arm.members[i].ip,
			m->arm.members[i].ssh_port, REACH_ALL };
	}
	return count;
}

/* A quarter of the time each for probes by ICMP, its late answers, handshakes
 * and theirs; no more packets than a round may send. */
static void
reach_blocked(struct mesh *m, const struct reach_target *targets, size_t n)
{
	int64_t part_ns = m->arm.extra_ns / 4;
	int64_t room = part_ns * REACH_PPS / NS_PER_S / (int64_t)n;
	struct reach_conf conf = { .loop = m->loop,
		.pinger = m->pinger,
		.targets = targets,
		.n = n,
		.timeout_ns = part_ns,
		.deadline_ns = clock_mono_ns() + m->arm.extra_ns,
		.is_busy = is_busy,
		.on_done = on_reached,
		.arg = m };

	conf.count =
	    m->arm.sweeps < REACH_TCP_MAX ? m->arm.sweeps : REACH_TCP_MAX;
	if (conf.count > room)
		conf.count = room > 1 ? (uint32_t)room : 1;
	conf.gap_ns = part_ns / conf.count;
	m->nreached = n;
	m->state = MESH_REACHING;
	m->reach = reach_start(&conf);
}

static void
row_done(void *arg, struct matrix_cell *cells)
{
	struct mesh *m = arg;
	struct reach_target *targets = xcalloc(m->arm.n, sizeof *targets);
	size_t n = 0;

	if (m->arm.extra_ns > 0)
		n = list_blocked(m, cells, targets);
	if (n > 0) {
		m->cells = xmemdup(cells, m->arm.n * sizeof *cells);
		reach_blocked(m, targets, n);
	} else {
		hand_out(m, cells);
	}
	free(targets);
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
mesh_absent(struct mesh *m, const char *round_id, const uint32_t *index,
    size_t n)
{
	if (m->state != MESH_ARMED || strcmp(m->arm.round_id, round_id) != 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (index[i] < m->arm.n)
			m->absent[index[i]] = true;
}

void
mesh_disarm(struct mesh *m, const char *round_id)
{
	responder_disarm(m->responder, echo_round_number(round_id));
	if (m->state != MESH_IDLE && strcmp(m->arm.round_id, round_id) == 0)
		forget(m);
}
