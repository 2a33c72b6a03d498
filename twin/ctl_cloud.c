/*
 * ctl_cloud.c - handlers of /v1/clouds: catalogue, keys, VMs. Changes clouds
 * through cloud.h only.
 */
#include "twin/ctl_int.h"

#include "common/pure/alloc.h"
#include "common/pure/csp.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <string.h>

static json_t *
caps_json(unsigned caps)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ CSP_CAP_IDEM_TOKEN, "IDEM_TOKEN" },
		{ CSP_CAP_UNIQUE_NAME, "UNIQUE_NAME" },
		{ CSP_CAP_TAG_ATOMIC, "TAG_ATOMIC" },
		{ CSP_CAP_LIST_BY_TAG, "LIST_BY_TAG" },
		{ CSP_CAP_LIST_BY_TOKEN, "LIST_BY_TOKEN" },
		{ CSP_CAP_IMPORT_KEY, "IMPORT_KEY" },
		{ CSP_CAP_CONSOLE, "CONSOLE" },
		{ CSP_CAP_USERDATA_PRIVATE, "USERDATA_PRIVATE" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (caps & names[i].flag)
			json_array_append_new(list, json_string(names[i].name));
	}
	return list;
}

static json_t *
items(json_t *take_list)
{
	json_t *j = json_object();

	json_put(j, "items", take_list);
	return j;
}

void
ctl_clouds(struct httpd_req *req, void *ctx)
{
	const struct world *w = ((struct ctl *)ctx)->conf.world;
	json_t *list = json_array();

	for (size_t i = 0; i < w->nclouds; i++) {
		const struct world_cloud *c = &w->clouds[i];
		json_t *j = json_object();

		json_put_str(j, "id", c->id);
		json_put_str(j, "csp", c->csp);
		json_put(j, "caps", caps_json(c->caps));
		json_put_int(j, "lateApplyMaxS", c->late_apply_max_s);
		json_put_int(j, "listVisibleMaxS", c->list_visible_max_s);
		json_put_int(j, "tokenTtlS", c->token_ttl_s);
		json_array_append_new(list, j);
	}
	httpd_reply_json(req, 200, items(list));
}

/* The region of ?region= (WORLD_NONE if there is none and it may lack), after
 * the call has begun. False: answered. */
static bool
query_region(struct ctl_call *call, bool required, size_t *region)
{
	const struct world_cloud *c =
	    &call->ctl->conf.world->clouds[call->cloud];
	const char *id = httpd_query(call->req, "region");
	struct cloud_err err;

	*region = id ? world_region_find(c, id) : WORLD_NONE;
	if (*region != WORLD_NONE || (!id && !required))
		return true;
	cloud_fail(&err, NATIVE_INVALID, id ? "no region %s" : "region?%s",
	    id ? id : "");
	ctl_call_fail(call, &err);
	return false;
}

static size_t
region_hint(const struct ctl *c, size_t cloud, const char *id)
{
	return id ? world_region_find(&c->conf.world->clouds[cloud], id)
		  : WORLD_NONE;
}

/* The usual start: cloud of the path, region of the query. */
static bool
begin(struct ctl_call *call, void *ctx, struct httpd_req *req, enum fault_op op,
    bool region_required, size_t *region)
{
	struct ctl *c = ctx;
	size_t cloud;

	return ctl_cloud(c, req, &cloud) &&
	    ctl_call_begin(call, c, req, cloud, op,
		region_hint(c, cloud, httpd_query(req, "region")), NULL) &&
	    query_region(call, region_required, region);
}

void
ctl_regions(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	const struct world_cloud *c;
	json_t *list;
	size_t region;

	if (!begin(&call, ctx, req, FAULT_OP_REGIONS, false, &region))
		return;
	c = &call.ctl->conf.world->clouds[call.cloud];
	list = json_array();
	for (size_t i = 0; i < c->nregions; i++) {
		const struct world_region *r = &c->regions[i];
		json_t *j = json_object(), *zones = json_array();

		for (size_t z = 0; z < r->nzones; z++)
			json_array_append_new(zones, json_string(r->zones[z]));
		json_put_str(j, "id", r->id);
		json_put_str(j, "csp", c->csp);
		json_put_str(j, "display", r->display);
		json_put_num(j, "lat", r->lat);
		json_put_num(j, "lon", r->lon);
		json_put(j, "zones", zones);
		json_array_append_new(list, j);
	}
	ctl_call_end(&call, 200, items(list));
}

void
ctl_specs(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	const struct world_cloud *c;
	json_t *list;
	size_t region;

	if (!begin(&call, ctx, req, FAULT_OP_SPECS, true, &region))
		return;
	c = &call.ctl->conf.world->clouds[call.cloud];
	list = json_array();
	for (size_t i = 0; i < c->nspecs; i++) {
		const struct world_spec *s = &c->specs[i];
		bool priced = s->cost_per_hour_micros >= 0;
		json_t *j;

		if (!s->offered[region])
			continue;
		j = json_object();
		json_put_str(j, "name", s->id);
		json_put_str(j, "arch", s->arch);
		json_put_int(j, "vcpu", s->vcpu);
		json_put_int(j, "memoryMiB", s->memory_mib);
		json_put(j, "costPerHourMicros",
		    priced ? json_integer(s->cost_per_hour_micros) : NULL);
		json_put_str(j, "currency", "USD");
		json_put_str(j, "costReason", priced ? NULL : s->cost_reason);
		json_array_append_new(list, j);
	}
	ctl_call_end(&call, 200, items(list));
}

void
ctl_images(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	const struct world_cloud *c;
	json_t *list;
	size_t region;

	if (!begin(&call, ctx, req, FAULT_OP_IMAGES, false, &region))
		return;
	c = &call.ctl->conf.world->clouds[call.cloud];
	list = json_array();
	for (size_t i = 0; i < c->nimages; i++) {
		const struct world_image *im = &c->images[i];
		json_t *j = json_object();

		json_put_str(j, "id", im->id);
		json_put_str(j, "name", im->name);
		json_put_str(j, "user", im->user);
		json_put_str(j, "arch", im->arch);
		json_array_append_new(list, j);
	}
	ctl_call_end(&call, 200, items(list));
}

/* Type, base64 and an optional comment, in one line. */
static bool
key_valid(const char *s)
{
	const char *sp = strchr(s, ' ');

	return sp && sp != s && sp[1] && strpbrk(s, "\r\n\"\\") == NULL &&
	    (str_starts(s, "ssh-") || str_starts(s, "ecdsa-"));
}

void
ctl_key_put(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "region", "publicKey", NULL };
	struct mw_err err = MW_ERR_INIT;
	const char *region = NULL, *key = NULL;
	const char *name = httpd_param(req, "name");
	struct json_at at;
	struct ctl_call call;
	struct cloud_err cerr;
	size_t cloud, r;
	json_t *body, *j;
	bool ok;

	if (!ctl_cloud(ctx, req, &cloud))
		return;
	ok = httpd_json(req, &body, &err) && json_at_root(&at, body, &err) &&
	    json_no_others(&at, known, &err) &&
	    json_get_str(&at, "region", true, 64, &region, &err) &&
	    json_get_str(&at, "publicKey", true, 8192, &key, &err);
	if (ok && (!key_valid(key) || !id_word_valid(name, 128))) {
		err_set(&err, MW_INVALID, 0, "not an OpenSSH public key");
		ok = err_pointer(&err, "/publicKey");
	}
	r = region_hint(ctx, cloud, region);
	if (!ctl_call_begin(&call, ctx, req, cloud, FAULT_OP_KEY_PUT, r, NULL))
		return;
	if (ok && r == WORLD_NONE) {
		err_set(&err, MW_INVALID, 0, "no such region");
		ok = err_pointer(&err, "/region");
	}
	if (!ok) {
		ctl_call_invalid(&call, &err);
		return;
	}
	if (!cloud_key_put(call.ctl->conf.clouds, cloud, r, name, key, &cerr)) {
		ctl_call_fail(&call, &cerr);
		return;
	}
	j = json_object();
	json_put_str(j, "id", name);
	ctl_call_end(&call, 200, j);
}

void
ctl_key_list(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	json_t *list, *j;
	const char *name;
	size_t region;

	if (!begin(&call, ctx, req, FAULT_OP_LIST, true, &region))
		return;
	list = json_array();
	for (size_t i = 0;
	     cloud_key_at(call.ctl->conf.clouds, i, call.cloud, region, &name);
	     i++) {
		if (!name)
			continue;
		j = json_object();
		json_put_str(j, "name", name);
		json_array_append_new(list, j);
	}
	ctl_call_end(&call, 200, items(list));
}

void
ctl_key_delete(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	struct cloud_err err;
	size_t region;

	if (!begin(&call, ctx, req, FAULT_OP_KEY_DELETE, true, &region))
		return;
	if (cloud_key_del(call.ctl->conf.clouds, call.cloud, region,
		httpd_param(req, "name"), &err))
		ctl_call_end(&call, 204, NULL);
	else
		ctl_call_fail(&call, &err);
}

/* A create that reaches the cloud after the client gave up. */
struct late_create {
	struct ctl *ctl;
	size_t cloud;
	struct cloud_create create;
	struct fault_hits hits;
};

static void
late_create_run(void *arg)
{
	struct late_create *l = arg;
	struct cloud_err err;
	struct cloud_vm *v;

	/* nobody is left to hear of a refusal */
	(void)cloud_create(l->ctl->conf.clouds, l->cloud, &l->create, &l->hits,
	    &v, &err);
}

static void
late_create_free(void *arg)
{
	struct late_create *l = arg;

	cloud_create_clear(&l->create);
	free(l);
}

static void
create(struct ctl_call *call, struct cloud_create *take_req)
{
	struct clouds *cs = call->ctl->conf.clouds;
	struct late_create *late;
	struct cloud_err err;
	struct cloud_vm *v;

	if (call->hits.on[FAULT_LATE_APPLY]) {
		late = xcalloc(1, sizeof *late);
		late->ctl = call->ctl;
		late->cloud = call->cloud;
		late->create = *take_req;
		late->hits = call->hits;
		ctl_call_apply_late(call, late_create_run, late_create_free,
		    late);
		return;
	}
	if (cloud_create(cs, call->cloud, take_req, &call->hits, &v, &err))
		ctl_call_end(call, 202, cloud_vm_json(v));
	else
		ctl_call_fail(call, &err);
	cloud_create_clear(take_req);
}

void
ctl_vm_create(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	struct cloud_create cr = { .region = WORLD_NONE };
	const struct world *w = ((struct ctl *)ctx)->conf.world;
	struct ctl_call call;
	size_t cloud;
	json_t *body;
	bool ok;

	if (!ctl_cloud(ctx, req, &cloud))
		return;
	ok = httpd_json(req, &body, &err) &&
	    cloud_create_parse(w, cloud, body, &cr, &err);
	if (!ctl_call_begin(&call, ctx, req, cloud, FAULT_OP_CREATE,
		ok ? cr.region : WORLD_NONE,
		ok ? w->clouds[cloud].specs[cr.spec].id : NULL)) {
		cloud_create_clear(&cr);
		return;
	}
	if (ok)
		create(&call, &cr);
	else
		ctl_call_invalid(&call, &err);
}

static bool
list_filter(struct ctl_call *call, struct cloud_filter *f, struct csp_tag *tags,
    size_t max)
{
	const struct world_cloud *c =
	    &call->ctl->conf.world->clouds[call->cloud];
	const char *name, *value;
	struct cloud_err err;
	int64_t n;

	f->limit = (size_t)c->page_size;
	for (size_t i = 0; httpd_query_at(call->req, i, &name, &value); i++) {
		if (strcmp(name, "region") == 0) {
			continue;
		} else if (strcmp(name, "token") == 0) {
			f->token = value;
		} else if (str_starts(name, "tag.") && f->ntags < max) {
			tags[f->ntags++] = (struct csp_tag){
				.key = name + 4,
				.value = value,
			};
		} else if (strcmp(name, "limit") == 0 &&
		    num_parse_i64(value, strlen(value), 1, 1000000, &n)) {
			f->limit = n < c->page_size ? (size_t)n : f->limit;
		} else if (strcmp(name, "marker") == 0 &&
		    num_parse_i64(value, strlen(value), 0, INT64_MAX, &n)) {
			f->after_seq = (uint64_t)n;
		} else {
			cloud_fail(&err, NATIVE_INVALID,
			    "query parameter %.60s is not known or not valid",
			    name);
			ctl_call_fail(call, &err);
			return false;
		}
	}
	f->tags = tags;
	return true;
}

void
ctl_vm_list(struct httpd_req *req, void *ctx)
{
	struct csp_tag tags[CLOUD_TAGS_MAX];
	struct cloud_filter f = { 0 };
	struct ctl_call call;
	uint64_t next;
	json_t *j, *list;
	char marker[24];

	if (!begin(&call, ctx, req, FAULT_OP_LIST, false, &f.region) ||
	    !list_filter(&call, &f, tags, ARRAY_LEN(tags)))
		return;
	f.cloud = call.cloud;
	if (call.hits.on[FAULT_LIST_LAG])
		f.lag_ns = (int64_t)(call.hits.p[FAULT_LIST_LAG].for_s * 1e9);
	list = cloud_list(call.ctl->conf.clouds, &f, &next);
	j = items(list);
	if (call.hits.on[FAULT_UNKNOWN_STATE]) {
		for (size_t i = 0; i < json_array_size(list); i++)
			json_put_str(json_array_get(list, i), "nativeState",
			    call.hits.p[FAULT_UNKNOWN_STATE].text);
	}
	snprintf(marker, sizeof marker, "%llu", (unsigned long long)next);
	json_put_str(j, "next", next ? marker : NULL);
	ctl_call_end(&call, 200, j);
}

/* Begins a call about one VM; false: answered. */
static bool
begin_vm(struct ctl_call *call, void *ctx, struct httpd_req *req,
    enum fault_op op, struct cloud_vm **out)
{
	struct ctl *c = ctx;
	const char *id = httpd_param(req, "id");
	struct cloud_err err;
	struct cloud_vm *v;
	size_t cloud;

	if (!ctl_cloud(c, req, &cloud))
		return false;
	v = cloud_get(c->conf.clouds, cloud, id);
	if (!ctl_call_begin(call, c, req, cloud, op, v ? v->region : WORLD_NONE,
		v ? c->conf.world->clouds[cloud].specs[v->spec].id : NULL))
		return false;
	if (!v || call->hits.on[FAULT_STALE_NOT_FOUND]) {
		cloud_fail(&err, NATIVE_NOT_FOUND, "no VM %.40s", id);
		ctl_call_fail(call, &err);
		return false;
	}
	*out = v;
	return true;
}

void
ctl_vm_get(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	struct cloud_vm *v;
	json_t *j;

	if (!begin_vm(&call, ctx, req, FAULT_OP_GET, &v))
		return;
	j = cloud_vm_json(v);
	if (call.hits.on[FAULT_UNKNOWN_STATE])
		json_put_str(j, "nativeState",
		    call.hits.p[FAULT_UNKNOWN_STATE].text);
	ctl_call_end(&call, 200, j);
}

void
ctl_vm_console(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	struct cloud_err err;
	struct cloud_vm *v;
	json_t *j;

	if (!begin_vm(&call, ctx, req, FAULT_OP_CONSOLE, &v))
		return;
	if (!(call.ctl->conf.world->clouds[call.cloud].caps &
		CSP_CAP_CONSOLE)) {
		cloud_fail(&err, NATIVE_INVALID, "this cloud has no console");
		ctl_call_fail(&call, &err);
		return;
	}
	j = json_object();
	json_put_str(j, "text", v->vm ? vm_console(v->vm) : "");
	ctl_call_end(&call, 200, j);
}

struct late_act {
	struct ctl *ctl;
	char id[24];
	enum native_verb verb;
	struct fault_hits hits;
};

static void
late_act_run(void *arg)
{
	struct late_act *l = arg;
	struct cloud_vm *v = clouds_find(l->ctl->conf.clouds, l->id);
	struct cloud_err err;

	if (v) /* nobody is left to hear of a refusal */
		(void)cloud_act(l->ctl->conf.clouds, v, l->verb, &l->hits,
		    &err);
}

static void
act(struct ctl_call *call, struct cloud_vm *v, enum native_verb verb)
{
	struct late_act *late;
	struct cloud_err err;

	if (call->hits.on[FAULT_LATE_APPLY]) {
		late = xcalloc(1, sizeof *late);
		late->ctl = call->ctl;
		str_copy(late->id, sizeof late->id, v->id);
		late->verb = verb;
		late->hits = call->hits;
		ctl_call_apply_late(call, late_act_run, free, late);
		return;
	}
	if (cloud_act(call->ctl->conf.clouds, v, verb, &call->hits, &err))
		ctl_call_end(call, 202, cloud_vm_json(v));
	else
		ctl_call_fail(call, &err);
}

void
ctl_vm_action(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "action", NULL };
	static const enum fault_op ops[NATIVE_VERB_COUNT] = {
		[NATIVE_STOP] = FAULT_OP_STOP,
		[NATIVE_POWER_OFF] = FAULT_OP_STOP,
		[NATIVE_START] = FAULT_OP_START,
		[NATIVE_DO_REBOOT] = FAULT_OP_REBOOT,
		[NATIVE_SUSPEND] = FAULT_OP_SUSPEND,
		[NATIVE_RESUME] = FAULT_OP_RESUME,
	};
	struct mw_err err = MW_ERR_INIT;
	enum native_verb verb;
	const char *action;
	struct json_at at;
	struct ctl_call call;
	struct cloud_vm *v;
	json_t *body;

	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !json_get_str(&at, "action", true, 40, &action, &err)) {
		ctl_reply_error(req, &err);
		return;
	}
	if (!native_verb_parse(action, &verb) || verb == NATIVE_CREATE ||
	    verb == NATIVE_TERMINATE) {
		err_set(&err, MW_INVALID, 0,
		    "stop, deallocate, powerOff, start, reboot, suspend or "
		    "resume");
		err_pointer(&err, "/action");
		ctl_reply_error(req, &err);
		return;
	}
	if (begin_vm(&call, ctx, req, ops[verb], &v))
		act(&call, v, verb);
}

void
ctl_vm_delete(struct httpd_req *req, void *ctx)
{
	struct ctl_call call;
	struct cloud_vm *v;

	if (begin_vm(&call, ctx, req, FAULT_OP_TERMINATE, &v))
		act(&call, v, NATIVE_TERMINATE);
}
