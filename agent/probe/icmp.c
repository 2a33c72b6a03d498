/*
 * icmp.c - probes by ICMP datagram sockets.
 * Promises: a reply counts if it carries our cookie and comes from the address
 * it is about; nothing is allocated per packet. Called by reach.c.
 */
#include "agent/probe/icmp.h"

#include "agent/probe/stamp.h"
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/matrix.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS (25 * NS_PER_MS)
#define SENDS_PER_TICK 64
#define STEP_NS NS_PER_MS
#define RTT_MAX_NS (60 * NS_PER_S)
#define ECHO_REQUEST_TYPE 8
#define COOKIE_AT 8
#define INDEX_AT 16

/* rtt[] before its end is known. */
enum {
	OPEN = -10,
	UNSENT = -11
};

struct icmp {
	struct sample_conf conf;
	int fd;
	struct loop_timer *timer;
	uint64_t cookie;
	int64_t start_ns, end_ns; /* monotonic */
	size_t next, total, open;
	int64_t *rtt, *tx; /* total */
	bool *kernel_tx; /* total */
	uint8_t *flags; /* n */
	uint32_t *by_stamp; /* number of a transmit stamp to probe */
	size_t stamps;
	bool stamping;
	int64_t clock_offset_ns;
};

static void tick(void *arg);

void
icmp_build(const struct icmp_echo *e, uint8_t out[ICMP_BYTES])
{
	memset(out, 0, ICMP_BYTES);
	out[0] = e->reply ? 0 : ECHO_REQUEST_TYPE;
	out[6] = (uint8_t)(e->index >> 8); /* sequence number */
	out[7] = (uint8_t)e->index;
	memcpy(out + COOKIE_AT, &e->cookie, sizeof e->cookie);
	memcpy(out + INDEX_AT, &e->index, sizeof e->index);
}

bool
icmp_parse(const uint8_t *p, size_t n, struct icmp_echo *e)
{
	if (n != ICMP_BYTES || (p[0] != 0 && p[0] != ECHO_REQUEST_TYPE) ||
	    p[1] != 0)
		return false;
	e->reply = p[0] == 0;
	memcpy(&e->cookie, p + COOKIE_AT, sizeof e->cookie);
	memcpy(&e->index, p + INDEX_AT, sizeof e->index);
	return p[6] == (uint8_t)(e->index >> 8) && p[7] == (uint8_t)e->index;
}

bool
icmp_start(const struct sample_conf *conf, struct icmp **out,
    struct mw_err *err)
{
	struct icmp *x;
	int fd;

	if (!stamp_socket(IPPROTO_ICMP, &fd, err))
		return false;
	x = xcalloc(1, sizeof *x);
	x->conf = *conf;
	x->fd = fd;
	x->stamping = stamp_on(fd);
	x->total = conf->n * conf->count;
	x->rtt = xcalloc(x->total, sizeof *x->rtt);
	x->tx = xcalloc(x->total, sizeof *x->tx);
	x->kernel_tx = xcalloc(x->total, sizeof *x->kernel_tx);
	x->flags = xcalloc(conf->n, sizeof *x->flags);
	x->by_stamp = xcalloc(x->total + 1, sizeof *x->by_stamp);
	for (size_t i = 0; i < x->total; i++)
		x->rtt[i] = UNSENT;
	x->cookie = clock_random_u64();
	x->start_ns = clock_mono_ns();
	x->end_ns =
	    x->start_ns + sample_due_ns(conf, x->total - 1) + conf->timeout_ns;
	x->clock_offset_ns = clock_wall_ns() - x->start_ns;
	x->timer = loop_timer_new(conf->loop, tick, x);
	loop_timer_set(x->timer, 0);
	*out = x;
	return true;
}

void
icmp_free(struct icmp *x)
{
	if (x == NULL)
		return;
	loop_timer_free(x->timer);
	close(x->fd);
	free(x->rtt);
	free(x->tx);
	free(x->kernel_tx);
	free(x->flags);
	free(x->by_stamp);
	free(x);
}

/* Probe i is for target i % n and is number i / n of it. */
static int64_t *
rtt_of(struct icmp *x, size_t i)
{
	return &x->rtt[i % x->conf.n * x->conf.count + i / x->conf.n];
}

static void
end_probe(struct icmp *x, size_t i, int64_t rtt)
{
	int64_t *r = rtt_of(x, i);

	if (*r != OPEN)
		return;
	*r = rtt;
	x->open--;
}

/* Samples under way over a step of the wall clock are worth nothing. */
static void
watch_clock(struct icmp *x, int64_t now_ns)
{
	int64_t offset = clock_wall_ns() - now_ns;
	int64_t moved = offset - x->clock_offset_ns;

	x->clock_offset_ns = offset;
	if (moved <= STEP_NS && moved >= -STEP_NS)
		return;
	for (size_t i = 0; i < x->next; i++)
		end_probe(x, i, SAMPLE_SKIPPED);
}

static void
drain_errors(struct icmp *x)
{
	struct stamp_arrival a;
	struct icmp_echo e;

	while (stamp_receive(x->fd, MSG_ERRQUEUE, &a)) {
		if (a.origin == SO_EE_ORIGIN_TIMESTAMPING) {
			if (a.data < x->stamps && a.stamp_ns != 0) {
				uint32_t i = x->by_stamp[a.data];

				x->tx[i] = a.stamp_ns;
				x->kernel_tx[i] = true;
			}
		} else if (a.origin == SO_EE_ORIGIN_ICMP &&
		    icmp_parse(a.bytes, a.n, &e) && e.cookie == x->cookie &&
		    e.index < x->next) {
			end_probe(x, e.index, SAMPLE_REFUSED);
		}
	}
}

static void
take_reply(struct icmp *x, const struct stamp_arrival *a)
{
	const struct sample_target *t;
	struct icmp_echo e;
	int64_t rx, rtt;

	if (!icmp_parse(a->bytes, a->n, &e) || !e.reply ||
	    e.cookie != x->cookie || e.index >= x->next)
		return;
	t = &x->conf.targets[e.index % x->conf.n];
	if (ntohl(a->from.sin_addr.s_addr) != t->ip ||
	    *rtt_of(x, e.index) != OPEN)
		return;
	/* The transmit stamp can come after the reply: look once more. */
	if (x->stamping && !x->kernel_tx[e.index])
		drain_errors(x);
	rx = a->stamp_ns != 0 ? a->stamp_ns : clock_wall_ns();
	rtt = rx - x->tx[e.index];
	if (rtt <= 0 || rtt > RTT_MAX_NS ||
	    (x->conf.is_busy != NULL && x->conf.is_busy(x->conf.arg)))
		rtt = SAMPLE_SKIPPED;
	if (rtt > 0 && !x->kernel_tx[e.index])
		x->flags[e.index % x->conf.n] |= MATRIX_F_TX_USER;
	if (rtt > 0 && a->stamp_ns == 0)
		x->flags[e.index % x->conf.n] |= MATRIX_F_RX_USER;
	end_probe(x, e.index, rtt);
}

static void
send_probe(struct icmp *x, size_t i)
{
	struct sockaddr_in to = sample_address(&x->conf.targets[i % x->conf.n]);
	struct icmp_echo e = { false, x->cookie, (uint32_t)i };
	uint8_t bytes[ICMP_BYTES];
	ssize_t n = -1;

	icmp_build(&e, bytes);
	/* A first failure may be the error of an earlier probe. */
	for (int tries = 0; n != sizeof bytes && tries < 2; tries++) {
		x->tx[i] = clock_wall_ns();
		n = sendto(x->fd, bytes, sizeof bytes, MSG_DONTWAIT,
		    (struct sockaddr *)&to, sizeof to);
	}
	if (n != sizeof bytes) {
		/* Some kernels count a failed send, some do not. */
		drain_errors(x);
		x->stamps = 0;
		x->stamping = stamp_on(x->fd);
		*rtt_of(x, i) = SAMPLE_REFUSED;
		return;
	}
	*rtt_of(x, i) = OPEN;
	x->open++;
	if (x->stamping)
		x->by_stamp[x->stamps++] = (uint32_t)i;
}

static void
send_due(struct icmp *x, int64_t now_ns)
{
	bool busy = x->conf.is_busy != NULL && x->conf.is_busy(x->conf.arg);

	for (int k = 0; k < SENDS_PER_TICK && x->next < x->total; k++) {
		if (x->start_ns + sample_due_ns(&x->conf, x->next) > now_ns)
			return;
		if (busy)
			*rtt_of(x, x->next) = SAMPLE_SKIPPED;
		else
			send_probe(x, x->next);
		x->next++;
	}
}

static void
finish(struct icmp *x)
{
	for (size_t i = 0; i < x->total; i++)
		if (x->rtt[i] == OPEN)
			x->rtt[i] = SAMPLE_LOST;
		else if (x->rtt[i] == UNSENT)
			x->rtt[i] = SAMPLE_SKIPPED;
	x->conf.on_done(x->conf.arg, x->rtt, x->flags);
}

static void
tick(void *arg)
{
	struct icmp *x = arg;
	struct stamp_arrival a;
	int64_t now = clock_mono_ns(), next;

	watch_clock(x, now);
	drain_errors(x);
	while (stamp_receive(x->fd, 0, &a))
		take_reply(x, &a);
	send_due(x, now);
	if (now >= x->end_ns || (x->next == x->total && x->open == 0)) {
		finish(x);
		return;
	}
	next = now + TICK_NS;
	if (x->next < x->total) {
		int64_t due = x->start_ns + sample_due_ns(&x->conf, x->next);

		/* Sends of one tick share a wake-up, if they are dense. */
		if (due > next)
			next = due;
	}
	if (next > x->end_ns)
		next = x->end_ns;
	loop_timer_set(x->timer, next - clock_mono_ns());
}
