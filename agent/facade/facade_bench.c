/*
 * facade_bench.c - the current task of the facade if it runs sysbench: init,
 * clean, and the eight kinds. Owns the private database, which lives from init
 * to clean. Promises: exactly one of facade_done() and facade_failed() per
 * task. Called by facade.c.
 */
#include "agent/facade/facade_int.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

#define RUN_EXTRA_MS 30000 /* beyond the time that sysbench is given */
#define RUN_DEFAULT_MS 60000
#define PREPARE_MS 300000
#define DB_LIFE_MS (24 * 3600 * INT64_C(1000))
#define DB_POOL_MIB 128
#define DB_LOG_MIB 48

/* "exit status 1: FATAL: ..." */
static void
explain(const struct child_end *end, char *out, size_t size)
{
	struct str s = STR_INIT;
	const char *text = str_cstr(&end->out);
	const char *fatal = strstr(text, "FATAL: ");

	if (end->timed_out)
		str_add(&s, "timed out");
	else if (!end->exited)
		str_addf(&s, "signal %d", end->code);
	else
		str_addf(&s, "exit status %d", end->code);
	if (fatal != NULL) {
		str_add(&s, ": ");
		str_add_escaped(&s, fatal, strcspn(fatal, "\n"), 200);
	}
	str_copy(out, size, str_cstr(&s));
	str_free(&s);
}

/* True: the child did what it was started for. Else the task is answered. */
static bool
child_ok(struct facade *f, const struct child_end *end, const char *what)
{
	char why[280];

	f->child = NULL;
	if (f->stopping) {
		facade_failed(f, what, "the agent ends");
		return false;
	}
	if (end->exited && end->code == 0)
		return true;
	explain(end, why, sizeof why);
	facade_failed(f, what, why);
	return false;
}

static void
sysbench(struct facade *f, enum facade_command c, int64_t deadline_ms,
    const char *what,
    void (*done)(struct child *c, const struct child_end *end, void *arg))
{
	struct mw_err err = MW_ERR_INIT;
	struct facade_argv argv;
	struct child_conf conf = { .argv = argv.v,
		.cwd = f->work,
		.deadline_ms = deadline_ms,
		.pdeathsig = true };

	if (f->db_ready) {
		f->params.db_socket = dbbench_socket(f->db);
		f->params.db_user = dbbench_user(f->db);
	}
	facade_argv(f->current->action, c, &f->params, &argv);
	if (child_start(f->loop, &conf, done, f, &f->child, &err))
		return;
	log_warn("facade", NULL, "cannot start sysbench: %s", err.msg);
	facade_failed(f, what, c != FACADE_RUN ? err.msg : "");
}

/* init: files, database, table. */

static void
on_table(struct child *c, const struct child_end *end, void *arg)
{
	struct facade *f = arg;

	(void)c;
	if (child_ok(f, end, "Init DB "))
		facade_done(f, "The init is complete");
}

static void
make_table(struct facade *f)
{
	sysbench(f, FACADE_DB_PREPARE, PREPARE_MS, "Init DB ", on_table);
}

/* A second init begins again; the original failed there. */
static void
on_table_dropped(struct child *c, const struct child_end *end, void *arg)
{
	struct facade *f = arg;

	(void)c;
	if (child_ok(f, end, "Init DB "))
		make_table(f);
}

static void
on_db_ready(void *arg)
{
	struct facade *f = arg;

	f->db_ready = true;
	make_table(f);
}

static void
stop_db(struct facade *f)
{
	f->db_ready = false;
	f->db_stopping = true;
	dbbench_stop(f->db);
}

static void
on_db_failed(void *arg, const char *why, const struct mw_err *err)
{
	struct facade *f = arg;
	bool starting = !f->db_ready;

	log_warn("facade", NULL, "the database ended: %s\twhy=%s", err->msg,
	    why);
	stop_db(f);
	/* While a child runs its own end tells the client. */
	if (starting && f->current != NULL)
		facade_failed(f, "Init DB ", err->msg);
}

static void
on_db_gone(void *arg)
{
	struct facade *f = arg;

	f->db = NULL;
	f->db_stopping = false;
	if (f->stopping)
		facade_stop_step(f);
	else if (f->current != NULL && f->current->action == FACADE_CLEAN &&
	    f->child == NULL)
		facade_done(f, "The cleaning is complete");
}

static void
start_db(struct facade *f)
{
	static const struct dbbench_ops ops = { on_db_ready, on_db_failed,
		on_db_gone };
	struct dbbench_conf conf = { .loop = f->loop,
		.dir = f->work,
		.pool_mib = DB_POOL_MIB,
		.log_mib = DB_LOG_MIB,
		.clients = 1,
		.life_ms = DB_LIFE_MS };
	struct mw_err err = MW_ERR_INIT;

	if (!dbbench_start(&conf, &ops, f, &f->db, &err))
		facade_failed(f, "Init DB ", err.msg);
}

static void
on_files(struct child *c, const struct child_end *end, void *arg)
{
	struct facade *f = arg;

	(void)c;
	if (!child_ok(f, end, "Init fileio "))
		return;
	if (f->db_ready)
		sysbench(f, FACADE_DB_CLEANUP, PREPARE_MS, "Init DB ",
		    on_table_dropped);
	else if (f->db_stopping)
		facade_failed(f, "Init DB ", "the last database still ends");
	else
		start_db(f);
}

/* clean: the database goes as a whole. */

static void
on_files_gone(struct child *c, const struct child_end *end, void *arg)
{
	struct facade *f = arg;

	(void)c;
	if (!child_ok(f, end, "Clean fileio "))
		return;
	if (f->db == NULL)
		facade_done(f, "The cleaning is complete");
	else if (!f->db_stopping)
		stop_db(f); /* on_db_gone() answers */
}

/* The eight kinds. */

static void
on_run(struct child *c, const struct child_end *end, void *arg)
{
	struct facade *f = arg;
	enum facade_action a = f->current->action;
	char number[32], why[280];

	(void)c;
	f->child = NULL;
	if (end->exited && end->code == 0 &&
	    facade_number(a, str_cstr(&end->out), end->out.len, number)) {
		facade_done(f, number);
		return;
	}
	/* The original names the kind only. */
	explain(end, why, sizeof why);
	log_warn("facade", NULL, "no result of %s: %s", facade_action_path(a),
	    why);
	facade_failed(f, facade_action_error(a), "");
}

static void
start_run(struct facade *f)
{
	enum facade_action a = f->current->action;
	int64_t ms =
	    f->params.seconds > 0 ? f->params.seconds * 1000 : RUN_DEFAULT_MS;

	if (facade_needs_db(a) && !f->db_ready)
		facade_failed(f, facade_action_error(a), "");
	else
		sysbench(f, FACADE_RUN, ms + RUN_EXTRA_MS,
		    facade_action_error(a), on_run);
}

void
facade_bench_start(struct facade *f)
{
	switch (f->current->action) {
	case FACADE_INIT:
		sysbench(f, FACADE_FILES_PREPARE, PREPARE_MS, "Init fileio ",
		    on_files);
		break;
	case FACADE_CLEAN:
		sysbench(f, FACADE_FILES_CLEANUP, PREPARE_MS, "Clean fileio ",
		    on_files_gone);
		break;
	default: start_run(f);
	}
}

void
facade_bench_cancel(struct facade *f)
{
	if (f->child != NULL)
		child_cancel(f->child);
	if (f->db != NULL && !f->db_stopping)
		stop_db(f);
}
