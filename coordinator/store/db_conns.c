/*
 * db_conns.c - SQL of connections and their catalogues.
 */
#include "coordinator/cloud/conns_int.h"

#include "common/pure/str.h"

static const char *
text_or_null(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL ? NULL
							   : db_text(st, col);
}

static bool
load_rows(struct db *db, struct conns *cs, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, driver, csp, region, display, endpoint, credential, "
	    "lat, lon, verified, verified_reason, prices, "
	    "ssh_from, ca_file, zones FROM conn ORDER BY id");

	while (db_row(db, st, err)) {
		struct conn_row row = {
			.id = (char *)(uintptr_t)db_text(st, 0),
			.driver = (char *)(uintptr_t)db_text(st, 1),
			.csp = (char *)(uintptr_t)db_text(st, 2),
			.region = (char *)(uintptr_t)db_text(st, 3),
			.display = (char *)(uintptr_t)text_or_null(st, 4),
			.endpoint = (char *)(uintptr_t)text_or_null(st, 5),
			.credential = (char *)(uintptr_t)text_or_null(st, 6),
			.lat = sqlite3_column_double(st, 7),
			.lon = sqlite3_column_double(st, 8),
			.has_location =
			    sqlite3_column_type(st, 7) != SQLITE_NULL,
			.verified = sqlite3_column_int(st, 9) != 0,
			.verified_reason =
			    (char *)(uintptr_t)text_or_null(st, 10),
			.prices = (char *)(uintptr_t)text_or_null(st, 11),
			.ssh_from = (char *)(uintptr_t)text_or_null(st, 12),
			.ca_file = (char *)(uintptr_t)text_or_null(st, 13),
			.zones = (char *)(uintptr_t)text_or_null(st, 14),
		};

		conns_put(cs, conn_new(&row));
	}
	return err->code == MW_OK;
}

static bool
load_specs(struct db *db, struct conns *cs, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT conn, name, arch, vcpu, memory_mib, cost, currency, "
	    "cost_reason FROM spec ORDER BY conn, name");

	while (db_row(db, st, err)) {
		struct csp_spec s = {
			.name = db_text(st, 1),
			.arch = text_or_null(st, 2),
			.vcpu = sqlite3_column_int64(st, 3),
			.memory_mib = sqlite3_column_int64(st, 4),
			.cost_per_hour_micros =
			    sqlite3_column_type(st, 5) == SQLITE_NULL
			    ? -1
			    : sqlite3_column_int64(st, 5),
			.currency = text_or_null(st, 6),
			.cost_reason = text_or_null(st, 7),
		};
		struct conn *cn = conns_find(cs, db_text(st, 0));

		if (cn)
			conn_add_spec(cn, &s);
	}
	return err->code == MW_OK;
}

static bool
load_images(struct db *db, struct conns *cs, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT conn, id, name, user, arch FROM image ORDER BY conn, id");

	while (db_row(db, st, err)) {
		struct csp_image im = {
			.id = db_text(st, 1),
			.name = text_or_null(st, 2),
			.user = text_or_null(st, 3),
			.arch = text_or_null(st, 4),
		};
		struct conn *cn = conns_find(cs, db_text(st, 0));

		if (cn)
			conn_add_image(cn, &im);
	}
	return err->code == MW_OK;
}

bool
db_conns_load(struct db *db, void *arg, struct mw_err *err)
{
	struct conns *cs = arg;

	if (!load_rows(db, cs, err) || !load_specs(db, cs, err) ||
	    !load_images(db, cs, err))
		return false;
	for (size_t i = 0; i < cs->n; i++)
		conn_sort(cs->v[i]);
	return true;
}

static bool
put_row(struct db *db, const struct conn_row *r, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO conn(id, driver, csp, region, display, endpoint, "
	    "credential, verified, verified_reason, prices, ssh_from, ca_file, zones, "
	    "lat, lon) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, r->has_location ? "sssssssisssssdd" : "sssssssisssssnn",
	    r->id, r->driver, r->csp, r->region, r->display, r->endpoint,
	    r->credential, (int64_t)r->verified, r->verified_reason, r->prices,
	    r->ssh_from, r->ca_file, r->zones, r->lat, r->lon);
	return db_exec(db, st, err);
}

static bool
put_spec(struct db *db, const struct spec_row *s, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT OR REPLACE INTO spec(conn, name, arch, vcpu, memory_mib, currency, "
	    "cost_reason, cost) VALUES(?, ?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, s->cost_per_hour_micros < 0 ? "sssiissn" : "sssiissi",
	    s->connection, s->name, s->arch, s->vcpu, s->memory_mib,
	    s->currency, s->cost_reason, s->cost_per_hour_micros);
	return db_exec(db, st, err);
}

bool
db_conn_put(struct db *db, const struct conn *cn, struct mw_err *err)
{
	if (!db_conn_delete(db, cn->row.id, err) || !put_row(db, &cn->row, err))
		return false;
	for (size_t i = 0; i < cn->nspecs; i++)
		if (!put_spec(db, &cn->specs[i], err))
			return false;
	for (size_t i = 0; i < cn->nimages; i++) {
		const struct image_row *im = &cn->images[i];
		sqlite3_stmt *st = db_stmt(db,
		    "INSERT OR REPLACE INTO image(conn, id, name, user, arch) "
		    "VALUES(?, ?, ?, ?, ?)");

		db_bind(st, "sssss", im->connection, im->id, im->name, im->user,
		    im->arch);
		if (!db_exec(db, st, err))
			return false;
	}
	return true;
}

bool
db_conn_reason(struct db *db, const char *id, const char *reason,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE conn SET verified = ?1 IS NULL, verified_reason = ?1 "
	    "WHERE id = ?2");

	db_bind(st, "ss", reason, id);
	return db_exec(db, st, err);
}

/* Specs and images go with it. */
bool
db_conn_delete(struct db *db, const char *id, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "DELETE FROM conn WHERE id = ?");

	db_bind(st, "s", id);
	return db_exec(db, st, err);
}
