/*
 * api_orphan.c - VMs with our tag that no record explains, and what becomes of
 * them (lifecycle/orphan.c).
 */
#include "coordinator/api/api.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "lifecycle/lifecycle.h"

struct late {
	struct httpd_req *req;
	json_t *body;
};

static json_t *
orphan_json(const struct lc_orphan *o)
{
	json_t *j = json_object();

	json_put_str(j, "cspResourceId", o->csp_id);
	json_put_str(j, "connection", o->connection);
	json_put_str(j, "vm", o->vm && *o->vm ? o->vm : NULL);
	json_put_int(j, "slot", o->slot_id);
	json_put_int(j, "gen", o->gen);
	json_put_str(j, "nativeStatus",
	    o->native && *o->native ? o->native : NULL);
	json_put_str(j, "decision", o->decision);
	json_put_str(j, "decidedBy", *o->actor ? o->actor : NULL);
	json_put_time(j, "firstSeenAt", o->first_seen_at);
	json_put_time(j, "lastSeenAt", o->seen_at);
	return j;
}

static void
get_orphans(struct httpd_req *req, void *ctx)
{
	const struct coord *c = ctx;
	json_t *out = json_object(), *items = json_array();
	struct lc_orphan o;

	for (size_t i = 0; i < lc_orphan_count(c->lc); i++) {
		lc_orphan_at(c->lc, i, &o);
		json_array_append_new(items, orphan_json(&o));
	}
	json_put_str(out, "deployment", c->deployment);
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static void
durable(void *arg)
{
	struct late *l = arg;

	httpd_reply_json(l->req, 200, l->body);
	free(l);
}

static void
post_decision(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "cspResourceId", "connection",
		"decision", NULL };
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	const char *id, *conn, *decision, *who = httpd_user(req);
	struct json_at at;
	struct late *l;
	uint64_t txn;
	json_t *body;

	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !json_get_str(&at, "cspResourceId", true, LC_WORD_LEN - 1, &id,
		&err) ||
	    !json_get_str(&at, "connection", false, LC_WORD_LEN - 1, &conn,
		&err) ||
	    !json_get_str(&at, "decision", true, 15, &decision, &err) ||
	    !lc_decide(c->lc, conn, id, decision, who ? who : "", &txn, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	l = xcalloc(1, sizeof *l);
	l->req = req;
	l->body = json_object();
	json_put_str(l->body, "cspResourceId", id);
	json_put_str(l->body, "decision", decision);
	store_after(c->store, durable, l);
}

static const struct httpd_route routes[] = {
	{ "GET", "/v1/orphans", get_orphans, ROLE_VIEWER },
	{ "POST", "/v1/orphans/decide", post_decision, ROLE_ADMIN },
};
const struct api_routes api_orphan_routes = { routes, ARRAY_LEN(routes) };
