/*
 * api_mesh.c - rounds of the latency matrix over HTTP; api_matrix.c answers
 * with what they found.
 */
#include "coordinator/actions.h"
#include "coordinator/api/api.h"
#include "coordinator/measure/mesh.h"

#define WINDOW_MIN_MS 100
#define WINDOW_MAX_MS 60000

static void
post(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "fast", "k", "windowMs", NULL };
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	int64_t k = c->conf.matrix_k, window = c->conf.matrix_window_ms;
	char action[ACTION_ID_LEN];
	struct json_at at;
	json_t *body;
	bool fast = false;
	size_t len;

	httpd_body(req, &len);
	if (len > 0 &&
	    (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
		!json_no_others(&at, known, &err) ||
		!json_get_bool(&at, "fast", true, false, &fast, &err))) {
		httpd_reply_err(req, &err);
		return;
	}
	if (fast) {
		k = MESH_FAST_K;
		window = MESH_FAST_WINDOW_MS;
	}
	if (len > 0 &&
	    (!json_get_int(&at, "k", true, k, 1, MESH_K_MAX, &k, &err) ||
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

static const struct httpd_route routes[] = {
	{ "POST", "/v1/ns/{ns}/mcis/{mcis}/matrix", post, ROLE_BENCH },
};

const struct api_routes api_mesh_routes = { routes, ARRAY_LEN(routes) };
