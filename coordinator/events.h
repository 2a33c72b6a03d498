/*
 * events.h - what happened: a durable history, a ring of the newest 1,024 and
 * the readers of the event stream.
 *
 * An event gets its number when it is emitted; it is shown to readers only
 * after it is committed, in order. The store keeps EVENTS_KEEP of them.
 */
#ifndef MW_COORDINATOR_EVENTS_H
#define MW_COORDINATOR_EVENTS_H

#include "common/httpd.h"
#include "coordinator/store/store.h"

#define EVENTS_RING 1024
#define EVENTS_KEEP 200000

struct coord;
struct db_event;
struct events;

/* Borrowed strings; NULL or 0 where it does not apply. */
struct event {
	const char *type; /* "vm.status", see docs/api.md */
	const char *ns, *mcis, *vm;
	const char *from, *to, *reason;
	const char *action; /* action id, "ac-12" */
	json_t *detail; /* borrowed: events_emit copies it; or */
	const char *detail_text; /* the same as JSON text */
};

struct events *events_new(struct coord *c, struct mw_err *err) mw_must_check;
void events_free(struct events *e);
/* Queues the event behind all store jobs submitted so far and returns its
 * number. */
uint64_t events_emit(struct events *e, const struct event *ev);
/*
 * The same in three parts, for events that belong to somebody else's
 * transaction: make it (it gets its number), put it with db_event_put()
 * (db_events.h) in the job that is submitted at once, publish it in that job's
 * done().
 */
struct db_event *events_make(struct events *e, const struct event *ev);
/* The first of n numbers, and the text of one of them: that may be made by
 * another thread, ev->detail is NULL then. */
uint64_t events_numbers(struct events *e, size_t n);
struct db_event *events_text(uint64_t number, int64_t at,
    const struct event *ev);
void events_publish(struct events *e, struct db_event *take_ev);
/* Newest committed number. */
uint64_t events_last(const struct events *e);
/* GET /v1/events: history as JSON or a stream, by the Accept header. */
void events_get(struct httpd_req *req, void *ctx);
size_t events_readers(const struct events *e);

#endif
