/*
 * db_events.c - SQL of the event history, and the memory of one event.
 */
#include "coordinator/store/db_events.h"

#include "common/pure/alloc.h"
#include "coordinator/events.h"

#include <string.h>

#define TRIM_EVERY 1024

static const char *
put(char **at, const char *s)
{
	char *p = *at;
	size_t n;

	if (!s)
		return NULL;
	n = strlen(s) + 1;
	memcpy(p, s, n);
	*at += n;
	return p;
}

static size_t
room(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

struct db_event *
db_event_new(uint64_t seq, int64_t at, const char *type, const char *ns,
    const char *mcis, const char *vm, const char *json)
{
	struct db_event *e = xmalloc(sizeof *e + room(type) + room(ns) +
	    room(mcis) + room(vm) + room(json));
	char *p = (char *)(e + 1);

	e->seq = seq;
	e->at = at;
	e->type = put(&p, type);
	e->ns = put(&p, ns);
	e->mcis = put(&p, mcis);
	e->vm = put(&p, vm);
	e->json = put(&p, json);
	return e;
}

bool
db_event_put(struct db *db, const struct db_event *ev, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO event(seq, at, type, ns, mcis, vm, json) "
	    "VALUES(?, ?, ?, ?, ?, ?, ?)");

	db_bind(st, "iisssss", (int64_t)ev->seq, ev->at, ev->type, ev->ns,
	    ev->mcis, ev->vm, ev->json);
	if (!db_exec(db, st, err))
		return false;
	if (ev->seq % TRIM_EVERY)
		return true;
	st = db_stmt(db, "DELETE FROM event WHERE seq <= ?");
	db_bind(st, "i", (int64_t)ev->seq - EVENTS_KEEP);
	return db_exec(db, st, err);
}

static const char *
text_or_null(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL ? NULL
							   : db_text(st, col);
}

bool
db_event_newest(struct db *db, int64_t n,
    void (*each)(void *arg, struct db_event *take_ev), void *arg,
    struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db,
	    "SELECT seq, at, type, ns, mcis, vm, json FROM event "
	    "ORDER BY seq DESC LIMIT ?");

	db_bind(st, "i", n);
	while (db_row(db, st, err))
		each(arg,
		    db_event_new((uint64_t)sqlite3_column_int64(st, 0),
			sqlite3_column_int64(st, 1), db_text(st, 2),
			text_or_null(st, 3), text_or_null(st, 4),
			text_or_null(st, 5), db_text(st, 6)));
	return err->code == MW_OK;
}

#define FILTER                                    \
	"(?2 IS NULL OR ns = ?2) AND "            \
	"(?3 IS NULL OR mcis = ?3) AND "          \
	"(?4 IS NULL OR instr(',' || ?4 || ',', " \
	"',' || type || ',') > 0)"

bool
db_event_list(struct db *db, const struct db_event_filter *f, struct str *items,
    int64_t *next, struct mw_err *err)
{
	sqlite3_stmt *st;

	/* Both read from an index and stop at the limit. */
	if (f->after >= 0)
		st = db_stmt(db,
		    "SELECT seq, json FROM event WHERE seq > ?1 AND " FILTER
		    " ORDER BY seq LIMIT ?5");
	else
		st = db_stmt(db,
		    "SELECT seq, json FROM (SELECT seq, json FROM event "
		    "WHERE seq > ?1 AND " FILTER
		    " ORDER BY seq DESC LIMIT ?5) ORDER BY seq");
	db_bind(st, "isssi", f->after, f->ns, f->mcis, f->types, f->limit);
	*next = f->after >= 0 ? f->after : 0;
	while (db_row(db, st, err)) {
		if (items->len)
			str_addc(items, ',');
		str_add(items, db_text(st, 1));
		*next = sqlite3_column_int64(st, 0);
	}
	return err->code == MW_OK;
}
