/*
 * pinger.c - talks to milkyway-ping over a socket pair.
 * Promises: one on_end per round, at the latest at its deadline (then the
 * child is killed: it hangs). What the child writes is parsed strictly.
 * Called by agent.c and rtt.c.
 */
#include "agent/probe/pinger.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define SLACK_NS (5 * NS_PER_S)

struct pinger {
	struct loop *loop;
	pid_t pid; /* 0: gone */
	struct bufferevent *bev;
	struct loop_timer *deadline;
	bool ready, running;
	uint64_t round;
	const struct pinger_ops *ops; /* NULL: nobody listens */
	void *arg;
};

static bool
next_word(const char **p, const char *end, const char **w, size_t *n)
{
	const char *space;

	if (*p >= end)
		return false;
	space = memchr(*p, ' ', (size_t)(end - *p));
	*w = *p;
	*n = (size_t)((space != NULL ? space : end) - *p);
	*p += *n + (space != NULL);
	return *n > 0;
}

static bool
next_ip(const char **p, const char *end, uint32_t *ip)
{
	char text[16];
	const char *w;
	size_t n;

	if (!next_word(p, end, &w, &n) || n >= sizeof text)
		return false;
	memcpy(text, w, n);
	text[n] = '\0';
	return id_ipv4_parse(text, ip);
}

static bool
next_int(const char **p, const char *end, int64_t max, int64_t *v)
{
	const char *w;
	size_t n;

	return next_word(p, end, &w, &n) && num_parse_i64(w, n, 0, max, v);
}

static bool
parse_sample(const char **p, const char *end, struct pinger_line *out)
{
	const char *w;
	int64_t seq;
	size_t n;

	if (!next_ip(p, end, &out->ip) || !next_int(p, end, 1000, &seq) ||
	    !next_word(p, end, &w, &n) || *p != end)
		return false;
	out->us = -1;
	return (n == 1 && w[0] == '-') ||
	    num_parse_i64(w, n, 0, 60000000, &out->us);
}

void
pinger_parse(const char *line, size_t len, struct pinger_line *out)
{
	static const struct {
		const char *name;
		enum pinger_word word;
	} words[] = {
		{ "ready", PINGER_READY },
		{ "sample", PINGER_SAMPLE },
		{ "end", PINGER_END },
		{ "error", PINGER_ERROR },
	};
	const char *p = line, *end = line + len, *w;
	struct str text = STR_INIT;
	int64_t round;
	size_t n;

	memset(out, 0, sizeof *out);
	if (!next_word(&p, end, &w, &n))
		return;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (n == strlen(words[i].name) &&
		    memcmp(w, words[i].name, n) == 0)
			out->word = words[i].word;
	if (out->word == PINGER_BAD || (out->word == PINGER_READY && p == end))
		return;
	if (out->word == PINGER_ERROR && p < end && *p == '-') {
		(void)next_word(&p, end, &w, &n); /* no round is meant */
	} else if (next_int(&p, end, INT64_MAX, &round)) {
		out->round = (uint64_t)round;
	} else {
		out->word = PINGER_BAD;
		return;
	}
	if (out->word == PINGER_SAMPLE && !parse_sample(&p, end, out))
		out->word = PINGER_BAD;
	if (out->word == PINGER_ERROR) {
		str_add_escaped(&text, p, (size_t)(end - p), 120);
		str_copy(out->text, sizeof out->text, str_cstr(&text));
		str_free(&text);
	}
}

static void
end_round(struct pinger *p, const struct mw_err *err)
{
	const struct pinger_ops *ops = p->ops;

	if (!p->running)
		return;
	loop_timer_clear(p->deadline);
	p->running = false;
	p->ops = NULL;
	if (ops != NULL)
		ops->on_end(p->arg, err);
}

static void
child_gone(struct pinger *p, const char *why)
{
	struct mw_err err = MW_ERR_INIT;

	if (p->pid == 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
	p->ready = false;
	bufferevent_disable(p->bev, EV_READ | EV_WRITE);
	log_warn("agent", "milkyway-ping",
	    "%s\taction=\"no rtt to foreign addresses until a restart\"", why);
	err_set(&err, MW_UNREACHABLE, 0, "milkyway-ping: %s", why);
	end_round(p, &err);
}

static void
on_line(struct pinger *p, const char *line, size_t n)
{
	struct mw_err err = MW_ERR_INIT;
	struct pinger_line l;

	pinger_parse(line, n, &l);
	switch (l.word) {
	case PINGER_READY: p->ready = true; break;
	case PINGER_SAMPLE:
		if (p->running && l.round == p->round && p->ops != NULL)
			p->ops->on_sample(p->arg, l.ip, l.us);
		break;
	case PINGER_END:
		if (l.round == p->round)
			end_round(p, &err);
		break;
	case PINGER_ERROR:
		log_warn("agent", "milkyway-ping", "%s", l.text);
		err_set(&err, MW_UNREACHABLE, 0, "milkyway-ping: %s", l.text);
		if (l.round == p->round)
			end_round(p, &err);
		break;
	case PINGER_BAD:
		child_gone(p, "wrote what we do not understand");
		break;
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct pinger *p = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line;
	size_t n;

	while (p->pid != 0 &&
	    (line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF)) != NULL) {
		on_line(p, line, n);
		free(line);
	}
	if (p->pid != 0 && evbuffer_get_length(in) > LINE_MAX_BYTES)
		child_gone(p, "wrote an endless line");
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	child_gone(arg, "ended");
}

static void
on_deadline(void *arg)
{
	child_gone(arg, "did not finish its round");
}

/* Beside our own program, else where the installer puts it. */
static void
ping_path(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL &&
	    (size_t)(slash - path) + sizeof "/milkyway-ping" <= size) {
		memcpy(slash, "/milkyway-ping", sizeof "/milkyway-ping");
		if (access(path, X_OK) == 0)
			return;
	}
	str_copy(path, size, "/opt/milkyway/bin/milkyway-ping");
}

static int
spawn(int fd, uid_t uid, gid_t gid, pid_t *pid)
{
	char path[512], uid_text[16], gid_text[16];
	char *argv[] = { path, "--uid", uid_text, "--gid", gid_text, NULL };
	char *env[] = { "LC_ALL=C", NULL };
	posix_spawn_file_actions_t fa;
	int rc;

	ping_path(path, sizeof path);
	snprintf(uid_text, sizeof uid_text, "%u", (unsigned)uid);
	snprintf(gid_text, sizeof gid_text, "%u", (unsigned)gid);
	if (uid == 0)
		argv[1] = NULL;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd, 0);
	posix_spawn_file_actions_adddup2(&fa, fd, 1);
	rc = posix_spawn(pid, path, &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

bool
pinger_start(struct loop *l, uid_t uid, gid_t gid, struct pinger **out,
    struct mw_err *err)
{
	struct pinger *p;
	pid_t pid;
	int sv[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
		return err_set(err, MW_INTERNAL, errno, "socketpair: %s",
		    strerror(errno));
	rc = spawn(sv[1], uid, gid, &pid);
	close(sv[1]);
	if (rc != 0) {
		close(sv[0]);
		return err_set(err, MW_NOT_FOUND, rc, "milkyway-ping: %s",
		    strerror(rc));
	}
	evutil_make_socket_nonblocking(sv[0]);
	p = xcalloc(1, sizeof *p);
	p->loop = l;
	p->pid = pid;
	p->bev =
	    bufferevent_socket_new(loop_base(l), sv[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(p->bev, on_read, NULL, on_event, p);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
	p->deadline = loop_timer_new(l, on_deadline, p);
	*out = p;
	return true;
}

void
pinger_free(struct pinger *p)
{
	if (p == NULL)
		return;
	/* A child that has not given up root yet cannot be killed by us, but
	 * ends with its input. */
	shutdown(bufferevent_getfd(p->bev), SHUT_RDWR);
	bufferevent_free(p->bev);
	if (p->pid != 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	loop_timer_free(p->deadline);
	free(p);
}

bool
pinger_ready(const struct pinger *p)
{
	return p != NULL && p->ready;
}

void
pinger_abandon(struct pinger *p, const void *arg)
{
	if (p != NULL && p->arg == arg)
		p->ops = NULL;
}

bool
pinger_run(struct pinger *p, const struct pinger_ask *ask,
    const struct pinger_ops *ops, void *arg, struct mw_err *err)
{
	struct evbuffer *out;
	int64_t step_ms =
	    ask->timeout_ms > ask->gap_ms ? ask->timeout_ms : ask->gap_ms;

	if (!pinger_ready(p))
		return err_set(err, MW_UNSUPPORTED, 0,
		    "milkyway-ping has no raw socket here");
	if (p->running)
		return err_set(err, MW_CONFLICT, 0,
		    "milkyway-ping is in another round");
	p->round++;
	p->running = true;
	p->ops = ops;
	p->arg = arg;
	out = bufferevent_get_output(p->bev);
	evbuffer_add_printf(out,
	    "round %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64, p->round,
	    ask->timeout_ms, ask->count, ask->gap_ms);
	for (size_t i = 0; i < ask->n; i++) {
		char text[16];

		id_ipv4_format(ask->ips[i], text);
		evbuffer_add_printf(out, " %s", text);
	}
	evbuffer_add(out, "\n", 1);
	loop_timer_set(p->deadline,
	    (ask->count + 1) * step_ms * NS_PER_MS + SLACK_NS);
	return true;
}
