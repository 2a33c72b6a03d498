/*
 * wan_closer.c - see wan_closer.h. Descriptors' numbers travel over a pipe; if
 * there is no thread or no room the caller closes by itself. Used by wan.c.
 */
#include "twin/wan_closer.h"

#include "common/pure/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct wan_closer {
	pthread_t thread;
	bool running;
	int pipe[2];
};

static void *run(void *arg);

struct wan_closer *
wan_closer_new(void)
{
	struct wan_closer *c = xcalloc(1, sizeof *c);
	sigset_t all, old;

	if (pipe2(c->pipe, O_CLOEXEC)) {
		c->pipe[0] = c->pipe[1] = -1;
		return c;
	}
	/* signals are the main thread's business */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	c->running = pthread_create(&c->thread, NULL, run, c) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fcntl(c->pipe[1], F_SETFL, O_NONBLOCK);
	return c;
}

void
wan_closer_take(struct wan_closer *c, int fd)
{
	if (!c->running || write(c->pipe[1], &fd, sizeof fd) != sizeof fd)
		close(fd);
}

void
wan_closer_free(struct wan_closer *c)
{
	if (!c)
		return;
	if (c->pipe[1] >= 0)
		close(c->pipe[1]);
	if (c->running)
		pthread_join(c->thread, NULL);
	if (c->pipe[0] >= 0)
		close(c->pipe[0]);
	free(c);
}

/* Writes to a pipe this short are never split. */
static void *
run(void *arg)
{
	struct wan_closer *c = arg;
	ssize_t n;
	int fd;

	while ((n = read(c->pipe[0], &fd, sizeof fd)) != 0) {
		if (n == sizeof fd)
			close(fd);
		else if (errno != EINTR)
			break;
	}
	return NULL;
}
