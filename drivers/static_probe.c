/*
 * static_probe.c - see static_probe.h. Each probe owns its socket and frees
 * itself on the turn after its end.
 */
#include "drivers/static_probe.h"

#include "common/pure/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct probe {
	struct loop *loop;
	int fd;
	struct event *ev;
	void (*done)(void *arg, bool banner);
	void *arg;
	char head[4];
	size_t got;
	bool banner;
};

static void
probe_free(void *p)
{
	struct probe *b = p;

	if (b->ev)
		event_free(b->ev);
	if (b->fd >= 0)
		close(b->fd);
	b->done(b->arg, b->banner);
	free(b);
}

static void
probe_end(struct probe *b, bool banner)
{
	b->banner = banner;
	if (b->ev)
		event_del(b->ev);
	loop_reap(b->loop, probe_free, b);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct probe *b = arg;
	char rest[256];
	ssize_t n;

	if (what & EV_TIMEOUT) {
		probe_end(b, false);
		return;
	}
	n = recv(fd, b->head + b->got, sizeof b->head - b->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	b->got += n > 0 ? (size_t)n : 0;
	if (n > 0 && b->got < sizeof b->head)
		return; /* the rest comes, or the deadline */
	/* What is left unread would turn our close into a reset, which the
	 * host's sshd logs as an error. */
	for (int i = 0; i < 16 && recv(fd, rest, sizeof rest, 0) > 0; i++)
		;
	probe_end(b,
	    b->got == sizeof b->head &&
		memcmp(b->head, "SSH-", sizeof b->head) == 0);
}

void
static_probe(struct loop *l, const char *address, int64_t port,
    void (*done)(void *arg, bool banner), void *arg)
{
	static const struct timeval limit = { STATIC_PROBE_MS / 1000, 0 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct probe *b = xcalloc(1, sizeof *b);

	b->loop = l;
	b->done = done;
	b->arg = arg;
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	sin.sin_port = htons((uint16_t)port);
	if (b->fd < 0 || inet_pton(AF_INET, address, &sin.sin_addr) != 1 ||
	    (connect(b->fd, (struct sockaddr *)&sin, sizeof sin) != 0 &&
		errno != EINPROGRESS)) {
		probe_end(b, false);
		return;
	}
	/* edge-triggered: 1 to 3 bytes of a banner must not spin the loop */
	b->ev = event_new(loop_base(l), b->fd, EV_READ | EV_PERSIST | EV_ET,
	    on_event, b);
	event_add(b->ev, &limit);
}
