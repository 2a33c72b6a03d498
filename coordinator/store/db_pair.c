/*
 * db_pair.c - the history of one pair: its cell of each round, and of each day
 * that is folded.
 */
#include "coordinator/store/db_mesh.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

/* Members of the rounds that follow each other are mostly the same. */
struct place {
	struct rtt_set *set;
	size_t src, dst;
};

static bool place_in(struct db *db, const struct db_pair *q, int64_t set,
    struct place *p, struct mw_err *err);
static bool each_day(struct db *db, const struct db_pair *q, struct place *p,
    struct mw_err *err);
static bool each_round(struct db *db, const struct db_pair *q, struct place *p,
    struct mw_err *err);
static bool one_day(struct db *db, const struct db_pair *q,
    const struct place *p, int64_t day, struct mw_err *err);
static bool one_round(struct db *db, const struct db_pair *q,
    const struct place *p, int64_t id, int64_t t1, struct mw_err *err);

bool
db_pair_each(struct db *db, const struct db_pair *q, struct mw_err *err)
{
	struct place p = { 0 };
	bool ok = each_day(db, q, &p, err) && each_round(db, q, &p, err);

	rtt_set_free(p.set);
	return ok;
}

static bool
place_in(struct db *db, const struct db_pair *q, int64_t set, struct place *p,
    struct mw_err *err)
{
	if (!p->set || p->set->id != set) {
		rtt_set_free(p->set);
		p->set = rtt_set_get(db, set, err);
		if (!p->set)
			return false;
		p->src = rtt_set_named(p->set, q->src);
		p->dst = rtt_set_named(p->set, q->dst);
	}
	return true;
}

static bool
each_day(struct db *db, const struct db_pair *q, struct place *p,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT day, rtt_set FROM (SELECT day, rtt_set FROM rtt_fold WHERE "
	    "ns = ? AND mcis = ? AND day >= ? AND t1 <= ? ORDER BY day DESC "
	    "LIMIT ?) ORDER BY day");

	db_bind(st, "ssiii", q->ns, q->mcis, q->since / DAY_NS, q->until,
	    q->limit);
	while (db_row(db, st, err)) {
		if (!place_in(db, q, sqlite3_column_int64(st, 1), p, err))
			return false;
		if (p->src != SIZE_MAX && p->dst != SIZE_MAX &&
		    !one_day(db, q, p, sqlite3_column_int64(st, 0), err))
			return false;
	}
	return err->code == MW_OK;
}

static bool
one_day(struct db *db, const struct db_pair *q, const struct place *p,
    int64_t day, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT substr(cells, ?2, 16) FROM rtt_day "
	    "WHERE id = ?1");
	struct matrix_day d;

	db_bind(st, "ii", RTT_ROW(p->set->who[p->src].slot, day),
	    (int64_t)(p->dst * MATRIX_DAY_BYTES + 1));
	if (!db_row(db, st, err))
		return err->code == MW_OK;
	if (sqlite3_column_bytes(st, 0) == MATRIX_DAY_BYTES &&
	    matrix_day_unpack(sqlite3_column_blob(st, 0), &d))
		q->day(q->arg, day, &d);
	sqlite3_reset(st);
	return true;
}

static bool
each_round(struct db *db, const struct db_pair *q, struct place *p,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, t1, rtt_set FROM (SELECT id, t1, rtt_set FROM "
	    "rtt_round WHERE ns = ? AND mcis = ? AND t1 >= ? AND t1 <= ? "
	    "ORDER BY t1 DESC LIMIT ?) ORDER BY t1");

	db_bind(st, "ssiii", q->ns, q->mcis, q->since, q->until, q->limit);
	while (db_row(db, st, err)) {
		if (!place_in(db, q, sqlite3_column_int64(st, 2), p, err))
			return false;
		if (p->src != SIZE_MAX && p->dst != SIZE_MAX &&
		    !one_round(db, q, p, sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1), err))
			return false;
	}
	return err->code == MW_OK;
}

static bool
one_round(struct db *db, const struct db_pair *q, const struct place *p,
    int64_t id, int64_t t1, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT substr(cells, ?2, 12) FROM rtt_row "
	    "WHERE id = ?1");
	struct matrix_cell c;

	db_bind(st, "ii", RTT_ROW(p->set->who[p->src].slot, id),
	    (int64_t)(p->dst * MATRIX_CELL_BYTES + 1));
	if (!db_row(db, st, err))
		return err->code == MW_OK;
	if (sqlite3_column_bytes(st, 0) == MATRIX_CELL_BYTES &&
	    matrix_cell_unpack(sqlite3_column_blob(st, 0), t1, &c))
		q->round(q->arg, id, &c);
	sqlite3_reset(st);
	return true;
}
