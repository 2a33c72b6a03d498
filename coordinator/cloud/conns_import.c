/*
 * conns_import.c - see conns_import.h. Owns the imports that are under way:
 * each is a chain of calls of one driver connection of its own, which the new
 * row takes over at the end.
 */
#include "coordinator/cloud/conns_import.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_check.h"
#include "coordinator/cloud/conns_place.h"
#include "coordinator/cloud/conns_use.h"
#include "coordinator/coord.h"

#include <string.h>

struct import {
	struct store_job job;
	struct conn_own own;
	struct loop *loop;
	size_t step;
	struct mw_err err; /* why it could not be verified */
	bool keep_old; /* the catalogue could not be read: keep what is there */
	bool other; /* than the row there is: that one is left as it is */
	bool proved; /* it reaches what that one holds */
	void (*done)(void *arg, const struct mw_err *err);
	void *arg;
};

struct listing {
	struct conn_own own;
	struct loop *loop;
	struct mw_err err; /* it could not be opened */
	void (*each)(void *arg, const struct csp_region *region);
	void (*done)(void *arg, const struct mw_err *err);
	void *arg;
};

struct step {
	enum csp_op op;
	void (*take)(struct import *im, const struct csp_answer *a);
};

static void take_region(struct import *im, const struct csp_answer *a);
static void take_specs(struct import *im, const struct csp_answer *a);
static void take_images(struct import *im, const struct csp_answer *a);
static void set_place(struct conn *cn, const struct csp_region *r);
static void next(struct import *im);
static void on_answer(struct csp_answer *take_a, void *arg);
static void complete(struct import *im);
static void on_proof(void *arg, const struct mw_err *err);
static void canceled(struct import *im);
static void fail(struct import *im);
static void finish(struct import *im);
static bool put_run(struct db *db, struct store_job *job, struct mw_err *err);
static void put_done(struct store_job *job, bool ok, const struct mw_err *err);
static void fail_later(void *p);
static void listing_end(struct listing *l, const struct mw_err *err);
static void on_regions(struct csp_answer *take_a, void *arg);
static void listing_later(void *p);
static void close_later(void *p);

static const struct step steps[] = {
	{ CSP_VERIFY, NULL },
	{ CSP_REGIONS, take_region },
	{ CSP_SPECS, take_specs },
	{ CSP_IMAGES, take_images },
};
#define STEP_REGIONS 1
#define STEP_SPECS 2

void
conns_import(struct conns *cs, const struct conn_row *row,
    const struct csp_region *known, bool renewed,
    void (*done)(void *arg, const struct mw_err *err), void *arg)
{
	struct import *im = xcalloc(1, sizeof *im);
	static const struct csp_region nowhere = { 0 };
	const struct conn *old;
	bool prove;

	im->loop = cs->c->loop;
	conn_own_add(cs, &im->own, conn_new(row));
	im->own.adds = true;
	im->own.cn->renewed = renewed;
	old = conns_find(cs, row->id);
	if (old) { /* counts go on */
		conn_stats_unref(im->own.cn->stats);
		im->own.cn->stats = conn_stats_ref(old->stats);
	}
	im->done = done;
	im->arg = arg;
	set_place(im->own.cn, known ? known : &nowhere);
	/* a list of regions may not tell the zones of each */
	if (known)
		im->step = known->nzones ? STEP_SPECS : STEP_REGIONS;
	im->other = !conns_may_become(cs, row, &prove, &im->err);
	if (!im->other && conn_open(cs, im->own.cn, &im->err))
		next(im);
	else
		loop_reap(cs->c->loop, fail_later, im);
}

void
conns_regions(struct conns *cs, const char *driver, const char *endpoint,
    const char *credential, const char *ca_file,
    void (*each)(void *arg, const struct csp_region *region),
    void (*done)(void *arg, const struct mw_err *err), void *arg)
{
	struct conn_row row = {
		.id = (char *)(uintptr_t) "discover",
		.driver = (char *)(uintptr_t)driver,
		.endpoint = (char *)(uintptr_t)endpoint,
		.credential = (char *)(uintptr_t)credential,
		.ca_file = (char *)(uintptr_t)ca_file,
	};
	struct listing *l = xcalloc(1, sizeof *l);

	l->loop = cs->c->loop;
	conn_own_add(cs, &l->own, conn_new(&row));
	l->each = each;
	l->done = done;
	l->arg = arg;
	if (!conn_open(cs, l->own.cn, &l->err)) {
		loop_reap(cs->c->loop, listing_later, l);
		return;
	}
	conn_submit(l->own.cn, csp_req_new(CSP_REGIONS, "discover"), on_regions,
	    l);
}

void
conns_answer_err(const struct csp_answer *a, struct mw_err *err)
{
	struct str s = STR_INIT;
	const char *text = a->message ? a->message : "";

	str_add_escaped(&s, text, strlen(text), 200);
	err_set(err,
	    a->cls == CSP_OK                  ? MW_OK
		: a->reason == CSP_R_UNSENT   ? MW_UNREACHABLE
		: a->reason == CSP_R_TIMEOUT  ? MW_TIMEOUT
		: a->reason == CSP_R_CANCELED ? MW_CANCELED
					      : MW_REMOTE,
	    0, "%s: %s%s%s", csp_op_name(a->op), csp_class_name(a->cls),
	    s.len ? ": " : "", str_cstr(&s));
	str_free(&s);
}

static void
take_region(struct import *im, const struct csp_answer *a)
{
	for (size_t i = 0; i < a->nregions; i++)
		if (str_eq(a->regions[i].id, im->own.cn->row.region) &&
		    (!a->regions[i].csp ||
			str_eq(a->regions[i].csp, im->own.cn->row.csp)))
			set_place(im->own.cn, &a->regions[i]);
}

static void
take_specs(struct import *im, const struct csp_answer *a)
{
	for (size_t i = 0; i < a->nspecs; i++)
		conn_add_spec(im->own.cn, &a->specs[i]);
}

static void
take_images(struct import *im, const struct csp_answer *a)
{
	for (size_t i = 0; i < a->nimages; i++)
		conn_add_image(im->own.cn, &a->images[i]);
}

static void
set_place(struct conn *cn, const struct csp_region *r)
{
	const struct conns_place *p = r->has_location
	    ? NULL
	    : conns_place_find(cn->row.csp, cn->row.region);
	struct str zones = STR_INIT;

	for (size_t i = 0; i < r->nzones; i++)
		str_addf(&zones, "%s%s", i ? " " : "", r->zones[i]);
	free(cn->row.zones);
	cn->row.zones = r->nzones ? str_take(&zones) : NULL;
	str_free(&zones);
	free(cn->row.display);
	cn->row.display = xstrdup(p ? p->city : r->display);
	cn->row.lat = p ? p->lat : r->lat;
	cn->row.lon = p ? p->lon : r->lon;
	cn->row.has_location = p || r->has_location;
}

static void
next(struct import *im)
{
	struct csp_req *q;

	if (im->step == ARRAY_LEN(steps)) {
		complete(im);
		return;
	}
	q = csp_req_new(steps[im->step].op, im->own.cn->row.id);
	if (q->op == CSP_VERIFY) /* somebody waits for it */
		q->deadline_ms = CONNS_CHECK_MS;
	conn_submit(im->own.cn, q, on_answer, im);
}

static void
on_answer(struct csp_answer *take_a, void *arg)
{
	struct import *im = arg;
	const struct step *s = &steps[im->step++];

	if (take_a->cls == CSP_OK) {
		if (s->take)
			s->take(im, take_a);
	} else {
		conns_check_words(take_a, &im->err);
	}
	csp_answer_free(take_a);
	if (!im->own.cs)
		canceled(im);
	else if (im->err.code == MW_OK)
		next(im);
	else
		fail(im);
}

/* A row in use is not lost to one that does not reach what it holds; looked at
 * here again, for VMs may have come in the meantime. */
static void
complete(struct import *im)
{
	const struct conn *cn = im->own.cn;
	bool prove;

	im->other = !conns_may_become(im->own.cs, &cn->row, &prove, &im->err);
	if (im->other)
		fail(im);
	else if (prove && !im->proved)
		conns_prove(&im->own, cn->row.id, on_proof, im);
	else
		finish(im);
}

static void
on_proof(void *arg, const struct mw_err *err)
{
	struct import *im = arg;

	im->err = *err;
	im->proved = err->code == MW_OK;
	im->other = !im->proved;
	if (!im->own.cs)
		canceled(im);
	else if (im->other)
		fail(im);
	else
		complete(im);
}

/* The coordinator ends: nothing is stored. */
static void
canceled(struct import *im)
{
	err_set(&im->err, MW_CANCELED, 0, "the coordinator stops");
	conn_free(im->own.cn);
	im->done(im->arg, &im->err);
	free(im);
}

/* Do both reach the same cloud in the same way? */
static bool
same_way(const struct conn_row *a, const struct conn_row *b)
{
	return str_eq(a->driver, b->driver) && str_eq(a->csp, b->csp) &&
	    str_eq(a->region, b->region) && str_eq(a->endpoint, b->endpoint) &&
	    str_eq(a->credential, b->credential) &&
	    str_eq(a->ca_file, b->ca_file);
}

/* The row is kept, so that people see why it does not work. */
static void
fail(struct import *im)
{
	const struct conn *old = conns_find(im->own.cs, im->own.cn->row.id);

	im->keep_old = old && old->nspecs;
	im->other = im->other ||
	    (im->keep_old && !same_way(&old->row, &im->own.cn->row));
	finish(im);
}

static void
finish(struct import *im)
{
	struct conn_row *row = &im->own.cn->row;

	row->verified = im->err.code == MW_OK;
	free(row->verified_reason);
	row->verified_reason = row->verified ? NULL : xstrdup(im->err.msg);
	conn_sort(im->own.cn);
	im->job.run = put_run;
	im->job.done = put_done;
	store_submit(im->own.cs->c->store, &im->job);
}

static bool
put_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct import *im = container_of(job, struct import, job);

	if (im->other)
		return true;
	if (im->keep_old)
		return db_conn_reason(db, im->own.cn->row.id,
		    im->own.cn->row.verified_reason, err);
	return db_conn_put(db, im->own.cn, err);
}

static void
put_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct import *im = container_of(job, struct import, job);
	struct conn *old;

	if (!im->own.cs) {
		canceled(im);
		return;
	}
	conn_own_end(&im->own);
	old = conns_find(im->own.cs, im->own.cn->row.id);

	if (!ok) {
		im->err = *err;
		conn_free(im->own.cn);
	} else if (im->other) {
		conn_free(im->own.cn);
	} else if (im->keep_old && old) {
		old->row.verified = false;
		free(old->row.verified_reason);
		old->row.verified_reason =
		    xstrdup(im->own.cn->row.verified_reason);
		conn_free(im->own.cn);
	} else {
		log_info("conns", im->own.cn->row.id,
		    "imported\tspecs=%zu images=%zu verified=%d",
		    im->own.cn->nspecs, im->own.cn->nimages,
		    im->own.cn->row.verified);
		conns_put(im->own.cs, im->own.cn);
	}
	im->done(im->arg, &im->err);
	free(im);
}

static void
fail_later(void *p)
{
	struct import *im = p;

	if (im->own.cs)
		fail(im);
	else
		canceled(im);
}

static void
on_regions(struct csp_answer *take_a, void *arg)
{
	struct listing *l = arg;
	struct mw_err err = MW_ERR_INIT;

	if (take_a->cls != CSP_OK)
		conns_check_words(take_a, &err);
	else
		for (size_t i = 0; i < take_a->nregions; i++)
			l->each(l->arg, &take_a->regions[i]);
	csp_answer_free(take_a);
	listing_end(l, &err);
}

static void
listing_later(void *p)
{
	struct listing *l = p;

	listing_end(l, &l->err);
}

static void
listing_end(struct listing *l, const struct mw_err *err)
{
	l->done(l->arg, err);
	/* Its driver is on the stack. */
	conn_own_end(&l->own);
	loop_reap(l->loop, close_later, l->own.cn);
	free(l);
}

static void
close_later(void *p)
{
	conn_free(p);
}
