/*
 * events.c - see events.h. Owns the ring, the readers and the event table.
 *
 * The text of an event is made once, when it is emitted; store, ring and
 * readers share it. Nothing is shown before its commit: done() of a store job
 * comes in the order of submission, so numbers reach readers in order.
 */
#include "coordinator/events.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_events.h"

#include <assert.h>
#include <string.h>

#define HEARTBEAT_NS (15 * NS_PER_S)
#define READERS_MAX 256
#define FILTER_MAX 256

struct reader {
	struct events *e;
	struct httpd_stream *stream;
	char ns[64], mcis[64], types[FILTER_MAX];
	struct reader *next, **link;
};

struct events {
	struct coord *c;
	struct db_event *ring[EVENTS_RING]; /* by seq modulo, committed only */
	uint64_t next_seq; /* of the next emit */
	uint64_t last; /* newest committed */
	struct reader *readers;
	size_t nreaders;
	struct loop_timer *beat;
};

struct emit_job {
	struct store_job job;
	struct events *e;
	struct db_event *ev;
};

struct list_job {
	struct store_job job;
	struct httpd_req *req;
	struct db_event_filter f;
	char ns[64], mcis[64], types[FILTER_MAX];
	struct str items;
	int64_t next;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static void load_one(void *arg, struct db_event *take_ev);
static bool emit_run(struct db *db, struct store_job *job, struct mw_err *err);
static void emit_done(struct store_job *job, bool ok, const struct mw_err *err);
static bool wanted(const struct reader *r, const struct db_event *ev);
static bool in_list(const char *list, const char *word);
static void stream_open(struct events *e, struct httpd_req *req);
static void reader_gone(void *arg);
static void reader_free(struct reader *r);
static void on_beat(void *arg);
static void list_start(struct events *e, struct httpd_req *req);
static bool list_run(struct db *db, struct store_job *job, struct mw_err *err);
static void list_done(struct store_job *job, bool ok, const struct mw_err *err);

struct events *
events_new(struct coord *c, struct mw_err *err)
{
	struct events *e = xcalloc(1, sizeof *e);

	e->c = c;
	if (!store_run_now(c->store, load, e, err)) {
		events_free(e);
		return NULL;
	}
	e->next_seq = e->last + 1;
	e->beat = loop_timer_new(c->loop, on_beat, e);
	loop_timer_set(e->beat, HEARTBEAT_NS);
	return e;
}

void
events_free(struct events *e)
{
	if (!e)
		return;
	while (e->readers) {
		httpd_stream_close(e->readers->stream);
		reader_free(e->readers);
	}
	loop_timer_free(e->beat);
	for (size_t i = 0; i < EVENTS_RING; i++)
		free(e->ring[i]);
	free(e);
}

uint64_t
events_emit(struct events *e, const struct event *ev)
{
	struct emit_job *j = xcalloc(1, sizeof *j);

	j->e = e;
	j->ev = events_make(e, ev);
	j->job.run = emit_run;
	j->job.done = emit_done;
	store_submit(e->c->store, &j->job);
	return j->ev->seq;
}

uint64_t
events_last(const struct events *e)
{
	return e->last;
}

size_t
events_readers(const struct events *e)
{
	return e->nreaders;
}

void
events_get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *accept = httpd_header(req, "Accept");

	if (accept && strstr(accept, "text/event-stream"))
		stream_open(c->events, req);
	else
		list_start(c->events, req);
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	return db_event_newest(db, EVENTS_RING, load_one, arg, err);
}

static void
load_one(void *arg, struct db_event *take_ev)
{
	struct events *e = arg;
	struct db_event **place = &e->ring[take_ev->seq % EVENTS_RING];

	if (take_ev->seq > e->last)
		e->last = take_ev->seq;
	free(*place);
	*place = take_ev;
}

static void
add_word(struct str *out, const char *key, const char *text)
{
	str_add(out, ",\"");
	str_add(out, key);
	str_add(out, "\":");
	json_add_str(out, text);
}

struct db_event *
events_make(struct events *e, const struct event *ev)
{
	return events_text(events_numbers(e, 1), clock_wall_ns(), ev);
}

uint64_t
events_numbers(struct events *e, size_t n)
{
	uint64_t first = e->next_seq;

	e->next_seq += n;
	return first;
}

/* Ten thousand VMs make some forty thousand of them in one go: no tree. */
struct db_event *
events_text(uint64_t number, int64_t at, const struct event *ev)
{
	char *detail = ev->detail ? json_text(ev->detail, false) : NULL;
	struct str out = STR_INIT;
	struct db_event *d;

	str_addf(&out, "{\"seq\":%lld,\"at\":", (long long)number);
	json_add_time(&out, at);
	add_word(&out, "type", ev->type);
	add_word(&out, "ns", ev->ns);
	add_word(&out, "mcis", ev->mcis);
	add_word(&out, "vmId", ev->vm);
	add_word(&out, "from", ev->from);
	add_word(&out, "to", ev->to);
	add_word(&out, "reason", ev->reason);
	add_word(&out, "actionId", ev->action);
	str_add(&out, ",\"detail\":");
	str_add(&out,
	    detail                ? detail
		: ev->detail_text ? ev->detail_text
				  : "null");
	str_addc(&out, '}');
	d = db_event_new(number, at, ev->type, ev->ns, ev->mcis, ev->vm,
	    str_cstr(&out));
	str_free(&out);
	free(detail);
	return d;
}

static bool
emit_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct emit_job *j = container_of(job, struct emit_job, job);

	return db_event_put(db, j->ev, err);
}

static void
emit_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct emit_job *j = container_of(job, struct emit_job, job);

	if (ok) {
		events_publish(j->e, j->ev);
	} else {
		log_error("events", j->ev->type, "event is lost: %s", err->msg);
		free(j->ev);
	}
	free(j);
}

void
events_publish(struct events *e, struct db_event *take_ev)
{
	struct reader *r, *next;

	load_one(e, take_ev);
	for (r = e->readers; r; r = next) {
		next = r->next;
		if (wanted(r, take_ev) &&
		    !httpd_stream_send(r->stream, take_ev->type, take_ev->seq,
			take_ev->json)) {
			httpd_stream_close(r->stream);
			reader_free(r);
		}
	}
}

static bool
wanted(const struct reader *r, const struct db_event *ev)
{
	return (!*r->ns || str_eq(r->ns, ev->ns)) &&
	    (!*r->mcis || str_eq(r->mcis, ev->mcis)) &&
	    (!*r->types || in_list(r->types, ev->type));
}

/* list: words separated by commas. */
static bool
in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',')) {
		if (*p == ',')
			p++;
		if (strncmp(p, word, n) == 0 && (p[n] == 0 || p[n] == ','))
			return true;
	}
	return false;
}

static void
stream_open(struct events *e, struct httpd_req *req)
{
	struct mw_err err = MW_ERR_INIT;
	const char *from = httpd_header(req, "Last-Event-ID");
	const char *ns = httpd_query(req, "ns"),
		   *mcis = httpd_query(req, "mcis");
	const char *types = httpd_query(req, "type");
	int64_t after = (int64_t)e->last;
	struct reader *r;

	if (from && !num_parse_i64(from, strlen(from), 0, INT64_MAX, &after)) {
		err_set(&err, MW_INVALID, 0, "Last-Event-ID is not a number");
		httpd_reply_err(req, &err);
		return;
	}
	if (e->nreaders >= READERS_MAX) {
		err_set(&err, MW_LIMIT, 0, "there are %d readers already",
		    READERS_MAX);
		httpd_reply_err(req, &err);
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->e = e;
	str_copy(r->ns, sizeof r->ns, ns ? ns : "");
	str_copy(r->mcis, sizeof r->mcis, mcis ? mcis : "");
	str_copy(r->types, sizeof r->types, types ? types : "");
	r->stream = httpd_stream_open(req);
	r->next = e->readers;
	r->link = &e->readers;
	if (r->next)
		r->next->link = &r->next;
	e->readers = r;
	e->nreaders++;
	httpd_stream_on_gone(r->stream, reader_gone, r);
	/* At once, so that the reader knows it is connected. */
	httpd_stream_comment(r->stream);
	if ((uint64_t)after + EVENTS_RING < e->last)
		after = (int64_t)(e->last - EVENTS_RING);
	for (uint64_t s = (uint64_t)after + 1; s <= e->last; s++) {
		const struct db_event *ev = e->ring[s % EVENTS_RING];

		if (ev && ev->seq == s && wanted(r, ev) &&
		    !httpd_stream_send(r->stream, ev->type, s, ev->json)) {
			httpd_stream_close(r->stream);
			reader_free(r);
			return;
		}
	}
}

static void
reader_gone(void *arg)
{
	struct reader *r = arg;

	httpd_stream_close(r->stream);
	reader_free(r);
}

static void
reader_free(struct reader *r)
{
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	r->e->nreaders--;
	free(r);
}

static void
on_beat(void *arg)
{
	struct events *e = arg;
	struct reader *r, *next;

	for (r = e->readers; r; r = next) {
		next = r->next;
		httpd_stream_comment(r->stream);
	}
	loop_timer_set(e->beat, HEARTBEAT_NS);
}

static void
list_start(struct events *e, struct httpd_req *req)
{
	struct mw_err err = MW_ERR_INIT;
	struct list_job *j = xcalloc(1, sizeof *j);
	const char *after = httpd_query(req, "after");
	const char *limit = httpd_query(req, "limit");
	const char *q;

	j->req = req;
	j->f.after = -1;
	j->f.limit = 100;
	if ((after &&
		!num_parse_i64(after, strlen(after), 0, INT64_MAX,
		    &j->f.after)) ||
	    (limit &&
		!num_parse_i64(limit, strlen(limit), 1, 1000, &j->f.limit))) {
		err_set(&err, MW_INVALID, 0,
		    "after is a number, limit is 1..1000");
		httpd_reply_err(req, &err);
		free(j);
		return;
	}
	if ((q = httpd_query(req, "ns")) && *q) {
		str_copy(j->ns, sizeof j->ns, q);
		j->f.ns = j->ns;
	}
	if ((q = httpd_query(req, "mcis")) && *q) {
		str_copy(j->mcis, sizeof j->mcis, q);
		j->f.mcis = j->mcis;
	}
	if ((q = httpd_query(req, "type")) && *q) {
		str_copy(j->types, sizeof j->types, q);
		j->f.types = j->types;
	}
	j->job.run = list_run;
	j->job.done = list_done;
	store_submit(e->c->store, &j->job);
}

static bool
list_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct list_job *j = container_of(job, struct list_job, job);

	return db_event_list(db, &j->f, &j->items, &j->next, err);
}

static void
list_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct list_job *j = container_of(job, struct list_job, job);
	struct str out = STR_INIT;

	if (!ok) {
		httpd_reply_err(j->req, err);
	} else {
		str_addf(&out, "{\"items\":[%s],\"next\":%lld}\n",
		    str_cstr(&j->items), (long long)j->next);
		httpd_reply(j->req, 200, "application/json", out.p, out.len);
	}
	str_free(&out);
	str_free(&j->items);
	free(j);
}
