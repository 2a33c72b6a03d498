/*
 * dbengine.c - the table of databases. All of them run unprivileged, reached
 * through a unix socket or a file in a folder that only our user can enter;
 * durability is as shipped: each commit is flushed.
 */
#include "agent/bench/dbengine.h"

#include "agent/host/sysinfo.h"
#include "agent/bench/toolhint.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#define PG_ROOT "/usr/lib/postgresql"

static void mw_printf(2, 3)
    arg_add(struct dbengine_args *a, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (a->n == DBENGINE_ARGS)
		abort();
	a->own[a->n] = xstrdup(text);
	a->v[a->n] = a->own[a->n];
	a->v[++a->n] = NULL;
}

void
dbengine_args_free(struct dbengine_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->own[i]);
	a->n = 0;
}

/* MariaDB ------------------------------------------------------------------ */

static bool
mariadb_find(struct dbengine_place *p)
{
	return sysinfo_tool("mariadbd", p->server, sizeof p->server) ||
	    sysinfo_tool("mysqld", p->server, sizeof p->server);
}

/*
 * The server makes its own empty tablespace. There are no tables of users and
 * privileges: whoever reaches the socket may do anything, and the socket lies
 * in a folder that only our user can enter.
 */
static bool
mariadb_server(const struct dbengine_place *p, struct dbengine_args *a,
    struct mw_err *err)
{
	static const char sql[] = "CREATE DATABASE sbtest;\n";
	char path[192];

	snprintf(path, sizeof path, "%s/data", p->dir);
	if (!file_mkdirs(path, 0700, err))
		return false;
	snprintf(path, sizeof path, "%s/init.sql", p->dir);
	if (!file_write(path, sql, sizeof sql - 1, 0600, err))
		return false;
	arg_add(a, "%s", p->server);
	arg_add(a, "--no-defaults");
	arg_add(a, "--datadir=%s/data", p->dir);
	arg_add(a, "--socket=%s", p->socket.sun_path);
	arg_add(a, "--pid-file=%s/pid", p->dir);
	arg_add(a, "--log-error=%s/err", p->dir);
	arg_add(a, "--init-file=%s", path);
	arg_add(a, "--skip-networking");
	arg_add(a, "--skip-grant-tables");
	arg_add(a, "--skip-log-bin");
	arg_add(a, "--skip-name-resolve");
	arg_add(a, "--performance-schema=OFF");
	/* Its tables would be among those that we do not make. */
	arg_add(a, "--innodb-stats-persistent=OFF");
	arg_add(a, "--innodb-buffer-pool-size=%" PRId64 "M", p->pool_mib);
	arg_add(a, "--innodb-log-file-size=%" PRId64 "M", p->log_mib);
	return true;
}

/* The server listens only when it can serve; its init file has run then. */
static bool
mariadb_ready(const struct dbengine_place *p)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&p->socket,
		sizeof p->socket) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* PostgreSQL --------------------------------------------------------------- */

/* Debian keeps the programs of each version in a folder of its own, outside of
 * PATH: the newest that has all. */
static bool
pgsql_find(struct dbengine_place *p)
{
	int64_t best = -1, version;
	struct dirent *e;
	DIR *d;

	if (sysinfo_tool("postgres", p->server, sizeof p->server) &&
	    sysinfo_tool("initdb", p->setup, sizeof p->setup))
		return true;
	d = opendir(PG_ROOT);
	while (d != NULL && (e = readdir(d)) != NULL) {
		char server[256], setup[256];

		if (!num_parse_i64(e->d_name, strnlen(e->d_name, 8), 1, 9999,
			&version) ||
		    version < best)
			continue;
		snprintf(server, sizeof server,
		    PG_ROOT "/%" PRId64 "/bin/postgres", version);
		snprintf(setup, sizeof setup, PG_ROOT "/%" PRId64 "/bin/initdb",
		    version);
		if (access(server, X_OK) != 0 || access(setup, X_OK) != 0)
			continue;
		str_copy(p->server, sizeof p->server, server);
		str_copy(p->setup, sizeof p->setup, setup);
		best = version;
	}
	if (d != NULL)
		closedir(d);
	return best >= 0;
}

static void
pgsql_setup(const struct dbengine_place *p, struct dbengine_args *a)
{
	arg_add(a, "%s", p->setup);
	arg_add(a, "--pgdata=%s/data", p->dir);
	arg_add(a, "--username=%s", p->user);
	arg_add(a, "--auth=trust"); /* behind our folder's mode 0700 */
	arg_add(a, "--encoding=UTF8");
	arg_add(a, "--locale=C");
	arg_add(a, "--no-sync"); /* only the making is not flushed */
}

static bool
pgsql_server(const struct dbengine_place *p, struct dbengine_args *a,
    struct mw_err *err)
{
	(void)err;
	arg_add(a, "%s", p->server);
	arg_add(a, "-D");
	arg_add(a, "%s/data", p->dir);
	arg_add(a, "-clisten_addresses=");
	arg_add(a, "-cunix_socket_directories=%s", p->dir);
	arg_add(a, "-cunix_socket_permissions=0700");
	arg_add(a, "-cshared_buffers=%" PRId64 "MB", p->pool_mib);
	arg_add(a, "-cmax_connections=%u", p->clients + 10);
	/* Nothing of it may lie outside of our folder. */
	arg_add(a, "-cdynamic_shared_memory_type=mmap");
	/* Its workers would come and go beside the measurement. */
	arg_add(a, "-cautovacuum=off");
	arg_add(a, "-clog_min_messages=fatal");
	return true;
}

/* The line that pg_ctl looks at, too (src/include/utils/pidfile.h). */
static bool
pidfile_line(const char *p, size_t n, unsigned line, const char **at,
    size_t *len)
{
	for (unsigned i = 1; n > 0; i++) {
		const char *nl = memchr(p, '\n', n);
		size_t k = nl != NULL ? (size_t)(nl - p) : n;

		if (i == line) {
			*at = p;
			*len = k;
			return true;
		}
		n -= k + (nl != NULL);
		p += k + (nl != NULL);
	}
	return false;
}

bool
dbengine_postmaster_ready(const char *p, size_t n)
{
	size_t len;

	return pidfile_line(p, n, 8, &p, &len) && len >= 5 &&
	    memcmp(p, "ready", 5) == 0;
}

/* Line 7: key and id of the shared memory. */
int64_t
dbengine_postmaster_shm(const char *p, size_t n)
{
	size_t len, skip = 0, digits = 0;
	int64_t id;

	if (!pidfile_line(p, n, 7, &p, &len))
		return -1;
	while (skip < len && p[skip] == ' ')
		skip++;
	while (skip < len && p[skip] != ' ')
		skip++;
	while (skip < len && p[skip] == ' ')
		skip++;
	while (skip + digits < len && p[skip + digits] != ' ')
		digits++;
	return num_parse_i64(p + skip, digits, 0, INT32_MAX, &id) ? id : -1;
}

static bool
pgsql_pidfile(const struct dbengine_place *p, struct str *text)
{
	struct mw_err err = MW_ERR_INIT;
	char path[192];

	snprintf(path, sizeof path, "%s/data/postmaster.pid", p->dir);
	return file_read(path, 4096, text, &err);
}

static bool
pgsql_ready(const struct dbengine_place *p)
{
	struct str s = STR_INIT;
	bool ok = pgsql_pidfile(p, &s) && dbengine_postmaster_ready(s.p, s.len);

	str_free(&s);
	return ok;
}

/* The file is there only after a bad end: then a page of System V shared
 * memory is, too. */
static void
pgsql_sweep(const struct dbengine_place *p)
{
	struct str s = STR_INIT;
	int64_t id =
	    pgsql_pidfile(p, &s) ? dbengine_postmaster_shm(s.p, s.len) : -1;

	str_free(&s);
	if (id >= 0) /* not ours: the kernel refuses */
		(void)shmctl((int)id, IPC_RMID, NULL);
}

/* SQLite ------------------------------------------------------------------- */

/* Beside the agent, else in PATH. */
static bool
lite_find(struct dbengine_place *p)
{
	static const char name[] = "milkyway-dblite";
	char self[200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		snprintf(p->server, sizeof p->server, "%.*s/%s",
		    slash != NULL ? (int)(slash - self) : 0, self, name);
		if (access(p->server, X_OK) == 0)
			return true;
	}
	return sysinfo_tool(name, p->server, sizeof p->server);
}

static const struct dbengine engines[] = {
	{ .name = "mariadb",
	    .variant = "std",
	    .tool_name = "",
	    .tool = TOOL_MARIADB,
	    .socket = "/s",
	    .target = "/s",
	    .find = mariadb_find,
	    .server = mariadb_server,
	    .ready = mariadb_ready },
	/* A cluster has the database "postgres" from the beginning. SIGQUIT:
	 * its "immediate" end, which leaves neither process nor memory. */
	{ .name = "pgsql",
	    .variant = "pgsql",
	    .tool_name = "",
	    .tool = TOOL_POSTGRES,
	    .socket = "/.s.PGSQL.5432",
	    .target = "",
	    .no_root = true,
	    .forks = true,
	    .stop_signal = SIGQUIT,
	    .find = pgsql_find,
	    .setup = pgsql_setup,
	    .server = pgsql_server,
	    .ready = pgsql_ready,
	    .sweep = pgsql_sweep },
	/* No server: the load generator is the database. */
	{ .name = "lite",
	    .variant = "lite",
	    .tool_name = "milkyway-dblite",
	    .tool = TOOL_DBLITE,
	    .socket = "/lite.db",
	    .target = "/lite.db",
	    .find = lite_find },
};

const struct dbengine *const dbengine_default = &engines[0];

const struct dbengine *
dbengine_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++)
		if (strcmp(engines[i].name, name) == 0)
			return &engines[i];
	return NULL;
}

bool
dbengine_here(const struct dbengine *e)
{
	struct dbengine_place p = { .dir = "" };

	return e->find(&p);
}

void
dbengine_missing(const struct dbengine *e, char *text, size_t size)
{
	size_t n;

	toolhint(e->tool, text, size);
	n = strlen(text);
	if (e == dbengine_default && dbengine_here(dbengine_find("lite")))
		snprintf(text + n, size - n,
		    "; --db-engine lite needs no server");
}
