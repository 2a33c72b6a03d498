/*
 * db_mesh.c - SQL of matrix rounds, and the form of a cell on disk: 28 bytes,
 * little-endian: u8 why, method, flags, 0; u16 n, lost; u32 min, avg, p50,
 * p95, jitter in microseconds. A round is one row and one transaction.
 */
#include "coordinator/db_mesh.h"

#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <endian.h>
#include <string.h>

#define CELL_BYTES 28

static char *members_text(const struct matrix *m);
static void cell_put(uint8_t *p, const struct matrix_cell *c);
static bool cell_get(const uint8_t *p, int64_t at, struct matrix_cell *c);
static struct matrix *round_read(sqlite3_stmt *st, struct mw_err *err);

bool
db_round_next(struct db *db, int64_t *id, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT coalesce(max(id), 0) + 1 FROM rtt_round");

	*id = 1;
	if (db_row(db, st, err))
		*id = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_round_put(struct db *db, const struct db_round *r, struct mw_err *err)
{
	size_t cells = r->m->n * r->m->n;
	uint8_t *blob = xcalloc(cells + 1, CELL_BYTES);
	char *members = members_text(r->m);
	sqlite3_stmt *st;
	bool ok;

	for (size_t i = 0; i < cells; i++)
		cell_put(blob + i * CELL_BYTES, &r->m->cells[i]);
	st = db_stmt(db,
	    "INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, window_ms, n, "
	    "members, cells) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	db_bind(st, "issiiiiisb", r->id, r->ns, r->mcis, r->t0, r->t1, r->k,
	    r->window_ms, (int64_t)r->m->n, members, (const void *)blob,
	    cells * CELL_BYTES);
	ok = db_exec(db, st, err);
	free(blob);
	free(members);
	if (!ok)
		return false;
	st = db_stmt(db,
	    "DELETE FROM rtt_round WHERE ns = ?1 AND mcis = ?2 AND id <= "
	    "(SELECT id FROM rtt_round WHERE ns = ?1 AND mcis = ?2 "
	    "ORDER BY id DESC LIMIT 1 OFFSET ?3)");
	db_bind(st, "ssi", r->ns, r->mcis, (int64_t)DB_MESH_KEEP);
	return db_exec(db, st, err);
}

bool
db_round_each_newest(struct db *db,
    void (*each)(void *arg, const char *ns, const char *mcis,
	struct matrix *take_m),
    void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT ns, mcis, id, t1, n, members, cells FROM rtt_round "
	    "WHERE id IN (SELECT max(id) FROM rtt_round GROUP BY ns, mcis)");

	while (db_row(db, st, err)) {
		struct matrix *m = round_read(st, err);

		if (!m)
			return err_wrap(err, "matrix round %lld",
			    (long long)sqlite3_column_int64(st, 2));
		each(arg, db_text(st, 0), db_text(st, 1), m);
	}
	return err->code == MW_OK;
}

static char *
members_text(const struct matrix *m)
{
	json_t *all = json_array();
	char *text;

	for (size_t i = 0; i < m->n; i++)
		json_array_append_new(all, json_string(m->names[i]));
	text = json_text(all, false);
	json_decref(all);
	return text;
}

static void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static void
cell_put(uint8_t *p, const struct matrix_cell *c)
{
	p[0] = c->why;
	p[1] = c->method;
	p[2] = c->flags;
	p[3] = 0;
	put32(p + 4, (uint32_t)c->n | (uint32_t)c->lost << 16);
	put32(p + 8, c->min_us);
	put32(p + 12, c->avg_us);
	put32(p + 16, c->p50_us);
	put32(p + 20, c->p95_us);
	put32(p + 24, c->jitter_us);
}

static bool
cell_get(const uint8_t *p, int64_t at, struct matrix_cell *c)
{
	uint32_t counts = get32(p + 4);

	c->why = p[0];
	c->method = p[1];
	c->flags = p[2];
	c->n = (uint16_t)(counts & 0xffff);
	c->lost = (uint16_t)(counts >> 16);
	c->min_us = get32(p + 8);
	c->avg_us = get32(p + 12);
	c->p50_us = get32(p + 16);
	c->p95_us = get32(p + 20);
	c->jitter_us = get32(p + 24);
	c->at_wall_ns = at;
	return c->why < MATRIX_WHY_COUNT && c->method < MATRIX_METHOD_COUNT;
}

static struct matrix *
round_read(sqlite3_stmt *st, struct mw_err *err)
{
	int64_t at = sqlite3_column_int64(st, 3);
	size_t n = (size_t)sqlite3_column_int64(st, 4);
	const char *text = db_text(st, 5);
	json_t *names = json_parse(text, strlen(text), JSON_BODY_MAX, err);
	const uint8_t *blob = sqlite3_column_blob(st, 6);
	size_t bytes = (size_t)sqlite3_column_bytes(st, 6);
	struct matrix *m = NULL;

	if (!names || json_array_size(names) != n || n > 1000 ||
	    bytes != n * n * CELL_BYTES) {
		err_set(err, MW_INTERNAL, 0, "its sizes do not agree");
		goto out;
	}
	m = matrix_new(n);
	m->at_wall_ns = at;
	snprintf(m->round, sizeof m->round, "m-%lld",
	    (long long)sqlite3_column_int64(st, 2));
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(names, i));

		m->names[i] = xstrdup(s ? s : "");
	}
	for (size_t i = 0; i < n * n; i++)
		if (!cell_get(blob + i * CELL_BYTES, at, &m->cells[i])) {
			err_set(err, MW_INTERNAL, 0, "cell %zu is damaged", i);
			matrix_unref(m);
			m = NULL;
			break;
		}
out:
	json_decref(names);
	return m;
}
