/*
 * db_agents.c - SQL of the agent registry.
 */
#include "coordinator/store/db_agents.h"

bool
db_agent_put(struct db *db, const struct db_agent *a, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO agent(slot, gen, ns, mcis, vm, hello, first_seen, "
	    "last_seen) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) "
	    "ON CONFLICT(slot, gen) DO UPDATE SET ns = ?3, mcis = ?4, vm = ?5, "
	    "hello = ?6, last_seen = ?7");

	db_bind(st, "iissssi", a->slot, a->gen, a->ns, a->mcis, a->vm, a->hello,
	    a->last_seen);
	return db_exec(db, st, err);
}

bool
db_agent_delete(struct db *db, int64_t slot, int64_t gen, struct mw_err *err)
{
	sqlite3_stmt *st =
	    db_stmt(db, "DELETE FROM agent WHERE slot = ? AND gen = ?");

	db_bind(st, "ii", slot, gen);
	return db_exec(db, st, err);
}

bool
db_agent_each(struct db *db, void (*each)(void *arg, const struct db_agent *a),
    void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT slot, gen, ns, mcis, vm, hello, last_seen FROM agent "
	    "ORDER BY slot, gen");

	while (db_row(db, st, err)) {
		struct db_agent a = {
			.slot = sqlite3_column_int64(st, 0),
			.gen = sqlite3_column_int64(st, 1),
			.ns = db_text(st, 2),
			.mcis = db_text(st, 3),
			.vm = db_text(st, 4),
			.hello = db_text(st, 5),
			.last_seen = sqlite3_column_int64(st, 6),
		};

		each(arg, &a);
	}
	return err->code == MW_OK;
}
