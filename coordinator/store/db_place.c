/*
 * db_place.c - SQL of stored placements.
 */
#include "coordinator/store/db_place.h"

#include "common/json.h"
#include "common/pure/when.h"

bool
db_place_begin(struct db *db, int64_t at, const char *query, int64_t *id,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO placement(at, status, query, answer, members) "
	    "VALUES(?, 'running', ?, ?, '[]')");

	db_bind(st, "iss", at, query,
	    "{\"status\":\"running\",\"ranking\":[]}");
	if (!db_exec(db, st, err))
		return false;
	*id = db_last_id(db);
	return true;
}

bool
db_place_left(struct db *db, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE placement SET status = 'canceled', answer = ? "
	    "WHERE status = 'running'");

	db_bind(st, "s",
	    "{\"status\":\"canceled\",\"ranking\":[],\"error\":{\"code\":"
	    "\"CANCELED\",\"message\":\"the coordinator ended while it "
	    "searched: ask again\"}}");
	return db_exec(db, st, err);
}

static bool
fill(struct db *db, const struct db_place *p, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "UPDATE placement SET at = ?, status = ?, answer = ?, "
	    "members = ?, relied = ? WHERE id = ?");

	db_bind(st, "issssi", p->at, p->status, p->answer, p->members,
	    p->relied, p->id);
	return db_exec(db, st, err);
}

bool
db_place_put(struct db *db, const struct db_place *p, int64_t *id,
    struct mw_err *err)
{
	sqlite3_stmt *st;

	if (p->id) {
		*id = p->id;
		return fill(db, p, err);
	}
	st = db_stmt(db,
	    "INSERT INTO placement(at, status, query, answer, members, "
	    "relied) VALUES(?, ?, ?, ?, ?, ?)");
	db_bind(st, "isssss", p->at, p->status, p->query, p->answer, p->members,
	    p->relied);
	if (!db_exec(db, st, err))
		return false;
	*id = db_last_id(db);
	return true;
}

bool
db_place_get(struct db *db, int64_t id, struct str *answer, struct str *members,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT json_set(answer, '$.query', json(query)), members "
	    "FROM placement WHERE id = ?");

	db_bind(st, "i", id);
	if (!db_row(db, st, err)) {
		if (err->code == MW_OK) {
			err_set(err, MW_NOT_FOUND, 0, "no placement pl-%lld",
			    (long long)id);
			err_hint(err, "milkyway placement lists them");
		}
		return false;
	}
	str_add(answer, db_text(st, 0));
	str_add(members, db_text(st, 1));
	return true;
}

bool
db_place_list(struct db *db, int64_t limit, struct str *items,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id, at, status FROM placement ORDER BY id DESC LIMIT ?");
	char at[WHEN_LEN];

	db_bind(st, "i", limit);
	while (db_row(db, st, err)) {
		when_format(sqlite3_column_int64(st, 1), at);
		if (items->len)
			str_addc(items, ',');
		str_addf(items,
		    "{\"placementId\":\"pl-%lld\",\"status\":\"%s\","
		    "\"createdAt\":\"%s\"}",
		    (long long)sqlite3_column_int64(st, 0), db_text(st, 2), at);
	}
	return err->code == MW_OK;
}
