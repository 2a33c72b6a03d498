/*
 * db_drift.c - SQL of placements that are watched.
 */
#include "coordinator/store/db_drift.h"

bool
db_drift_put(struct db *db, const struct db_drift *d, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO drift(mcis, placement, rank, at, query, limits, vms, "
	    "state, told, since, judged, event, move) "
	    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, "iiiisssiiiiis", d->mcis, d->placement, d->rank, d->at,
	    d->query, d->limits, d->vms, (int64_t)d->state, (int64_t)d->told,
	    d->since, d->judged, d->event, d->move);
	return db_exec(db, st, err);
}

bool
db_drift_update(struct db *db, const struct db_drift *d, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE drift SET state = ?, told = ?, since = ?, judged = ?, "
	    "event = ?, move = ? WHERE mcis = ?");

	db_bind(st, "iiiiisi", (int64_t)d->state, (int64_t)d->told, d->since,
	    d->judged, d->event, d->move, d->mcis);
	return db_exec(db, st, err);
}

bool
db_drift_pair_put(struct db *db, int64_t mcis, const struct db_drift_pair *p,
    struct mw_err *err)
{
	const struct drift_count *c = &p->count;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO drift_pair(mcis, a, b, gen_a, gen_b, "
	    "relied_us, relied_n, relied_at, state, told, since, over, below, "
	    "met, missed, age, stale) VALUES(?, ?, ?, ?, ?, nullif(?, -1), "
	    "nullif(?, -1), nullif(?, -1), ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, "iiiiiiiiiiiiiiiii", mcis, p->slot[0], p->slot[1],
	    p->gen[0], p->gen[1], p->relied_us, p->relied_n, p->relied_at,
	    (int64_t)c->state, (int64_t)p->told, p->since, (int64_t)c->over,
	    (int64_t)c->below, (int64_t)c->met, (int64_t)c->missed,
	    (int64_t)c->age, (int64_t)c->stale);
	return db_exec(db, st, err);
}

bool
db_drift_pair_delete(struct db *db, int64_t mcis, const struct db_drift_pair *p,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "DELETE FROM drift_pair WHERE mcis = ? AND a = ? AND b = ?");

	db_bind(st, "iii", mcis, p->slot[0], p->slot[1]);
	return db_exec(db, st, err);
}

bool
db_drift_placement(struct db *db, int64_t id, const char **query,
    const char **relied, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT query, relied FROM placement WHERE id = ?");

	db_bind(st, "i", id);
	if (!db_row(db, st, err))
		return err->code == MW_OK
		    ? err_set(err, MW_NOT_FOUND, 0, "no placement pl-%lld",
			  (long long)id)
		    : false;
	*query = db_text(st, 0);
	*relied =
	    sqlite3_column_type(st, 1) == SQLITE_NULL ? NULL : db_text(st, 1);
	return true;
}

static bool
forget(struct db *db, struct mw_err *err)
{
	return db_exec(db,
		   db_stmt(db,
		       "DELETE FROM drift WHERE mcis NOT IN "
		       "(SELECT id FROM mcis)"),
		   err) &&
	    db_exec(db,
		db_stmt(db,
		    "DELETE FROM drift_pair WHERE mcis NOT IN "
		    "(SELECT mcis FROM drift)"),
		err);
}

/* A number that no version wrote counts as not judged. */
static enum drift_state
state_at(sqlite3_stmt *st, int col)
{
	int v = sqlite3_column_int(st, col);

	return v < 0 || v >= DRIFT_STATE_COUNT ? DRIFT_PENDING
					       : (enum drift_state)v;
}

static unsigned
count_at(sqlite3_stmt *st, int col)
{
	int v = sqlite3_column_int(st, col);

	return v < 0 ? 0 : v > DRIFT_ROUNDS ? DRIFT_ROUNDS : (unsigned)v;
}

static int64_t
or_unknown(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL
	    ? -1
	    : sqlite3_column_int64(st, col);
}

static bool
each_pair(struct db *db, const struct db_drift_all *all, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT mcis, a, b, gen_a, gen_b, relied_us, relied_n, relied_at, "
	    "state, told, since, over, below, met, missed, age, stale "
	    "FROM drift_pair ORDER BY mcis, a, b");

	while (db_row(db, st, err)) {
		struct db_drift_pair p = {
			.slot = { sqlite3_column_int64(st, 1),
			    sqlite3_column_int64(st, 2) },
			.gen = { sqlite3_column_int64(st, 3),
			    sqlite3_column_int64(st, 4) },
			.relied_us = or_unknown(st, 5),
			.relied_n = or_unknown(st, 6),
			.relied_at = or_unknown(st, 7),
			.told = state_at(st, 9),
			.since = sqlite3_column_int64(st, 10),
			.count = { .state = state_at(st, 8),
			    .over = count_at(st, 11),
			    .below = count_at(st, 12),
			    .met = count_at(st, 13),
			    .missed = count_at(st, 14),
			    .age = count_at(st, 15),
			    .stale = sqlite3_column_int(st, 16) != 0 },
		};

		all->pair(all->arg, sqlite3_column_int64(st, 0), &p);
	}
	return err->code == MW_OK;
}

bool
db_drift_each(struct db *db, const struct db_drift_all *all, struct mw_err *err)
{
	sqlite3_stmt *st;

	if (!forget(db, err))
		return false;
	st = db_stmt(db,
	    "SELECT mcis, placement, rank, at, query, limits, vms, state, "
	    "told, since, judged, event, move FROM drift ORDER BY mcis");
	while (db_row(db, st, err)) {
		struct db_drift d = {
			.mcis = sqlite3_column_int64(st, 0),
			.placement = sqlite3_column_int64(st, 1),
			.rank = sqlite3_column_int64(st, 2),
			.at = sqlite3_column_int64(st, 3),
			.query = db_text(st, 4),
			.limits = db_text(st, 5),
			.vms = db_text(st, 6),
			.state = state_at(st, 7),
			.told = state_at(st, 8),
			.since = sqlite3_column_int64(st, 9),
			.judged = sqlite3_column_int64(st, 10),
			.event = sqlite3_column_int64(st, 11),
			.move = sqlite3_column_type(st, 12) == SQLITE_NULL
			    ? NULL
			    : db_text(st, 12),
		};

		all->mcis(all->arg, &d);
	}
	return err->code == MW_OK && each_pair(db, all, err);
}
