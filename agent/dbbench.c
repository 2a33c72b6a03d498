/*
 * dbbench.c - life of a private MariaDB server.
 * Promises: on_gone comes exactly once after dbbench_stop(), and then neither
 * process nor file is left. Called by bench.c.
 */
#include "agent/dbbench.h"

#include "agent/confine.h"
#include "agent/sysinfo.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READY_NS (60 * NS_PER_S)
#define READY_POLL_NS (20 * NS_PER_MS)
#define ARGS_MAX 20

struct dbbench {
	struct loop *loop;
	const struct dbbench_ops *ops;
	void *arg;
	char server[256]; /* program */
	char dir[128], user[64];
	struct sockaddr_un socket;
	int64_t pool_mib, log_mib, life_ms, ready_by_ns;
	struct child *child; /* the server */
	bool stopping, failed;
	struct loop_timer *timer;
};

struct args {
	const char *v[ARGS_MAX + 1];
	char *own[ARGS_MAX];
	size_t n;
};

static void mw_printf(2, 3) arg_add(struct args *a, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (a->n == ARGS_MAX)
		abort();
	a->own[a->n] = xstrdup(text);
	a->v[a->n] = a->own[a->n];
	a->v[++a->n] = NULL;
}

static void
args_free(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->own[i]);
}

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

	/* What cannot be removed now goes with the job's folder. */
	(void)!file_remove_tree(d->dir, &err);
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
	/* Its data is thrown away: no need for an orderly end. */
	if (d->child != NULL)
		child_cancel(d->child);
	else
		loop_reap(d->loop, gone, d);
}

static void
on_server_end(struct child *c, const struct child_end *end, void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	(void)c;
	d->child = NULL;
	if (d->stopping) {
		loop_reap(d->loop, gone, d);
		return;
	}
	err_set(&err, MW_REMOTE, 0, "mariadbd ended with %s %d",
	    end->exited ? "status" : "signal", end->code);
	fail(d, "DB_SETUP", &err);
}

/* The server listens only when it can serve; its init file has run then. */
static bool
answers(const struct dbbench *d)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&d->socket,
		sizeof d->socket) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void
poll_ready(void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;

	if (answers(d)) {
		d->ops->on_ready(d->arg);
	} else if (clock_mono_ns() > d->ready_by_ns) {
		err_set(&err, MW_TIMEOUT, 0, "mariadbd did not get ready");
		fail(d, "DB_SETUP", &err);
	} else {
		loop_timer_set(d->timer, READY_POLL_NS);
	}
}

static bool
make_folders(const struct dbbench *d, struct mw_err *err)
{
	char data[160];

	snprintf(data, sizeof data, "%s/data", d->dir);
	return file_mkdirs(d->dir, 0700, err) && file_mkdirs(data, 0700, err);
}

/*
 * The server makes its own empty tablespace. There are no tables of users and
 * privileges: whoever reaches the socket may do anything, and the socket lies
 * in a folder that only our user can enter.
 */
static bool
start_server(struct dbbench *d, struct mw_err *err)
{
	static const char sql[] = "CREATE DATABASE sbtest;\n";
	char init[160];
	struct args a = { .n = 0 };
	struct child_conf conf = { .argv = a.v,
		.cwd = d->dir,
		.deadline_ms = d->life_ms,
		.merge_stderr = true,
		.pdeathsig = true };
	bool ok;

	snprintf(init, sizeof init, "%s/init.sql", d->dir);
	if (!file_write(init, sql, sizeof sql - 1, 0600, err))
		return false;
	arg_add(&a, "%s", d->server);
	arg_add(&a, "--no-defaults");
	arg_add(&a, "--datadir=%s/data", d->dir);
	arg_add(&a, "--socket=%s", d->socket.sun_path);
	arg_add(&a, "--pid-file=%s/pid", d->dir);
	arg_add(&a, "--log-error=%s/err", d->dir);
	arg_add(&a, "--init-file=%s", init);
	arg_add(&a, "--skip-networking");
	arg_add(&a, "--skip-grant-tables");
	arg_add(&a, "--skip-log-bin");
	arg_add(&a, "--skip-name-resolve");
	arg_add(&a, "--performance-schema=OFF");
	/* Its tables would be among those that we do not make. */
	arg_add(&a, "--innodb-stats-persistent=OFF");
	arg_add(&a, "--innodb-buffer-pool-size=%" PRId64 "M", d->pool_mib);
	arg_add(&a, "--innodb-log-file-size=%" PRId64 "M", d->log_mib);
	/* Durability stays as shipped: each commit is flushed. */
	ok = child_start(d->loop, &conf, on_server_end, d, &d->child, err);
	args_free(&a);
	if (!ok)
		return false;
	d->ready_by_ns = clock_mono_ns() + READY_NS;
	loop_timer_set(d->timer, READY_POLL_NS);
	return true;
}

static bool
find_server(char *path, size_t size)
{
	return sysinfo_tool("mariadbd", path, size) ||
	    sysinfo_tool("mysqld", path, size);
}

bool
dbbench_available(void)
{
	char path[256];

	return find_server(path, sizeof path);
}

bool
dbbench_start(const struct dbbench_conf *conf, const struct dbbench_ops *ops,
    void *arg, struct dbbench **out, struct mw_err *err)
{
	struct dbbench *d = xcalloc(1, sizeof *d);
	int n;

	d->loop = conf->loop;
	d->ops = ops;
	d->arg = arg;
	d->pool_mib = conf->pool_mib;
	d->log_mib = conf->log_mib;
	d->life_ms = conf->life_ms;
	confine_own_name(d->user, sizeof d->user);
	d->socket.sun_family = AF_UNIX;
	n = snprintf(d->dir, sizeof d->dir, "%s/db", conf->dir);
	if (!find_server(d->server, sizeof d->server)) {
		err_set(err, MW_UNSUPPORTED, 0, "mariadbd is not installed");
		goto fail;
	}
	if (n >= (int)sizeof d->dir ||
	    snprintf(d->socket.sun_path, sizeof d->socket.sun_path, "%s/s",
		d->dir) >= (int)sizeof d->socket.sun_path) {
		err_set(err, MW_INVALID, 0,
		    "the working folder's path is too long for a socket");
		goto fail;
	}
	d->timer = loop_timer_new(d->loop, poll_ready, d);
	if (!make_folders(d, err) || !start_server(d, err)) {
		struct mw_err none = MW_ERR_INIT;

		(void)!file_remove_tree(d->dir, &none);
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
	return d->socket.sun_path;
}

const char *
dbbench_user(const struct dbbench *d)
{
	return d->user;
}

int64_t
dbbench_cpu_ns(const struct dbbench *d)
{
	struct timespec t;
	clockid_t id;

	if (d->child == NULL ||
	    clock_getcpuclockid(child_pid(d->child), &id) != 0 ||
	    clock_gettime(id, &t) != 0)
		return 0;
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}
