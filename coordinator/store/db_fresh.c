/*
 * db_fresh.c - SQL: which results are young enough.
 */
#include "coordinator/store/db_fresh.h"

bool
db_fresh_each(struct db *db, const char *ns, const char *mcis,
    const char *profile, int64_t since,
    void (*each)(void *arg, const struct db_fresh *f), void *arg,
    struct mw_err *err)
{
	/* max(id) makes the other columns those of the newest row. */
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT max(id), slot, gen, kind, variant FROM result "
	    "WHERE ns = ? AND mcis = ? AND profile = ? AND at >= ? "
	    "AND value IS NOT NULL GROUP BY slot, gen, kind, variant");

	db_bind(st, "sssi", ns, mcis, profile, since);
	while (db_row(db, st, err)) {
		struct db_fresh f = { .id = sqlite3_column_int64(st, 0),
			.slot = sqlite3_column_int64(st, 1),
			.gen = sqlite3_column_int64(st, 2),
			.kind = (enum kind)sqlite3_column_int(st, 3),
			.variant = db_text(st, 4) };

		each(arg, &f);
	}
	return err->code == MW_OK;
}
