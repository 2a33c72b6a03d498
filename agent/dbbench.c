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

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define INSTALL_MS 120000
#define READY_NS (60 * NS_PER_S)
#define READY_POLL_NS (20 * NS_PER_MS)
#define ARGS_MAX 20

struct dbbench {
	struct loop *loop;
	const struct dbbench_ops *ops;
	void *arg;
	char install[256], server[256]; /* programs */
	char dir[128], user[64];
	struct sockaddr_un socket;
	int64_t pool_mib, log_mib, life_ms, ready_by_ns;
	struct child *child; /* the installer, then the server */
	bool serving, ready, stopping, failed;
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
		d->ready = true;
		d->ops->on_ready(d->arg);
	} else if (clock_mono_ns() > d->ready_by_ns) {
		err_set(&err, MW_TIMEOUT, 0, "mariadbd did not get ready");
		fail(d, "DB_SETUP", &err);
	} else {
		loop_timer_set(d->timer, READY_POLL_NS);
	}
}

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
	arg_add(&a, "--skip-log-bin");
	arg_add(&a, "--skip-name-resolve");
	arg_add(&a, "--performance-schema=OFF");
	arg_add(&a, "--innodb-buffer-pool-size=%" PRId64 "M", d->pool_mib);
	arg_add(&a, "--innodb-log-file-size=%" PRId64 "M", d->log_mib);
	/* Durability stays as shipped: each commit is flushed. */
	ok = child_start(d->loop, &conf, on_server_end, d, &d->child, err);
	args_free(&a);
	if (!ok)
		return false;
	d->serving = true;
	d->ready_by_ns = clock_mono_ns() + READY_NS;
	loop_timer_set(d->timer, READY_POLL_NS);
	return true;
}

static void
on_installed(struct child *c, const struct child_end *end, void *arg)
{
	struct dbbench *d = arg;
	struct mw_err err = MW_ERR_INIT;
	struct str tail = STR_INIT;

	(void)c;
	d->child = NULL;
	if (d->stopping) {
		loop_reap(d->loop, gone, d);
		return;
	}
	if (end->exited && end->code == 0) {
		if (!start_server(d, &err))
			fail(d, "DB_SETUP", &err);
		return;
	}
	str_add_escaped(&tail, str_cstr(&end->out), end->out.len, 120);
	err_set(&err, end->timed_out ? MW_TIMEOUT : MW_REMOTE, 0,
	    "mariadb-install-db ended with %s %d: %s",
	    end->exited ? "status" : "signal", end->code, str_cstr(&tail));
	str_free(&tail);
	fail(d, end->timed_out ? "TIMEOUT" : "DB_SETUP", &err);
}

static bool
start_install(struct dbbench *d, struct mw_err *err)
{
	struct args a = { .n = 0 };
	struct child_conf conf = { .argv = a.v,
		.cwd = d->dir,
		.deadline_ms = INSTALL_MS,
		.merge_stderr = true,
		.pdeathsig = true };
	bool ok;

	arg_add(&a, "%s", d->install);
	arg_add(&a, "--no-defaults");
	arg_add(&a, "--auth-root-authentication-method=socket");
	arg_add(&a, "--auth-root-socket-user=%s", d->user);
	arg_add(&a, "--skip-test-db");
	arg_add(&a, "--skip-name-resolve");
	arg_add(&a, "--datadir=%s/data", d->dir);
	/* Only for the making of empty tables: a crash here costs nothing. */
	arg_add(&a, "--innodb-flush-log-at-trx-commit=0");
	arg_add(&a, "--innodb-buffer-pool-size=16M");
	arg_add(&a, "--innodb-log-file-size=%" PRId64 "M", d->log_mib);
	ok = child_start(d->loop, &conf, on_installed, d, &d->child, err);
	args_free(&a);
	return ok;
}

static bool
find_programs(struct dbbench *d)
{
	return (sysinfo_tool("mariadb-install-db", d->install,
		    sizeof d->install) ||
		   sysinfo_tool("mysql_install_db", d->install,
		       sizeof d->install)) &&
	    (sysinfo_tool("mariadbd", d->server, sizeof d->server) ||
		sysinfo_tool("mysqld", d->server, sizeof d->server));
}

bool
dbbench_available(void)
{
	struct dbbench d;

	return find_programs(&d);
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
	if (!find_programs(d)) {
		err_set(err, MW_UNSUPPORTED, 0,
		    "mariadb-install-db or mariadbd is not installed");
		goto fail;
	}
	if (n >= (int)sizeof d->dir ||
	    snprintf(d->socket.sun_path, sizeof d->socket.sun_path, "%s/s",
		d->dir) >= (int)sizeof d->socket.sun_path) {
		err_set(err, MW_INVALID, 0,
		    "the working folder's path is too long for a socket");
		goto fail;
	}
	if (mkdir(d->dir, 0700) != 0) {
		err_set(err, MW_INTERNAL, errno, "mkdir %s: %s", d->dir,
		    strerror(errno));
		goto fail;
	}
	if (!start_install(d, err)) {
		rmdir(d->dir);
		goto fail;
	}
	d->timer = loop_timer_new(d->loop, poll_ready, d);
	*out = d;
	return true;
fail:
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

	if (!d->serving || d->child == NULL ||
	    clock_getcpuclockid(child_pid(d->child), &id) != 0 ||
	    clock_gettime(id, &t) != 0)
		return 0;
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}
