/*
 * db_retain.c - SQL of forgetting, one small step at a time. Pages that are
 * set free are used again by what comes next: the file does not shrink, and
 * does not grow either once as much is forgotten as comes in.
 */
#include "coordinator/store/db_retain.h"

#include "common/clock.h"
#include "coordinator/store/db_fold.h"

#define DAY_NS (24 * 3600 * NS_PER_S)
#define RESULTS 50 /* of one step: their JSON is written again */
#define RAWS 50
#define HOSTS 500
#define ACTIONS 200
#define PLACEMENTS_KEEP 5000

static bool fold(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err);
static bool drop_days(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool drop_sets(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool slim(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err);
static bool drop_raw(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool drop_minutes(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool drop_hours(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool drop_actions(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);
static bool drop_placements(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err);

static bool (*const stages[])(struct db *db, struct retain_work *w, int64_t now,
    bool *done, struct mw_err *err) = { fold, drop_days, drop_sets, slim,
	drop_raw, drop_minutes, drop_hours, drop_actions, drop_placements };

bool
db_retain_step(struct db *db, struct retain_work *w, int64_t now_wall_ns,
    bool *more, struct mw_err *err)
{
	bool done = false;

	err->code = MW_OK;
	if (!stages[w->stage](db, w, now_wall_ns, &done, err))
		return false;
	if (done) {
		w->cursor = 0;
		w->stage++;
	}
	*more = w->stage < ARRAY_LEN(stages);
	if (!*more)
		w->stage = 0;
	return true;
}

/* Whole days only, so that each is folded once. */
static bool
fold(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	return db_fold_step(db, now / DAY_NS - w->conf.matrix_days, &w->cursor,
	    &w->rounds, done, err);
}

static bool
drop_days(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	if (!db_fold_drop(db, now / DAY_NS - w->conf.fold_days, done, err))
		return false;
	w->days += !*done;
	return true;
}

static bool
drop_sets(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	(void)w, (void)now;
	*done = true;
	return db_exec(db,
	    db_stmt(db,
		"DELETE FROM rtt_set WHERE id NOT IN (SELECT rtt_set FROM "
		"rtt_round UNION SELECT rtt_set FROM rtt_fold)"),
	    err);
}

/* Runs a statement with what is due and how many; done when it found fewer. */
static bool
some(struct db *db, const char *sql, int64_t due, int64_t limit,
    uint64_t *count, bool *done, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, sql);
	int64_t n;

	db_bind(st, "ii", due, limit);
	if (!db_exec(db, st, err))
		return false;
	n = db_changes(db);
	*count += (uint64_t)n;
	*done = n < limit;
	return true;
}

static bool
slim(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	return some(db,
	    "UPDATE result SET json = json_remove(json, '$.samples'), slim = 1 "
	    "WHERE id IN (SELECT id FROM result WHERE slim = 0 AND at < ? "
	    "LIMIT ?)",
	    now - w->conf.samples_days * DAY_NS, RESULTS, &w->results, done,
	    err);
}

static bool
drop_raw(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	return some(db,
	    "DELETE FROM raw WHERE hash IN (SELECT hash FROM raw WHERE at < ? "
	    "LIMIT ?)",
	    now - w->conf.raw_days * DAY_NS, RAWS, &w->raws, done, err);
}

/* Rows are in the order of slots: the old ones of one slot after another.
 * cursor is the slot. */
static bool
drop_host(struct db *db, struct retain_work *w, const char *find_sql,
    const char *drop_sql, int64_t due, bool *done, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, find_sql);
	int64_t first;

	db_bind(st, "i", w->cursor << 32);
	*done = !db_row(db, st, err);
	if (*done)
		return err->code == MW_OK;
	first = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	w->cursor = first >> 32;
	st = db_stmt(db, drop_sql);
	db_bind(st, "iii", first, w->cursor << 32 | due, (int64_t)HOSTS);
	if (!db_exec(db, st, err))
		return false;
	w->hosts += (uint64_t)db_changes(db);
	if (db_changes(db) < HOSTS)
		w->cursor++;
	return true;
}

static bool
drop_minutes(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	return drop_host(db, w,
	    "SELECT id FROM host_min WHERE id >= ? ORDER BY id LIMIT 1",
	    "DELETE FROM host_min WHERE id IN (SELECT id FROM host_min "
	    "WHERE id >= ? AND id < ? LIMIT ?)",
	    (now - w->conf.host_min_days * DAY_NS) / (60 * NS_PER_S), done,
	    err);
}

static bool
drop_hours(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	return drop_host(db, w,
	    "SELECT id FROM host_hour WHERE id >= ? ORDER BY id LIMIT 1",
	    "DELETE FROM host_hour WHERE id IN (SELECT id FROM host_hour "
	    "WHERE id >= ? AND id < ? LIMIT ?)",
	    (now - w->conf.host_hour_days * DAY_NS) / (3600 * NS_PER_S), done,
	    err);
}

static bool
drop_actions(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	(void)now;
	return some(db,
	    "DELETE FROM action WHERE n IN (SELECT n FROM action WHERE "
	    "ended > 0 AND n < (SELECT min(n) FROM (SELECT n FROM action "
	    "ORDER BY n DESC LIMIT ?)) LIMIT ?)",
	    w->conf.actions, ACTIONS, &w->actions, done, err);
}

static bool
drop_placements(struct db *db, struct retain_work *w, int64_t now, bool *done,
    struct mw_err *err)
{
	uint64_t count = 0;

	(void)w, (void)now;
	return some(db,
	    "DELETE FROM placement WHERE id IN (SELECT id FROM placement WHERE "
	    "id < (SELECT min(id) FROM (SELECT id FROM placement "
	    "ORDER BY id DESC LIMIT ?)) LIMIT ?)",
	    PLACEMENTS_KEEP, ACTIONS, &count, done, err);
}
