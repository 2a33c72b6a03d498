/*
 * api_mcis.c - routes of namespaces, MCIS files and VMs. A handler checks the
 * request, asks the lifecycle, and answers when what was promised is durable.
 */
#include "coordinator/api/api_mcis.h"

#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "coordinator/api/api_place.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/place/drift.h"
#include "coordinator/mcis/mcis_file.h"
#include "coordinator/mcis/mcis_json.h"
#include "coordinator/mcis/mcis_view.h"
#include "coordinator/mcis/mcis_plan.h"
#include "coordinator/mcis/quota.h"

#include <string.h>

#define IMAGE_DEFAULT "debian-12"

/* A reply that waits for the store. */
struct late {
	struct coord *c;
	struct httpd_req *req; /* NULL: the client left */
	int status;
	json_t *body;
};

static void get_namespaces(struct httpd_req *req, void *ctx);
static void put_namespace(struct httpd_req *req, void *ctx);
static void delete_namespace(struct httpd_req *req, void *ctx);
static void get_list(struct httpd_req *req, void *ctx);
static void post_mcis(struct httpd_req *req, void *ctx);
static void put_mcis(struct httpd_req *req, void *ctx);
static void get_mcis(struct httpd_req *req, void *ctx);
static void get_vm(struct httpd_req *req, void *ctx);
static void accept_host_key(struct httpd_req *req, void *ctx);
/* The placement that an MCIS is made from. */
struct made_from {
	int64_t placement, rank;
	struct places_member *members;
	size_t n;
	size_t *group, *index; /* of each member: in the wish, from 1 */
};

#define MCIS "/v1/ns/{ns}/mcis/{mcis}"
static const struct httpd_route routes[] = {
	{ "GET", "/v1/ns", get_namespaces, ROLE_VIEWER },
	{ "PUT", "/v1/ns/{ns}", put_namespace, ROLE_OPERATOR },
	{ "DELETE", "/v1/ns/{ns}", delete_namespace, ROLE_OPERATOR },
	{ "GET", "/v1/ns/{ns}/mcis", get_list, ROLE_VIEWER },
	{ "POST", "/v1/ns/{ns}/mcis", post_mcis, ROLE_OPERATOR },
	{ "PUT", MCIS, put_mcis, ROLE_OPERATOR },
	{ "GET", MCIS, get_mcis, ROLE_VIEWER },
	{ "GET", MCIS "/vms/{vm}", get_vm, ROLE_VIEWER },
	{ "POST", MCIS "/vms/{vm}/hostkey/accept", accept_host_key,
	    ROLE_OPERATOR },
};
const struct api_routes api_mcis_routes = { routes, ARRAY_LEN(routes) };

/* ---- pieces -------------------------------------------------------------- */

static void
late_gone(void *arg)
{
	((struct late *)arg)->req = NULL;
}

static void
late_done(void *arg)
{
	struct late *l = arg;

	if (l->req) {
		httpd_on_gone(l->req, NULL, NULL);
		httpd_reply_json(l->req, l->status, l->body);
	} else {
		json_decref(l->body);
	}
	free(l);
}

void
mcis_reply_durable(struct coord *c, struct httpd_req *req, int status,
    json_t *take_body)
{
	struct late *l = xcalloc(1, sizeof *l);

	l->c = c;
	l->req = req;
	l->status = status;
	l->body = take_body;
	httpd_on_gone(req, late_gone, l);
	store_after(c->store, late_done, l);
}

bool
mcis_ns(struct coord *c, const struct httpd_req *req, const char **ns,
    struct mw_err *err)
{
	*ns = httpd_param(req, "ns");
	if (lc_ns_exists(c->lc, *ns))
		return true;
	err_set(err, MW_NOT_FOUND, 0, "no namespace %.64s", *ns);
	return err_hint(err, "GET /v1/ns lists them");
}

struct lc_mcis *
mcis_find(struct coord *c, const struct httpd_req *req, struct mw_err *err)
{
	const char *name = httpd_param(req, "mcis"), *ns;
	struct lc_mcis *m;

	if (!mcis_ns(c, req, &ns, err))
		return NULL;
	m = lc_mcis_find(c->lc, ns, name);
	if (!m) {
		err_set(err, MW_NOT_FOUND, 0, "no MCIS %.64s in %s", name, ns);
		err_hint(err, "milkyway mcis list");
	}
	return m;
}

bool
mcis_flags(const struct httpd_req *req, unsigned *flags, struct mw_err *err)
{
	static const struct {
		const char *name;
		unsigned flag;
	} known[] = { { "dryRun", LC_DRY_RUN },
		{ "allowRemove", LC_ALLOW_REMOVE },
		{ "allowReplace", LC_ALLOW_REPLACE } };
	bool on;

	*flags = 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!api_query_bool(req, known[i].name, &on, err))
			return false;
		*flags |= on ? known[i].flag : 0;
	}
	return true;
}

void
mcis_who(struct coord *c, const struct httpd_req *req, char *take_target,
    struct mcis_who *out)
{
	const char *token = httpd_user(req);
	const char *plan = httpd_query(req, "planRevision");

	actions_reserve(c->actions, out->id);
	out->target = take_target;
	out->who = (struct lc_who){
		.action_id = out->id,
		.actor = token ? token : "api",
		.target = take_target,
		.revision = plan ? plan : httpd_header(req, "If-Match"),
	};
}

void
mcis_who_free(struct mcis_who *w)
{
	free(w->target);
}

static void
put_refused(struct coord *c, json_t *j, const struct lc_reply *r,
    const char *ns, const char *mcis)
{
	const struct lc_mcis *m = lc_mcis_find(c->lc, ns, mcis);
	json_t *refused = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct lc_slot *s;
		json_t *one;

		if (r->items[i].answer != LC_NO)
			continue;
		one = json_object();
		s = m ? lc_vm_find(m, r->items[i].vm_id) : NULL;
		json_put_str(one, "vmId", r->items[i].vm_id);
		json_put_str(one, "status",
		    s ? lc_status_name(s->status) : NULL);
		json_array_append_new(refused, one);
	}
	json_put(j, "refused", refused);
}

void
mcis_answer(struct coord *c, struct httpd_req *req, struct lc_reply *r,
    unsigned flags, const char *ns, const char *mcis, const struct lc_wish *w)
{
	json_t *j = json_object();
	struct lc_mcis *m = lc_mcis_find(c->lc, ns, mcis);

	json_put_bool(j, "changed", r->answer == LC_GO);
	if (flags & LC_DRY_RUN) {
		json_put_bool(j, "dryRun", true);
		mcis_plan_put(c, j, w, m, r);
		httpd_reply_json(req, 200, j);
	} else if (r->action_id[0]) {
		put_refused(c, j, r, ns, mcis);
		actions_reply_with(c->actions, req, r->action_id, j);
	} else {
		json_put(j, "actionId", NULL);
		if (m)
			json_put(j, "mcis", mcis_json(c, m, false, false));
		mcis_reply_durable(c, req, 200, j);
	}
	lc_reply_free(r);
}

static bool
wish(struct coord *c, const struct lc_wish *w, bool scale, unsigned flags,
    const struct lc_who *who, struct lc_reply *r, struct mw_err *err)
{
	struct lc_mcis *m = lc_mcis_find(c->lc, w->ns, w->name);

	if (!scale)
		return lc_apply(c->lc, w, flags, who, r, err);
	if (m)
		return lc_scale(c->lc, m, w->groups, w->ngroups, flags, who, r,
		    err);
	return err_set(err, MW_NOT_FOUND, 0, "no MCIS %s", w->name);
}

/* Nothing is made that nobody could log in to. */
static bool
within_reach(struct coord *c, const struct lc_wish *w, const struct lc_reply *r,
    struct mw_err *err)
{
	char from[SSH_FROM_LEN];
	bool makes = false;

	for (size_t i = 0; i < r->n; i++)
		makes = makes || str_eq(r->items[i].change, "create") ||
		    str_eq(r->items[i].change, "replace") ||
		    str_eq(r->items[i].change, "retry");
	for (size_t i = 0; makes && i < w->ngroups; i++) {
		const char *conn = w->groups[i].spec.connection;

		if (conns_ssh_from(c->conns, conn, from, err) ==
		    SSH_FROM_HIDDEN)
			return err_pointer(err, "/groups/%zu/connection", i);
	}
	return true;
}

/* First the plan, to see whether it may be paid, and reached. */
static bool
within_quota(struct coord *c, const struct httpd_req *req,
    const struct lc_wish *w, bool scale, unsigned flags,
    const struct lc_who *who, struct mw_err *err)
{
	const struct lc_mcis *m = lc_mcis_find(c->lc, w->ns, w->name);
	struct lc_reply r;
	bool unknown, ok;

	if (!api_query_bool(req, "allowUnknownPrices", &unknown, err) ||
	    !wish(c, w, scale, flags | LC_DRY_RUN, who, &r, err))
		return false;
	ok = within_reach(c, w, &r, err) &&
	    quotas_check(c, w, m, &r, unknown, err);
	lc_reply_free(&r);
	return ok;
}

void
mcis_apply(struct coord *c, struct httpd_req *req, struct lc_wish *w,
    bool scale, void (*after)(void *arg), void *arg)
{
	struct mw_err err = MW_ERR_INIT;
	struct mcis_who who;
	struct lc_reply r;
	unsigned flags;

	mcis_who(c, req, xasprintf("/v1/ns/%s/mcis/%s", w->ns, w->name), &who);
	if (mcis_flags(req, &flags, &err) && api_room(c, &err) &&
	    within_quota(c, req, w, scale, flags, &who.who, &err) &&
	    wish(c, w, scale, flags, &who.who, &r, &err)) {
		if (after && r.answer == LC_GO && !(flags & LC_DRY_RUN))
			after(arg);
		mcis_answer(c, req, &r, flags, w->ns, w->name, w);
	} else {
		httpd_reply_err(req, &err);
	}
	mcis_who_free(&who);
}

/* ---- namespaces ---------------------------------------------------------- */

static void
get_namespaces(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	json_t *out = json_object(), *items = json_array();

	for (size_t i = 0; lc_ns_at(c->lc, i); i++) {
		json_t *j = json_object();
		int64_t n = 0;

		for (const struct lc_mcis *m = lc_mcis_first(c->lc); m;
		     m = m->next)
			n += str_eq(m->row.ns, lc_ns_at(c->lc, i));
		json_put_str(j, "ns", lc_ns_at(c->lc, i));
		json_put_int(j, "mcis", n);
		json_array_append_new(items, j);
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static void
put_namespace(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns");
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;
	json_t *j;

	if (!lc_ns_put(c->lc, ns, &txn, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	j = json_object();
	json_put_str(j, "ns", ns);
	json_put_bool(j, "changed", txn != 0);
	mcis_reply_durable(c, req, 200, j);
}

static void
delete_namespace(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	const char *ns = httpd_param(req, "ns");
	struct mw_err err = MW_ERR_INIT;
	uint64_t txn;
	json_t *j;

	if (!lc_ns_delete(c->lc, ns, &txn, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	j = json_object();
	json_put_str(j, "ns", ns);
	json_put_bool(j, "changed", true);
	mcis_reply_durable(c, req, 200, j);
}

/* ---- MCIS ---------------------------------------------------------------- */

static bool
style_of(const struct httpd_req *req, bool *tumblebug, struct mw_err *err)
{
	const char *style = httpd_query(req, "statusStyle");

	*tumblebug = style && str_eq(style, "tumblebug");
	if (!style || *tumblebug || str_eq(style, "deck"))
		return true;
	return err_set(err, MW_INVALID, 0,
	    "?statusStyle= must be deck or tumblebug");
}

static void
get_list(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	json_t *out, *items;
	const char *ns;
	bool tumblebug;

	if (!mcis_ns(c, req, &ns, &err) || !style_of(req, &tumblebug, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	out = json_object();
	items = json_array();
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		if (str_eq(m->row.ns, ns))
			json_array_append_new(items,
			    mcis_json(c, m, tumblebug, false));
	}
	json_put(out, "items", items);
	httpd_reply_json(req, 200, out);
}

static void
get_mcis(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct lc_mcis *m = mcis_find(c, req, &err);
	bool tumblebug;

	if (!m || !style_of(req, &tumblebug, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	mcis_view(c, req, m, tumblebug);
}

static bool
no_image(struct coord *c, const char *conn, const char *image, size_t group,
    struct mw_err *err)
{
	struct str names = STR_INIT;

	conns_image_names(c->conns, conn, &names);
	err_set(err, MW_INVALID, 0, "%s offers no image %s", conn, image);
	err_hint(err, "there are: %s", str_cstr(&names));
	str_free(&names);
	return err_pointer(err, "/groups/%zu/image", group);
}

/* What the file names must be in the catalogue: a wrong name is told now, not
 * by a cloud after some minutes. */
static bool
check_catalogue(struct coord *c, const struct lc_wish *w, struct mw_err *err)
{
	for (size_t i = 0; i < w->ngroups; i++) {
		struct lc_wish_group *g =
		    (struct lc_wish_group *)(uintptr_t)&w->groups[i];
		const char *conn = g->spec.connection;

		if (!conns_get(c->conns, conn)) {
			err_set(err, MW_INVALID, 0, "no connection %s", conn);
			err_hint(err, "milkyway connection list");
			return err_pointer(err, "/groups/%zu/connection", i);
		}
		if (!conns_spec(c->conns, conn, g->spec.spec)) {
			err_set(err, MW_INVALID, 0, "%s offers no spec %s",
			    conn, g->spec.spec);
			err_hint(err, "milkyway spec list");
			return err_pointer(err, "/groups/%zu/spec", i);
		}
		if (!g->spec.image[0])
			str_copy(g->spec.image, sizeof g->spec.image,
			    IMAGE_DEFAULT);
		if (!conns_image(c->conns, conn, g->spec.image) &&
		    !conns_image_id(c->conns, conn, g->spec.image)) {
			return no_image(c, conn, g->spec.image, i, err);
		}
		if (!conns_has_zone(c->conns, conn, g->spec.zone)) {
			err_set(err, MW_INVALID, 0, "%s has no zone %s", conn,
			    g->spec.zone);
			err_hint(err, "there are: %s",
			    conns_get(c->conns, conn)->zones);
			return err_pointer(err, "/groups/%zu/zone", i);
		}
	}
	return true;
}

struct watch {
	struct coord *c;
	const struct lc_wish *w;
	const struct made_from *from;
};

/* Submitted before the answer waits for the store. */
static void
watch(void *arg)
{
	const struct watch *x = arg;
	const struct made_from *f = x->from;
	struct coord *c = x->c;
	struct lc_mcis *m = lc_mcis_find(c->lc, x->w->ns, x->w->name);
	struct drift_vm *v = xcalloc(f->n + 1, sizeof *v);

	for (size_t i = 0; m && i < f->n; i++) {
		const char *group = x->w->groups[f->group[i]].name;

		str_copy(v[i].role, sizeof v[i].role, f->members[i].group);
		str_copy(v[i].connection, sizeof v[i].connection,
		    f->members[i].connection);
		str_copy(v[i].spec, sizeof v[i].spec, f->members[i].spec);
		for (const struct lc_slot *s = m->slots; s; s = s->next)
			if (str_eq(s->row.group, group) &&
			    s->row.index == (int64_t)f->index[i]) {
				v[i].slot = s->row.slot_id;
				v[i].gen = s->row.gen;
			}
	}
	if (m)
		drift_record(c->drift, m, f->placement, f->rank, v, f->n);
	free(v);
}

static void
put_mcis(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct lc_wish w;
	const char *ns;
	json_t *body;

	if (mcis_ns(c, req, &ns, &err) && httpd_json(req, &body, &err) &&
	    mcis_file_parse(body, ns, httpd_param(req, "mcis"), a, &w, &err) &&
	    check_catalogue(c, &w, &err))
		mcis_apply(c, req, &w, false, NULL, NULL);
	else
		httpd_reply_err(req, &err);
	arena_free(a);
}

/* Members of equal role, connection and spec are one group of the MCIS. */
static void
groups_of(struct arena *a, struct made_from *f, const char *image,
    struct lc_wish *w)
{
	const struct places_member *m = f->members;
	size_t n = f->n;
	const char **role = arena_array(a, n + 1, sizeof *role);
	struct lc_wish_group *g = arena_array(a, n + 1, sizeof *g);

	w->groups = g;
	f->group = arena_array(a, n + 1, sizeof *f->group);
	f->index = arena_array(a, n + 1, sizeof *f->index);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0, same = 0;

		while (k < w->ngroups &&
		    !(str_eq(role[k], m[i].group) &&
			str_eq(g[k].spec.connection, m[i].connection) &&
			str_eq(g[k].spec.spec, m[i].spec))) {
			same += str_eq(role[k], m[i].group);
			k++;
		}
		f->group[i] = k;
		f->index[i] = (size_t)++g[k].count;
		if (k < w->ngroups)
			continue;
		w->ngroups++;
		role[k] = m[i].group;
		g[k].name = same == 0
		    ? arena_strdup(a, m[i].group)
		    : arena_printf(a, "%s-x%zu", m[i].group, same + 1);
		g[k].labels = "{}";
		str_copy(g[k].spec.connection, sizeof g[k].spec.connection,
		    m[i].connection);
		str_copy(g[k].spec.spec, sizeof g[k].spec.spec, m[i].spec);
		str_copy(g[k].spec.image, sizeof g[k].spec.image, image);
	}
}

static bool
from_placement(struct coord *c, struct httpd_req *req, const char *ns,
    struct arena *a, struct lc_wish *w, struct made_from *f, struct mw_err *err)
{
	static const char *const known[] = { "name", "fromPlacement", "rank",
		"image", "labels", "requireAgent", NULL };
	const char *name, *placement, *image = NULL;
	struct json_at at;
	json_t *body;

	memset(w, 0, sizeof *w);
	if (!httpd_json(req, &body, err) || !json_at_root(&at, body, err) ||
	    !json_no_others(&at, known, err) ||
	    !json_get_id(&at, "name", true, &name, err) ||
	    !json_get_str(&at, "fromPlacement", true, 32, &placement, err) ||
	    !json_get_int(&at, "rank", true, 1, 1, 1000, &f->rank, err) ||
	    !json_get_str(&at, "image", false, LC_WORD_LEN - 1, &image, err) ||
	    !json_get_bool(&at, "requireAgent", true, true, &w->require_agent,
		err) ||
	    !mcis_file_labels(&at, "labels", a, &w->labels, err))
		return false;
	if (lc_mcis_find(c->lc, ns, name)) {
		err_set(err, MW_EXISTS, 0, "there is an MCIS %s", name);
		return err_hint(err,
		    "choose another name, or change it with its file: "
		    "milkyway mcis create -f FILE");
	}
	if (!places_id(placement, &f->placement, err) ||
	    !places_members(c->places, placement, f->rank, &f->members, &f->n,
		err))
		return false;
	w->ns = arena_strdup(a, ns);
	w->name = arena_strdup(a, name);
	w->description = arena_printf(a, "from placement %s, rank %lld",
	    placement, (long long)f->rank);
	groups_of(a, f, image ? image : "", w);
	return true;
}

static void
post_mcis(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct made_from from = { 0 };
	struct lc_wish w;
	const char *ns;

	if (mcis_ns(c, req, &ns, &err) &&
	    from_placement(c, req, ns, a, &w, &from, &err) &&
	    check_catalogue(c, &w, &err))
		mcis_apply(c, req, &w, false, watch,
		    &(struct watch){ c, &w, &from });
	else
		httpd_reply_err(req, &err);
	free(from.members);
	arena_free(a);
}

/* ---- one VM -------------------------------------------------------------- */

static struct lc_slot *
find_vm(struct coord *c, const struct httpd_req *req, struct mw_err *err)
{
	struct lc_mcis *m = mcis_find(c, req, err);
	const char *vm = httpd_param(req, "vm");
	struct lc_slot *s = m ? lc_vm_find(m, vm) : NULL;

	if (m && !s)
		err_set(err, MW_NOT_FOUND, 0, "%s has no VM %.80s", m->row.name,
		    vm);
	return s;
}

static void
get_vm(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct lc_slot *s = find_vm(c, req, &err);

	if (s)
		httpd_reply_json(req, 200, mcis_vm_json(c, s));
	else
		httpd_reply_err(req, &err);
}

static void
accept_host_key(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	struct lc_slot *s = find_vm(c, req, &err);
	uint64_t txn;

	if (s && lc_accept_host_key(c->lc, s, &txn, &err))
		mcis_reply_durable(c, req, 200, mcis_vm_json(c, s));
	else
		httpd_reply_err(req, &err);
}
