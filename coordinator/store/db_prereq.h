/*
 * db_prereq.h - SQL of what VMs need in their clouds: networks, security
 * groups, keys. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_PREREQ_H
#define MW_COORDINATOR_DB_PREREQ_H

#include "coordinator/store/store.h"
#include "lifecycle/model.h"

enum prereq_kind { /* in the order in which they are made */
	PREREQ_NET,
	PREREQ_SG,
	PREREQ_KEY,
	PREREQ_KINDS
};

struct prereq_row {
	enum prereq_kind kind;
	char connection[LC_WORD_LEN];
	char key_id[LC_ID_LEN]; /* names the MCIS it belongs to */
	char zone[LC_WORD_LEN]; /* of a network, "" if any */
	bool ending; /* to be deleted */
	bool asked; /* the cloud owes an answer, or may */
	int64_t sure_ns; /* wall clock: since then it does not; 0: unknown */
};

typedef void (*db_prereq_fn)(void *arg, const struct prereq_row *row);
bool db_prereq_load(struct db *db, db_prereq_fn each, void *arg,
    struct mw_err *err) mw_must_check;
/* The cloud is about to be asked for it. */
bool db_prereq_put(struct db *db, const struct prereq_row *row,
    struct mw_err *err) mw_must_check;
/* It has answered everything. */
bool db_prereq_sure(struct db *db, const struct prereq_row *row,
    struct mw_err *err) mw_must_check;
bool db_prereq_delete(struct db *db, const struct prereq_row *row,
    struct mw_err *err) mw_must_check;
/* In the transaction that forgets the MCIS. */
bool db_prereq_end(struct db *db, int64_t mcis_id,
    struct mw_err *err) mw_must_check;

#endif
