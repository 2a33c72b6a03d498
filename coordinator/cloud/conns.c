/*
 * conns.c - see conns.h. Owns the rows in memory and the open drivers; their
 * SQL is db_conns.c, their HTTP api_conn.c.
 */
#include "coordinator/cloud/conns.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "coordinator/cloud/conns_cred.h"
#include "coordinator/cloud/conns_file.h"
#include "coordinator/cloud/conns_int.h"
#include "coordinator/coord.h"
#include "coordinator/cloud/prereq.h"
#include "drivers/seal.h"

#include <stdlib.h>
#include <string.h>

/* An answer of our own, given on the next turn of the loop. */
struct refusal {
	struct csp_answer *answer;
	drv_done_fn done;
	void *arg;
};

static int spec_by_name(const void *a, const void *b);
static size_t lower_bound(const struct conns *cs, const char *id);
static void keep_driver(struct conn *old, struct conn *cn);
static void refuse(struct conns *cs, struct csp_req *take_req,
    const char *message, drv_done_fn done, void *arg);
static void refuse_now(void *p);
static void specs_free(struct conn *cn);
static void flatten(struct conns *cs);

struct conns *
conns_new(struct coord *c, struct mw_err *err)
{
	struct conns *cs = xcalloc(1, sizeof *cs);

	cs->c = c;
	if (!ssh_from_check(c->conf.ssh_from, err)) {
		err_wrap(err, "cloud.ssh_from");
		free(cs);
		return NULL;
	}
	cs->http = http_new(c->loop, err);
	cs->env.loop = c->loop;
	cs->env.http = cs->http;
	if (cs->http) {
		http_rate_scale(cs->http,
		    (double)c->conf.cloud_rate_percent / 100);
		http_rate_max(cs->http, (double)c->conf.cloud_rate);
	}
	cs->seal = seal_new(c->conf.state_dir);
	cs->env.vault = seal_vault(cs->seal);
	if (!cs->http || !store_run_now(c->store, db_conns_load, cs, err)) {
		conns_free(cs);
		return NULL;
	}
	cs->file = conns_file_new(cs);
	return cs;
}

void
conns_free(struct conns *cs)
{
	struct conn_own *o;

	if (!cs)
		return;
	conns_file_free(cs->file);
	while ((o = LIST_FIRST(&cs->own))) {
		conn_own_end(o);
		o->cs = NULL;
		if (o->cn && o->cn->dc)
			o->cn->drv->close(o->cn->dc);
		if (o->cn)
			o->cn->dc = NULL;
	}
	for (size_t i = 0; i < cs->n; i++)
		conn_free(cs->v[i]);
	if (cs->http)
		http_free(cs->http);
	seal_free(cs->seal);
	free(cs->v);
	free(cs->specs);
	free(cs);
}

void
conn_own_add(struct conns *cs, struct conn_own *o, struct conn *cn)
{
	o->cs = cs;
	o->cn = cn;
	LIST_INSERT_HEAD(&cs->own, o, link);
}

void
conn_own_end(struct conn_own *o)
{
	if (o->cs)
		LIST_REMOVE(o, link);
}

struct conn *
conns_find(const struct conns *cs, const char *id)
{
	size_t i = id ? lower_bound(cs, id) : cs->n;

	return i < cs->n && strcmp(cs->v[i]->row.id, id) == 0 ? cs->v[i] : NULL;
}

const struct conn_row *
conns_get(const struct conns *cs, const char *id)
{
	const struct conn *cn = conns_find(cs, id);

	return cn ? &cn->row : NULL;
}

const struct spec_row *
conns_spec(const struct conns *cs, const char *connection, const char *name)
{
	const struct conn *cn = conns_find(cs, connection);
	struct spec_row key = { .name = (char *)(uintptr_t)name };

	if (!cn || !cn->nspecs || !name)
		return NULL;
	return bsearch(&key, cn->specs, cn->nspecs, sizeof *cn->specs,
	    spec_by_name);
}

const struct image_row *
conns_image(const struct conns *cs, const char *connection, const char *id)
{
	const struct conn *cn = conns_find(cs, connection);

	for (size_t i = 0; cn && i < cn->nimages; i++)
		if (str_eq(cn->images[i].id, id))
			return &cn->images[i];
	return NULL;
}

bool
conns_image_id(const struct conns *cs, const char *connection, const char *id)
{
	const struct conn *cn = conns_find(cs, connection);
	const struct driver *d = cn ? driver_find(cn->row.driver) : NULL;

	return d && d->image_prefix && str_starts(id, d->image_prefix);
}

#define IMAGES_NAMED 10

void
conns_image_names(const struct conns *cs, const char *connection,
    struct str *out)
{
	const struct conn *cn = conns_find(cs, connection);
	const struct driver *d = cn ? driver_find(cn->row.driver) : NULL;
	size_t n = cn ? cn->nimages : 0;

	for (size_t i = 0; i < n && i < IMAGES_NAMED; i++)
		str_addf(out, "%s%s", i ? " " : "", cn->images[i].id);
	if (n > IMAGES_NAMED)
		str_addf(out, " and %zu more", n - IMAGES_NAMED);
	if (d && d->image_prefix)
		str_addf(out, "%s%s...", n ? ", or any " : "", d->image_prefix);
}

bool
conns_has_zone(const struct conns *cs, const char *connection, const char *zone)
{
	const struct conn *cn = conns_find(cs, connection);
	const char *p = cn && zone[0] ? cn->row.zones : NULL;
	size_t n = strlen(zone);

	while (p && !(strncmp(p, zone, n) == 0 && (p[n] == ' ' || !p[n]))) {
		p = strchr(p, ' ');
		if (!p)
			return false;
		p++;
	}
	return true;
}

size_t
conns_count(const struct conns *cs)
{
	return cs->n;
}

const struct conn_row *
conns_at(const struct conns *cs, size_t i)
{
	return &cs->v[i]->row;
}

uint64_t
conns_revision(const struct conns *cs)
{
	return cs->revision;
}

size_t
conns_spec_count(const struct conns *cs)
{
	flatten((struct conns *)(uintptr_t)cs);
	return cs->nspecs;
}

const struct spec_row *
conns_spec_at(const struct conns *cs, size_t i)
{
	return cs->specs[i];
}

void
conns_submit(struct conns *cs, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	struct conn *cn = conns_find(cs, take_req->connection);
	struct mw_err err = MW_ERR_INIT;

	if (!cn)
		refuse(cs, take_req, "there is no such connection", done, arg);
	else if (!conn_open(cs, cn, &err))
		refuse(cs, take_req, err.msg, done, arg);
	else {
		conn_look(cs, cn);
		conn_submit(cn, take_req, done, arg);
	}
}

void
conn_look(struct conns *cs, const struct conn *cn)
{
	struct conn *kept = conns_find(cs, cn->row.id);
	struct drv_load load = { 0 };
	struct ssh_ends *e;
	bool moved;

	if (!kept || !cn->dc || !cn->drv->load)
		return;
	cn->drv->load(cn->dc, &load);
	if (!load.local_ip[0])
		return;
	e = &kept->ends;
	/* the other end changes often: clouds have many addresses */
	moved = !str_eq(e->local, load.local_ip) || e->proxied != load.proxied;
	str_copy(e->local, sizeof e->local, load.local_ip);
	str_copy(e->peer, sizeof e->peer, load.peer_ip);
	e->proxied = load.proxied;
	if (moved && cs->c->prereq)
		prereq_moved(cs->c->prereq, kept->row.id);
}

static const char *
ssh_setting(const struct conns *cs, const struct conn *cn)
{
	return cn->row.ssh_from ? cn->row.ssh_from : cs->c->conf.ssh_from;
}

bool
conns_ssh_auto(const struct conns *cs, const char *id)
{
	const struct conn *cn = conns_find(cs, id);

	return cn && ssh_from_is_auto(ssh_setting(cs, cn));
}

enum ssh_from
conns_ssh_from(struct conns *cs, const char *id, char out[SSH_FROM_LEN],
    struct mw_err *err)
{
	struct conn *cn = conns_find(cs, id);

	out[0] = '\0';
	if (!cn || !(conns_caps(cs, id).flags & CSP_CAP_NET))
		return SSH_FROM_KNOWN;
	conn_look(cs, cn);
	return ssh_from_decide(ssh_setting(cs, cn), &cn->ends, out, err);
}

void
conn_submit(struct conn *cn, struct csp_req *take_req, drv_done_fn done,
    void *arg)
{
	drv_done_fn counted = conn_stats_wrap(cn->stats, done, &arg);

	cn->drv->submit(cn->dc, take_req, counted, arg);
}

struct csp_caps
conns_caps(struct conns *cs, const char *id)
{
	struct conn *cn = conns_find(cs, id);
	const struct coord_conf *f = &cs->c->conf;
	struct mw_err err = MW_ERR_INIT;
	struct csp_caps caps;

	if (!cn || !conn_open(cs, cn, &err))
		return (struct csp_caps){ 0 };
	caps = cn->drv->caps(cn->dc);
	if (f->late_apply_s >= 0)
		caps.late_apply_max_s = f->late_apply_s;
	if (f->list_visible_s >= 0)
		caps.list_visible_max_s = f->list_visible_s;
	return caps;
}

bool
conns_login_key(struct conns *cs, const char *connection, const char *csp_id,
    struct str *key, struct mw_err *err)
{
	struct conn *cn = conns_find(cs, connection);

	if (!cn || !conn_open(cs, cn, err))
		return cn ? false
			  : err_set(err, MW_NOT_FOUND, 0,
				"there is no connection %s", connection);
	return !cn->drv->login_key ||
	    cn->drv->login_key(cn->dc, csp_id, key, err);
}

bool
conn_open(struct conns *cs, struct conn *cn, struct mw_err *err)
{
	return conn_open_in(cs, cn, &cs->env, err);
}

bool
conn_open_in(struct conns *cs, struct conn *cn, const struct drv_env *env,
    struct mw_err *err)
{
	struct drv_conf conf = {
		.id = cn->row.id,
		.driver = cn->row.driver,
		.csp = cn->row.csp,
		.region = cn->row.region,
		.endpoint = cn->row.endpoint,
		.credential = cn->row.credential,
		.prices = cn->row.prices,
		.ca_file = cn->row.ca_file,
	};

	if (cn->dc)
		return true;
	cn->drv = driver_find(cn->row.driver);
	if (!cn->drv)
		return driver_none(cn->row.driver, err);
	return conns_may_use(cs, cn->row.credential, err) &&
	    cn->drv->open(env, &conf, &cn->dc, err);
}

struct conn *
conn_new(const struct conn_row *row)
{
	struct conn *cn = xcalloc(1, sizeof *cn);

	cn->row = *row;
	cn->row.id = xstrdup(row->id);
	cn->row.driver = xstrdup(row->driver);
	cn->row.csp = xstrdup(row->csp);
	cn->row.region = xstrdup(row->region);
	cn->row.display = xstrdup(row->display);
	cn->row.endpoint = xstrdup(row->endpoint);
	cn->row.credential = xstrdup(row->credential);
	cn->row.verified_reason = xstrdup(row->verified_reason);
	cn->row.prices = xstrdup(row->prices);
	cn->row.ca_file = xstrdup(row->ca_file);
	cn->row.ssh_from = xstrdup(row->ssh_from);
	cn->row.zones = xstrdup(row->zones);
	cn->stats = conn_stats_new();
	return cn;
}

void
conn_free(struct conn *cn)
{
	if (!cn)
		return;
	if (cn->dc)
		cn->drv->close(cn->dc);
	specs_free(cn);
	free(cn->row.id);
	free(cn->row.driver);
	free(cn->row.csp);
	free(cn->row.region);
	free(cn->row.display);
	free(cn->row.endpoint);
	free(cn->row.credential);
	free(cn->row.verified_reason);
	free(cn->row.prices);
	free(cn->row.ca_file);
	free(cn->row.ssh_from);
	free(cn->row.zones);
	conn_stats_unref(cn->stats);
	free(cn);
}

void
conn_add_spec(struct conn *cn, const struct csp_spec *s)
{
	struct spec_row *r;

	VEC_GROW(cn->specs, cn->nspecs, cn->specs_cap);
	r = &cn->specs[cn->nspecs++];
	r->spec_id =
	    xasprintf("%s+%s+%s", cn->row.csp, cn->row.region, s->name);
	r->connection = cn->row.id;
	r->csp = cn->row.csp;
	r->region = cn->row.region;
	r->name = xstrdup(s->name);
	r->arch = xstrdup(s->arch);
	r->vcpu = s->vcpu;
	r->memory_mib = s->memory_mib;
	r->cost_per_hour_micros = s->cost_per_hour_micros;
	r->currency = xstrdup(s->currency ? s->currency : "USD");
	r->cost_reason = xstrdup(s->cost_reason);
}

void
conn_add_image(struct conn *cn, const struct csp_image *im)
{
	struct image_row *r;

	VEC_GROW(cn->images, cn->nimages, cn->images_cap);
	r = &cn->images[cn->nimages++];
	r->connection = cn->row.id;
	r->id = xstrdup(im->id);
	r->name = xstrdup(im->name);
	r->user = xstrdup(im->user);
	r->arch = xstrdup(im->arch);
}

void
conn_sort(struct conn *cn)
{
	if (cn->nspecs)
		qsort(cn->specs, cn->nspecs, sizeof *cn->specs, spec_by_name);
}

void
conns_put(struct conns *cs, struct conn *take_cn)
{
	size_t i = lower_bound(cs, take_cn->row.id);

	conns_file_changed(cs->file);
	cs->flat = false;
	cs->revision++;
	if (i < cs->n && strcmp(cs->v[i]->row.id, take_cn->row.id) == 0) {
		conn_stats_unref(take_cn->stats);
		take_cn->stats = conn_stats_ref(cs->v[i]->stats);
		keep_driver(cs->v[i], take_cn);
		take_cn->ends = cs->v[i]->ends;
		conn_free(cs->v[i]);
		cs->v[i] = take_cn;
		if (cs->c->prereq) /* its rules may be others */
			prereq_moved(cs->c->prereq, take_cn->row.id);
		return;
	}
	VEC_GROW(cs->v, cs->n, cs->cap);
	memmove(&cs->v[i + 1], &cs->v[i], (cs->n - i) * sizeof *cs->v);
	cs->v[i] = take_cn;
	cs->n++;
}

void
conns_remove(struct conns *cs, const char *id)
{
	size_t i = lower_bound(cs, id);

	if (i == cs->n || strcmp(cs->v[i]->row.id, id) != 0)
		return;
	conns_file_changed(cs->file);
	cs->flat = false;
	cs->revision++;
	conn_free(cs->v[i]);
	cs->n--;
	memmove(&cs->v[i], &cs->v[i + 1], (cs->n - i) * sizeof *cs->v);
}

static int
spec_by_name(const void *a, const void *b)
{
	const struct spec_row *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A new catalogue must not cut calls that are under way. */
static void
keep_driver(struct conn *old, struct conn *cn)
{
	if (!old->dc || cn->renewed ||
	    !str_eq(old->row.driver, cn->row.driver) ||
	    !str_eq(old->row.csp, cn->row.csp) ||
	    !str_eq(old->row.region, cn->row.region) ||
	    !str_eq(old->row.endpoint, cn->row.endpoint) ||
	    !str_eq(old->row.credential, cn->row.credential) ||
	    !str_eq(old->row.prices, cn->row.prices) ||
	    !str_eq(old->row.ca_file, cn->row.ca_file))
		return;
	if (cn->dc)
		cn->drv->close(cn->dc);
	cn->drv = old->drv;
	cn->dc = old->dc;
	old->dc = NULL;
}

/* First index whose id is not smaller. */
static size_t
lower_bound(const struct conns *cs, const char *id)
{
	size_t lo = 0, hi = cs->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(cs->v[mid]->row.id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
refuse(struct conns *cs, struct csp_req *take_req, const char *message,
    drv_done_fn done, void *arg)
{
	struct refusal *r = xcalloc(1, sizeof *r);

	r->answer = csp_answer_new(take_req);
	r->answer->cls = CSP_DEFINITE;
	r->answer->reason = CSP_R_UNSENT;
	r->answer->message = arena_strdup(r->answer->arena, message);
	r->done = done;
	r->arg = arg;
	csp_req_free(take_req);
	loop_reap(cs->c->loop, refuse_now, r);
}

static void
refuse_now(void *p)
{
	struct refusal *r = p;

	r->done(r->answer, r->arg);
	free(r);
}

static void
specs_free(struct conn *cn)
{
	for (size_t i = 0; i < cn->nspecs; i++) {
		free(cn->specs[i].spec_id);
		free(cn->specs[i].name);
		free(cn->specs[i].arch);
		free(cn->specs[i].currency);
		free(cn->specs[i].cost_reason);
	}
	for (size_t i = 0; i < cn->nimages; i++) {
		free(cn->images[i].id);
		free(cn->images[i].name);
		free(cn->images[i].user);
		free(cn->images[i].arch);
	}
	free(cn->specs);
	free(cn->images);
}

/* One array over all connections, in the order of their ids. */
static void
flatten(struct conns *cs)
{
	size_t n = 0;

	if (cs->flat)
		return;
	for (size_t i = 0; i < cs->n; i++)
		n += cs->v[i]->nspecs;
	free(cs->specs);
	cs->specs = n ? xcalloc(n, sizeof *cs->specs) : NULL;
	cs->nspecs = 0;
	for (size_t i = 0; i < cs->n; i++)
		for (size_t k = 0; k < cs->v[i]->nspecs; k++)
			cs->specs[cs->nspecs++] = &cs->v[i]->specs[k];
	cs->flat = true;
}
