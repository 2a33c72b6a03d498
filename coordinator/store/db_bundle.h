/*
 * db_bundle.h - SQL of bundles: which results belong into one. Called from
 * store jobs.
 */
#ifndef MW_COORDINATOR_DB_BUNDLE_H
#define MW_COORDINATOR_DB_BUNDLE_H

#include "common/pure/str.h"
#include "coordinator/measure/raw.h"
#include "coordinator/store/store.h"

struct db_bundle_span {
	const char *ns, *mcis;
	int64_t since, until; /* until INT64_MAX: all */
	int kind; /* -1: any */
};

/* When the newest result or round in the span was measured; 0: there is none.
 */
bool db_bundle_newest(struct db *db, const struct db_bundle_span *s,
    int64_t *at, struct mw_err *err) mw_must_check;
/* The results in the span, oldest first, at most max; the caller frees. */
bool db_bundle_ids(struct db *db, const struct db_bundle_span *s, size_t max,
    int64_t **ids, size_t *n, struct mw_err *err) mw_must_check;
/* What the tool printed for a result; *found = false: not kept. */
bool db_bundle_raw(struct db *db, int64_t result, char name[RAW_NAME_LEN],
    struct str *text, bool *found, struct mw_err *err) mw_must_check;

#endif
