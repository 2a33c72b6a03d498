/*
 * eval_json.c - writes evaluations: groups, specs, lemons. Touches only its
 * input: it is called on the store's thread.
 */
#include "coordinator/measure/eval_json.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <math.h>

#define HOURS_PER_MONTH 730
#define MAX_WASTE (INT64_MAX / 1000)

static void
put_id(json_t *j, const struct eval_in *of)
{
	char id[320];

	snprintf(id, sizeof id, "%s+%s+%s", of->csp, of->region, of->spec);
	json_put_str(j, "specId", *of->csp ? id : NULL);
	json_put_str(j, "csp", *of->csp ? of->csp : NULL);
	json_put_str(j, "region", of->region);
	json_put_str(j, "spec", of->spec);
}

static void
put_price(json_t *j, int64_t cost, const char *currency, const char *reason)
{
	json_put(j, "costPerHourMicros",
	    cost < 0 ? json_null() : json_integer(cost));
	json_put_str(j, "currency", cost < 0 ? NULL : currency);
	json_put_str(j, "costReason",
	    cost >= 0    ? NULL
		: reason ? reason
			 : "unknown");
}

static void
put_micros(json_t *j, const char *key, int64_t v)
{
	json_put(j, key, v < 0 ? json_null() : json_integer(v));
}

static json_t *
flags_json(unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { EVAL_F_FEW_VMS, "fewVms" }, { EVAL_F_STALE, "stale" },
		{ EVAL_F_MIXED_ENV, "mixedEnv" }, { EVAL_F_REPLAY, "replay" } };
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit)
			json_array_append_new(a, json_string(names[i].name));
	return a;
}

static const char *
provenance(bool replay)
{
	return replay ? "replay" : "measured";
}

static json_t *
others_json(const struct eval_cell *c)
{
	json_t *a = json_array();

	for (size_t i = 0; i < c->nothers; i++) {
		const struct eval_env *o = &c->others[i];
		json_t *j = json_object();

		json_put_str(j, "envHash", *o->hash ? o->hash : NULL);
		json_put_str(j, "provenance", provenance(o->replay));
		json_put_int(j, "nVms", (int64_t)o->nvms);
		json_put_num(j, "value", o->value);
		json_put_time(j, "newestAt", o->newest);
		json_array_append_new(a, j);
	}
	return a;
}

static json_t *
cell_json(const struct eval_cell *c, const struct eval_spec *s)
{
	const struct kind_info *info = kind_info(c->of->kind);
	json_t *j = json_object();
	bool flagged, any;
	double v = NAN;

	any = eval_best(c, &v, &flagged);
	put_id(j, c->of);
	json_put_str(j, "kind", info->name);
	json_put_str(j, "variant", c->of->variant);
	json_put_str(j, "profile", *c->of->profile ? c->of->profile : NULL);
	json_put_str(j, "unit", info->unit);
	json_put_str(j, "direction",
	    info->higher_is_better ? "higher" : "lower");
	json_put_num(j, "value", c->value);
	json_put_str(j, "valueReason", c->reason);
	json_put_num(j, "flaggedValue", c->flagged);
	json_put_str(j, "validity",
	    any ? result_validity_name(c->flagged_validity) : "failed");
	json_put_str(j, "provenance", provenance(c->of->replay));
	json_put_str(j, "envHash",
	    c->of->env && *c->of->env ? c->of->env : NULL);
	json_put_int(j, "nVms", (int64_t)c->nvms);
	json_put_int(j, "nResults", c->nresults);
	json_put_num(j, "ciLow", c->ci_lo);
	json_put_num(j, "ciHigh", c->ci_hi);
	json_put_str(j, "ciMethod", eval_ci_name(c->ci));
	json_put_num(j, "madCv", c->mad_cv);
	json_put_time(j, "oldestAt", c->oldest);
	json_put_time(j, "newestAt", c->newest);
	json_put(j, "flags", flags_json(c->flags));
	json_put(j, "otherEnvs", others_json(c));
	put_micros(j, "costPerUnitMicros",
	    eval_cost_per_unit(s->cost_micros, v));
	json_put_num(j, "unitsPerCostHour",
	    eval_units_per_cost(s->cost_micros, v));
	return j;
}

static json_t *
values_json(const struct eval_spec *s)
{
	json_t *j = json_object();
	bool flagged;
	double v;

	for (int k = 0; k < EVAL_KINDS; k++) {
		json_t *x;

		if (!s->cells[k])
			continue;
		x = json_object();
		if (!eval_best(s->cells[k], &v, &flagged)) {
			v = NAN;
			flagged = true;
		}
		json_put_num(x, "value", v);
		json_put_bool(x, "flagged", flagged);
		json_put_int(x, "nVms", (int64_t)s->cells[k]->nvms);
		json_put_time(x, "newestAt", s->cells[k]->newest);
		json_put_num(x, "unitsPerCostHour",
		    eval_units_per_cost(s->cost_micros, v));
		json_put(j, kind_info((enum kind)k)->name, x);
	}
	return j;
}

static json_t *
spec_json(const struct eval_spec *s)
{
	json_t *j = json_object();
	char text[128];

	put_id(j, s->of);
	json_put(j, "vcpu", s->vcpu > 0 ? json_integer(s->vcpu) : json_null());
	put_price(j, s->cost_micros, s->currency, s->cost_reason);
	json_put_num(j, "effectiveCores", s->cores);
	json_put_num(j, "efficiency", s->efficiency);
	json_put_str(j, "cores",
	    eval_cores_text(s->vcpu, s->cores, text, sizeof text) ? text
								  : NULL);
	json_put_bool(j, "scalingFlagged", s->scaling_flagged);
	json_put_str(j, "scalingReason", s->scaling_reason);
	put_micros(j, "costPerCoreMicros", s->cost_per_core_micros);
	json_put(j, "values", values_json(s));
	return j;
}

static const struct eval_spec *
spec_of(const struct eval *e, const struct eval_in *r)
{
	for (size_t i = 0; i < e->nspecs; i++)
		if (str_eq(e->specs[i].of->csp, r->csp) &&
		    str_eq(e->specs[i].of->region, r->region) &&
		    str_eq(e->specs[i].of->spec, r->spec))
			return &e->specs[i];
	return NULL; /* it has no cell: nothing of it was asked for */
}

static json_t *
kind_json(const struct eval_lemon *l)
{
	json_t *j = json_object();

	json_put_str(j, "kind", kind_info(l->of->kind)->name);
	json_put_str(j, "variant", l->of->variant);
	json_put_str(j, "profile", *l->of->profile ? l->of->profile : NULL);
	json_put_str(j, "unit", kind_info(l->of->kind)->unit);
	json_put_num(j, "value", l->of->value);
	json_put_num(j, "siblingsMedian", l->median);
	json_put_int(j, "nSiblings", (int64_t)l->siblings);
	json_put_num(j, "z", l->z);
	json_put_num(j, "worsePct", l->worse_pct);
	json_put_bool(j, "otherEnv", l->other_env);
	json_put_time(j, "measuredAt", l->of->at);
	return j;
}

/* Keeping it pays for what it does not do; rolling again pays the new VM
 * beside the old one for an hour, which clouds bill at most for a try. */
static void
put_reroll(json_t *j, const struct eval_spec *s, double worst)
{
	int64_t cost = s ? s->cost_micros : -1;
	double waste = (double)cost * HOURS_PER_MONTH * worst / 100;

	put_price(j, cost, s ? s->currency : NULL, s ? s->cost_reason : NULL);
	put_micros(j, "rerollCostMicros", cost);
	put_micros(j, "wastePerMonthMicros",
	    cost < 0 || waste > (double)MAX_WASTE ? -1 : (int64_t)waste);
}

/* The lemons of one VM, from i on; returns the index behind them. */
static size_t
lemon_json(const struct eval *e, size_t i, json_t *out)
{
	const struct eval_in *of = e->lemons[i].of;
	json_t *j = json_object(), *kinds = json_array();
	double worst = 0;

	for (; i < e->nlemons && e->lemons[i].of->slot == of->slot; i++) {
		worst = fmax(worst, e->lemons[i].worse_pct);
		json_array_append_new(kinds, kind_json(&e->lemons[i]));
	}
	json_put_str(j, "ns", of->ns);
	json_put_str(j, "mcisId", of->mcis);
	json_put_str(j, "vmId", of->vm);
	put_id(j, of);
	json_put_num(j, "worstPct", worst);
	json_put(j, "kinds", kinds);
	put_reroll(j, spec_of(e, of), worst);
	json_array_append_new(out, j);
	return i;
}

json_t *
eval_json(const struct eval *e, bool lemons)
{
	json_t *j = json_object(), *items = json_array();
	json_t *specs = json_array(), *lemon_list = json_array();
	const struct eval_spec *s = e->specs;

	for (size_t i = 0; i < e->ncells; i++) {
		const struct eval_in *of = e->cells[i].of;

		/* both are in the same order */
		while (!str_eq(s->of->spec, of->spec) ||
		    !str_eq(s->of->region, of->region) ||
		    !str_eq(s->of->csp, of->csp))
			s++;
		json_array_append_new(items, cell_json(&e->cells[i], s));
	}
	for (size_t i = 0; i < e->nspecs; i++)
		json_array_append_new(specs, spec_json(&e->specs[i]));
	for (size_t i = 0; lemons && i < e->nlemons;)
		i = lemon_json(e, i, lemon_list);
	json_put(j, "items", items);
	json_put(j, "specs", specs);
	json_put(j, "lemons", lemons ? lemon_list : NULL);
	if (!lemons)
		json_decref(lemon_list);
	return j;
}
