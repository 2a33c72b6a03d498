/*
 * rescue.c - see rescue.h. Every route of the API is there and answers 503
 * with the way out; /healthz says "rescue", /v1/orphans what there is in the
 * clouds. No store: the token of the state directory's file is the only one
 * that counts.
 */
#include "coordinator/keep/rescue.h"

#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/tls.h"
#include "coordinator/api/api.h"
#include "coordinator/keep/rescue_list.h"
#include "coordinator/store/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_DAMAGED 71
#define EXIT_DISK 70
#define CHECK_MAX (INT64_C(512) << 20) /* larger ones are only opened */
#define TOKEN_MAX 4096

struct rescue {
	const struct coord_conf *conf;
	struct loop *loop;
	struct httpd *httpd;
	struct rescue_list *list;
	struct str token;
	char *text, *hint;
};

static struct db_io child_io;

static bool no_verdict(const char *db_path, int sig, struct mw_err *err);

/* ---- is it damaged? ------------------------------------------------------ */

static mw_noreturn void
child_die(struct db *db)
{
	int rc = sqlite3_errcode(db_handle(db)) & 0xff;

	_exit(rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? EXIT_DAMAGED
							  : EXIT_DISK);
}

/* The exit status that says so. */
static int
read_through(sqlite3 *h)
{
	sqlite3_stmt *st = NULL;
	bool ok = false;
	int rc = sqlite3_prepare_v2(h, "PRAGMA quick_check(1)", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		ok = str_eq((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	rc &= 0xff;
	if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR || rc == SQLITE_FULL)
		return EXIT_DISK; /* it could not be read: no verdict */
	return ok ? 0 : EXIT_DAMAGED;
}

static mw_noreturn void
child(const char *path, int64_t bytes, pid_t parent)
{
	struct mw_err err = MW_ERR_INIT;
	struct db *db;
	int status;

	/* It holds the lock of the directory, too: not longer than we live. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	child_io = *db_real_io();
	child_io.die = child_die;
	db_set_io(&child_io);
	db = db_open(path, &err);
	if (!db) /* another version's is none of ours to rescue */
		_exit(err.code == MW_UNSUPPORTED ? 0 : EXIT_DAMAGED);
	status = bytes <= CHECK_MAX ? read_through(db_handle(db)) : 0;
	if (status != 0)
		_exit(status);
	db_close(db);
	_exit(0);
}

bool
rescue_check(const char *db_path, struct mw_err *err)
{
	struct stat st;
	pid_t pid, parent = getpid();
	int status;

	if (stat(db_path, &st) < 0)
		return true; /* a new one is made, or the store says why not */
	pid = fork();
	if (pid == 0)
		child(db_path, (int64_t)st.st_size, parent);
	if (pid < 0)
		return err_set(err, MW_INTERNAL, errno, "fork: %s",
		    strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DISK)
		_exit(EXIT_DISK); /* the disk, not the database */
	if (WIFSIGNALED(status))
		return no_verdict(db_path, WTERMSIG(status), err);
	return err_set(err, MW_INTERNAL, RESCUE_DAMAGED, "%s is damaged",
	    db_path);
}

/* Who is killed has said nothing, e.g. where memory is short. */
static bool
no_verdict(const char *db_path, int sig, struct mw_err *err)
{
	err_set(err, MW_INTERNAL, 0,
	    "the check of %s was killed by signal %d before it could tell "
	    "whether the database is damaged",
	    db_path, sig);
	return err_hint(err,
	    sig == SIGKILL
		? "is memory short? start again"
		: "start again; if it stays so: milkyway restore FILE "
		  "--replace");
}

/* ---- the server ---------------------------------------------------------- */

static void
get_healthz(struct httpd_req *req, void *ctx)
{
	(void)ctx;
	httpd_reply(req, 200, "text/plain", "rescue\n", 7);
}

static void
get_readyz(struct httpd_req *req, void *ctx)
{
	const struct rescue *r = ctx;
	json_t *j = json_object();

	json_put_bool(j, "ready", false);
	json_put_str(j, "state", "rescue");
	json_put_str(j, "readyReason", r->text);
	httpd_reply_json(req, 503, j);
}

static void
get_doctor(struct httpd_req *req, void *ctx)
{
	const struct rescue *r = ctx;
	json_t *out = json_object(), *items = json_array(), *j = json_object();

	json_put_str(j, "check", "database");
	json_put_str(j, "level", "fail");
	json_put_str(j, "text", r->text);
	json_put_str(j, "fix", r->hint);
	json_array_append_new(items, j);
	json_put(out, "items", items);
	json_put_bool(out, "ok", false);
	httpd_reply_json(req, 200, out);
}

static void
get_orphans(struct httpd_req *req, void *ctx)
{
	const struct rescue *r = ctx;

	rescue_list_answer(r->list, req);
}

static void
refuse(struct httpd_req *req, void *ctx)
{
	const struct rescue *r = ctx;
	struct mw_err err = MW_ERR_INIT;

	err_set(&err, MW_UNREACHABLE, 0, "rescue mode: %s", r->text);
	err_hint(&err, "%s", r->hint);
	httpd_reply_err(req, &err);
}

static bool
admit(struct httpd_req *req, const struct httpd_route *route, void *ctx,
    struct mw_err *err)
{
	const struct rescue *r = ctx;
	const char *h = httpd_header(req, "Authorization");
	size_t n = strlen("Bearer ");

	if (route->role == ROLE_OPEN)
		return true;
	if (h && r->token.len && str_starts(h, "Bearer ") &&
	    strlen(h) - n == r->token.len &&
	    tls_equal(h + n, r->token.p, r->token.len))
		return true;
	return err_set(err, MW_DENIED, 0,
	    "rescue mode: only the token of the state directory counts");
}

static void
on_signal(int sig, void *arg)
{
	struct rescue *r = arg;

	(void)sig;
	loop_stop(r->loop);
}

static void
read_token(struct rescue *r)
{
	char *path = xasprintf("%s/token", r->conf->state_dir);
	struct mw_err err = MW_ERR_INIT;

	if (!file_read(path, TOKEN_MAX, &r->token, &err))
		log_warn("rescue", NULL, "no token: %s", err.msg);
	while (r->token.len && r->token.p[r->token.len - 1] == '\n')
		r->token.p[--r->token.len] = 0;
	free(path);
}

static bool
serve(struct rescue *r, struct mw_err *err)
{
	static const struct {
		const char *path;
		void (*handler)(struct httpd_req *req, void *ctx);
	} own[] = { { "/healthz", get_healthz }, { "/readyz", get_readyz },
		{ "/v1/doctor", get_doctor }, { "/v1/orphans", get_orphans } };
	static const char *const local[] = { "127.0.0.1", "localhost", NULL };
	size_t n;
	struct httpd_route *routes = api_routes_join(&n);
	struct httpd_conf conf = {
		.address = r->conf->api_address,
		.port = (uint16_t)r->conf->api_port,
		.routes = routes,
		.nroutes = n,
		.ctx = r,
		.admit = admit,
		.hosts = r->conf->api_behind_proxy ? NULL : local,
	};

	for (size_t i = 0; i < n; i++) {
		routes[i].handler = refuse;
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			if (str_eq(routes[i].path, own[k].path))
				routes[i].handler = own[k].handler;
	}
	if (!str_starts(r->conf->api_address, "127.") &&
	    !r->conf->api_behind_proxy)
		conf.address = "127.0.0.1";
	r->loop = loop_new();
	r->httpd = httpd_new(r->loop, &conf, err);
	r->list = rescue_list_new(r->loop, r->conf->state_dir, r->hint);
	if (r->httpd) {
		loop_on_signal(r->loop, on_signal, r);
		loop_run(r->loop);
	}
	rescue_list_free(r->list);
	if (r->httpd)
		httpd_free(r->httpd);
	loop_free(r->loop);
	free(routes);
	return r->httpd != NULL;
}

int
rescue_run(const struct coord_conf *conf, const struct mw_err *why)
{
	struct rescue r = { .conf = conf, .token = STR_INIT };
	struct mw_err err = MW_ERR_INIT;
	int lock = -1;
	bool ok;

	/* Nothing is restored beneath us; coord_new() has let go of it. */
	if (!coord_lock_dir(conf->state_dir, &lock, &err)) {
		log_error("rescue", NULL, "%s", err.msg);
		return err_exit_status(err.code);
	}
	r.text = xasprintf("%s; it is never replaced, nothing is changed and "
			   "no VM is ended",
	    why->msg);
	r.hint = xasprintf(
	    "stop milkywayd, then: milkyway "
	    "restore FILE --replace --dir %s. What is billed now: milkyway "
	    "orphans, or orphans --offline --connections "
	    "%s/connections.json",
	    conf->state_dir, conf->state_dir);
	log_error("rescue", NULL, "%s\tway_out=%s", r.text, r.hint);
	read_token(&r);
	ok = serve(&r, &err);
	if (!ok)
		log_error("rescue", NULL, "%s", err.msg);
	str_free(&r.token);
	free(r.text);
	free(r.hint);
	close(lock);
	return ok ? 0 : err_exit_status(err.code);
}
