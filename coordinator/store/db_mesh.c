/*
 * db_mesh.c - SQL of matrix rounds: one row of rtt_round, one row of rtt_row
 * for each source. A round is one transaction.
 */
#include "coordinator/store/db_mesh.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/matrix_pool.h"
#include "common/pure/str.h"

#include <string.h>

#define DAY_NS (24 * 3600 * NS_PER_S)

/* A round while it is read: its members, and where those of the newest round
 * are among them. */
struct past {
	int64_t id, t1;
	struct rtt_set *set;
	size_t *col; /* of each member of the newest round; SIZE_MAX: none */
	uint8_t *row; /* the cells of one source */
	bool has_row;
};

static bool put_row(struct db *db, int64_t id, const struct matrix *m,
    size_t src, uint8_t *buf, struct mw_err *err);
static bool read_pasts(struct db *db, const struct db_known *k,
    struct past past[MATRIX_POOL_ROUNDS], size_t *n, struct mw_err *err);
static bool read_sets(struct db *db, struct past *past, size_t *n,
    struct mw_err *err);
static bool read_row(struct db *db, struct past *p, int64_t slot,
    struct mw_err *err);
static bool pool_rows(struct db *db, struct db_known *k, struct past *past,
    size_t n, struct mw_err *err);
static bool known_day(struct db *db, struct db_known *k, struct mw_err *err);
static bool known_first(struct db *db, struct db_known *k, struct mw_err *err);
static void pasts_free(struct past *past, size_t n);

/* Rounds that are folded took their ids with them into meta. */
bool
db_round_next(struct db *db, int64_t *id, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT 1 + max(coalesce((SELECT max(id) FROM rtt_round), 0), "
	    "coalesce((SELECT CAST(value AS INT) FROM meta "
	    "WHERE key = 'mesh_round'), 0))");

	*id = 1;
	if (db_row(db, st, err))
		*id = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_round_put(struct db *db, const struct db_round *r, struct mw_err *err)
{
	uint8_t *buf = xcalloc(r->m->n + 1, MATRIX_CELL_BYTES);
	sqlite3_stmt *st;
	int64_t set;
	bool ok;

	ok = rtt_set_put(db, r->m->n, r->m->names, r->m->who, &set, err);
	if (ok) {
		st = db_stmt(db,
		    "INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, window_ms, "
		    "n, rtt_set) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
		db_bind(st, "issiiiiii", r->id, r->ns, r->mcis, r->t0, r->t1,
		    r->k, r->window_ms, (int64_t)r->m->n, set);
		ok = db_exec(db, st, err);
	}
	for (size_t i = 0; ok && i < r->m->n; i++)
		ok = put_row(db, r->id, r->m, i, buf, err);
	free(buf);
	return ok;
}

static bool
put_row(struct db *db, int64_t id, const struct matrix *m, size_t src,
    uint8_t *buf, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "INSERT INTO rtt_row(id, cells) VALUES(?, ?)");

	for (size_t j = 0; j < m->n; j++)
		matrix_cell_pack(buf + j * MATRIX_CELL_BYTES,
		    matrix_at(m, src, j));
	db_bind(st, "ib", RTT_ROW(rtt_set_slot(m->who, src), id),
	    (const void *)buf, m->n * MATRIX_CELL_BYTES);
	return db_exec(db, st, err);
}

bool
db_mesh_known(struct db *db, struct db_known *k, struct mw_err *err)
{
	struct past past[MATRIX_POOL_ROUNDS] = { 0 };
	size_t n = 0;
	bool ok;

	k->pool = k->newest = NULL;
	k->day = k->first = 0;
	ok = read_pasts(db, k, past, &n, err) && read_sets(db, past, &n, err) &&
	    (n ? pool_rows(db, k, past, n, err) : known_day(db, k, err)) &&
	    (k->pool || known_first(db, k, err));
	pasts_free(past, MATRIX_POOL_ROUNDS);
	return ok;
}

static void
pasts_free(struct past *past, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || past[i].set != past[i - 1].set)
			rtt_set_free(past[i].set);
		free(past[i].col);
		free(past[i].row);
	}
}

/* A day that is (being) folded is read from the fold alone. */
static bool
read_pasts(struct db *db, const struct db_known *k,
    struct past past[MATRIX_POOL_ROUNDS], size_t *n, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, t1, n FROM rtt_round r WHERE ns = ?1 AND mcis = ?2 "
	    "AND t1 <= ?3 AND t1 >= ?4 AND NOT EXISTS (SELECT 1 FROM rtt_fold "
	    "f WHERE f.ns = ?1 AND f.mcis = ?2 AND "
	    "f.day = r.t1 / 86400000000000) ORDER BY t1 DESC LIMIT ?5");
	int64_t cells = 0;

	db_bind(st, "ssiii", k->ns, k->mcis, k->at, k->since,
	    (int64_t)MATRIX_POOL_ROUNDS);
	while (db_row(db, st, err)) {
		struct past *p = &past[*n];
		int64_t width = sqlite3_column_int64(st, 2);

		p->id = sqlite3_column_int64(st, 0);
		p->t1 = sqlite3_column_int64(st, 1);
		cells += width * width;
		if (*n &&
		    (past[0].t1 - p->t1 > MATRIX_POOL_AGE_NS ||
			cells > DB_MESH_POOL_CELLS)) {
			sqlite3_reset(st);
			break;
		}
		++*n;
	}
	return err->code == MW_OK;
}

/* A round whose members cannot be read is left out of the pool, with those
 * before it. */
static bool
read_sets(struct db *db, struct past *past, size_t *n, struct mw_err *err)
{
	for (size_t i = 0; i < *n; i++) {
		struct past *p = &past[i];
		sqlite3_stmt *st =
		    db_stmt(db, "SELECT rtt_set FROM rtt_round WHERE id = ?");
		int64_t set = 0;

		db_bind(st, "i", p->id);
		if (db_row(db, st, err)) {
			set = sqlite3_column_int64(st, 0);
			sqlite3_reset(st);
		}
		p->set = i && past[i - 1].set->id == set
		    ? past[i - 1].set
		    : rtt_set_get(db, set, err);
		if (!p->set)
			return false;
		p->row = xcalloc(p->set->n + 1, MATRIX_CELL_BYTES);
		p->col = xcalloc(past[0].set->n + 1, sizeof *p->col);
		for (size_t j = 0; j < past[0].set->n; j++)
			p->col[j] = p->set == past[0].set
			    ? j
			    : rtt_set_find(p->set, past[0].set->who[j].slot,
				  past[0].set->who[j].gen);
	}
	return true;
}

static bool
read_row(struct db *db, struct past *p, int64_t slot, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT cells FROM rtt_row WHERE id = ?");
	size_t bytes;

	p->has_row = false;
	db_bind(st, "i", RTT_ROW(slot, p->id));
	if (!db_row(db, st, err))
		return err->code == MW_OK;
	bytes = (size_t)sqlite3_column_bytes(st, 0);
	p->has_row = bytes == p->set->n * MATRIX_CELL_BYTES && bytes;
	if (p->has_row)
		memcpy(p->row, sqlite3_column_blob(st, 0), bytes);
	sqlite3_reset(st);
	return true;
}

/* A damaged cell is one that was never probed. */
static void
past_cell(const struct past *p, size_t dst, struct matrix_cell *c)
{
	size_t col = p->col[dst];

	if (!p->has_row || col == SIZE_MAX ||
	    !matrix_cell_unpack(p->row + col * MATRIX_CELL_BYTES, p->t1, c))
		*c = (struct matrix_cell){ .why = MATRIX_NEVER,
			.at_wall_ns = p->t1 };
}

static struct matrix *
start_matrix(const struct past *p)
{
	struct matrix *m = rtt_set_matrix(p->set);

	m->at_wall_ns = p->t1;
	snprintf(m->round, sizeof m->round, "m-%lld", (long long)p->id);
	return m;
}

static bool
pool_rows(struct db *db, struct db_known *k, struct past *past, size_t n,
    struct mw_err *err)
{
	const struct rtt_set *set = past[0].set;
	struct matrix_cell v[MATRIX_POOL_ROUNDS];

	k->pool = start_matrix(&past[0]);
	k->newest = start_matrix(&past[0]);
	k->pool->rounds = (unsigned)n;
	k->pool->from_wall_ns = past[n - 1].t1;
	for (size_t i = 0; i < set->n; i++) {
		for (size_t r = 0; r < n; r++) {
			past[r].has_row = false;
			if (past[r].col[i] != SIZE_MAX &&
			    !read_row(db, &past[r], set->who[i].slot, err))
				return false;
		}
		for (size_t j = 0; j < set->n; j++) {
			for (size_t r = 0; i != j && r < n; r++)
				past_cell(&past[r], j, &v[r]);
			if (i == j)
				continue;
			*matrix_at(k->newest, i, j) = v[0];
			matrix_pool(v, n, matrix_at(k->pool, i, j));
		}
	}
	return true;
}

static void
day_cell(const uint8_t *p, int64_t t1, struct matrix_cell *c)
{
	struct matrix_day d;

	*c = (struct matrix_cell){ .why = MATRIX_NEVER, .at_wall_ns = t1 };
	if (!matrix_day_unpack(p, &d))
		return;
	c->lost = d.lost;
	if (!d.rounds) {
		c->why = d.lost ? MATRIX_NO_ANSWER : MATRIX_NEVER;
		return;
	}
	c->why = MATRIX_KNOWN;
	c->flags = d.flags;
	c->n = d.n;
	c->rounds = d.rounds;
	c->min_us = d.min_us;
	c->p50_us = d.p50_us;
	c->p95_us = d.p95_us;
	c->avg_us = c->jitter_us = MATRIX_NO_US;
}

static bool
day_rows(struct db *db, struct db_known *k, const struct rtt_set *set,
    struct mw_err *err)
{
	for (size_t i = 0; i < set->n; i++) {
		sqlite3_stmt *st =
		    db_stmt(db, "SELECT cells FROM rtt_day WHERE id = ?");
		const uint8_t *p;

		db_bind(st, "i", RTT_ROW(set->who[i].slot, k->day));
		if (!db_row(db, st, err)) {
			if (err->code != MW_OK)
				return false;
			continue;
		}
		p = sqlite3_column_blob(st, 0);
		if ((size_t)sqlite3_column_bytes(st, 0) ==
		    set->n * MATRIX_DAY_BYTES)
			for (size_t j = 0; j < set->n; j++)
				if (i != j)
					day_cell(p + j * MATRIX_DAY_BYTES,
					    k->pool->at_wall_ns,
					    matrix_at(k->pool, i, j));
		sqlite3_reset(st);
	}
	return true;
}

static bool
known_day(struct db *db, struct db_known *k, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT day, rounds, t1, rtt_set FROM rtt_fold WHERE ns = ? AND "
	    "mcis = ? AND t1 <= ? AND t1 >= ? ORDER BY day DESC LIMIT 1");
	int64_t rounds, t1, id;
	struct rtt_set *set;
	bool ok;

	db_bind(st, "ssii", k->ns, k->mcis, k->at, k->since);
	if (!db_row(db, st, err))
		return err->code == MW_OK;
	k->day = sqlite3_column_int64(st, 0);
	rounds = sqlite3_column_int64(st, 1);
	t1 = sqlite3_column_int64(st, 2);
	id = sqlite3_column_int64(st, 3);
	sqlite3_reset(st);
	set = rtt_set_get(db, id, err);
	if (!set)
		return false;
	k->pool = rtt_set_matrix(set);
	k->pool->at_wall_ns = t1;
	k->pool->from_wall_ns = k->day * DAY_NS;
	k->pool->rounds = (unsigned)rounds;
	ok = day_rows(db, k, set, err);
	rtt_set_free(set);
	return ok;
}

static bool
known_first(struct db *db, struct db_known *k, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT min(t) FROM (SELECT min(t1) AS t FROM rtt_round WHERE "
	    "ns = ?1 AND mcis = ?2 AND t1 >= ?3 UNION ALL SELECT min(t1) FROM "
	    "rtt_fold WHERE ns = ?1 AND mcis = ?2 AND t1 >= ?3)");

	db_bind(st, "ssi", k->ns, k->mcis, k->since);
	if (db_row(db, st, err)) {
		k->first = sqlite3_column_int64(st, 0);
		sqlite3_reset(st);
	}
	return err->code == MW_OK;
}

bool
db_round_get(struct db *db, const char *ns, const char *mcis, int64_t id,
    struct matrix **m, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT t1 FROM rtt_round WHERE id = ? AND ns = ? AND mcis = ?");
	struct past past = { .id = id };
	size_t n = 1;
	bool ok;

	db_bind(st, "iss", id, ns, mcis);
	if (!db_row(db, st, err)) {
		if (err->code == MW_OK)
			err_set(err, MW_NOT_FOUND, 0,
			    "no round m-%lld of %s is kept", (long long)id,
			    mcis);
		return false;
	}
	past.t1 = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	ok = read_sets(db, &past, &n, err);
	if (ok)
		*m = start_matrix(&past);
	for (size_t i = 0; ok && i < past.set->n; i++) {
		ok = read_row(db, &past, past.set->who[i].slot, err);
		for (size_t j = 0; ok && j < past.set->n; j++)
			if (i != j)
				past_cell(&past, j, matrix_at(*m, i, j));
	}
	pasts_free(&past, 1);
	return ok;
}
