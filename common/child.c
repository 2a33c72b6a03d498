/*
 * child.c - child processes. Promises: exactly one done callback on the loop,
 * nothing of the child's group survives it, no descriptor but 0, 1, 2 reaches
 * it, output and time are capped. No global state: each child has a pidfd
 * (before Linux 5.3: a poll every 20 ms).
 */
#include "common/child.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX_DEFAULT (256 * 1024)
#define DEADLINE_MS_DEFAULT 60000
#define TERM_GRACE_NS (2 * NS_PER_S)
#define KILL_GRACE_NS (10 * NS_PER_S) /* then it hangs in the kernel */
#define POLL_NS (20 * NS_PER_MS)
#define PATH_DEFAULT \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum stage { /* what the timer does next */
	STAGE_DEADLINE,
	STAGE_TERM_SENT,
	STAGE_KILL_SENT,
};

struct pipe_end {
	struct child *child;
	struct event *ev;
	int fd; /* -1: closed */
	struct str *to;
};

struct child {
	struct loop *loop;
	pid_t pid;
	int pidfd; /* -1: polled */
	struct event *exit_ev;
	struct loop_timer *timer, *poll;
	enum stage stage;
	struct pipe_end out, err, in;
	char *input;
	size_t input_len, input_done, output_max;
	struct child_end end;
	int64_t started_ns;
	void (*done)(struct child *c, const struct child_end *end, void *arg);
	void *arg;
	bool finished, strict;
};

/* All that the child needs after the fork, prepared before it: between fork
 * and exec only async-signal-safe calls are allowed. */
struct plan {
	char *path;
	char **argv, **env;
	const char *cwd;
	bool pdeathsig;
	int in, out, err, report; /* descriptors */
	pid_t parent;
	sigset_t mask;
};

static char **
copy_vector(const char *const *v)
{
	size_t n = 0;
	char **copy;

	while (v[n] != NULL)
		n++;
	copy = xcalloc(n + 1, sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

static void
free_vector(char **v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; v[i] != NULL; i++)
		free(v[i]);
	free(v);
}

static char **
default_env(void)
{
	const char *path = getenv("PATH"), *home = getenv("HOME");
	char **env = xcalloc(4, sizeof *env);

	env[0] = xasprintf("PATH=%s", path != NULL ? path : PATH_DEFAULT);
	env[1] = xasprintf("HOME=%s", home != NULL ? home : "/");
	env[2] = xstrdup("LC_ALL=C");
	return env;
}

/* The file to execute, or NULL. */
static char *
find_program(const char *name, char *const *env)
{
	const char *path = PATH_DEFAULT;

	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	for (; *env != NULL; env++)
		if (str_starts(*env, "PATH="))
			path = *env + 5;
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		char *file = xasprintf("%.*s/%s", (int)n, path, name);

		if (n > 0 && access(file, X_OK) == 0)
			return file;
		free(file);
		path += n;
		path += *path == ':';
	}
	return NULL;
}

static void
close_from(int first)
{
	long max;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
#endif
	max = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (max > 0 ? max : 1024); fd++)
		close(fd);
}

/* In the child. Descriptors 0-3 are not among the plan's: see safe_fd(). */
static void mw_noreturn
run_child(const struct plan *p)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int sys;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	if (setpgid(0, 0) != 0)
		goto fail;
	if (p->pdeathsig) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
			goto fail;
		if (getppid() != p->parent) /* it died before the prctl */
			_exit(127);
	}
	if (dup2(p->in, 0) < 0 || dup2(p->out, 1) < 0 || dup2(p->err, 2) < 0 ||
	    dup3(p->report, 3, O_CLOEXEC) < 0)
		goto fail;
	close_from(4);
	if (p->cwd != NULL && chdir(p->cwd) != 0)
		goto fail_3;
	sigprocmask(SIG_SETMASK, &p->mask, NULL);
	execve(p->path, p->argv, p->env);
fail_3:
	sys = errno;
	(void)!write(3, &sys, sizeof sys);
	_exit(127);
fail:
	sys = errno;
	(void)!write(p->report, &sys, sizeof sys);
	_exit(127);
}

/* A pipe whose ends lie above 3, so that the dup2()s in the child cannot
 * overwrite one another. */
static bool
safe_pipe(int fd[2])
{
	if (pipe2(fd, O_CLOEXEC) != 0) {
		fd[0] = fd[1] = -1;
		return false;
	}
	for (int i = 0; i < 2; i++) {
		int up;

		if (fd[i] > 3)
			continue;
		up = fcntl(fd[i], F_DUPFD_CLOEXEC, 4);
		close(fd[i]);
		fd[i] = up;
	}
	return fd[0] >= 0 && fd[1] >= 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Forks and waits until the program runs. Returns errno, 0 is success. */
static int
spawn(struct plan *p, pid_t *pid)
{
	int report[2], sys = 0;
	sigset_t all;
	ssize_t n;

	if (!safe_pipe(report)) {
		sys = errno;
		close_fd(&report[0]);
		close_fd(&report[1]);
		return sys;
	}
	p->report = report[1];
	p->parent = getpid();
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &p->mask);
	*pid = fork();
	if (*pid == 0)
		run_child(p);
	if (*pid < 0)
		sys = errno;
	pthread_sigmask(SIG_SETMASK, &p->mask, NULL);
	close(report[1]);
	if (sys == 0) {
		do
			n = read(report[0], &sys, sizeof sys);
		while (n < 0 && errno == EINTR);
		if (n != sizeof sys)
			sys = 0;
		else
			waitpid(*pid, NULL, 0);
	}
	close(report[0]);
	return sys;
}

static void
pipe_close(struct pipe_end *e)
{
	if (e->ev != NULL)
		event_free(e->ev);
	e->ev = NULL;
	close_fd(&e->fd);
}

/* Reads what is there. Output beyond the cap is thrown away, so that the
 * child does not block on it. */
static void
pipe_drain(struct pipe_end *e, int rounds)
{
	struct child *c = e->child;
	char buf[16384];

	while (e->fd >= 0 && rounds-- > 0) {
		ssize_t n = read(e->fd, buf, sizeof buf);
		size_t room = c->output_max - e->to->len;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			pipe_close(e);
			return;
		}
		if ((size_t)n > room && !c->end.cut && c->strict &&
		    !c->finished)
			kill(-c->pid, SIGKILL);
		if ((size_t)n > room)
			c->end.cut = true;
		str_addn(e->to, buf, (size_t)n < room ? (size_t)n : room);
	}
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pipe_drain(arg, 4);
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	ssize_t n;

	(void)what;
	n = write((int)fd, c->input + c->input_done,
	    c->input_len - c->input_done);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->input_done += (size_t)n;
	if (n < 0 || c->input_done == c->input_len)
		pipe_close(&c->in);
}

static void
child_free(void *p)
{
	struct child *c = p;

	str_free(&c->end.out);
	str_free(&c->end.err);
	free(c->input);
	free(c);
}

/* Everything is over: tells the owner, frees on the next turn. */
static void
finish(struct child *c)
{
	if (c->finished)
		return;
	c->finished = true;
	pipe_drain(&c->out, 1024);
	pipe_drain(&c->err, 1024);
	pipe_close(&c->out);
	pipe_close(&c->err);
	pipe_close(&c->in);
	if (c->exit_ev != NULL)
		event_free(c->exit_ev);
	close_fd(&c->pidfd);
	loop_timer_free(c->timer);
	loop_timer_free(c->poll);
	c->end.wall_ns = clock_mono_ns() - c->started_ns;
	c->end.cpu_ns =
	    (c->end.ru.ru_utime.tv_sec + c->end.ru.ru_stime.tv_sec) * NS_PER_S +
	    (c->end.ru.ru_utime.tv_usec + c->end.ru.ru_stime.tv_usec) *
		NS_PER_US;
	loop_reap(c->loop, child_free, c);
	c->done(c, &c->end, c->arg);
}

/* True if the child had ended and is now reaped. */
static bool
reap(struct child *c)
{
	siginfo_t si = { 0 };
	int status;

	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) !=
		0 ||
	    si.si_pid == 0)
		return false;
	/* While the zombie holds its number the group is still ours. */
	kill(-c->pid, SIGKILL);
	if (wait4(c->pid, &status, 0, &c->end.ru) != c->pid)
		return false;
	c->end.exited = WIFEXITED(status);
	c->end.code =
	    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return true;
}

static void
on_exit_event(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;

	(void)fd;
	(void)what;
	if (reap(c))
		finish(c);
}

static void
on_poll(void *arg)
{
	struct child *c = arg;

	if (reap(c))
		finish(c);
	else
		loop_timer_set(c->poll, POLL_NS);
}

static void
on_timer(void *arg)
{
	struct child *c = arg;

	switch (c->stage) {
	case STAGE_DEADLINE:
		c->end.timed_out = true;
		kill(-c->pid, c->strict ? SIGKILL : SIGTERM);
		c->stage = c->strict ? STAGE_KILL_SENT : STAGE_TERM_SENT;
		loop_timer_set(c->timer,
		    c->strict ? KILL_GRACE_NS : TERM_GRACE_NS);
		break;
	case STAGE_TERM_SENT:
		kill(-c->pid, SIGKILL);
		c->stage = STAGE_KILL_SENT;
		loop_timer_set(c->timer, KILL_GRACE_NS);
		break;
	case STAGE_KILL_SENT:
		/* It cannot die; its owner must not wait for ever. */
		c->end.exited = false;
		c->end.code = SIGKILL;
		finish(c);
		break;
	}
}

static void
watch_pipe(struct child *c, struct pipe_end *e, int fd, struct str *to)
{
	e->child = c;
	e->fd = fd;
	e->to = to;
	if (fd < 0)
		return;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	e->ev = to != NULL ? event_new(loop_base(c->loop), fd,
				 EV_READ | EV_PERSIST, on_output, e)
			   : event_new(loop_base(c->loop), fd,
				 EV_WRITE | EV_PERSIST, on_input, c);
	if (e->ev == NULL || event_add(e->ev, NULL) != 0)
		abort();
}

static void
watch_exit(struct child *c)
{
#ifdef SYS_pidfd_open
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
#else
	c->pidfd = -1;
#endif
	if (c->pidfd < 0) {
		c->poll = loop_timer_new(c->loop, on_poll, c);
		loop_timer_set(c->poll, POLL_NS);
		return;
	}
	fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
	c->exit_ev = event_new(loop_base(c->loop), c->pidfd,
	    EV_READ | EV_PERSIST, on_exit_event, c);
	if (c->exit_ev == NULL || event_add(c->exit_ev, NULL) != 0)
		abort();
}

/* Takes the parent's ends of the pipes. */
static struct child *
adopt(struct loop *l, const struct child_conf *conf, pid_t pid, const int in,
    int out, int err)
{
	struct child *c = xcalloc(1, sizeof *c);
	int64_t deadline_ms =
	    conf->deadline_ms > 0 ? conf->deadline_ms : DEADLINE_MS_DEFAULT;

	c->loop = l;
	c->pid = pid;
	c->started_ns = clock_mono_ns();
	c->output_max =
	    conf->output_max > 0 ? conf->output_max : OUTPUT_MAX_DEFAULT;
	if (conf->input_len > 0)
		c->input = xmemdup(conf->input, conf->input_len);
	c->input_len = conf->input_len;
	c->strict = conf->strict;
	watch_pipe(c, &c->in, in, NULL);
	watch_pipe(c, &c->out, out, &c->end.out);
	watch_pipe(c, &c->err, err, &c->end.err);
	watch_exit(c);
	c->timer = loop_timer_new(l, on_timer, c);
	loop_timer_set(c->timer, deadline_ms * NS_PER_MS);
	return c;
}

struct pipes {
	int in[2], out[2], err[2];
};

static bool
open_pipes(const struct child_conf *conf, struct pipes *p, struct plan *plan)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (conf->input_len > 0) {
		if (!safe_pipe(p->in))
			return false;
	} else {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		p->in[0] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 4);
		close_fd(&fd);
		if (p->in[0] < 0)
			return false;
	}
	if (!safe_pipe(p->out) || (!conf->merge_stderr && !safe_pipe(p->err)))
		return false;
	plan->in = p->in[0];
	plan->out = p->out[1];
	plan->err = conf->merge_stderr ? p->out[1] : p->err[1];
	return true;
}

static void
close_pipes(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&p->in[i]);
		close_fd(&p->out[i]);
		close_fd(&p->err[i]);
	}
}

bool
child_start(struct loop *l, const struct child_conf *conf,
    void (*done)(struct child *c, const struct child_end *end, void *arg),
    void *arg, struct child **out, struct mw_err *err)
{
	struct plan plan = { .cwd = conf->cwd, .pdeathsig = conf->pdeathsig };
	struct pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	bool ok = false;
	pid_t pid = -1;
	int sys;

	plan.argv = copy_vector(conf->argv);
	plan.env = conf->env != NULL ? copy_vector(conf->env) : default_env();
	plan.path = find_program(conf->argv[0], plan.env);
	if (plan.path == NULL) {
		err_set(err, MW_NOT_FOUND, ENOENT, "no program %s",
		    conf->argv[0]);
		goto out;
	}
	sys = open_pipes(conf, &pipes, &plan) ? spawn(&plan, &pid) : errno;
	if (sys != 0) {
		err_set(err, sys == ENOENT ? MW_NOT_FOUND : MW_INTERNAL, sys,
		    "start %s: %s", plan.path, strerror(sys));
		goto out;
	}
	*out = adopt(l, conf, pid, pipes.in[1], pipes.out[0], pipes.err[0]);
	pipes.in[1] = pipes.out[0] = pipes.err[0] = -1;
	(*out)->done = done;
	(*out)->arg = arg;
	ok = true;
out:
	close_pipes(&pipes);
	free(plan.path);
	free_vector(plan.env);
	free_vector(plan.argv);
	return ok;
}

void
child_cancel(struct child *c)
{
	if (c->finished)
		return;
	c->end.canceled = true;
	kill(-c->pid, SIGKILL);
	c->stage = STAGE_KILL_SENT;
	loop_timer_set(c->timer, KILL_GRACE_NS);
}

pid_t
child_pid(const struct child *c)
{
	return c->pid;
}
