/*
 * prober.c - one member's probes of a matrix round.
 * Promises: nothing allocated per packet, at most one probe in flight per
 * pair, a sample that spans a clock step or an exclusive benchmark is not
 * recorded. Called by mesh.c.
 */
#include "agent/probe/prober.h"

#include "agent/probe/stamp.h"
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/rng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS (25 * NS_PER_MS) /* sends of one tick share a wake-up */
#define SENDS_PER_TICK 256
#define STEP_NS NS_PER_MS /* wall against monotonic: more is a clock step */
#define RTT_MAX_NS (60 * NS_PER_S)

enum probe_state {
	P_UNSENT,
	P_SENT,
	P_ANSWERED,
	P_BUSY, /* an end was busy */
	P_DROPPED, /* the answer cannot be trusted: clock step */
	P_REFUSED, /* ICMP error, or the kernel has no route */
};

struct probe {
	int64_t tx_ns; /* our clock, then the kernel's stamp */
	int64_t rtt_ns;
	uint8_t state, clock_gen;
	bool kernel_tx;
};

struct prober {
	struct prober_conf conf;
	const struct mesh_arm *arm;
	struct echo_plan plan;
	uint64_t round;
	int fd;
	struct loop_timer *timer;
	int64_t start_ns, end_ns; /* monotonic */
	uint32_t next, total, per; /* steps; steps of a sweep */
	uint32_t open; /* sent, no end yet */
	uint32_t *perm;
	struct probe *probes; /* [dst * sweeps + sweep] */
	uint32_t *by_stamp; /* OPT_ID counter to probe */
	uint32_t stamps;
	bool stamping;
	int64_t clock_offset_ns;
	uint8_t clock_gen;
	struct matrix_cell *cells;
};

static void tick(void *arg);

static void
stamps_on(struct prober *p)
{
	p->stamps = 0;
	p->stamping = stamp_on(p->fd);
}

/* All members in the permutation that all share; or our own targets in an
 * order of our own. */
static void
plan_make(struct prober *p)
{
	const struct mesh_arm *a = p->arm;

	p->plan = (struct echo_plan){ .n = a->n,
		.sweeps = a->sweeps,
		.seed = a->seed,
		.window_ns = a->window_ns };
	if (a->targets != NULL) {
		p->plan.n = a->ntargets + 1;
		p->plan.seed = rng_mix(a->seed + a->self);
	}
}

bool
prober_start(const struct prober_conf *conf, struct prober **out,
    struct mw_err *err)
{
	const struct mesh_arm *a = conf->arm;
	struct prober *p = xcalloc(1, sizeof *p);

	p->conf = *conf;
	p->arm = a;
	if (!stamp_socket(0, &p->fd, err)) {
		free(p);
		return false;
	}
	stamps_on(p);
	plan_make(p);
	p->round = echo_round_number(a->round_id);
	p->per = p->plan.n - 1;
	p->total = a->sweeps * p->per;
	p->perm = xcalloc(p->plan.n, sizeof *p->perm);
	p->probes = xcalloc((size_t)a->n * a->sweeps, sizeof *p->probes);
	p->by_stamp = xcalloc((size_t)p->total + 1, sizeof *p->by_stamp);
	p->cells = xcalloc(a->n, sizeof *p->cells);
	p->start_ns = clock_mono_ns() + conf->delay_ns;
	p->end_ns = p->start_ns + a->window_ns + a->late_ns;
	p->clock_offset_ns = clock_wall_ns() - clock_mono_ns();
	p->timer = loop_timer_new(conf->loop, tick, p);
	loop_timer_set(p->timer, conf->delay_ns);
	*out = p;
	return true;
}

void
prober_free(struct prober *p)
{
	if (p == NULL)
		return;
	loop_timer_free(p->timer);
	close(p->fd);
	free(p->perm);
	free(p->probes);
	free(p->by_stamp);
	free(p->cells);
	free(p);
}

/* Samples before and after a step of the wall clock must not be mixed. */
static void
watch_clock(struct prober *p, int64_t now_ns)
{
	int64_t offset = clock_wall_ns() - now_ns;
	int64_t moved = offset - p->clock_offset_ns;

	if (moved > STEP_NS || moved < -STEP_NS)
		p->clock_gen++;
	p->clock_offset_ns = offset;
}

static struct probe *
probe_of(struct prober *p, const struct echo_frame *f)
{
	if (f->round != p->round || f->src != p->arm->self ||
	    f->dst >= p->arm->n || f->dst == f->src || f->seq >= p->arm->sweeps)
		return NULL;
	return &p->probes[(size_t)f->dst * p->arm->sweeps + f->seq];
}

static void
close_probe(struct prober *p, struct probe *pr, enum probe_state st)
{
	pr->state = (uint8_t)st;
	p->open--;
}

static void
drain_errors(struct prober *p)
{
	struct stamp_arrival a;
	struct echo_frame f;

	while (stamp_receive(p->fd, MSG_ERRQUEUE, &a)) {
		if (a.origin == SO_EE_ORIGIN_TIMESTAMPING) {
			if (a.data < p->stamps && a.stamp_ns != 0) {
				struct probe *pr =
				    &p->probes[p->by_stamp[a.data]];

				pr->tx_ns = a.stamp_ns;
				pr->kernel_tx = true;
			}
		} else if (a.origin == SO_EE_ORIGIN_ICMP &&
		    echo_parse(a.bytes, a.n, &f)) {
			struct probe *pr = probe_of(p, &f);

			if (pr != NULL && pr->state == P_SENT)
				close_probe(p, pr, P_REFUSED);
		}
	}
}

static void
take_reply(struct prober *p, const struct stamp_arrival *a)
{
	struct matrix_cell *c;
	struct echo_frame f;
	struct probe *pr;
	int64_t rx, rtt;

	if (!echo_parse(a->bytes, a->n, &f) || f.type != ECHO_REPLY)
		return;
	pr = probe_of(p, &f);
	if (pr == NULL || pr->state != P_SENT ||
	    !echo_authentic(p->conf.key, a->bytes))
		return;
	/* The transmit stamp can come after the reply: look once more. */
	if (p->stamping && !pr->kernel_tx)
		drain_errors(p);
	c = &p->cells[f.dst];
	rx = a->stamp_ns != 0 ? a->stamp_ns : clock_wall_ns();
	rtt = (rx - pr->tx_ns) - (f.t3 - f.t2);
	if (f.flags & ECHO_F_BUSY || p->conf.is_busy(p->conf.arg)) {
		close_probe(p, pr, P_BUSY);
		return;
	}
	if (pr->clock_gen != p->clock_gen || f.t3 < f.t2 || rtt <= 0 ||
	    rtt > RTT_MAX_NS) {
		close_probe(p, pr, P_DROPPED);
		return;
	}
	if (!pr->kernel_tx)
		c->flags |= MATRIX_F_TX_USER;
	if (a->stamp_ns == 0)
		c->flags |= MATRIX_F_RX_USER;
	for (uint32_t s = f.seq + 1; s < p->arm->sweeps; s++)
		if (pr[s - f.seq].state == P_ANSWERED)
			c->flags |= MATRIX_F_REORDERED;
	pr->rtt_ns = rtt;
	close_probe(p, pr, P_ANSWERED);
}

static void
send_probe(struct prober *p, uint32_t dst, uint32_t sweep)
{
	const struct mesh_member *m = &p->arm->members[dst];
	uint32_t index = dst * p->arm->sweeps + sweep;
	struct probe *pr = &p->probes[index];
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(m->port),
		.sin_addr.s_addr = htonl(m->ip) };
	struct echo_frame f = { .type = ECHO_REQUEST,
		.src = p->arm->self,
		.dst = dst,
		.round = p->round,
		.seq = sweep,
		.t1 = clock_wall_ns() };
	uint8_t bytes[ECHO_BYTES];
	ssize_t n;

	pr->clock_gen = p->clock_gen;
	echo_seal(p->conf.key, &f, bytes);
	pr->tx_ns = clock_wall_ns();
	n = sendto(p->fd, bytes, sizeof bytes, MSG_DONTWAIT,
	    (struct sockaddr *)&to, sizeof to);
	if (n < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH))
		/* Maybe the error of an earlier probe: it is cleared now. */
		n = sendto(p->fd, bytes, sizeof bytes, MSG_DONTWAIT,
		    (struct sockaddr *)&to, sizeof to);
	if (n != sizeof bytes) {
		/* Some kernels count a failed send, some do not. */
		drain_errors(p);
		stamps_on(p);
		pr->state = P_REFUSED;
		return;
	}
	pr->state = P_SENT;
	p->open++;
	if (p->stamping)
		p->by_stamp[p->stamps++] = index;
}

static uint32_t
dst_of(const struct prober *p, uint32_t step)
{
	const struct mesh_arm *a = p->arm;

	return a->targets != NULL ? a->targets[p->perm[step] - 1]
				  : (a->self + p->perm[step]) % a->n;
}

static void
send_due(struct prober *p, int64_t now_ns)
{
	const struct mesh_arm *a = p->arm;
	bool busy = p->conf.is_busy(p->conf.arg);

	for (int i = 0; i < SENDS_PER_TICK && p->next < p->total; i++) {
		uint32_t sweep = p->next / p->per, step = p->next % p->per;
		uint32_t dst;

		if (p->start_ns + echo_due_ns(&p->plan, a->self, p->next) >
		    now_ns)
			return;
		if (step == 0)
			echo_perm(&p->plan, sweep, p->perm);
		p->next++;
		dst = dst_of(p, step);
		if (a->half && !echo_initiates(a->self, dst, sweep))
			continue;
		if (busy)
			p->probes[(size_t)dst * a->sweeps + sweep].state =
			    P_BUSY;
		else
			send_probe(p, dst, sweep);
	}
}

static int
cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
us_up(int64_t ns)
{
	return (uint32_t)((ns + NS_PER_US - 1) / NS_PER_US);
}

void
prober_cell(struct matrix_cell *c, int64_t *rtt_ns, size_t n)
{
	int64_t sum = 0, moves = 0;

	for (size_t i = 0; i < n; i++) {
		sum += rtt_ns[i];
		if (i > 0)
			moves += rtt_ns[i] > rtt_ns[i - 1]
			    ? rtt_ns[i] - rtt_ns[i - 1]
			    : rtt_ns[i - 1] - rtt_ns[i];
	}
	qsort(rtt_ns, n, sizeof *rtt_ns, cmp_i64);
	c->why = MATRIX_KNOWN;
	c->method = MATRIX_UDP_ECHO;
	c->n = (uint16_t)n;
	c->min_us = us_up(rtt_ns[0]);
	c->avg_us = us_up(sum / (int64_t)n);
	c->p50_us = us_up(rtt_ns[(n * 50 + 99) / 100 - 1]);
	c->p95_us = us_up(rtt_ns[(n * 95 + 99) / 100 - 1]);
	c->jitter_us = n > 1 ? us_up(moves / (int64_t)(n - 1)) : 0;
}

static void
fill_cell(struct prober *p, uint32_t dst, int64_t wall_ns)
{
	const struct probe *pr = &p->probes[(size_t)dst * p->arm->sweeps];
	struct matrix_cell *c = &p->cells[dst];
	int64_t rtt[ECHO_SWEEPS_MAX];
	size_t n = 0, count[P_REFUSED + 1] = { 0 };

	for (uint32_t s = 0; s < p->arm->sweeps; s++) {
		count[pr[s].state]++;
		if (pr[s].state == P_ANSWERED)
			rtt[n++] = pr[s].rtt_ns;
	}
	c->lost = (uint16_t)(count[P_SENT] + count[P_REFUSED]);
	c->at_wall_ns = wall_ns;
	if (count[P_BUSY] > 0)
		c->flags |= MATRIX_F_BUSY;
	if (n > 0)
		prober_cell(c, rtt, n);
	else if (count[P_REFUSED] > 0)
		c->why = MATRIX_REFUSED;
	else if (count[P_BUSY] > 0)
		c->why = MATRIX_BUSY;
	else if (count[P_SENT] > 0)
		c->why = MATRIX_NO_ANSWER;
	else
		c->why = MATRIX_NEVER;
}

static void
finish(struct prober *p)
{
	int64_t wall_ns = clock_wall_ns();

	for (uint32_t i = 0; i < p->arm->n; i++)
		if (i == p->arm->self)
			p->cells[i].why = MATRIX_NEVER;
		else
			fill_cell(p, i, wall_ns);
	p->conf.on_done(p->conf.arg, p->cells);
}

static void
tick(void *arg)
{
	struct prober *p = arg;
	struct stamp_arrival a;
	int64_t now = clock_mono_ns(), next;

	watch_clock(p, now);
	drain_errors(p);
	while (stamp_receive(p->fd, 0, &a))
		take_reply(p, &a);
	send_due(p, now);
	if (now >= p->end_ns || (p->next == p->total && p->open == 0)) {
		finish(p);
		return;
	}
	next = now + TICK_NS;
	if (p->next < p->total) {
		int64_t due =
		    p->start_ns + echo_due_ns(&p->plan, p->arm->self, p->next);

		if (due > next)
			next = due;
	}
	if (next > p->end_ns)
		next = p->end_ns;
	loop_timer_set(p->timer, next - clock_mono_ns());
}
