/*
 * tcpinfo.c - TCP handshakes as probes.
 * Promises: at most OPEN_MAX connections at a time, none longer than the
 * timeout. Called by reach.c.
 */
#include "agent/probe/tcpinfo.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MAX_FDS 64
#define RETRY_NS (5 * NS_PER_MS) /* when all of them are open */

struct conn {
	struct tcpinfo *owner;
	int fd; /* -1: free */
	struct event *ev;
	int64_t *rtt; /* where the sample goes */
};

struct tcpinfo {
	struct sample_conf conf;
	struct loop_timer *timer;
	int64_t start_ns;
	size_t next, total, open;
	int64_t *rtt; /* total */
	uint8_t *flags; /* n */
	struct conn conns[OPEN_MAX_FDS];
};

static void tick(void *arg);
static void on_event(evutil_socket_t fd, short what, void *arg);

struct tcpinfo *
tcpinfo_start(const struct sample_conf *conf)
{
	struct tcpinfo *x = xcalloc(1, sizeof *x);

	x->conf = *conf;
	x->total = conf->n * conf->count;
	x->rtt = xcalloc(x->total, sizeof *x->rtt);
	x->flags = xcalloc(conf->n, sizeof *x->flags);
	for (size_t i = 0; i < x->total; i++)
		x->rtt[i] = SAMPLE_SKIPPED;
	for (size_t i = 0; i < OPEN_MAX_FDS; i++)
		x->conns[i] = (struct conn){ .owner = x, .fd = -1 };
	x->start_ns = clock_mono_ns();
	x->timer = loop_timer_new(conf->loop, tick, x);
	loop_timer_set(x->timer, 0);
	return x;
}

static void
conn_end(struct conn *c, int64_t rtt)
{
	event_free(c->ev);
	close(c->fd);
	c->fd = -1;
	*c->rtt = rtt;
	c->owner->open--;
}

void
tcpinfo_free(struct tcpinfo *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < OPEN_MAX_FDS; i++)
		if (x->conns[i].fd >= 0)
			conn_end(&x->conns[i], SAMPLE_LOST);
	loop_timer_free(x->timer);
	free(x->rtt);
	free(x->flags);
	free(x);
}

static bool
busy(const struct tcpinfo *x)
{
	return x->conf.is_busy != NULL && x->conf.is_busy(x->conf.arg);
}

/* The kernel's figure, once the handshake is over. */
static int64_t
handshake_ns(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof info;
	int error = 0;
	socklen_t elen = sizeof error;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &elen) != 0 ||
	    error != 0)
		return SAMPLE_REFUSED;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    len < offsetof(struct tcp_info, tcpi_pacing_rate) ||
	    info.tcpi_rtt == 0 || info.tcpi_total_retrans > 0)
		return SAMPLE_LOST;
	return (int64_t)info.tcpi_rtt * NS_PER_US;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct tcpinfo *x = c->owner;
	int64_t rtt = what & EV_TIMEOUT ? SAMPLE_LOST : handshake_ns((int)fd);

	if (rtt > 0 && busy(x))
		rtt = SAMPLE_SKIPPED;
	conn_end(c, rtt);
	if (x->open == 0 && x->next == x->total)
		loop_timer_set(x->timer, 0);
}

static int
connect_to(const struct sample_target *t)
{
	struct linger reset = { 1, 0 };
	struct sockaddr_in to = sample_address(t);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static void
open_conn(struct tcpinfo *x, size_t i)
{
	int64_t *rtt = &x->rtt[i % x->conf.n * x->conf.count + i / x->conf.n];
	struct timeval tv = { x->conf.timeout_ns / NS_PER_S,
		x->conf.timeout_ns % NS_PER_S / NS_PER_US };
	struct conn *c = x->conns;

	if (busy(x))
		return; /* it stays SAMPLE_SKIPPED */
	while (c->fd >= 0)
		c++;
	c->fd = connect_to(&x->conf.targets[i % x->conf.n]);
	if (c->fd < 0) {
		*rtt = SAMPLE_REFUSED;
		return;
	}
	c->rtt = rtt;
	c->ev =
	    event_new(loop_base(x->conf.loop), c->fd, EV_WRITE, on_event, c);
	event_add(c->ev, &tv);
	x->open++;
}

static void
tick(void *arg)
{
	struct tcpinfo *x = arg;
	int64_t now = clock_mono_ns(), due = now;

	while (x->next < x->total && x->open < OPEN_MAX_FDS) {
		due = x->start_ns + sample_due_ns(&x->conf, x->next);
		if (due > now)
			break;
		open_conn(x, x->next++);
	}
	if (x->next < x->total)
		loop_timer_set(x->timer, due > now ? due - now : RETRY_NS);
	else if (x->open == 0)
		x->conf.on_done(x->conf.arg, x->rtt, x->flags);
}
