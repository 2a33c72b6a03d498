/*
 * dbbench.c - life of a private database: setup, server, ready, end.
 * Promises: on_gone comes exactly once after dbbench_stop(), and then neither
 * process nor file is left. Called by bench.c.
 */
#include "agent/bench/dbbench.h"

#include "agent/host/confine.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READY_NS (60 * NS_PER_S)
#define READY_POLL_NS (20 * NS_PER_MS)
#define SETUP_MS 60000
#define STOP_NS (5 * NS_PER_S) /* for an end that was asked for */
#define STAT_MAX 1024
#define CHILDREN_MAX 4096 /* bytes of their list */

struct dbbench {
	struct loop *loop;
	const struct dbengine *engine;
	const struct dbbench_ops *ops;
	void *arg;
	struct dbengine_place place;
	char target[160]; /* for sysbench */
	int64_t life_ms, ready_by_ns;
	struct child *child; /* the setup, then the server */
	bool serving, stopping, failed;
	struct loop_timer *timer;
};

static bool start_server(struct dbbench *d, struct mw_err *err);

static void
fail(struct dbbench *d, const char *why, const struct mw_err *err)
{
	if (d->failed || d->stopping)
		return;
	d->failed = true;
	loop_timer_clear(d->timer);
	d->ops->on_failed(d->arg, why, err);
}

static void
gone(void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	if (d->engine->sweep != NULL)
		d->engine->sweep(&d->place);
	/* What cannot be removed now goes with the job's folder. */
	(void)!file_remove_tree(d->place.dir, &err);
	d->ops->on_gone(d->arg);
	loop_timer_free(d->timer);
	free(d);
}

void
dbbench_stop(struct dbbench *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	loop_timer_clear(d->timer);
	if (d->child == NULL) {
		loop_reap(d->loop, gone, d);
	} else if (d->serving && d->engine->stop_signal != 0) {
		kill(child_pid(d->child), d->engine->stop_signal);
		loop_timer_set(d->timer, STOP_NS);
	} else {
		/* Its data is thrown away: no need for an orderly end. */
		child_cancel(d->child);
	}
}

/* The last words of a program that failed. */
static void
explain(const char *what, const struct child_end *end, struct mw_err *err)
{
	struct str s = STR_INIT;
	const char *text = str_cstr(&end->out);
	size_t n = end->out.len, begin;

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	for (begin = n; begin > 0 && text[begin - 1] != '\n';)
		begin--;
	str_add_escaped(&s, text + begin, n - begin, 120);
	err_set(err, MW_REMOTE, 0, "%s ended with %s %d%s%s", what,
	    end->exited ? "status" : "signal", end->code, s.len ? ": " : "",
	    str_cstr(&s));
	str_free(&s);
}

static void
on_server_end(struct child *c, const struct child_end *end, void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	d->child = NULL;
	if (d->stopping) {
		loop_timer_clear(d->timer);
		loop_reap(d->loop, gone, d);
		return;
	}
	explain(tools_name(d->engine->tool), end, &err);
	fail(d, "DB_SETUP", &err);
}

static void
on_setup_end(struct child *c, const struct child_end *end, void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	d->child = NULL;
	if (d->stopping) {
		loop_reap(d->loop, gone, d);
		return;
	}
	if (!end->exited || end->code != 0) {
		explain("making the database", end, &err);
		fail(d, "DB_SETUP", &err);
	} else if (!start_server(d, &err)) {
		fail(d, "DB_SETUP", &err);
	}
}

static void
on_timer(void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	if (d->stopping) {
		child_cancel(d->child); /* asked, and did not end */
	} else if (d->engine->server == NULL || d->engine->ready(&d->place)) {
		d->ops->on_ready(d->arg);
	} else if (clock_mono_ns() > d->ready_by_ns) {
		err_set(&err, MW_TIMEOUT, 0, "%s did not get ready",
		    tools_name(d->engine->tool));
		fail(d, "DB_SETUP", &err);
	} else {
		loop_timer_set(d->timer, READY_POLL_NS);
	}
}

static bool
start_child(struct dbbench *d, const struct dbengine_args *a, int64_t life_ms,
    void (*done)(struct child *, const struct child_end *, void *),
    struct mw_err *err)
{
	struct child_conf conf = { .argv = a->v,
		.cwd = d->place.dir,
		.deadline_ms = life_ms,
		.merge_stderr = true,
		.pdeathsig = true };

	return child_start(d->loop, &conf, done, d, &d->child, err);
}

static bool
start_server(struct dbbench *d, struct mw_err *err)
{
	struct dbengine_args a = { .n = 0 };
	bool ok = d->engine->server(&d->place, &a, err) &&
	    start_child(d, &a, d->life_ms, on_server_end, err);

	dbengine_args_free(&a);
	if (!ok)
		return false;
	d->serving = true;
	d->ready_by_ns = clock_mono_ns() + READY_NS;
	loop_timer_set(d->timer, READY_POLL_NS);
	return true;
}

static bool
start_first(struct dbbench *d, struct mw_err *err)
{
	struct dbengine_args a = { .n = 0 };
	bool ok;

	if (!file_mkdirs(d->place.dir, 0700, err))
		return false;
	if (d->engine->server == NULL) {
		loop_timer_set(d->timer, 0);
		return true;
	}
	if (d->engine->setup == NULL)
		return start_server(d, err);
	d->engine->setup(&d->place, &a);
	ok = start_child(d, &a, SETUP_MS, on_setup_end, err);
	dbengine_args_free(&a);
	return ok;
}

static bool
choose_paths(struct dbbench *d, const char *dir, struct mw_err *err)
{
	struct dbengine_place *p = &d->place;

	p->socket.sun_family = AF_UNIX;
	if (snprintf(p->dir, sizeof p->dir, "%s/%s", dir, d->engine->name) >=
		(int)sizeof p->dir ||
	    snprintf(p->socket.sun_path, sizeof p->socket.sun_path, "%s%s",
		p->dir, d->engine->socket) >= (int)sizeof p->socket.sun_path)
		return err_set(err, MW_INVALID, 0,
		    "the working folder's path is too long for a socket");
	snprintf(d->target, sizeof d->target, "%s%s", p->dir,
	    d->engine->target);
	return true;
}

static bool
check(struct dbbench *d, struct mw_err *err)
{
	char text[200];

	if (!d->engine->find(&d->place)) {
		dbengine_missing(d->engine, text, sizeof text);
		return err_set(err, MW_UNSUPPORTED, 0, "%s", text);
	}
	if (geteuid() == 0 && d->engine->no_root)
		return err_set(err, MW_DENIED, 0, "%s refuses to run as root",
		    tools_name(d->engine->tool));
	return true;
}

bool
dbbench_start(const struct dbbench_conf *conf, const struct dbbench_ops *ops,
    void *arg, struct dbbench **out, struct mw_err *err)
{
	struct dbbench *d = xcalloc(1, sizeof *d);

	d->loop = conf->loop;
	d->engine = conf->engine != NULL ? conf->engine : dbengine_default;
	d->ops = ops;
	d->arg = arg;
	d->life_ms = conf->life_ms;
	d->place.pool_mib = conf->pool_mib;
	d->place.log_mib = conf->log_mib;
	d->place.clients = conf->clients;
	confine_own_name(d->place.user, sizeof d->place.user);
	if (!choose_paths(d, conf->dir, err) || !check(d, err))
		goto fail;
	d->timer = loop_timer_new(d->loop, on_timer, d);
	if (!start_first(d, err)) {
		struct mw_err none = MW_ERR_INIT;

		(void)!file_remove_tree(d->place.dir, &none);
		goto fail;
	}
	*out = d;
	return true;
fail:
	loop_timer_free(d->timer);
	free(d);
	return false;
}

const char *
dbbench_socket(const struct dbbench *d)
{
	return d->target;
}

const char *
dbbench_user(const struct dbbench *d)
{
	return d->place.user;
}

const char *
dbbench_program(const struct dbbench *d)
{
	return d->engine->server == NULL ? d->place.server : NULL;
}

bool
dbbench_available(void)
{
	return dbengine_here(dbengine_default);
}

/* CPU time ----------------------------------------------------------------- */

/* "PID (name) S ..." : the name may hold anything, so count from its end. */
bool
dbbench_parse_stat(const char *p, size_t n, int64_t *own_ticks,
    int64_t *waited_ticks)
{
	const char *end = memrchr(p, ')', n);
	int64_t v[4];
	size_t at, len;

	if (end == NULL)
		return false;
	at = (size_t)(end - p) + 1;
	for (unsigned field = 3; field <= 17; field++) {
		while (at < n && p[at] == ' ')
			at++;
		for (len = 0; at + len < n && p[at + len] != ' ';)
			len++;
		if (field >= 14 &&
		    !num_parse_i64(p + at, len, 0, INT64_MAX / 4,
			&v[field - 14]))
			return false;
		at += len;
	}
	*own_ticks = v[0] + v[1];
	*waited_ticks = v[2] + v[3];
	return true;
}

static bool
read_proc(const char *path, char *text, size_t size, size_t *n)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	*n = fread(text, 1, size - 1, f);
	text[*n] = '\0';
	fclose(f);
	return true;
}

/* Ticks of one process; both 0 if it is gone. */
static void
ticks_of(long pid, int64_t *own, int64_t *waited)
{
	char path[48], text[STAT_MAX];
	size_t n;

	*own = *waited = 0;
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	if (read_proc(path, text, sizeof text, &n) &&
	    !dbbench_parse_stat(text, n, own, waited))
		*own = *waited = 0;
}

/* A server of many processes: those that live and those that ended. */
static int64_t
children_ns(long pid)
{
	char path[64], text[CHILDREN_MAX];
	int64_t own, sum, ticks_per_s = sysconf(_SC_CLK_TCK);
	size_t n;

	ticks_of(pid, &own, &sum);
	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
	if (!read_proc(path, text, sizeof text, &n))
		n = 0;
	for (size_t i = 0; i < n;) {
		size_t len = strcspn(text + i, " ");
		int64_t child, waited;

		if (num_parse_i64(text + i, len, 1, INT32_MAX, &child)) {
			ticks_of((long)child, &own, &waited);
			sum += own + waited;
		}
		i += len + 1;
	}
	return sum * (NS_PER_S / ticks_per_s);
}

int64_t
dbbench_cpu_ns(const struct dbbench *d)
{
	struct timespec t;
	clockid_t id;
	int64_t ns;

	if (d->child == NULL ||
	    clock_getcpuclockid(child_pid(d->child), &id) != 0 ||
	    clock_gettime(id, &t) != 0)
		return 0;
	ns = t.tv_sec * NS_PER_S + t.tv_nsec;
	if (d->engine->forks)
		ns += children_ns(child_pid(d->child));
	return ns;
}
