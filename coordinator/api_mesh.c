/*
 * api_mesh.c - the latency matrix over HTTP. A large matrix takes longer to
 * write down than a turn of the loop may, so a pool thread does it.
 */
#include "coordinator/actions.h"
#include "coordinator/api.h"
#include "coordinator/conns.h"
#include "coordinator/mesh.h"
#include "coordinator/snap.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

#define K_MAX 100
#define WINDOW_MIN_MS 100
#define WINDOW_MAX_MS 60000

struct look {
	struct httpd_req *req;
	struct matrix *m;
	json_t *vms; /* made on the loop */
	char *text;
	struct worker_job work;
};

static void
post(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "k", "windowMs", NULL };
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	int64_t k = c->conf.matrix_k, window = c->conf.matrix_window_ms;
	char action[ACTION_ID_LEN];
	struct json_at at;
	json_t *body;
	size_t len;

	httpd_body(req, &len);
	if (len > 0 &&
	    (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
		!json_no_others(&at, known, &err) ||
		!json_get_int(&at, "k", true, k, 1, K_MAX, &k, &err) ||
		!json_get_int(&at, "windowMs", true, window, WINDOW_MIN_MS,
		    WINDOW_MAX_MS, &window, &err))) {
		httpd_reply_err(req, &err);
		return;
	}
	if (!mesh_start(c->mesh, httpd_param(req, "ns"),
		httpd_param(req, "mcis"), k, window, action, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	actions_reply(c->actions, req, action);
}

/* Who the rows are; a VM that was removed since keeps its name alone. */
static json_t *
vms_json(struct coord *c, const struct lc_mcis *g, const struct matrix *m)
{
	json_t *all = json_array();
	char text[512];

	for (size_t i = 0; i < m->n; i++) {
		const struct lc_slot *s = lc_vm_find(g, m->names[i]);
		const struct conn_row *row =
		    s ? conns_get(c->conns, s->row.spec.connection) : NULL;
		json_t *vm = json_object();

		json_put_str(vm, "vmId", m->names[i]);
		if (row) {
			snprintf(text, sizeof text, "%s-%s-%s", row->csp,
			    row->region, s->row.spec.spec);
			json_put_str(vm, "site", text);
			snprintf(text, sizeof text, "%s+%s+%s", row->csp,
			    row->region, s->row.spec.spec);
			json_put_str(vm, "specId", text);
			json_put_str(vm, "csp", row->csp);
			json_put_str(vm, "region", row->region);
		}
		json_array_append_new(all, vm);
	}
	return all;
}

static void
add_flags(struct str *s, unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { MATRIX_F_TX_USER, "txUser" },
		{ MATRIX_F_RX_USER, "userTs" }, { MATRIX_F_BUSY, "contended" },
		{ MATRIX_F_REORDERED, "reordered" } };
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit) {
			str_addf(s, "%s\"%s\"", any ? "," : "", names[i].name);
			any = true;
		}
}

static void
add_ms(struct str *s, const char *key, uint32_t us)
{
	str_addf(s, "\"%s\":%u.%03u,", key, us / 1000, us % 1000);
}

static void
add_cell(struct str *s, const struct matrix_cell *c)
{
	unsigned sent = (unsigned)c->n + c->lost;

	if (c->why != MATRIX_KNOWN) {
		str_addf(s,
		    "{\"n\":0,\"lost\":%u,\"rttMinMs\":null,\"rttAvgMs\":null,"
		    "\"rttMedianMs\":null,\"rttP95Ms\":null,\"jitterMs\":null,"
		    "\"lossPct\":%s,\"method\":null,\"quality\":[],"
		    "\"reason\":\"%s\"}",
		    c->lost, c->lost ? "100" : "null",
		    matrix_why_name((enum matrix_why)c->why));
		return;
	}
	str_addf(s, "{\"n\":%u,\"lost\":%u,", c->n, c->lost);
	add_ms(s, "rttMinMs", c->min_us);
	add_ms(s, "rttAvgMs", c->avg_us);
	add_ms(s, "rttMedianMs", c->p50_us);
	add_ms(s, "rttP95Ms", c->p95_us);
	add_ms(s, "jitterMs", c->jitter_us);
	str_addf(s, "\"lossPct\":%.1f,\"method\":\"%s\",\"quality\":[",
	    sent ? 100.0 * c->lost / sent : 0.0,
	    matrix_method_name((enum matrix_method)c->method));
	add_flags(s, c->flags);
	str_add(s, "],\"reason\":null}");
}

/* The method of most cells that are known. */
static const char *
main_method(const struct matrix *m)
{
	size_t count[MATRIX_METHOD_COUNT] = { 0 };
	int best = 0;

	for (size_t i = 0; i < m->n * m->n; i++)
		if (m->cells[i].why == MATRIX_KNOWN &&
		    m->cells[i].method < MATRIX_METHOD_COUNT)
			count[m->cells[i].method]++;
	for (int k = 0; k < MATRIX_METHOD_COUNT; k++)
		if (count[k] > count[best])
			best = k;
	return count[best] ? matrix_method_name((enum matrix_method)best)
			   : "none";
}

static void
look_run(struct worker_job *job)
{
	struct look *l = container_of(job, struct look, work);
	json_t *head = json_object();
	struct str s = STR_INIT;
	char *text;

	json_put_str(head, "roundId", l->m->round);
	json_put_str(head, "plane", "public");
	json_put_str(head, "method", main_method(l->m));
	json_put_time(head, "measuredAt", l->m->at_wall_ns);
	json_put(head, "vms", l->vms);
	l->vms = NULL;
	text = json_text(head, false);
	str_addn(&s, text, strlen(text) - 1); /* without the last brace */
	str_add(&s, ",\"cells\":[");
	for (size_t i = 0; i < l->m->n; i++) {
		str_add(&s, i ? ",[" : "[");
		for (size_t j = 0; j < l->m->n; j++) {
			if (j)
				str_addc(&s, ',');
			if (i == j)
				str_add(&s, "null");
			else
				add_cell(&s, matrix_at(l->m, i, j));
		}
		str_addc(&s, ']');
	}
	str_add(&s, "]}\n");
	l->text = str_take(&s);
	free(text);
	json_decref(head);
}

static void
look_free(struct look *l)
{
	matrix_unref(l->m);
	json_decref(l->vms);
	free(l->text);
	free(l);
}

static void
look_done(struct worker_job *job)
{
	struct look *l = container_of(job, struct look, work);

	httpd_reply(l->req, 200, "application/json", l->text, strlen(l->text));
	look_free(l);
}

static void
get(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns"),
		   *mcis = httpd_param(req, "mcis");
	const struct lc_mcis *g = lc_mcis_find(c->lc, ns, mcis);
	struct matrix *m = snap_latest(c->snap, ns, mcis);
	struct mw_err err = MW_ERR_INIT;
	struct look *l;

	if (!g) {
		err_set(&err, MW_NOT_FOUND, 0, "no MCIS %s in %s", mcis, ns);
	} else if (!m) {
		err_set(&err, MW_NOT_FOUND, 0,
		    "the latencies of %s were not measured yet", mcis);
		err_hint(&err, "milkyway matrix %s --run", mcis);
	}
	if (!g || !m) {
		httpd_reply_err(req, &err);
		return;
	}
	l = xcalloc(1, sizeof *l);
	l->req = req;
	l->m = matrix_ref(m);
	l->vms = vms_json(c, g, m);
	l->work = (struct worker_job){ .run = look_run, .done = look_done };
	if (!worker_submit(c->pool, &l->work, &err)) {
		httpd_reply_err(req, &err);
		look_free(l);
	}
}

static const struct httpd_route routes[] = {
	{ "POST", "/v1/ns/{ns}/mcis/{mcis}/matrix", post, ROLE_BENCH },
	{ "GET", "/v1/ns/{ns}/mcis/{mcis}/matrix", get, ROLE_VIEWER },
};

const struct api_routes api_mesh_routes = { routes, ARRAY_LEN(routes) };
