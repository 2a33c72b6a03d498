/*
 * fault.c - the list of faults, their parser and the draw.
 * Owns the fault records and the call counters. Promises: a draw depends on
 * nothing but its arguments, the seed and the counters.
 */
#include "twin/fault.h"

#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <string.h>

#define OP(name) (1u << FAULT_OP_##name)
#define OPS_VERB (OP(STOP) | OP(START) | OP(REBOOT) | OP(SUSPEND) | OP(RESUME))
#define OPS_MUTATE \
	(OP(KEY_PUT) | OP(KEY_DELETE) | OP(CREATE) | OPS_VERB | OP(TERMINATE))
#define OPS_ALL ((1u << FAULT_OP_COUNT) - 1)
#define OPS_MACHINE OP(CREATE)

struct fault {
	uint64_t id;
	size_t cloud, region; /* WORLD_NONE: any */
	char *spec; /* NULL: any */
	unsigned ops; /* mask */
	enum fault_kind kind;
	double p;
	int64_t count; /* 0: no limit */
	int64_t hits;
	double from_s, to_s; /* to_s 0: no end */
	struct fault_params params;
	json_t *body; /* as it was given */
};

struct faults {
	const struct world *world;
	int64_t start_ns;
	uint64_t next_id;
	struct fault *v;
	size_t n, cap;
	uint64_t *calls; /* per cloud and op */
};

static const char *const op_names[FAULT_OP_COUNT] = {
	[FAULT_OP_REGIONS] = "regions",
	[FAULT_OP_SPECS] = "specs",
	[FAULT_OP_IMAGES] = "images",
	[FAULT_OP_KEY_PUT] = "keyPut",
	[FAULT_OP_KEY_DELETE] = "keyDelete",
	[FAULT_OP_CREATE] = "create",
	[FAULT_OP_LIST] = "list",
	[FAULT_OP_GET] = "get",
	[FAULT_OP_CONSOLE] = "console",
	[FAULT_OP_STOP] = "stop",
	[FAULT_OP_START] = "start",
	[FAULT_OP_REBOOT] = "reboot",
	[FAULT_OP_SUSPEND] = "suspend",
	[FAULT_OP_RESUME] = "resume",
	[FAULT_OP_TERMINATE] = "terminate",
};

static const struct {
	const char *name;
	unsigned ops; /* where it can act; the default when no op is given */
} kinds[FAULT_KIND_COUNT] = {
	[FAULT_THROTTLE] = { "throttle", OPS_ALL },
	[FAULT_CAPACITY] = { "capacity", OP(CREATE) | OP(START) },
	[FAULT_QUOTA] = { "quota", OP(CREATE) },
	[FAULT_AUTH_EXPIRED] = { "authExpired", OPS_ALL },
	[FAULT_REQUEST_LOST] = { "requestLost", OPS_ALL },
	[FAULT_ANSWER_LOST] = { "answerLost", OPS_ALL },
	[FAULT_ERROR_BUT_DONE] = { "errorButDone", OPS_MUTATE },
	[FAULT_LATE_APPLY] = { "lateApply",
	    OP(CREATE) | OPS_VERB | OP(TERMINATE) },
	[FAULT_ACCEPTED_THEN_FAILED] = { "acceptedThenFailed", OP(CREATE) },
	[FAULT_QUOTA_RACE] = { "quotaRace", OP(CREATE) },
	[FAULT_STUCK] = { "stuck", OP(CREATE) | OPS_VERB | OP(TERMINATE) },
	[FAULT_SLOW] = { "slowCreate", OP(CREATE) | OPS_VERB | OP(TERMINATE) },
	[FAULT_TERMINATE_IGNORED] = { "terminateIgnored", OP(TERMINATE) },
	[FAULT_TOKEN_IGNORED] = { "tokenIgnored", OP(CREATE) },
	[FAULT_VANISH] = { "vanish", OP(CREATE) },
	[FAULT_LIST_LAG] = { "listLag", OP(LIST) },
	[FAULT_STALE_NOT_FOUND] = { "staleNotFound", OP(GET) | OP(CREATE) },
	[FAULT_GHOST] = { "ghost", OP(TERMINATE) },
	[FAULT_LATE_IP] = { "lateIp", OP(CREATE) },
	[FAULT_UNKNOWN_STATE] = { "unknownState", OP(GET) | OP(LIST) },
	[FAULT_SSH_REFUSE] = { "sshRefuse", OPS_MACHINE },
	[FAULT_SSH_SLOW_BANNER] = { "sshSlowBanner", OPS_MACHINE },
	[FAULT_SSH_KEY_LATE] = { "sshKeyLate", OPS_MACHINE },
	[FAULT_SSH_DROP_AFTER] = { "sshDropAfterKiB", OPS_MACHINE },
	[FAULT_HOST_KEY_CHANGE] = { "hostKeyChange", OPS_MACHINE },
	[FAULT_NO_SUDO] = { "noSudo", OPS_MACHINE },
	[FAULT_DISK_FULL] = { "diskFull", OPS_MACHINE },
};

struct faults *
faults_new(const struct world *w, int64_t now_ns)
{
	struct faults *f = xcalloc(1, sizeof *f);

	f->world = w;
	f->start_ns = now_ns;
	f->calls = xcalloc(w->nclouds * FAULT_OP_COUNT, sizeof *f->calls);
	return f;
}

static void
fault_clear(struct fault *x)
{
	free(x->spec);
	json_decref(x->body);
}

void
faults_free(struct faults *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		fault_clear(&f->v[i]);
	free(f->v);
	free(f->calls);
	free(f);
}

static bool
bad(struct mw_err *err, const char *pointer, const char *what)
{
	err_set(err, MW_INVALID, 0, "%s", what);
	return err_pointer(err, "%s", pointer);
}

static bool
parse_place(const struct world *w, const struct json_at *at, struct fault *x,
    struct mw_err *err)
{
	const char *cloud, *region, *spec;

	if (!json_get_str(at, "cloud", false, 64, &cloud, err) ||
	    !json_get_str(at, "region", false, 64, &region, err) ||
	    !json_get_str(at, "spec", false, 128, &spec, err))
		return false;
	x->cloud = x->region = WORLD_NONE;
	if (cloud && strcmp(cloud, "*") != 0) {
		x->cloud = world_cloud_find(w, cloud);
		if (x->cloud == WORLD_NONE)
			return bad(err, "/cloud", "not a cloud of this world");
	}
	if (region && strcmp(region, "*") != 0) {
		if (x->cloud == WORLD_NONE)
			return bad(err, "/region", "needs a cloud");
		x->region = world_region_find(&w->clouds[x->cloud], region);
		if (x->region == WORLD_NONE)
			return bad(err, "/region", "not a region");
	}
	if (spec && strcmp(spec, "*") != 0)
		x->spec = xstrdup(spec);
	return true;
}

static bool
parse_kind(const struct json_at *at, struct fault *x, struct mw_err *err)
{
	const char *kind, *op;
	size_t k = 0, o = 0;

	if (!json_get_str(at, "kind", true, 40, &kind, err) ||
	    !json_get_str(at, "op", false, 40, &op, err))
		return false;
	while (k < FAULT_KIND_COUNT && strcmp(kinds[k].name, kind) != 0)
		k++;
	if (k == FAULT_KIND_COUNT)
		return bad(err, "/kind", "no such fault");
	x->kind = (enum fault_kind)k;
	x->ops = kinds[k].ops;
	if (!op || strcmp(op, "*") == 0)
		return true;
	while (o < FAULT_OP_COUNT && strcmp(op_names[o], op) != 0)
		o++;
	if (o == FAULT_OP_COUNT)
		return bad(err, "/op", "no such operation");
	x->ops &= 1u << o;
	if (!x->ops)
		return bad(err, "/op", "this fault cannot act there");
	return true;
}

static bool
parse_params(const struct json_at *at, struct fault *x, struct mw_err *err)
{
	static const char *const known[] = { "afterS", "forS", "retryAfterS",
		"factor", "delayMs", "kib", "text", NULL };
	struct fault_params *p = &x->params;
	struct json_at v;
	json_t *empty;
	const char *text = NULL;
	/* a machine whose port is closed stays so unless a time is given */
	double for_s = x->kind == FAULT_SSH_REFUSE ? 0 : 5;
	bool ok;

	if (!json_at_key(&v, at, "params", false, err))
		return false;
	empty = json_object();
	if (!v.obj)
		v.obj = empty;
	ok = json_no_others(&v, known, err) &&
	    json_get_num(&v, "afterS", true, 3, 0, 86400, &p->after_s, err) &&
	    json_get_num(&v, "forS", true, for_s, 0, 86400, &p->for_s, err) &&
	    json_get_num(&v, "retryAfterS", true, 1, 0, 3600, &p->retry_after_s,
		err) &&
	    json_get_num(&v, "factor", true, 10, 0, 1000, &p->factor, err) &&
	    json_get_int(&v, "delayMs", true, 5000, 0, 600000, &p->delay_ms,
		err) &&
	    json_get_int(&v, "kib", true, 64, 1, 1 << 20, &p->kib, err) &&
	    json_get_str(&v, "text", false, sizeof p->text - 1, &text, err);
	if (text)
		str_copy(p->text, sizeof p->text, text);
	json_decref(empty);
	return ok;
}

bool
faults_add(struct faults *f, json_t *body, uint64_t *id, struct mw_err *err)
{
	static const char *const known[] = { "cloud", "region", "spec", "op",
		"kind", "p", "count", "fromS", "toS", "params", NULL };
	struct fault x = { 0 };
	struct json_at at;

	if (f->n == FAULT_MAX)
		return err_set(err, MW_LIMIT, 0, "%d faults already",
		    FAULT_MAX);
	if (!json_at_root(&at, body, err) || !json_no_others(&at, known, err) ||
	    !parse_place(f->world, &at, &x, err) || !parse_kind(&at, &x, err) ||
	    !json_get_num(&at, "p", true, 1, 0, 1, &x.p, err) ||
	    !json_get_int(&at, "count", true, 0, 0, INT64_MAX, &x.count, err) ||
	    !json_get_num(&at, "fromS", true, 0, 0, 1e9, &x.from_s, err) ||
	    !json_get_num(&at, "toS", true, 0, 0, 1e9, &x.to_s, err) ||
	    !parse_params(&at, &x, err)) {
		free(x.spec);
		return false;
	}
	x.id = *id = ++f->next_id;
	x.body = json_deep_copy(body);
	VEC_GROW(f->v, f->n, f->cap);
	f->v[f->n++] = x;
	return true;
}

bool
faults_del(struct faults *f, uint64_t id)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].id != id)
			continue;
		fault_clear(&f->v[i]);
		f->n--;
		memmove(&f->v[i], &f->v[i + 1], (f->n - i) * sizeof f->v[0]);
		return true;
	}
	return false;
}

static json_t *
fault_json(const struct fault *x)
{
	json_t *j = json_deep_copy(x->body);

	json_put_int(j, "id", (int64_t)x->id);
	json_put_int(j, "hits", x->hits);
	json_put_bool(j, "spent", x->count > 0 && x->hits >= x->count);
	return j;
}

json_t *
faults_json(const struct faults *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list, fault_json(&f->v[i]));
	return list;
}

json_t *
faults_one_json(const struct faults *f, uint64_t id)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].id == id)
			return fault_json(&f->v[i]);
	}
	return NULL;
}

static bool
concerns(const struct faults *f, const struct fault *x, size_t cloud,
    size_t region, const char *spec, enum fault_op op, int64_t now_ns)
{
	double at_s = (double)(now_ns - f->start_ns) / 1e9;

	if (x->count > 0 && x->hits >= x->count)
		return false;
	if (at_s < x->from_s || (x->to_s > 0 && at_s >= x->to_s))
		return false;
	return (x->ops >> op & 1) &&
	    (x->cloud == WORLD_NONE || x->cloud == cloud) &&
	    (x->region == WORLD_NONE || x->region == region) &&
	    (!x->spec || (spec && strcmp(x->spec, spec) == 0));
}

static double
unit_hash(uint64_t seed, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t h = rng_mix(seed);

	h = rng_mix(h ^ a);
	h = rng_mix(h ^ b);
	h = rng_mix(h ^ c);
	h = rng_mix(h ^ d);
	return (double)(h >> 11) * 0x1p-53;
}

void
faults_draw(struct faults *f, size_t cloud, size_t region, const char *spec,
    enum fault_op op, int64_t now_ns, struct fault_hits *out)
{
	uint64_t n = ++f->calls[cloud * FAULT_OP_COUNT + op];

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < f->n; i++) {
		struct fault *x = &f->v[i];

		if (!concerns(f, x, cloud, region, spec, op, now_ns) ||
		    unit_hash(f->world->seed, x->id, cloud, op, n) >= x->p)
			continue;
		x->hits++;
		out->on[x->kind] = true;
		out->p[x->kind] = x->params;
	}
}

uint64_t
faults_calls(const struct faults *f, size_t cloud, enum fault_op op)
{
	return f->calls[cloud * FAULT_OP_COUNT + op];
}

const char *
fault_op_name(enum fault_op op)
{
	return op_names[op];
}

const char *
fault_kind_name(enum fault_kind kind)
{
	return kinds[kind].name;
}
