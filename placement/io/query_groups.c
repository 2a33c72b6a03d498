/*
 * query_groups.c - the roles of a placement query: filters, pins, weights of
 * their own; what keeps VMs apart and what counts them.
 */
#include "placement/io/io.h"

#include <math.h>
#include <string.h>

#define LIST_MAX 1000

bool
io_word(struct io_reader *r, const struct json_at *at, const char *key,
    const char *const *words, int *out)
{
	const char *s;

	*out = 0;
	if (!json_get_str(at, key, false, 32, &s, r->err))
		return false;
	for (int i = 0; s != NULL; i++) {
		if (words[i] == NULL || s[0] == '\0')
			return io_wrong(r->err, at, key, "unknown value");
		if (strcmp(words[i], s) == 0) {
			*out = i;
			break;
		}
	}
	return true;
}

static bool
range(struct io_reader *r, const struct json_at *at, const char *key,
    int64_t factor, struct place_range *out)
{
	static const char *const known[] = { "min", "max", NULL };
	struct json_at g;
	double v;

	if (!json_at_key(&g, at, key, false, r->err))
		return false;
	if (g.obj == NULL)
		return true;
	if (!json_no_others(&g, known, r->err))
		return false;
	for (int i = 0; i < 2; i++) {
		int64_t *end = i == 0 ? &out->min : &out->max;
		bool *has = i == 0 ? &out->has_min : &out->has_max;

		if (!json_get_num(&g, known[i], true, NAN, -1e12, 1e12, &v,
			r->err))
			return false;
		if (isnan(v))
			continue;
		if (factor == 1 && v != floor(v))
			return io_wrong(r->err, &g, known[i],
			    "must be a whole number");
		*has = true;
		*end = llround(v * (double)factor);
	}
	if (out->has_min && out->has_max && out->min > out->max)
		return io_wrong(r->err, at, key, "min is above max");
	return true;
}

bool
io_strings(struct io_reader *r, const struct json_at *at, const char *key,
    struct place_strings *out)
{
	const char **v;
	json_t *list;

	if (!json_get_array(at, key, false, 0, LIST_MAX, &list, r->err))
		return false;
	if (list == NULL)
		return true;
	out->n = json_array_size(list);
	v = arena_array(r->arena, out->n + 1, sizeof *v);
	for (size_t i = 0; i < out->n; i++) {
		const json_t *s = json_array_get(list, i);

		if (!json_is_string(s) || json_string_length(s) > IO_NAME_MAX) {
			err_set(r->err, MW_INVALID, 0, "not a name");
			return err_pointer(r->err, "%s/%s/%zu", at->pointer,
			    key, i);
		}
		v[i] = arena_strdup(r->arena, json_string_value(s));
	}
	out->v = v;
	return true;
}

bool
io_metric(const struct io_reader *r, const char *name, uint32_t *out)
{
	for (*out = 0; *out < r->w->nmetrics; (*out)++)
		if (strcmp(r->w->metrics[*out], name) == 0)
			return true;
	return false;
}

bool
io_role(const struct io_reader *r, const char *name, uint32_t *out)
{
	for (*out = 0; *out < r->q->nroles; (*out)++)
		if (name != NULL && strcmp(r->q->roles[*out].name, name) == 0)
			return true;
	return false;
}

static bool
score_filters(struct io_reader *r, const struct json_at *at,
    struct place_filter *f)
{
	struct place_score_range *v;
	struct json_at s;
	const char *name;
	json_t *x;

	if (!json_at_key(&s, at, "score", false, r->err))
		return false;
	v = arena_array(r->arena, json_object_size(s.obj) + 1, sizeof *v);
	json_object_foreach(s.obj, name, x)
	{
		if (!io_metric(r, name, &v[f->nscores].metric))
			return io_wrong(r->err, at, "score",
			    "a metric that the world has not");
		if (!range(r, &s, name, 1000, &v[f->nscores].range))
			return false;
		f->nscores++;
	}
	f->scores = v;
	return true;
}

static bool
filter(struct io_reader *r, const struct json_at *group, struct place_filter *f)
{
	static const char *const known[] = { "vcpu", "memoryMiB",
		"costPerHourMicros", "arch", "csp", "region", "site", "specId",
		"connection", "score", NULL };
	struct json_at at;

	if (!json_at_key(&at, group, "filter", false, r->err))
		return false;
	if (at.obj == NULL)
		return true;
	return json_no_others(&at, known, r->err) &&
	    range(r, &at, "vcpu", 1, &f->vcpu) &&
	    range(r, &at, "memoryMiB", 1, &f->memory_mib) &&
	    range(r, &at, "costPerHourMicros", 1, &f->cost_per_hour_micros) &&
	    io_strings(r, &at, "arch", &f->arch) &&
	    io_strings(r, &at, "csp", &f->csp) &&
	    io_strings(r, &at, "region", &f->region) &&
	    io_strings(r, &at, "site", &f->site) &&
	    io_strings(r, &at, "specId", &f->spec_id) &&
	    io_strings(r, &at, "connection", &f->connection) &&
	    score_filters(r, &at, f);
}

/* Where a pin or a separation is: exactly one of the names. */
static bool
pin(struct io_reader *r, const struct json_at *at, struct place_pin *p)
{
	static const char *const known[] = { "site", "region", "csp", "specId",
		"count", NULL };
	static const enum place_level levels[3] = { PLACE_LEVEL_SITE,
		PLACE_LEVEL_REGION, PLACE_LEVEL_CSP };
	int64_t count;

	if (!json_no_others(at, known, r->err) ||
	    !json_get_int(at, "count", true, 1, 1, PLACE_MAX_VMS, &count,
		r->err) ||
	    !io_text(at, r->arena, "specId", false, &p->spec_id, r->err))
		return false;
	p->count = (uint32_t)count;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		const char *name;

		if (!io_text(at, r->arena, known[i], false, &name, r->err))
			return false;
		if (name == NULL)
			continue;
		if (p->name != NULL)
			return io_wrong(r->err, at, known[i],
			    "a pin has one of site, region, csp");
		p->name = name;
		p->level = levels[i];
	}
	if (p->name == NULL)
		return io_wrong(r->err, at, "site",
		    "a pin needs a site, a region or a csp");
	return true;
}

static bool
pins(struct io_reader *r, const struct json_at *group, struct place_role *role)
{
	struct place_pin *v;
	json_t *list;

	if (!json_get_array(group, "pins", false, 0, PLACE_MAX_PINS, &list,
		r->err))
		return false;
	role->npins = list == NULL ? 0 : json_array_size(list);
	v = arena_array(r->arena, role->npins + 1, sizeof *v);
	for (size_t i = 0; i < role->npins; i++) {
		struct json_at at;

		if (!json_at_index(&at, group, "pins", i, r->err) ||
		    !pin(r, &at, &v[i]))
			return false;
	}
	role->pins = v;
	return true;
}

bool
io_groups(struct io_reader *r, const struct json_at *root)
{
	static const char *const known[] = { "name", "count", "filter", "pins",
		"terms", NULL };
	struct place_role *roles;
	json_t *list;

	if (!json_get_array(root, "groups", true, 1, PLACE_MAX_ROLES, &list,
		r->err))
		return false;
	r->q->nroles = json_array_size(list);
	roles = arena_array(r->arena, r->q->nroles, sizeof *roles);
	for (size_t i = 0; i < r->q->nroles; i++) {
		struct json_at g;
		const char *name;
		int64_t count;

		if (!json_at_index(&g, root, "groups", i, r->err) ||
		    !json_no_others(&g, known, r->err) ||
		    !json_get_id(&g, "name", true, &name, r->err) ||
		    !json_get_int(&g, "count", r->q->mode == PLACE_GROUPS, 1, 1,
			PLACE_MAX_VMS, &count, r->err) ||
		    !filter(r, &g, &roles[i].filter) || !pins(r, &g, &roles[i]))
			return false;
		roles[i].name = arena_strdup(r->arena, name);
		roles[i].count = (uint32_t)count;
	}
	r->q->roles = roles;
	return true;
}

/* The term of the objective that an entry of a group is about. */
static bool
own_term(struct io_reader *r, const struct json_at *at, int64_t *weights)
{
	static const char *const known[] = { "term", "metric", "weight", NULL };
	const struct place_query *q = r->q;
	const char *name, *metric;
	int64_t weight;
	size_t found = 0;

	if (!json_no_others(at, known, r->err) ||
	    !json_get_str(at, "term", true, 32, &name, r->err) ||
	    !json_get_str(at, "metric", false, 64, &metric, r->err) ||
	    !json_get_int(at, "weight", false, 0, 0, INT64_C(1000000000000),
		&weight, r->err))
		return false;
	for (size_t t = 0; t < q->nterms; t++) {
		if (strcmp(place_term_name(q->terms[t].kind), name) != 0 ||
		    (metric != NULL &&
			strcmp(r->w->metrics[q->terms[t].metric], metric) != 0))
			continue;
		weights[t] = weight;
		found++;
	}
	if (found == 1)
		return true;
	return io_wrong(r->err, at, "term",
	    found > 1 ? "several terms of the objective: name the metric"
		      : "the objective has no such term");
}

bool
io_group_terms(struct io_reader *r, const struct json_at *root)
{
	struct place_role *roles =
	    arena_array(r->arena, r->q->nroles, sizeof *roles);

	memcpy(roles, r->q->roles, r->q->nroles * sizeof *roles);
	for (size_t i = 0; i < r->q->nroles; i++) {
		struct json_at g, at;
		int64_t *weights;
		json_t *list;

		if (!json_at_index(&g, root, "groups", i, r->err) ||
		    !json_get_array(&g, "terms", false, 0, PLACE_MAX_TERMS,
			&list, r->err))
			return false;
		if (list == NULL)
			continue;
		weights =
		    arena_array(r->arena, PLACE_MAX_TERMS, sizeof *weights);
		for (size_t t = 0; t < r->q->nterms; t++)
			if (r->q->terms[t].kind == PLACE_PAIR_RTT_MEAN ||
			    (r->q->terms[t].kind == PLACE_USER_RTT &&
				!r->q->assign_every))
				weights[t] = r->q->terms[t].weight;
		for (size_t t = 0; t < json_array_size(list); t++)
			if (!json_at_index(&at, &g, "terms", t, r->err) ||
			    !own_term(r, &at, weights))
				return false;
		roles[i].weights = weights;
	}
	r->q->roles = roles;
	return true;
}

static bool
separations(struct io_reader *r, const struct json_at *at)
{
	static const char *const known[] = { "between", "level", NULL };
	static const char *const levels[] = { "site", "zone", "region", "csp",
		NULL };
	struct place_limits *l = &r->q->limits;
	struct place_separate *v;
	json_t *list, *two;

	if (!json_get_array(at, "antiAffinity", false, 0, PLACE_MAX_SEPARATE,
		&list, r->err))
		return false;
	l->nseparate = list == NULL ? 0 : json_array_size(list);
	v = arena_array(r->arena, l->nseparate + 1, sizeof *v);
	for (size_t i = 0; i < l->nseparate; i++) {
		struct json_at s;
		int level;

		if (!json_at_index(&s, at, "antiAffinity", i, r->err) ||
		    !json_no_others(&s, known, r->err) ||
		    !json_get_array(&s, "between", true, 2, 2, &two, r->err) ||
		    !io_word(r, &s, "level", levels, &level))
			return false;
		if (!io_role(r, json_string_value(json_array_get(two, 0)),
			&v[i].a) ||
		    !io_role(r, json_string_value(json_array_get(two, 1)),
			&v[i].b))
			return io_wrong(r->err, &s, "between", "unknownRole");
		v[i].level = PLACE_LEVEL_SITE + (enum place_level)level;
	}
	l->separate = v;
	return true;
}

static bool
quota(struct io_reader *r, const struct json_at *at, struct place_quota *u)
{
	static const char *const known[] = { "connection", "region", "family",
		"vms", "vcpus", NULL };

	if (!json_no_others(at, known, r->err) ||
	    !io_text(at, r->arena, "connection", false, &u->connection,
		r->err) ||
	    !io_text(at, r->arena, "region", false, &u->region, r->err) ||
	    !io_text(at, r->arena, "family", false, &u->family, r->err) ||
	    !json_get_int(at, "vms", true, -1, 0, 1000000, &u->vms, r->err) ||
	    !json_get_int(at, "vcpus", true, -1, 0, 100000000, &u->vcpus,
		r->err))
		return false;
	if (u->vms < 0 && u->vcpus < 0)
		return io_wrong(r->err, at, "vms",
		    "a quota bounds vms, vcpus or both");
	return true;
}

/* "none", or a list; what a cloud would allow is not stored. */
static bool
quotas(struct io_reader *r, const struct json_at *at)
{
	struct place_limits *l = &r->q->limits;
	const json_t *v = json_object_get(at->obj, "quota");
	struct place_quota *u;
	json_t *list;

	if (json_is_string(v)) {
		if (strcmp(json_string_value(v), "none") == 0)
			return true;
		return io_wrong(r->err, at, "quota",
		    "\"none\", or a list of {connection, region, family, vms, "
		    "vcpus}: no cloud's quotas are stored");
	}
	if (!json_get_array(at, "quota", false, 0, PLACE_MAX_QUOTAS, &list,
		r->err))
		return false;
	l->nquotas = list == NULL ? 0 : json_array_size(list);
	u = arena_array(r->arena, l->nquotas + 1, sizeof *u);
	for (size_t i = 0; i < l->nquotas; i++) {
		struct json_at q;

		if (!json_at_index(&q, at, "quota", i, r->err) ||
		    !quota(r, &q, &u[i]))
			return false;
	}
	l->quotas = u;
	return true;
}

bool
io_counts(struct io_reader *r, const struct json_at *at)
{
	return separations(r, at) && quotas(r, at);
}
