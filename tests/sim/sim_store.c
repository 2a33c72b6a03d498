/*
 * sim_store.c - the store without its thread: a queue, group transactions and
 * their completions as events of the world. Below it store_db.c and
 * db_lifecycle.c are the shipped ones.
 *
 * Each group leaves its number in the database with its rows. A new process
 * tells by it whether the group that was under way at the death of the old one
 * is there, as a whole, and that nothing acknowledged is missing (I4).
 */
#include "tests/sim/sim_int.h"

#include "common/log.h"
#include "coordinator/store/db_lifecycle.h"

#include <malloc.h>
#include <setjmp.h>
#include <string.h>

#define GROUP_MAX 500
#define DB_NAME "db"

static jmp_buf out;
static struct sim *world;

void
sim_txn_free(struct lc_txn *t)
{
	arena_free(t->arena);
	free(t->rows);
	free(t->slots);
	free(t);
}

/* The store's last word: back to where the simulator called it. */
mw_noreturn void
sim_store_die(struct db *db)
{
	world->db = db;
	if (!world->dead)
		sim_say(world, "the store ends the process");
	world->dead = true;
	longjmp(out, 1);
}

/* Tables of other rooms, which no transaction of the lifecycle touches. To
 * read them with the schema at each start would take a third of the time;
 * fresh runs keep them. */
static const char trim_sql[] =
    "DROP TABLE IF EXISTS event; DROP TABLE IF EXISTS spec;"
    "DROP TABLE IF EXISTS image; DROP TABLE IF EXISTS conn;"
    "DROP TABLE IF EXISTS agent; DROP TABLE IF EXISTS run_vm;"
    "DROP TABLE IF EXISTS run; DROP TABLE IF EXISTS result;"
    "DROP TABLE IF EXISTS env; DROP TABLE IF EXISTS raw;"
    "DROP TABLE IF EXISTS schedule; DROP TABLE IF EXISTS schedule_seen;"
    "DROP TABLE IF EXISTS rtt_row; DROP TABLE IF EXISTS rtt_round;"
    "DROP TABLE IF EXISTS rtt_day; DROP TABLE IF EXISTS rtt_fold;"
    "DROP TABLE IF EXISTS rtt_set; DROP TABLE IF EXISTS host_min;"
    "DROP TABLE IF EXISTS host_hour; DROP TABLE IF EXISTS placement;"
    "DROP TABLE IF EXISTS drift_pair; DROP TABLE IF EXISTS drift;"
    "DROP TABLE IF EXISTS token; VACUUM";

static void
trim(void)
{
	sqlite3 *h = NULL;

	if (sqlite3_open_v2(DB_NAME, &h, SQLITE_OPEN_READWRITE, "sim") !=
		SQLITE_OK ||
	    sqlite3_exec(h, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL,
		NULL) != SQLITE_OK ||
	    sqlite3_exec(h, trim_sql, NULL, NULL, NULL) != SQLITE_OK)
		abort();
	sqlite3_close(h);
}

/* Makes the image of a new database, by the store itself. */
static void
make_image(void)
{
	struct sim *w = xcalloc(1, sizeof *w);
	struct mw_err err = MW_ERR_INIT;

	rng_seed(&w->rng, 0);
	w->crash_at = -1;
	world = w;
	vfs_begin(w, true);
	w->db = db_open(DB_NAME, &err);
	if (!w->db) {
		fprintf(stderr, "cannot make a database: %s\n", err.msg);
		abort();
	}
	db_close(w->db);
	trim();
	vfs_keep_image();
	free(w);
}

void
sim_store_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	/* Many short lives: nothing is gained by keeping small pieces apart. */
	mallopt(M_MXFAST, 0);
	log_init("sim", (enum log_level)(LOG_ERROR + 1));
	vfs_init();
	db_set_io(vfs_io());
	make_image();
}

static void
txns_add(struct txns *q, struct lc_txn *t)
{
	VEC_GROW(q->v, q->n, q->cap);
	q->v[q->n++] = t;
}

static void
txns_free(struct txns *q)
{
	for (size_t i = 0; i < q->n; i++)
		sim_txn_free(q->v[i]);
	free(q->v);
	memset(q, 0, sizeof *q);
}

void
sim_store_submit(struct sim *w, struct lc_txn *take_txn)
{
	txns_add(&w->queue, take_txn);
}

/* ---- start ---------------------------------------------------------------- */

static bool
read_number(struct db *db, uint64_t *n, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT CAST(value AS INT) FROM meta WHERE key = 'sim_commit'");

	*n = 0;
	while (db_row(db, st, err))
		*n = (uint64_t)sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

/* What the database says about the group that nobody knows of. */
static void
resolve(struct sim *w, uint64_t n)
{
	struct txns *q = &w->doubt;
	bool there = q->n > 0 && n == w->next_commit - 1;

	sim_say(w, "database at commit %llu, acknowledged %llu%s",
	    (unsigned long long)n, (unsigned long long)w->rows.commit,
	    there ? ", and one that was not" : "");
	if (there) {
		w->rows.commit = n;
		for (size_t i = 0; i < q->n; i++) {
			for (size_t k = 0; k < q->v[i]->n; k++)
				rows_put(w, &q->v[i]->rows[k]);
		}
	} else if (n < w->rows.commit) {
		sim_violation(w, "I4_COMMIT_LOST", 0, "%llu of %llu",
		    (unsigned long long)n, (unsigned long long)w->rows.commit);
	} else if (n > w->rows.commit) {
		sim_violation(w, "I4_COMMIT_OF_NOBODY", 0, "%llu after %llu",
		    (unsigned long long)n, (unsigned long long)w->rows.commit);
	}
	txns_free(q);
}

/* What restoring a backup does to it before it is used (coordinator/keep/restore):
 * generations of the lost time do not come back. */
static bool
begin_epoch(struct sim *w, struct mw_err *err)
{
	static const char *const keys[2] = { "db_epoch", "epoch_slot" };
	const int64_t values[2] = { w->db_epoch, w->rows.next_slot };

	for (size_t i = 0; i < 2; i++) {
		sqlite3_stmt *st = db_stmt(w->db,
		    "INSERT OR REPLACE INTO meta(key, value) "
		    "VALUES(?, CAST(? AS TEXT))");

		db_bind(st, "si", keys[i], values[i]);
		if (!db_exec(w->db, st, err))
			return false;
	}
	return true;
}

bool
sim_store_open(struct sim *w)
{
	struct mw_err err = MW_ERR_INIT;
	uint64_t n = 0;

	world = w;
	if (setjmp(out) != 0)
		return false;
	w->db = db_open(DB_NAME, &err);
	if (!w->db) {
		sim_say(w, "%s", err.msg);
		if (!w->dead && !w->faults)
			sim_violation(w, "I4_NOT_OPEN", 0, "%.80s", err.msg);
		return false;
	}
	db_begin(w->db);
	db_savepoint(w->db);
	if (w->new_epoch && !begin_epoch(w, &err))
		abort();
	if (!read_number(w->db, &n, &err) ||
	    !db_lifecycle_load(w->db, w->lc, &err)) {
		sim_violation(w, "I4_NOT_LOADED", 0, "%.80s", err.msg);
		return false;
	}
	db_savepoint_end(w->db, true);
	db_commit(w->db);
	w->new_epoch = false;
	resolve(w, n);
	return !w->dead;
}

/* ---- groups --------------------------------------------------------------- */

static bool
put_number(struct db *db, uint64_t n, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO meta(key, value) "
	    "VALUES('sim_commit', CAST(? AS TEXT))");

	db_bind(st, "i", (int64_t)n);
	return db_exec(db, st, err);
}

static void
put_txn(struct sim *w, const struct lc_txn *t)
{
	struct mw_err err = MW_ERR_INIT;
	bool ok = true;

	db_savepoint(w->db);
	for (size_t i = 0; i < t->n && ok; i++)
		ok = db_lifecycle_put(w->db, &t->rows[i], NULL, &err);
	db_savepoint_end(w->db, ok);
	if (!ok)
		sim_violation(w, "I4_REFUSED", 0, "%.80s", err.msg);
}

/* Durable: the rows count from now on, and the core hears of it later. */
static void
acknowledge(struct sim *w)
{
	struct txns *q = &w->doubt;

	int64_t at = w->now + sim_between_ms(w, 0, 8);

	/* In the order in which they became durable. */
	if (w->commit_at < at)
		w->commit_at = at;
	w->rows.commit = w->next_commit - 1;
	w->res.commits++;
	for (size_t i = 0; i < q->n; i++) {
		for (size_t k = 0; k < q->v[i]->n; k++)
			rows_put(w, &q->v[i]->rows[k]);
		sim_push(w,
		    (struct ev){ .at = w->commit_at,
			.kind = SIM_E_COMMIT,
			.epoch = w->epoch,
			.p = q->v[i] });
	}
	q->n = 0;
}

static bool
run_group(struct sim *w)
{
	struct mw_err err = MW_ERR_INIT;
	struct txns t = w->doubt;

	world = w;
	w->group_due = false;
	/* What waits is the group from now on. */
	w->doubt = w->queue;
	w->queue = t;
	w->next_commit++;
	if (setjmp(out) != 0)
		return false;
	db_begin(w->db);
	for (size_t i = 0; i < w->doubt.n; i++)
		put_txn(w, w->doubt.v[i]);
	db_savepoint(w->db);
	if (!put_number(w->db, w->next_commit - 1, &err))
		abort();
	db_savepoint_end(w->db, true);
	db_commit(w->db);
	if (w->dead)
		return false;
	acknowledge(w);
	db_checkpoint_if_due(w->db);
	return true;
}

void
sim_store_group(struct sim *w)
{
	if (w->queue.n > 0)
		(void)run_group(w);
}

/* As at a SIGTERM: what was asked for is made durable, the log is folded. */
void
sim_store_close(struct sim *w)
{
	world = w;
	if (w->queue.n > 0 && !run_group(w))
		return;
	if (setjmp(out) == 0) {
		struct db *db = w->db;

		w->db = NULL;
		db_close(db);
	}
}

void
sim_store_down(struct sim *w)
{
	struct db *db = w->db;

	w->db = NULL;
	w->dead = true;
	if (db)
		db_forget(db);
	txns_free(&w->queue);
}

void
sim_store_free(struct sim *w)
{
	sim_store_down(w);
	txns_free(&w->doubt);
}
