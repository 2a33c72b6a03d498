/*
 * api_act.c - routes of verbs: on an MCIS, one group of it, one VM; and of the
 * actions that come of them.
 */
#include "coordinator/api/api_mcis.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#define MCIS "/v1/ns/{ns}/mcis/{mcis}"

static void post_action(struct httpd_req *req, void *ctx);
static void delete_mcis(struct httpd_req *req, void *ctx);

static const struct httpd_route routes[] = {
	{ "DELETE", MCIS, delete_mcis, ROLE_OPERATOR },
	{ "POST", MCIS "/actions", post_action, ROLE_OPERATOR },
	{ "POST", MCIS "/groups/{group}/actions", post_action, ROLE_OPERATOR },
	{ "POST", MCIS "/vms/{vm}/actions", post_action, ROLE_OPERATOR },
	{ "GET", "/v1/actions", actions_get_all, ROLE_VIEWER },
	{ "GET", "/v1/actions/{id}", actions_get_one, ROLE_VIEWER },
	{ "DELETE", "/v1/actions/{id}", actions_delete, ROLE_OPERATOR },
};
const struct api_routes api_act_routes = { routes, ARRAY_LEN(routes) };

static void
perform(struct coord *c, struct httpd_req *req, enum lc_act act)
{
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m = mcis_find(c, req, &err);
	const char *vm = httpd_param(req, "vm");
	const char *group = httpd_param(req, "group");
	char ns[LC_ID_LEN], name[LC_ID_LEN];
	struct mcis_who who;
	struct lc_reply r;
	unsigned flags;
	bool ok;

	if (!m || !mcis_flags(req, &flags, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	/* A group without VMs is gone when the call comes back. */
	str_copy(ns, sizeof ns, m->row.ns);
	str_copy(name, sizeof name, m->row.name);
	mcis_who(c, req,
	    xasprintf("/v1/ns/%s/mcis/%s%s%s", ns, name,
		vm          ? "/vms/"
		    : group ? "/groups/"
			    : "",
		vm          ? vm
		    : group ? group
			    : ""),
	    &who);
	ok = group
	    ? lc_do_group(c->lc, m, group, act, flags, &who.who, &r, &err)
	    : lc_do(c->lc, m, vm, act, flags, &who.who, &r, &err);
	if (ok)
		mcis_answer(c, req, &r, flags, ns, name, NULL);
	else
		httpd_reply_err(req, &err);
	mcis_who_free(&who);
}

/* What runs on this MCIS ends; the action tells what became of it. */
static void
abort_action(struct coord *c, struct httpd_req *req)
{
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m = mcis_find(c, req, &err);
	char id[ACTION_ID_LEN];

	if (m && !m->action) {
		err_set(&err, MW_CONFLICT, 0, "nothing is under way on %s",
		    m->row.name);
		err_hint(&err,
		    "actions of single VMs: milkyway action list, then "
		    "milkyway action cancel ID");
	}
	if (!m || !m->action) {
		httpd_reply_err(req, &err);
		return;
	}
	str_copy(id, sizeof id, m->action->row.action_id);
	if (actions_cancel(c->actions, id, &err))
		actions_reply(c->actions, req, id);
	else
		httpd_reply_err(req, &err);
}

/* {"action":"scale","groups":{"web":5}}, or "count" on the route of a group */
static void
scale(struct coord *c, struct httpd_req *req, const struct json_at *at)
{
	const char *group = httpd_param(req, "group"), *k;
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m = mcis_find(c, req, &err);
	struct json_at groups = { 0 };
	struct lc_wish_group *g;
	struct lc_wish w = { .labels = "{}" };
	bool ok = m != NULL;
	json_t *v;

	if (ok && !group)
		ok = json_at_key(&groups, at, "groups", true, &err);
	g = xcalloc(1 + json_object_size(groups.obj), sizeof *g);
	if (ok && group) {
		g[0].name = group;
		g[0].labels = "{}";
		ok = json_get_int(at, "count", false, 0, 0, LC_COUNT_MAX,
		    &g[0].count, &err);
		w.ngroups = 1;
	}
	json_object_foreach(groups.obj, k, v)
	{
		if (!ok)
			break;
		g[w.ngroups].name = k;
		g[w.ngroups].labels = "{}";
		ok = json_get_int(&groups, k, false, 0, 0, LC_COUNT_MAX,
		    &g[w.ngroups].count, &err);
		w.ngroups++;
	}
	if (ok && w.ngroups == 0)
		ok = err_set(&err, MW_INVALID, 0, "no group is named");
	if (ok) {
		char ns[LC_ID_LEN], name[LC_ID_LEN];

		str_copy(ns, sizeof ns, m->row.ns);
		str_copy(name, sizeof name, m->row.name);
		w.ns = ns;
		w.name = name;
		w.groups = g;
		mcis_apply(c, req, &w, true, NULL, NULL);
	} else {
		httpd_reply_err(req, &err);
	}
	free(g);
}

static void
post_action(struct httpd_req *req, void *ctx)
{
	static const char *const plain[] = { "action", NULL };
	static const char *const scaling[] = { "action", "groups", NULL };
	static const char *const of_group[] = { "action", "count", NULL };
	const bool whole = !httpd_param(req, "vm");
	const bool group = httpd_param(req, "group") != NULL;
	struct mw_err err = MW_ERR_INIT;
	const char *name = NULL;
	struct json_at at;
	enum lc_act act;
	json_t *body;
	bool scales;

	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_get_str(&at, "action", true, 32, &name, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	scales = str_eq(name, "scale") && whole;
	if (!json_no_others(&at,
		!scales     ? plain
		    : group ? of_group
			    : scaling,
		&err)) {
		httpd_reply_err(req, &err);
	} else if (scales) {
		scale(ctx, req, &at);
	} else if (str_eq(name, "abort") && whole && !group) {
		abort_action(ctx, req);
	} else if (lc_act_parse(name, &act) && act != LC_A_CREATE &&
	    act != LC_A_DELETE) {
		perform(ctx, req, act);
	} else {
		err_set(&err, MW_INVALID, 0, "no such action");
		err_pointer(&err, "/action");
		err_hint(&err,
		    "suspend, resume, reboot, terminate, reconcile or "
		    "refine%s",
		    !whole      ? ""
			: group ? ", scale"
				: ", scale, abort");
		httpd_reply_err(req, &err);
	}
}

static void
delete_mcis(struct httpd_req *req, void *ctx)
{
	perform(ctx, req, LC_A_DELETE);
}
