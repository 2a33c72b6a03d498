/*
 * db_fold.c - SQL that folds the rounds of a day.
 *
 * rtt_fold is written first and says that the day is read from the fold from
 * now on. Then source by source: its rows of all rounds are read, folded,
 * deleted. Last the rounds themselves.
 */
#include "coordinator/store/db_fold.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/matrix_pool.h"
#include "common/pure/str.h"
#include "coordinator/store/db_rttset.h"

#include <string.h>

#define DAY_NS (24 * 3600 * NS_PER_S)

struct round_ref {
	int64_t id, t1;
	struct rtt_set *set; /* may be that of the round before */
	size_t *col; /* of the fold's members in the round's */
	uint8_t *row;
};

struct day {
	char *ns, *mcis;
	int64_t day;
	struct round_ref *rounds; /* newest first */
	size_t n, cap;
	struct rtt_set *sources; /* all who are in a round */
	struct rtt_set *set; /* columns of the fold */
};

static bool find_day(struct db *db, int64_t before, struct day *d, bool *found,
    struct mw_err *err);
static bool load_rounds(struct db *db, struct day *d, struct mw_err *err);
static bool load_fold(struct db *db, struct day *d, struct mw_err *err);
static bool fold_source(struct db *db, struct day *d, int64_t slot,
    struct mw_err *err);
static bool drop_rounds(struct db *db, const struct day *d, struct mw_err *err);
static void day_free(struct day *d);

bool
db_fold_step(struct db *db, int64_t before_day, int64_t *cursor,
    uint64_t *rounds, bool *done, struct mw_err *err)
{
	struct day d = { 0 };
	bool found = false, ok;
	size_t rows = 0;

	ok = find_day(db, before_day, &d, &found, err);
	*done = !found;
	if (ok && found)
		ok = load_rounds(db, &d, err) && load_fold(db, &d, err);
	while (ok && found && rows < DB_FOLD_ROWS &&
	    (size_t)*cursor < d.sources->n) {
		ok = fold_source(db, &d, d.sources->who[*cursor].slot, err);
		rows += d.n;
		++*cursor;
	}
	if (ok && found && (size_t)*cursor >= d.sources->n) {
		ok = drop_rounds(db, &d, err);
		*rounds += d.n;
		*cursor = 0;
	}
	day_free(&d);
	return ok;
}

static void
day_free(struct day *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (i == 0 || d->rounds[i].set != d->rounds[i - 1].set)
			rtt_set_free(d->rounds[i].set);
		free(d->rounds[i].col);
		free(d->rounds[i].row);
	}
	rtt_set_free(d->sources);
	rtt_set_free(d->set);
	free(d->rounds);
	free(d->ns);
	free(d->mcis);
}

static bool
find_day(struct db *db, int64_t before, struct day *d, bool *found,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, mcis, t1 FROM rtt_round WHERE t1 < ? "
	    "ORDER BY id LIMIT 1");

	db_bind(st, "i", before * DAY_NS);
	*found = db_row(db, st, err);
	if (!*found)
		return err->code == MW_OK;
	d->ns = xstrdup(db_text(st, 0));
	d->mcis = xstrdup(db_text(st, 1));
	d->day = sqlite3_column_int64(st, 2) / DAY_NS;
	sqlite3_reset(st);
	return true;
}

static bool
load_rounds(struct db *db, struct day *d, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, t1, rtt_set FROM rtt_round WHERE ns = ? AND mcis = ? "
	    "AND t1 >= ? AND t1 < ? ORDER BY t1 DESC");

	db_bind(st, "ssii", d->ns, d->mcis, d->day * DAY_NS,
	    (d->day + 1) * DAY_NS);
	while (db_row(db, st, err)) {
		int64_t set = sqlite3_column_int64(st, 2);
		struct round_ref *r;

		VEC_GROW(d->rounds, d->n, d->cap);
		r = &d->rounds[d->n];
		memset(r, 0, sizeof *r);
		r->id = sqlite3_column_int64(st, 0);
		r->t1 = sqlite3_column_int64(st, 1);
		r->set = d->n && r[-1].set->id == set
		    ? r[-1].set
		    : rtt_set_get(db, set, err);
		if (!r->set)
			return false;
		r->row = xcalloc(r->set->n + 1, MATRIX_CELL_BYTES);
		d->n++;
	}
	return err->code == MW_OK;
}

/* Adds who is not there yet. Of a VM that was replaced on that day the newer
 * generation names the row. */
static void
set_add(struct rtt_set *all, const struct rtt_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (rtt_set_find(all, s->who[i].slot, 0) != SIZE_MAX)
			continue;
		all->vm = xreallocarray(all->vm, all->n + 1, sizeof *all->vm);
		all->who =
		    xreallocarray(all->who, all->n + 1, sizeof *all->who);
		all->vm[all->n] = xstrdup(s->vm[i]);
		all->who[all->n] = s->who[i];
		all->who[all->n].site =
		    s->who[i].site ? xstrdup(s->who[i].site) : NULL;
		all->n++;
	}
}

static bool
fold_set(struct db *db, const struct day *d, int64_t *set, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT rtt_set FROM rtt_fold WHERE ns = ? AND mcis = ? AND "
	    "day = ?");

	*set = 0;
	db_bind(st, "ssi", d->ns, d->mcis, d->day);
	if (db_row(db, st, err)) {
		*set = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	}
	return err->code == MW_OK;
}

/* The fold of the day: the one that was begun, or a new one. */
static bool
load_fold(struct db *db, struct day *d, struct mw_err *err)
{
	sqlite3_stmt *st;
	int64_t set;

	d->sources = xcalloc(1, sizeof *d->sources);
	for (size_t i = 0; i < d->n; i++)
		if (i == 0 || d->rounds[i].set != d->rounds[i - 1].set)
			set_add(d->sources, d->rounds[i].set);
	if (!fold_set(db, d, &set, err))
		return false;
	if (!set) {
		if (!rtt_set_put(db, d->sources->n, d->sources->vm,
			d->sources->who, &set, err))
			return false;
		st = db_stmt(db,
		    "INSERT INTO rtt_fold(ns, mcis, day, rounds, t1, rtt_set) "
		    "VALUES(?, ?, ?, ?, ?, ?)");
		db_bind(st, "ssiiii", d->ns, d->mcis, d->day, (int64_t)d->n,
		    d->rounds[0].t1, set);
		if (!db_exec(db, st, err))
			return false;
	}
	d->set = rtt_set_get(db, set, err);
	if (!d->set)
		return false;
	for (size_t i = 0; i < d->n; i++) {
		struct round_ref *r = &d->rounds[i];

		r->col = xcalloc(d->set->n + 1, sizeof *r->col);
		for (size_t j = 0; j < d->set->n; j++)
			r->col[j] =
			    rtt_set_find(r->set, d->set->who[j].slot, 0);
	}
	return true;
}

/* Reads the row of a source in a round and deletes it. */
static bool
take_row(struct db *db, struct round_ref *r, int64_t slot, bool *has,
    struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT cells FROM rtt_row WHERE id = ?");
	size_t want = r->set->n * MATRIX_CELL_BYTES;

	*has = false;
	db_bind(st, "i", RTT_ROW(slot, r->id));
	if (!db_row(db, st, err))
		return err->code == MW_OK;
	*has = want && (size_t)sqlite3_column_bytes(st, 0) == want;
	if (*has)
		memcpy(r->row, sqlite3_column_blob(st, 0), want);
	sqlite3_reset(st);
	st = db_stmt(db, "DELETE FROM rtt_row WHERE id = ?");
	db_bind(st, "i", RTT_ROW(slot, r->id));
	return db_exec(db, st, err);
}

/* Cells of one pair, newest first; those that were never probed do not count. */
static size_t
pair_cells(const struct day *d, const bool *has, size_t dst,
    struct matrix_cell *v)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct round_ref *r = &d->rounds[i];
		size_t col = r->col[dst];

		if (has[i] && col != SIZE_MAX &&
		    matrix_cell_unpack(r->row + col * MATRIX_CELL_BYTES, r->t1,
			&v[n]) &&
		    v[n].why != MATRIX_NEVER)
			n++;
	}
	return n;
}

static bool
put_day(struct db *db, const struct day *d, int64_t slot, const bool *has,
    struct mw_err *err)
{
	struct matrix_cell *v = xcalloc(d->n + 1, sizeof *v);
	uint8_t *out = xcalloc(d->set->n + 1, MATRIX_DAY_BYTES);
	sqlite3_stmt *st;
	bool ok;

	for (size_t j = 0; j < d->set->n; j++) {
		size_t n = pair_cells(d, has, j, v);
		struct matrix_day cell = { 0 };

		if (n)
			matrix_fold(v, n, &cell);
		matrix_day_pack(out + j * MATRIX_DAY_BYTES, &cell);
	}
	st = db_stmt(db,
	    "INSERT OR IGNORE INTO rtt_day(id, cells) VALUES(?, ?)");
	db_bind(st, "ib", RTT_ROW(slot, d->day), (const void *)out,
	    d->set->n * MATRIX_DAY_BYTES);
	ok = db_exec(db, st, err);
	free(out);
	free(v);
	return ok;
}

static bool
fold_source(struct db *db, struct day *d, int64_t slot, struct mw_err *err)
{
	bool *has = xcalloc(d->n + 1, sizeof *has), any = false, ok = true;

	for (size_t i = 0; ok && i < d->n; i++) {
		ok = take_row(db, &d->rounds[i], slot, &has[i], err);
		any |= has[i];
	}
	if (ok && any)
		ok = put_day(db, d, slot, has, err);
	free(has);
	return ok;
}

/* Their ids are never given again. */
static bool
drop_rounds(struct db *db, const struct day *d, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO meta(key, value) SELECT 'mesh_round', max(id) FROM "
	    "rtt_round WHERE true ON CONFLICT(key) DO UPDATE SET value = "
	    "max(CAST(value AS INT), CAST(excluded.value AS INT))");

	if (!db_exec(db, st, err))
		return false;
	st = db_stmt(db,
	    "DELETE FROM rtt_round WHERE ns = ? AND mcis = ? AND t1 >= ? "
	    "AND t1 < ?");
	db_bind(st, "ssii", d->ns, d->mcis, d->day * DAY_NS,
	    (d->day + 1) * DAY_NS);
	return db_exec(db, st, err);
}

bool
db_fold_drop(struct db *db, int64_t before_day, bool *done, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, mcis, day, rtt_set FROM rtt_fold WHERE day < ? "
	    "LIMIT 1");
	struct day d = { 0 };
	bool ok = true;

	db_bind(st, "i", before_day);
	*done = !db_row(db, st, err);
	if (*done)
		return err->code == MW_OK;
	d.ns = xstrdup(db_text(st, 0));
	d.mcis = xstrdup(db_text(st, 1));
	d.day = sqlite3_column_int64(st, 2);
	d.set = rtt_set_get(db, sqlite3_column_int64(st, 3), err);
	ok = d.set != NULL;
	for (size_t i = 0; ok && i < d.set->n; i++) {
		st = db_stmt(db, "DELETE FROM rtt_day WHERE id = ?");
		db_bind(st, "i", RTT_ROW(d.set->who[i].slot, d.day));
		ok = db_exec(db, st, err);
	}
	if (ok) {
		st = db_stmt(db,
		    "DELETE FROM rtt_fold WHERE ns = ? AND mcis = ? AND "
		    "day = ?");
		db_bind(st, "ssi", d.ns, d.mcis, d.day);
		ok = db_exec(db, st, err);
	}
	day_free(&d);
	return ok;
}
