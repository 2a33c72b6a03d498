/*
 * db_bundle.c - see db_bundle.h.
 */
#include "coordinator/store/db_bundle.h"

#include "common/pure/alloc.h"
#include "coordinator/store/db_bench.h"

#include <stdlib.h>

bool
db_bundle_newest(struct db *db, const struct db_bundle_span *s, int64_t *at,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT max(coalesce((SELECT max(at) FROM result WHERE ns = ?1 AND "
	    "mcis = ?2 AND at BETWEEN ?3 AND ?4 AND (?5 < 0 OR kind = ?5)), 0),"
	    " coalesce((SELECT max(t1) FROM rtt_round WHERE ns = ?1 AND "
	    "mcis = ?2 AND t1 BETWEEN ?3 AND ?4), 0),"
	    " coalesce((SELECT max(t1) FROM rtt_fold WHERE ns = ?1 AND "
	    "mcis = ?2 AND t1 BETWEEN ?3 AND ?4), 0))");

	*at = 0;
	db_bind(st, "ssiii", s->ns, s->mcis, s->since, s->until,
	    (int64_t)s->kind);
	if (db_row(db, st, err))
		*at = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

bool
db_bundle_ids(struct db *db, const struct db_bundle_span *s, size_t max,
    int64_t **ids, size_t *n, struct mw_err *err)
{
	/* Not by id: that would walk through what others measured. */
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT id FROM result INDEXED BY result_mcis WHERE ns = ?1 AND "
	    "mcis = ?2 AND at BETWEEN ?3 AND ?4 AND (?5 < 0 OR kind = ?5) "
	    "ORDER BY id LIMIT ?6");
	size_t cap = 0;

	*ids = NULL;
	*n = 0;
	db_bind(st, "ssiiii", s->ns, s->mcis, s->since, s->until,
	    (int64_t)s->kind, (int64_t)max);
	while (db_row(db, st, err)) {
		VEC_GROW(*ids, *n, cap);
		(*ids)[(*n)++] = sqlite3_column_int64(st, 0);
	}
	return err->code == MW_OK;
}

bool
db_bundle_raw(struct db *db, int64_t result, char name[RAW_NAME_LEN],
    struct str *text, bool *found, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT json_extract(json, '$.rawRef') FROM result WHERE id = ?");

	*found = false;
	name[0] = '\0';
	db_bind(st, "i", result);
	if (db_row(db, st, err))
		str_copy(name, RAW_NAME_LEN, db_text(st, 0));
	if (err->code != MW_OK || !name[0])
		return err->code == MW_OK;
	return db_raw_get(db, name, 0, text, found, err);
}
