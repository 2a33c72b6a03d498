/*
 * bundle_pairs.c - latencies and VMs of two bundles side by side, and the
 * whole difference of both. Pairs are directed; those that are alike are only
 * counted, as there may be a million.
 */
#include "cli/bundle.h"

#include "cli/cli.h"
#include "common/pure/alloc.h"
#include "common/pure/bundle_diff.h"

#include <math.h>
#include <string.h>

#define NO_ROW SIZE_MAX

struct pairs {
	const json_t *a, *b; /* matrices */
	size_t *row_of; /* row of A -> row of B, or NO_ROW */
	json_t *items;
	size_t counts[BUNDLE_VERDICT_COUNT];
	size_t sites; /* VMs that are on another site by now */
};

static size_t *rows_of(struct pairs *p);
static void pair(struct pairs *p, size_t i, size_t k);
static json_t *counts_json(const size_t counts[BUNDLE_VERDICT_COUNT]);
static void vms_diff(json_t *out, const json_t *a, const json_t *b);

json_t *
bundle_diff_pairs(const json_t *a, const json_t *b)
{
	struct pairs p = { .a = json_object_get(a, "matrix"),
		.b = json_object_get(b, "matrix") };
	json_t *out = json_object();
	size_t n = json_array_size(ja(p.a, "vms"));
	const char *why = json_is_null(p.a) && json_is_null(p.b) ? "notMeasured"
	    : json_is_null(p.a)                                  ? "onlyInB"
	    : json_is_null(p.b)                                  ? "onlyInA"
								 : NULL;

	p.items = json_array();
	if (!why) {
		p.row_of = rows_of(&p);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++)
				if (i != k && p.row_of[i] != NO_ROW &&
				    p.row_of[k] != NO_ROW)
					pair(&p, i, k);
	}
	json_put(out, "items", p.items);
	json_put(out, "counts", counts_json(p.counts));
	json_put_int(out, "otherSite", (int64_t)p.sites);
	json_put_str(out, "reason", why);
	free(p.row_of);
	return out;
}

/* A VM of the same name on another site is another VM. */
static size_t *
rows_of(struct pairs *p)
{
	const json_t *x = ja(p->a, "vms"), *y = ja(p->b, "vms");
	size_t *row = xcalloc(json_array_size(x) + 1, sizeof *row), i;
	json_t *names = json_object(), *vm;

	json_array_foreach((json_t *)(uintptr_t)y, i, vm)
	    json_put_int(names, js(vm, "vmId"), (int64_t)i);
	json_array_foreach((json_t *)(uintptr_t)x, i, vm)
	{
		const json_t *at = json_object_get(names, js(vm, "vmId"));
		const json_t *other =
		    json_array_get(y, (size_t)json_integer_value(at));

		row[i] = NO_ROW;
		if (at && str_eq(js(vm, "site"), js(other, "site")))
			row[i] = (size_t)json_integer_value(at);
		else if (at)
			p->sites++;
	}
	json_decref(names);
	return row;
}

static const json_t *
cell_of(const json_t *m, size_t i, size_t k)
{
	return json_array_get(json_array_get(ja(m, "cells"), i), k);
}

static struct bundle_rtt
rtt_of(const json_t *cell)
{
	return (struct bundle_rtt){ jnum(cell, "rttMedianMs", NAN),
		jnum(cell, "jitterMs", NAN), jnum(cell, "n", NAN) };
}

static void
pair(struct pairs *p, size_t i, size_t k)
{
	const json_t *a = cell_of(p->a, i, k);
	const json_t *b = cell_of(p->b, p->row_of[i], p->row_of[k]);
	struct bundle_rtt x = rtt_of(a), y = rtt_of(b);
	struct bundle_change ch;
	json_t *j;

	bundle_judge_rtt(&x, &y, &ch);
	p->counts[ch.verdict]++;
	if (ch.verdict == BUNDLE_SAME)
		return;
	j = json_object();
	json_put_str(j, "src", js(json_array_get(ja(p->a, "vms"), i), "vmId"));
	json_put_str(j, "dst", js(json_array_get(ja(p->a, "vms"), k), "vmId"));
	json_put_str(j, "verdict", bundle_verdict_name(ch.verdict));
	json_put_num(j, "aMs", x.ms);
	json_put_num(j, "bMs", y.ms);
	json_put_num(j, "changePct", (ch.ratio - 1) * 100);
	json_put_num(j, "aNoiseMs", bundle_rtt_noise_ms(&x));
	json_put_num(j, "bNoiseMs", bundle_rtt_noise_ms(&y));
	json_put(j, "aReason", json_incref(json_object_get(a, "reason")));
	json_put(j, "bReason", json_incref(json_object_get(b, "reason")));
	json_array_append_new(p->items, j);
}

static json_t *
counts_json(const size_t counts[BUNDLE_VERDICT_COUNT])
{
	json_t *j = json_object();

	for (int v = 0; v < BUNDLE_VERDICT_COUNT; v++)
		json_put_int(j, bundle_verdict_name((enum bundle_verdict)v),
		    (int64_t)counts[v]);
	return j;
}

/* The whole ---------------------------------------------------------------- */

static json_t *
head_of(const json_t *bundle)
{
	static const char *const keys[] = { "deployment", "ns", "mcis", "since",
		"until", "sha256", "milkywayVersion" };
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		json_put(j, keys[i],
		    json_incref(json_object_get(bundle, keys[i])));
	return j;
}

json_t *
bundle_diff(const json_t *a, const json_t *b, double min_pct)
{
	json_t *out = json_object(), *bench = bundle_diff_bench(a, b, min_pct);
	json_t *pairs = bundle_diff_pairs(a, b), *r;
	size_t counts[BUNDLE_VERDICT_COUNT] = { 0 }, i;
	int64_t worse = 0;

	json_array_foreach(bench, i, r)
	{
		for (int v = 0; v < BUNDLE_VERDICT_COUNT; v++)
			counts[v] += str_eq(js(r, "verdict"),
			    bundle_verdict_name((enum bundle_verdict)v));
	}
	json_put(out, "a", head_of(a));
	json_put(out, "b", head_of(b));
	json_put_num(out, "minPct", min_pct);
	json_put(out, "benchmarks", bench);
	json_put(out, "benchmarkCounts", counts_json(counts));
	json_put(out, "pairs", pairs);
	vms_diff(out, a, b);
	for (int v = 0; v < BUNDLE_VERDICT_COUNT; v++)
		if (bundle_verdict_worse((enum bundle_verdict)v))
			worse += (int64_t)counts[v] +
			    ji(json_object_get(pairs, "counts"),
				bundle_verdict_name((enum bundle_verdict)v), 0);
	json_put_int(out, "worse", worse);
	return out;
}

/* Names that x has and y has not. */
static json_t *
only_in(const json_t *x, const json_t *y)
{
	json_t *names = json_object(), *out = json_array(), *vm;
	size_t i;

	json_array_foreach(ja(y, "vms"), i, vm)
	    json_put_bool(names, js(vm, "vmId"), true);
	json_array_foreach(ja(x, "vms"), i, vm)
	{
		if (!json_object_get(names, js(vm, "vmId")))
			json_array_append_new(out, json_string(js(vm, "vmId")));
	}
	json_decref(names);
	return out;
}

static void
vms_diff(json_t *out, const json_t *a, const json_t *b)
{
	json_put(out, "missingVms", only_in(a, b));
	json_put(out, "newVms", only_in(b, a));
}
