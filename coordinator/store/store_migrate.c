/*
 * store_migrate.c - conversions between schemas.
 *
 * A conversion knows both forms itself and calls no db_*.c: those follow the
 * newest schema, this stays as it is.
 */
#include "coordinator/store/store_migrate.h"

#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/matrix_cell.h"

#include <endian.h>
#include <string.h>

#define OLD_CELL 28
#define OLD_MAX 1000 /* members */
/* A VM of which nothing but its name is left; no slot is so large. */
#define NO_SLOT INT64_C(0x7f000000)

struct old_round {
	int64_t id, t1;
	size_t n;
	const char *ns, *mcis;
	json_t *names;
	const uint8_t *cells;
	int64_t *slot;
};

static bool convert_one(struct db *db, sqlite3_stmt *st, struct mw_err *err);
static bool put_round(struct db *db, struct old_round *r, struct mw_err *err);
static bool put_rows(struct db *db, const struct old_round *r,
    struct mw_err *err);

bool
migrate_2_rounds(struct db *db, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, ns, mcis, t1, n, members, cells FROM rtt_round_1 "
	    "ORDER BY id");

	while (db_row(db, st, err))
		if (!convert_one(db, st, err))
			return false;
	if (err->code != MW_OK)
		return false;
	return db_exec(db, db_stmt(db, "DROP TABLE rtt_round_1"), err);
}

/* A round whose parts do not agree is left out: one matrix less is no reason
 * to refuse a database. */
static bool
convert_one(struct db *db, sqlite3_stmt *st, struct mw_err *err)
{
	const char *text = db_text(st, 5);
	size_t bytes = (size_t)sqlite3_column_bytes(st, 6);
	struct mw_err bad = MW_ERR_INIT;
	struct old_round r = {
		.id = sqlite3_column_int64(st, 0),
		.ns = db_text(st, 1),
		.mcis = db_text(st, 2),
		.t1 = sqlite3_column_int64(st, 3),
		.n = (size_t)sqlite3_column_int64(st, 4),
		.cells = sqlite3_column_blob(st, 6),
	};
	bool ok = true;

	r.names = json_parse(text, strlen(text), JSON_BODY_MAX, &bad);
	if (!r.names || r.n > OLD_MAX || json_array_size(r.names) != r.n ||
	    bytes != r.n * r.n * OLD_CELL) {
		log_warn("store", NULL,
		    "a round of the matrix is damaged\tround=m-%lld "
		    "action=dropped",
		    (long long)r.id);
	} else {
		r.slot = xcalloc(r.n + 1, sizeof *r.slot);
		ok = put_round(db, &r, err) && put_rows(db, &r, err);
		free(r.slot);
	}
	json_decref(r.names);
	return ok;
}

/* The agent of that name at that time knew its slot. */
static bool
find_slot(struct db *db, const struct old_round *r, const char *vm,
    int64_t *slot, int64_t *gen, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT slot, gen FROM agent WHERE ns = ? AND mcis = ? AND vm = ? "
	    "AND first_seen <= ? ORDER BY first_seen DESC LIMIT 1");

	db_bind(st, "sssi", r->ns, r->mcis, vm, r->t1);
	if (db_row(db, st, err)) {
		*slot = sqlite3_column_int64(st, 0);
		*gen = sqlite3_column_int64(st, 1);
		sqlite3_reset(st);
	}
	return err->code == MW_OK;
}

static bool
put_round(struct db *db, struct old_round *r, struct mw_err *err)
{
	json_t *set = json_array(), *m;
	sqlite3_stmt *st;
	char *text;
	bool ok = true;

	for (size_t i = 0; ok && i < r->n; i++) {
		const char *vm = json_string_value(json_array_get(r->names, i));
		int64_t gen = 0;

		r->slot[i] = NO_SLOT + (int64_t)i;
		ok = find_slot(db, r, vm ? vm : "", &r->slot[i], &gen, err);
		m = json_object();
		json_put_str(m, "vm", vm ? vm : "");
		json_put_int(m, "slot", r->slot[i]);
		json_put_int(m, "gen", gen);
		json_array_append_new(set, m);
	}
	text = json_text(set, false);
	json_decref(set);
	if (ok) {
		st = db_stmt(db,
		    "INSERT OR IGNORE INTO rtt_set(members) VALUES(?)");
		db_bind(st, "s", text);
		ok = db_exec(db, st, err);
	}
	if (ok) {
		st = db_stmt(db,
		    "INSERT INTO rtt_round(id, ns, mcis, t0, t1, k, window_ms, "
		    "n, rtt_set) SELECT id, ns, mcis, t0, t1, k, window_ms, n, "
		    "(SELECT id FROM rtt_set WHERE members = ?2) "
		    "FROM rtt_round_1 WHERE id = ?1");
		db_bind(st, "is", r->id, text);
		ok = db_exec(db, st, err);
	}
	free(text);
	return ok;
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

/* u8 why, method, flags, 0; u16 n, lost; u32 min, avg, p50, p95, jitter. */
static void
old_cell(const uint8_t *p, struct matrix_cell *c)
{
	uint32_t counts = get32(p + 4);

	memset(c, 0, sizeof *c);
	c->why = p[0] < MATRIX_WHY_COUNT ? p[0] : MATRIX_NEVER;
	c->method = p[1] < MATRIX_METHOD_COUNT ? p[1] : MATRIX_UDP_ECHO;
	c->flags = p[2];
	c->n = (uint16_t)(counts & 0xffff);
	c->lost = (uint16_t)(counts >> 16);
	c->min_us = get32(p + 8);
	c->avg_us = get32(p + 12);
	c->p50_us = get32(p + 16);
	c->p95_us = get32(p + 20);
	c->jitter_us = get32(p + 24);
}

static bool
put_rows(struct db *db, const struct old_round *r, struct mw_err *err)
{
	uint8_t *row = xcalloc(r->n + 1, MATRIX_CELL_BYTES);
	struct matrix_cell c;
	bool ok = true;

	for (size_t i = 0; ok && i < r->n; i++) {
		sqlite3_stmt *st = db_stmt(db,
		    "INSERT OR IGNORE INTO rtt_row(id, cells) VALUES(?, ?)");

		for (size_t j = 0; j < r->n; j++) {
			old_cell(r->cells + (i * r->n + j) * OLD_CELL, &c);
			matrix_cell_pack(row + j * MATRIX_CELL_BYTES, &c);
		}
		db_bind(st, "ib", r->slot[i] << 32 | r->id, (const void *)row,
		    r->n * MATRIX_CELL_BYTES);
		ok = db_exec(db, st, err);
	}
	free(row);
	return ok;
}

/* Added to schema 3 while it was in use; no file is refused for having them. */
static const struct {
	const char *find, *add;
} columns_4[] = {
	{ "SELECT 1 FROM pragma_table_info('conn') WHERE name = 'ca_file'",
	    "ALTER TABLE conn ADD COLUMN ca_file TEXT" },
	{ "SELECT 1 FROM pragma_table_info('conn') WHERE name = 'ssh_from'",
	    "ALTER TABLE conn ADD COLUMN ssh_from TEXT" },
	{ "SELECT 1 FROM pragma_table_info('conn') WHERE name = 'zones'",
	    "ALTER TABLE conn ADD COLUMN zones TEXT" },
	{ "SELECT 1 FROM pragma_table_info('prereq') WHERE name = 'asked'",
	    "ALTER TABLE prereq ADD COLUMN asked INT NOT NULL DEFAULT 1" },
	{ "SELECT 1 FROM pragma_table_info('prereq') WHERE name = 'sure'",
	    "ALTER TABLE prereq ADD COLUMN sure INT NOT NULL DEFAULT 0" },
};

bool
migrate_4_columns(struct db *db, struct mw_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(columns_4); i++) {
		sqlite3_stmt *st = db_stmt(db, columns_4[i].find);
		bool there = db_row(db, st, err);

		sqlite3_reset(st);
		if (err->code != MW_OK)
			return false;
		if (!there && !db_exec(db, db_stmt(db, columns_4[i].add), err))
			return false;
	}
	return true;
}
