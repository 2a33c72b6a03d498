/*
 * db_history.c - SQL of histories.
 */
#include "coordinator/store/db_history.h"

#include "common/pure/str.h"

#include <string.h>

static void
put_one(json_t *items, sqlite3_stmt *st)
{
	const char *text = db_text(st, 4), *type = db_text(st, 2);
	const char *dot = strchr(type, '.');
	struct mw_err ignore = MW_ERR_INIT;
	json_t *ev = json_parse(text, strlen(text), JSON_BODY_MAX, &ignore);
	const json_t *d = json_object_get(ev, "detail");
	const char *who = json_string_value(json_object_get(d, "actor"));
	bool external = str_eq(type, "lifecycle.external");
	json_t *j = json_object();
	static const char *const copies[][2] = { { "actionId", "actionId" },
		{ "from", "from" }, { "to", "to" }, { "reason", "reason" } };
	static const char *const details[][2] = { { "targetAction",
						      "targetAction" },
		{ "nativeStatus", "native" }, { "generation", "gen" } };

	if (!who && sqlite3_column_type(st, 5) != SQLITE_NULL)
		who = db_text(st, 5);
	json_put_int(j, "seq", sqlite3_column_int64(st, 0));
	json_put_time(j, "at", sqlite3_column_int64(st, 1));
	json_put_str(j, "vmId",
	    sqlite3_column_type(st, 3) == SQLITE_NULL ? NULL : db_text(st, 3));
	json_put_str(j, "event",
	    str_eq(type, "action.end") ? "end"
		: dot                  ? dot + 1
				       : type);
	json_put_str(j, "who", external ? "cloud" : who);
	json_put_str(j, "action",
	    sqlite3_column_type(st, 6) == SQLITE_NULL ? NULL : db_text(st, 6));
	for (size_t i = 0; i < ARRAY_LEN(copies); i++)
		json_object_set(j, copies[i][0],
		    json_object_get(ev, copies[i][1]));
	for (size_t i = 0; i < ARRAY_LEN(details); i++) {
		json_t *v = json_object_get(d, details[i][1]);

		json_put(j, details[i][0], json_incref(v));
	}
	json_array_append_new(items, j);
	json_decref(ev);
}

bool
db_history_list(struct db *db, const struct db_history *f, json_t *items,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT e.seq, e.at, e.type, e.vm, e.json, a.actor, a.act FROM "
	    "(SELECT * FROM event WHERE ns = ?1 AND mcis = ?2 AND seq > ?4 "
	    "AND (?3 IS NULL OR vm = ?3 OR vm IS NULL) "
	    "AND type IN ('vm.status', 'lifecycle.desired', "
	    "'lifecycle.answer', 'lifecycle.deadline', 'lifecycle.adopt', "
	    "'lifecycle.external', 'lifecycle.unknown', 'lifecycle.orphan', "
	    "'install.failed', 'hostkey.changed', 'action.end') "
	    "ORDER BY seq DESC LIMIT ?5) e "
	    "LEFT JOIN action a ON a.n = "
	    "CAST(substr(json_extract(e.json, '$.actionId'), 4) AS INT) "
	    "AND a.act IS NOT NULL ORDER BY e.seq");

	db_bind(st, "sssii", f->ns, f->mcis, f->vm, f->after, f->limit);
	while (db_row(db, st, err))
		put_one(items, st);
	return err->code == MW_OK;
}
