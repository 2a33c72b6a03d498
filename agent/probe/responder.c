/*
 * responder.c - answers authenticated echo requests.
 * Promises: one reply of the request's size per (source, sweep) of an armed
 * round; silence to everything else. Called by mesh.c.
 */
#include "agent/probe/responder.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 2 /* the armed one, and the one before in its grace */
#define GRACE_NS (2 * NS_PER_S)
#define LIFE_NS (600 * NS_PER_S) /* if nobody ever disarms */
#define PER_TURN 64
#define RCVBUF_BYTES (1024 * 1024)

struct slot {
	struct echo_key *key; /* NULL: empty */
	struct echo_gate gate;
	int64_t until_ns;
};

struct responder {
	int fd;
	struct event *ev;
	uint16_t port;
	struct slot slots[ROUNDS];
	bool (*is_busy)(void *arg);
	void *arg;
};

struct datagram {
	uint8_t bytes[ECHO_BYTES + 8]; /* longer ones show by their length */
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_in from;
	struct iovec iov;
	struct msghdr h;
	size_t n;
};

static void on_readable(evutil_socket_t fd, short what, void *arg);

static bool
bind_to(int fd, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY) };

	return bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

bool
responder_new(struct loop *l, uint16_t port, bool (*is_busy)(void *arg),
    void *arg, struct responder **out, struct mw_err *err)
{
	struct responder *r = xcalloc(1, sizeof *r);
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	int on = 1, rcvbuf = RCVBUF_BYTES;

	r->is_busy = is_busy;
	r->arg = arg;
	r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0 || (!bind_to(r->fd, port) && !bind_to(r->fd, 0)) ||
	    getsockname(r->fd, (struct sockaddr *)&a, &len) != 0) {
		err_set(err, MW_INTERNAL, errno, "echo socket: %s",
		    strerror(errno));
		responder_free(r);
		return false;
	}
	r->port = ntohs(a.sin_port);
	/* Without these we only measure a little worse. */
	(void)setsockopt(r->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
	(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
	(void)setsockopt(r->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	r->ev = event_new(loop_base(l), r->fd, EV_READ | EV_PERSIST,
	    on_readable, r);
	event_add(r->ev, NULL);
	*out = r;
	return true;
}

static void
slot_clear(struct slot *s)
{
	if (s->key == NULL)
		return;
	echo_key_free(s->key);
	echo_gate_free(&s->gate);
	s->key = NULL;
}

void
responder_free(struct responder *r)
{
	if (r == NULL)
		return;
	if (r->ev != NULL)
		event_free(r->ev);
	if (r->fd >= 0)
		close(r->fd);
	for (size_t i = 0; i < ROUNDS; i++)
		slot_clear(&r->slots[i]);
	free(r);
}

uint16_t
responder_port(const struct responder *r)
{
	return r->port;
}

void
responder_arm(struct responder *r, struct echo_key *take_key, uint64_t round,
    uint32_t self, uint32_t n, uint32_t sweeps)
{
	int64_t now = clock_mono_ns();
	struct slot *s = &r->slots[0];

	slot_clear(&r->slots[1]);
	if (s->key != NULL && s->gate.round != round) {
		r->slots[1] = *s;
		if (r->slots[1].until_ns > now + GRACE_NS)
			r->slots[1].until_ns = now + GRACE_NS;
		s->key = NULL;
	}
	slot_clear(s);
	s->key = take_key;
	s->until_ns = now + LIFE_NS;
	echo_gate_init(&s->gate, round, self, n, sweeps);
}

void
responder_disarm(struct responder *r, uint64_t round)
{
	int64_t end = clock_mono_ns() + GRACE_NS;

	for (size_t i = 0; i < ROUNDS; i++)
		if (r->slots[i].key != NULL &&
		    r->slots[i].gate.round == round &&
		    r->slots[i].until_ns > end)
			r->slots[i].until_ns = end;
}

static struct slot *
slot_of(struct responder *r, uint64_t round)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		struct slot *s = &r->slots[i];

		if (s->key == NULL || s->gate.round != round)
			continue;
		if (clock_mono_ns() < s->until_ns)
			return s;
		slot_clear(s);
	}
	return NULL;
}

/* The kernel's receive stamp, else our clock. */
static int64_t
received_at(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		struct timespec t;

		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof t);
		return t.tv_sec * NS_PER_S + t.tv_nsec;
	}
	return clock_wall_ns();
}

/* Keeps only the local address of the request, as the reply's source. */
static void
answer_from_same_address(struct msghdr *h)
{
	struct in_pktinfo info;
	bool found = false;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof info);
			found = true;
		}
	if (!found) {
		h->msg_control = NULL;
		h->msg_controllen = 0;
		return;
	}
	info.ipi_ifindex = 0;
	h->msg_controllen = CMSG_SPACE(sizeof info);
	c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof info);
	memcpy(CMSG_DATA(c), &info, sizeof info);
}

/* What is not sound, or not due, gets no answer. */
static void
answer(struct responder *r, struct datagram *d)
{
	struct echo_frame f;
	struct slot *s;

	if (!echo_parse(d->bytes, d->n, &f))
		return;
	s = slot_of(r, f.round);
	if (s == NULL || !echo_authentic(s->key, d->bytes) ||
	    !echo_gate_pass(&s->gate, &f))
		return;
	f.type = ECHO_REPLY;
	f.flags = r->is_busy(r->arg) ? ECHO_F_BUSY : 0;
	f.t2 = received_at(&d->h);
	answer_from_same_address(&d->h);
	f.t3 = clock_wall_ns();
	echo_seal(s->key, &f, d->bytes);
	d->iov.iov_len = ECHO_BYTES;
	sendmsg(r->fd, &d->h, MSG_DONTWAIT); /* lost ones are counted there */
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct responder *r = arg;

	(void)what;
	for (int i = 0; i < PER_TURN; i++) {
		struct datagram d;
		ssize_t n;

		d.iov = (struct iovec){ d.bytes, sizeof d.bytes };
		d.h = (struct msghdr){ .msg_name = &d.from,
			.msg_namelen = sizeof d.from,
			.msg_iov = &d.iov,
			.msg_iovlen = 1,
			.msg_control = d.control,
			.msg_controllen = sizeof d.control };
		n = recvmsg((int)fd, &d.h, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			continue; /* an error of an earlier reply */
		d.n = (size_t)n;
		answer(r, &d);
	}
}
