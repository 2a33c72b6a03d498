/*
 * calibrate.c - see calibrate.h. Owns the sockets of the two hidden hosts;
 * used by wan.c.
 */
#include "twin/calibrate.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/quant.h"
#include "twin/netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	RING = 32 /* pings that may be under way: 1.6 s */
};
#define PERIOD_NS (50 * NS_PER_MS)
/* One correction at most: at first a quick approach, then a stalled machine
 * must not throw it off. */
#define COMP_STEP_US 10.0
#define COMP_STEP_FIRST_US 60.0

struct calibrate {
	struct calibrate_conf conf;
	struct calibrate_filter filter;
	int sock[2]; /* ICMP; the second only keeps its namespace */
	struct event *ev;
	struct loop_timer *timer;
	uint16_t seq;
	uint32_t tx_key; /* counts sends, as the kernel does */
	uint16_t seq_of_key[RING];
	int64_t sent_ns[RING]; /* by seq; 0: unknown or answered */
	int64_t rx_ns[RING]; /* answer came before the send stamp was read */
};

static bool host_open(const struct calibrate_conf *conf, int i, int *tun,
    int *sock, struct mw_err *err);
static void on_timer(void *arg);
static void on_readable(evutil_socket_t fd, short what, void *arg);
static bool receive(struct calibrate *c, int flags);
static void tx_stamp(struct calibrate *c, uint32_t key, int64_t at);
static void answered(struct calibrate *c, unsigned slot);

void
calibrate_filter_init(struct calibrate_filter *f)
{
	*f = (struct calibrate_filter){ .comp_us = CALIBRATE_COMP_US };
}

bool
calibrate_filter_add(struct calibrate_filter *f, double error_us)
{
	bool first = f->total < CALIBRATE_FIRST;
	double old = f->comp_us, change;
	double most = first ? COMP_STEP_FIRST_US : COMP_STEP_US;
	struct quant q;

	f->error_us[f->next] = error_us;
	f->next = (f->next + 1) % CALIBRATE_WINDOW;
	if (f->n < CALIBRATE_WINDOW)
		f->n++;
	/* errors of the time before are no errors of the calibrated path */
	if (++f->total == CALIBRATE_FIRST)
		f->n = f->next = 0;
	f->step[f->nstep++] = error_us;
	if (f->nstep < CALIBRATE_STEP)
		return false;
	f->nstep = 0;
	quant_of(f->step, CALIBRATE_STEP, &q);
	/* half of it: each direction takes off comp */
	change = q.median / 2;
	if (change > most)
		change = most;
	if (change < -most)
		change = -most;
	f->comp_us += change;
	if (f->comp_us < 0)
		f->comp_us = 0;
	if (f->comp_us > CALIBRATE_COMP_MAX_US)
		f->comp_us = CALIBRATE_COMP_MAX_US;
	return f->comp_us < old || f->comp_us > old;
}

double
calibrate_filter_error(const struct calibrate_filter *f, double pct)
{
	double sorted[CALIBRATE_WINDOW];
	struct quant q;

	memcpy(sorted, f->error_us, f->n * sizeof *sorted);
	quant_of(sorted, f->n, &q); /* sorts */
	return quant_nearest(sorted, f->n, pct);
}

bool
calibrate_new(const struct calibrate_conf *conf, int tun[2],
    struct calibrate **out, struct mw_err *err)
{
	struct calibrate *c = xcalloc(1, sizeof *c);
	int i;

	c->conf = *conf;
	calibrate_filter_init(&c->filter);
	tun[0] = tun[1] = c->sock[0] = c->sock[1] = -1;
	for (i = 0; i < 2; i++) {
		if (!host_open(conf, i, &tun[i], &c->sock[i], err)) {
			if (tun[0] >= 0)
				close(tun[0]);
			calibrate_free(c);
			return err_wrap(err, "calibration host");
		}
	}
	c->ev = event_new(loop_base(conf->loop), c->sock[0],
	    EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->ev, NULL);
	c->timer = loop_timer_new(conf->loop, on_timer, c);
	loop_timer_set(c->timer, PERIOD_NS);
	*out = c;
	return true;
}

void
calibrate_free(struct calibrate *c)
{
	int i;

	if (!c)
		return;
	if (c->ev)
		event_free(c->ev);
	loop_timer_free(c->timer);
	for (i = 0; i < 2; i++)
		if (c->sock[i] >= 0)
			close(c->sock[i]);
	free(c);
}

const struct calibrate_filter *
calibrate_state(const struct calibrate *c)
{
	return &c->filter;
}

static bool
host_open(const struct calibrate_conf *conf, int i, int *tun, int *sock,
    struct mw_err *err)
{
	struct netdev d = { .name = "wan0",
		.address = conf->address[i],
		.prefix = conf->prefix,
		.fresh_ns = true };
	int stamps = SOF_TIMESTAMPING_TX_SOFTWARE |
	    SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
	    SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	bool ok;

	if (!netdev_new_ns(err))
		return false;
	ok = netdev_tun(&d, tun, err);
	if (ok) {
		*sock = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    IPPROTO_ICMP);
		ok = *sock >= 0 &&
		    setsockopt(*sock, SOL_SOCKET, SO_TIMESTAMPING, &stamps,
			sizeof stamps) == 0;
		if (!ok) {
			err_set(err, MW_INTERNAL, errno, "ICMP socket: %s",
			    strerror(errno));
			close(*tun);
			*tun = -1;
		}
	}
	netdev_home();
	return ok;
}

static void
on_timer(void *arg)
{
	struct calibrate *c = arg;
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(c->conf.address[1]) };
	struct icmphdr h = { .type = ICMP_ECHO };
	unsigned slot = ++c->seq % RING;
	uint32_t sum;

	h.un.echo.sequence = htons(c->seq);
	sum = (uint32_t)ICMP_ECHO * 256 + c->seq;
	sum = (sum & 0xffff) + (sum >> 16);
	h.checksum = htons((uint16_t)~sum);
	c->sent_ns[slot] = c->rx_ns[slot] = 0;
	loop_timer_set(c->timer, PERIOD_NS);
	if (sendto(c->sock[0], &h, sizeof h, 0, (struct sockaddr *)&to,
		sizeof to) == (ssize_t)sizeof h)
		c->seq_of_key[c->tx_key++ % RING] = c->seq;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct calibrate *c = arg;
	int budget = 2 * RING;

	(void)fd;
	(void)what;
	while (budget-- > 0 && receive(c, MSG_ERRQUEUE))
		;
	while (budget-- > 0 && receive(c, 0))
		;
}

/* One message of the error queue (send stamps) or of the socket (answers). */
static bool
receive(struct calibrate *c, int flags)
{
	unsigned char buf[256];
	union {
		char buf[512];
		struct cmsghdr align;
	} ctl;
	struct iovec io = { buf, sizeof buf };
	struct msghdr m = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof ctl.buf };
	struct sock_extended_err ee = { 0 };
	struct timespec t = { 0 };
	struct icmphdr h;
	struct cmsghdr *k;
	ssize_t n = recvmsg(c->sock[0], &m, flags | MSG_DONTWAIT);
	int64_t at;
	unsigned slot;

	if (n < 0)
		return false;
	for (k = CMSG_FIRSTHDR(&m); k; k = CMSG_NXTHDR(&m, k)) {
		if (k->cmsg_level == SOL_SOCKET &&
		    k->cmsg_type == SCM_TIMESTAMPING)
			memcpy(&t, CMSG_DATA(k), sizeof t);
		if (k->cmsg_level == SOL_IP && k->cmsg_type == IP_RECVERR)
			memcpy(&ee, CMSG_DATA(k), sizeof ee);
	}
	at = (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
	if (flags & MSG_ERRQUEUE) {
		if (ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING)
			tx_stamp(c, ee.ee_data, at);
		return true;
	}
	if (n < 20 + (ssize_t)sizeof h || buf[0] != 0x45)
		return true;
	memcpy(&h, buf + 20, sizeof h);
	if (h.type != ICMP_ECHOREPLY)
		return true;
	slot = ntohs(h.un.echo.sequence) % RING;
	c->rx_ns[slot] = at;
	answered(c, slot);
	return true;
}

static void
tx_stamp(struct calibrate *c, uint32_t key, int64_t at)
{
	unsigned slot = c->seq_of_key[key % RING] % RING;

	c->sent_ns[slot] = at;
	answered(c, slot);
}

static void
answered(struct calibrate *c, unsigned slot)
{
	int64_t rtt = c->rx_ns[slot] - c->sent_ns[slot];

	if (c->rx_ns[slot] == 0 || c->sent_ns[slot] == 0)
		return;
	c->rx_ns[slot] = c->sent_ns[slot] = 0;
	/* a step of the wall clock between two stamps is no measurement */
	if (rtt < 0 || rtt > NS_PER_S)
		return;
	if (calibrate_filter_add(&c->filter,
		(double)(rtt - c->conf.rtt_ns) / 1e3))
		c->conf.on_comp(c->filter.comp_us, c->conf.arg);
}
