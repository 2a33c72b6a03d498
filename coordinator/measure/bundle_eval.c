/*
 * bundle_eval.c - the evaluation of a bundle's own results, so that a bundle
 * says nothing that is not in it. Called by bundle.c.
 */
#include "coordinator/measure/bundle.h"

#include "common/pure/alloc.h"
#include "common/pure/arena.h"
#include "common/pure/eval.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/measure/eval_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STALE_NS (7 * 86400 * INT64_C(1000000000))

struct bundle_eval {
	struct arena *arena; /* owns the texts of rows */
	json_t *specs; /* specId -> a VM of it, borrowed from vms */
	json_t *slots; /* vmId -> its number */
	struct eval_in *rows;
	size_t n, cap;
};

static const char *
text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static double
num_of(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

struct bundle_eval *
bundle_eval_new(const json_t *vms)
{
	struct bundle_eval *e = xcalloc(1, sizeof *e);
	json_t *vm;
	size_t i;

	e->arena = arena_new();
	e->specs = json_object();
	e->slots = json_object();
	json_array_foreach((json_t *)(uintptr_t)vms, i, vm)
	    json_put(e->specs, text_of(vm, "specId"), json_incref(vm));
	return e;
}

void
bundle_eval_free(struct bundle_eval *e)
{
	if (!e)
		return;
	free(e->rows);
	json_decref(e->specs);
	json_decref(e->slots);
	arena_free(e->arena);
	free(e);
}

static int64_t
slot_of(struct bundle_eval *e, const char *vm)
{
	if (!json_object_get(e->slots, vm))
		json_put_int(e->slots, vm,
		    (int64_t)json_object_size(e->slots) + 1);
	return json_integer_value(json_object_get(e->slots, vm));
}

/* The price and the size of its spec, as far as a VM of it is still there. */
static void
put_spec(const struct bundle_eval *e, const char *spec_id, struct eval_in *r)
{
	const json_t *vm = json_object_get(e->specs, spec_id);
	const json_t *cost = json_object_get(vm, "costPerHourMicros");

	r->cost_micros = json_is_integer(cost) ? json_integer_value(cost) : -1;
	r->vcpu = json_integer_value(json_object_get(vm, "vcpu"));
	r->currency = arena_strdup(e->arena,
	    json_string_value(json_object_get(vm, "currency")));
	r->cost_reason = vm
	    ? arena_strdup(e->arena,
		  json_string_value(json_object_get(vm, "costReason")))
	    : "vmIsGone";
}

void
bundle_eval_add(struct bundle_eval *e, const json_t *j)
{
	const char *id = text_of(j, "specId"), *plus = strrchr(id, '+');
	struct eval_in r = { .count = 1, .mine = true, .live = true };
	struct arena *a = e->arena;

	if (!kind_parse(text_of(j, "kind"), &r.kind) || r.kind >= EVAL_KINDS ||
	    !result_validity_parse(text_of(j, "validity"), &r.validity) ||
	    !when_parse(text_of(j, "measuredAt"), &r.at) || !plus)
		return;
	r.csp = arena_strdup(a, text_of(j, "csp"));
	r.region = arena_strdup(a, text_of(j, "region"));
	r.spec = arena_strdup(a, plus + 1);
	put_spec(e, id, &r);
	r.ns = arena_strdup(a, text_of(j, "ns"));
	r.mcis = arena_strdup(a, text_of(j, "mcisId"));
	r.vm = arena_strdup(a, text_of(j, "vmId"));
	r.slot = slot_of(e, r.vm);
	r.variant = arena_strdup(a, text_of(j, "variant"));
	r.profile = arena_strdup(a, text_of(j, "profile"));
	r.env = arena_strdup(a, text_of(j, "envHash"));
	r.replay = str_eq(text_of(j, "provenance"), "replay");
	r.value = num_of(j, "value");
	r.has_value = isfinite(r.value);
	r.ci_lo = num_of(j, "ciLow");
	r.ci_hi = num_of(j, "ciHigh");
	r.mad_cv = num_of(j, "madCv");
	r.id = (int64_t)e->n + 1;
	VEC_GROW(e->rows, e->n, e->cap);
	e->rows[e->n++] = r;
}

json_t *
bundle_eval_end(struct bundle_eval *take_e, int64_t since, int64_t until)
{
	struct eval_ask ask = { .now = until,
		.max_age_ns = until - since + 1,
		.stale_ns = STALE_NS };
	struct eval *e = eval_new(take_e->rows, take_e->n, &ask);
	json_t *j = eval_json(e, true);

	eval_free(e);
	bundle_eval_free(take_e);
	return j;
}
