/*
 * api_bundle.c - bundles over HTTP. The store is read in small steps, so that
 * others come between them; a pool thread writes the text.
 */
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/result.h"
#include "common/pure/str.h"
#include "coordinator/api/api.h"
#include "coordinator/measure/bundle.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/store/db_bench.h"
#include "coordinator/store/db_bundle.h"
#include "coordinator/store/db_mesh.h"
#include "lifecycle/lifecycle.h"

#include <math.h>
#include <string.h>

#define AT_ONCE 2 /* bundles that are being made: each takes memory */
#define STEP 100 /* results of one step */
#define REPLY_MS 120000

struct bundle_job {
	struct coord *c;
	struct httpd_req *req;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	int64_t created; /* the MCIS: what was before is another one's */
	struct db_bundle_span span;
	bool raw, gone, begun;
	int64_t *ids;
	size_t n, next; /* ids[next..] are still to be read */
	struct db_known known;
	struct str lines;
	json_t *texts; /* raw */
	size_t raw_bytes;
	double *lat, *lon;
	struct mesh_view view;
	struct bundle_in in;
	char *text;
	struct mw_err err;
	struct store_job store;
	struct worker_job work;
};

static unsigned open_jobs; /* on the loop only */

static bool ask_read(struct bundle_job *j, struct mw_err *err);
static bool step_run(struct db *db, struct store_job *job, struct mw_err *err);
static bool first_step(struct db *db, struct bundle_job *j, struct mw_err *err);
static bool one_result(struct db *db, struct bundle_job *j, int64_t id,
    struct mw_err *err);
static void step_done(struct store_job *job, bool ok, const struct mw_err *err);
static bool nothing(const struct bundle_job *j, struct mw_err *err);
static void put_head(struct bundle_job *j, const struct lc_mcis *g);
static json_t *vms_json(struct bundle_job *j, const struct lc_mcis *g);
static void put_matrix(struct bundle_job *j, const struct lc_mcis *g);
static void build_run(struct worker_job *job);
static void build_done(struct worker_job *job);
static void job_fail(struct bundle_job *j, const struct mw_err *err);
static void job_free(struct bundle_job *j);

static void
on_gone(void *arg)
{
	struct bundle_job *j = arg;

	j->gone = true;
}

static void
get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns"), *m = httpd_param(req, "mcis");
	const struct lc_mcis *g = lc_mcis_find(c->lc, ns, m);
	struct mw_err err = MW_ERR_INIT;
	struct bundle_job *j;

	if (!g || open_jobs == AT_ONCE) {
		if (!g)
			err_set(&err, MW_NOT_FOUND, 0,
			    "no MCIS %s in namespace %s", m, ns);
		else
			err_set(&err, MW_LIMIT, 0,
			    "%d bundles are being made already; ask again "
			    "in some seconds",
			    AT_ONCE);
		httpd_reply_err(req, &err);
		return;
	}
	j = xcalloc(1, sizeof *j);
	open_jobs++;
	j->c = c;
	j->req = req;
	str_copy(j->ns, sizeof j->ns, g->row.ns);
	str_copy(j->mcis, sizeof j->mcis, g->row.name);
	j->created = g->row.created_at;
	if (!ask_read(j, &err)) {
		job_fail(j, &err);
		return;
	}
	httpd_extend(req, REPLY_MS);
	httpd_on_gone(req, on_gone, j);
	j->store = (struct store_job){ .run = step_run, .done = step_done };
	store_submit(c->store, &j->store);
}

static bool
ask_read(struct bundle_job *j, struct mw_err *err)
{
	const char *kind = httpd_query(j->req, "kind");
	struct db_bundle_span *s = &j->span;
	enum kind k = KIND_COUNT;

	if (!api_query_time(j->req, "until", INT64_MAX, &s->until, err) ||
	    !api_query_time(j->req, "since", API_MS_LAST, &s->since, err) ||
	    !api_query_bool(j->req, "raw", &j->raw, err) ||
	    !api_query_bool(j->req, "addresses", &j->in.addresses, err))
		return false;
	if (kind && !kind_parse(kind, &k)) {
		err_set(err, MW_INVALID, 0, "there is no kind of that name");
		return err_hint(err, "milkyway bench kinds lists them");
	}
	s->ns = j->ns;
	s->mcis = j->mcis;
	s->kind = kind ? (int)k : -1;
	s->since -= API_MS_LAST; /* the begin of its millisecond */
	if (s->since < j->created)
		s->since = j->created;
	if (s->until < s->since)
		return err_set(err, MW_INVALID, 0,
		    "until lies before since, or before the MCIS was created");
	j->known.ns = j->ns;
	j->known.mcis = j->mcis;
	j->known.since = s->since;
	return true;
}

/* The store's thread ------------------------------------------------------- */

static bool
step_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct bundle_job *j = container_of(job, struct bundle_job, store);
	size_t end;

	if (!j->begun)
		return first_step(db, j, err);
	end = j->next + STEP < j->n ? j->next + STEP : j->n;
	for (; j->next < end; j->next++)
		if (!one_result(db, j, j->ids[j->next], err))
			return false;
	return true;
}

/*
 * Without a given end a bundle ends with the newest that is in it, not now:
 * as long as nothing is measured, two exports are the same bytes.
 */
static bool
first_step(struct db *db, struct bundle_job *j, struct mw_err *err)
{
	struct db_bundle_span *s = &j->span;
	int64_t newest;

	j->begun = true;
	if (s->until == INT64_MAX) {
		if (!db_bundle_newest(db, s, &newest, err))
			return false;
		if (!newest)
			return nothing(j, err);
		s->until = newest - newest % NS_PER_MS + API_MS_LAST;
	}
	j->known.at = s->until;
	if (!db_bundle_ids(db, s, BUNDLE_RESULTS_MAX + 1, &j->ids, &j->n,
		err) ||
	    !db_mesh_known(db, &j->known, err))
		return false;
	if (j->n > BUNDLE_RESULTS_MAX)
		return bundle_too_large(err);
	return j->n || j->known.pool || nothing(j, err);
}

static bool
one_result(struct db *db, struct bundle_job *j, int64_t id, struct mw_err *err)
{
	char name[RAW_NAME_LEN];
	struct str text = STR_INIT;
	bool found, ok;

	if (!db_result_get(db, id, &text, &found, err))
		return false;
	if (found) { /* it may be past its time meanwhile */
		str_addn(&j->lines, text.p, text.len);
		str_addc(&j->lines, '\n');
	}
	str_reset(&text);
	ok = !j->raw || db_bundle_raw(db, id, name, &text, &found, err);
	if (ok && j->raw && found &&
	    (j->in.addresses || !bundle_has_ip(str_cstr(&text)))) {
		json_t *s = json_stringn(text.p ? text.p : "", text.len);

		if (s) /* else it is no text */
			json_put(j->texts, name, s);
		j->raw_bytes += text.len;
	}
	str_free(&text);
	return ok &&
	    (j->lines.len + j->raw_bytes <= BUNDLE_MAX ||
		bundle_too_large(err));
}

static bool
nothing(const struct bundle_job *j, struct mw_err *err)
{
	err_set(err, MW_NOT_FOUND, 0, "nothing was measured on %s in that time",
	    j->mcis);
	return err_hint(err, "milkyway bench run %s, milkyway matrix %s --run",
	    j->mcis, j->mcis);
}

/* The loop ----------------------------------------------------------------- */

static void
step_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct bundle_job *j = container_of(job, struct bundle_job, store);
	const struct lc_mcis *g;
	struct mw_err gone = MW_ERR_INIT;

	if (!ok) {
		job_fail(j, err);
		return;
	}
	g = lc_mcis_find(j->c->lc, j->ns, j->mcis);
	if (!g || j->gone || g->row.created_at != j->created) {
		err_set(&gone, MW_CANCELED, 0, "%s",
		    j->gone ? "nobody waits any more"
			    : "the MCIS was deleted meanwhile");
		job_fail(j, &gone);
		return;
	}
	if (j->raw && !j->texts)
		j->texts = json_object();
	if (j->next < j->n) {
		j->store =
		    (struct store_job){ .run = step_run, .done = step_done };
		store_submit(j->c->store, &j->store);
		return;
	}
	put_head(j, g);
	put_matrix(j, g);
	j->work = (struct worker_job){ .run = build_run, .done = build_done };
	if (!worker_submit(j->c->pool, &j->work, &gone))
		job_fail(j, &gone);
}

static void
put_head(struct bundle_job *j, const struct lc_mcis *g)
{
	json_t *h = json_object();

	json_put_str(h, "deployment", j->c->deployment);
	json_put_str(h, "ns", j->ns);
	json_put_str(h, "mcis", j->mcis);
	json_put_str(h, "kind",
	    j->span.kind < 0 ? NULL : kind_info((enum kind)j->span.kind)->name);
	json_put_time(h, "since", j->span.since);
	json_put_time(h, "until", j->span.until);
	json_put(h, "vms", vms_json(j, g));
	j->in.head = h;
	j->in.results = str_cstr(&j->lines);
	j->in.raw = j->texts;
	j->in.since = j->span.since;
	j->in.until = j->span.until;
}

static void
put_price(json_t *vm, const struct spec_row *p)
{
	bool known = p && p->cost_per_hour_micros >= 0;

	json_put(vm, "costPerHourMicros",
	    known ? json_integer(p->cost_per_hour_micros) : NULL);
	json_put_str(vm, "currency", known ? p->currency : NULL);
	json_put_str(vm, "costReason",
	    known                     ? NULL
		: p && p->cost_reason ? p->cost_reason
				      : "unknown");
}

/* Who it is, without what nobody else may know. */
static json_t *
vm_json(const struct bundle_job *j, const struct lc_slot *s)
{
	const struct conn_row *row =
	    conns_get(j->c->conns, s->row.spec.connection);
	const struct spec_row *p =
	    conns_spec(j->c->conns, s->row.spec.connection, s->row.spec.spec);
	bool place = row && row->has_location;
	json_t *vm = json_object();

	json_put_str(vm, "vmId", s->vm_id);
	json_put_str(vm, "connection", s->row.spec.connection);
	json_put_str(vm, "csp", row ? row->csp : NULL);
	json_put_str(vm, "region", row ? row->region : NULL);
	json_put_str(vm, "zone", *s->inst.zone ? s->inst.zone : NULL);
	json_put_str(vm, "image", s->row.spec.image);
	json_put_str(vm, "spec", s->row.spec.spec);
	json_put_str(vm, "specId", p ? p->spec_id : NULL);
	json_put_str(vm, "arch", p ? p->arch : NULL);
	json_put(vm, "vcpu", p && p->vcpu > 0 ? json_integer(p->vcpu) : NULL);
	json_put(vm, "memoryMiB",
	    p && p->memory_mib > 0 ? json_integer(p->memory_mib) : NULL);
	put_price(vm, p);
	json_put_num(vm, "lat", place ? row->lat : (double)NAN);
	json_put_num(vm, "lon", place ? row->lon : (double)NAN);
	if (j->in.addresses) {
		json_put_str(vm, "publicIp",
		    *s->inst.public_ip ? s->inst.public_ip : NULL);
		json_put_str(vm, "privateIp",
		    *s->inst.private_ip ? s->inst.private_ip : NULL);
	}
	return vm;
}

/* In the order of groups and numbers. */
static json_t *
vms_json(struct bundle_job *j, const struct lc_mcis *g)
{
	json_t *all = json_array();

	for (const struct lc_slot *s = g->slots; s; s = s->next)
		json_array_append_new(all, vm_json(j, s));
	return all;
}

/* Rows of a VM that is gone keep its name and site. */
static void
put_matrix(struct bundle_job *j, const struct lc_mcis *g)
{
	const struct matrix *m = j->known.pool;
	json_t *vms;

	if (!m)
		return;
	vms = json_array();
	j->lat = xcalloc(m->n + 1, sizeof *j->lat);
	j->lon = xcalloc(m->n + 1, sizeof *j->lon);
	for (size_t i = 0; i < m->n; i++) {
		const struct lc_slot *s = lc_vm_find(g, m->names[i]);
		const struct conn_row *row =
		    s && (!m->who[i].slot || m->who[i].slot == s->row.slot_id)
		    ? conns_get(j->c->conns, s->row.spec.connection)
		    : NULL;
		json_t *vm = json_object();
		char *site = row ? xasprintf("%s-%s-%s", row->csp, row->region,
				       s->row.spec.spec)
				 : NULL;

		json_put_str(vm, "vmId", m->names[i]);
		json_put_str(vm, "site", site ? site : m->who[i].site);
		json_array_append_new(vms, vm);
		free(site);
		j->lat[i] = row && row->has_location ? row->lat : (double)NAN;
		j->lon[i] = row && row->has_location ? row->lon : (double)NAN;
	}
	j->view = (struct mesh_view){ .m = j->known.pool,
		.vms = vms,
		.lat = j->lat,
		.lon = j->lon,
		.now = j->span.until,
		.pooled = true,
		.day = j->known.day };
	j->in.matrix = &j->view;
}

static void
build_run(struct worker_job *job)
{
	struct bundle_job *j = container_of(job, struct bundle_job, work);

	j->text = bundle_build(&j->in, &j->err);
}

static void
build_done(struct worker_job *job)
{
	struct bundle_job *j = container_of(job, struct bundle_job, work);

	if (!j->text) {
		if (j->err.code == MW_OK) /* the pool ended before it ran */
			err_set(&j->err, MW_CANCELED, 0, "shutting down");
		job_fail(j, &j->err);
		return;
	}
	httpd_on_gone(j->req, NULL, NULL);
	httpd_reply(j->req, 200, "application/json", j->text, strlen(j->text));
	job_free(j);
}

static void
job_fail(struct bundle_job *j, const struct mw_err *err)
{
	httpd_on_gone(j->req, NULL, NULL);
	httpd_reply_err(j->req, err);
	job_free(j);
}

static void
job_free(struct bundle_job *j)
{
	open_jobs--;
	matrix_unref(j->known.pool);
	matrix_unref(j->known.newest);
	json_decref(j->in.head);
	json_decref(j->texts);
	json_decref(j->view.vms);
	str_free(&j->lines);
	free(j->ids);
	free(j->lat);
	free(j->lon);
	free(j->text);
	free(j);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/bundle", get, ROLE_VIEWER },
};

const struct api_routes api_bundle_routes = { routes, ARRAY_LEN(routes) };
