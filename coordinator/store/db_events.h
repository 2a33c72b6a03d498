/*
 * db_events.h - SQL of the event history. Called from store jobs.
 */
#ifndef MW_COORDINATOR_DB_EVENTS_H
#define MW_COORDINATOR_DB_EVENTS_H

#include "common/pure/str.h"
#include "coordinator/store/store.h"

/* One block of memory: freed by one free(). */
struct db_event {
	uint64_t seq;
	int64_t at;
	const char *type, *ns, *mcis, *vm; /* ns, mcis, vm: or NULL */
	const char *json; /* the event as clients see it */
};

struct db_event_filter {
	int64_t after, limit; /* after < 0: the newest */
	const char *ns, *mcis, *types; /* NULL: any; types: comma list */
};

struct db_event *db_event_new(uint64_t seq, int64_t at, const char *type,
    const char *ns, const char *mcis, const char *vm, const char *json);
bool db_event_put(struct db *db, const struct db_event *ev,
    struct mw_err *err) mw_must_check;
bool db_event_newest(struct db *db, int64_t n,
    void (*each)(void *arg, struct db_event *take_ev), void *arg,
    struct mw_err *err) mw_must_check;
/* JSON texts joined by commas, oldest first; next: number of the last one. */
bool db_event_list(struct db *db, const struct db_event_filter *f,
    struct str *items, int64_t *next, struct mw_err *err) mw_must_check;

#endif
