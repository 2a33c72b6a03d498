/*
 * bundle_perfkit.c - a bundle as samples of PerfKitBenchmarker: one JSON object
 * a line, as its newline-delimited JSON publisher writes them (publisher.py,
 * "labels" collapsed). docs/bundles.md names the metrics and labels.
 *
 * Labels know no escape: readers cut at "|,|" and at the first ':'. So a '|'
 * in a value becomes '/'.
 */
#include "cli/bundle.h"

#include "cli/cli.h"
#include "common/clock.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

#define AGE_MAX_S INT64_C(1000000000)

void
bundle_label(struct str *labels, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	str_addf(labels, "%s|%s:", labels->len ? "," : "", key);
	for (; *value; value++)
		str_addc(labels, *value == '|' ? '/' : *value);
	str_addc(labels, '|');
}

/* A text, number or truth of an answer, as it stands. */
static void
label_of(struct str *labels, const char *key, const json_t *v)
{
	char *text;

	if (!v || json_is_null(v))
		return;
	if (json_is_string(v)) {
		bundle_label(labels, key, json_string_value(v));
		return;
	}
	text = json_text(v, false);
	bundle_label(labels, key, text);
	free(text);
}

struct label {
	const char *key, *from;
};

static void
labels_of(struct str *labels, const json_t *j, const struct label *l)
{
	for (; l->key; l++)
		label_of(labels, l->key, json_object_get(j, l->from));
}

/* The same sample has the same name, whenever it is exported. */
static void
put_uri(json_t *sample, const json_t *bundle, const char *what)
{
	char hash[BUNDLE_HASH_LEN], uri[40];
	struct str s = STR_INIT;
	const char *h = hash + strlen("sha256:");

	str_addf(&s, "%s %s %s", js(bundle, "deployment"), what,
	    js(sample, "metric"));
	bundle_hash(s.p, s.len, hash);
	snprintf(uri, sizeof uri, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12,
	    h + 16, h + 20);
	json_put_str(sample, "sample_uri", uri);
	str_free(&s);
}

struct sample {
	const char *test, *metric, *unit, *run, *what;
	double value;
	int64_t at; /* wall ns */
	struct str labels;
};

static void
add(struct str *out, const json_t *bundle, const struct sample *s)
{
	json_t *j = json_object();
	char run[64], *text;

	snprintf(run, sizeof run, "%.8s-%.40s", js(bundle, "deployment"),
	    s->run);
	json_put_str(j, "metric", s->metric);
	json_put_num(j, "value", s->value);
	json_put_str(j, "unit", s->unit);
	json_put_num(j, "timestamp", (double)(s->at / 1000000) / 1000);
	json_put_str(j, "test", s->test);
	json_put_str(j, "product_name", "milkyway");
	json_put_bool(j, "official", false);
	json_put_str(j, "owner", "milkyway");
	json_put_str(j, "run_uri", run);
	put_uri(j, bundle, s->what);
	json_put_str(j, "labels", str_cstr(&s->labels));
	text = json_text(j, true);
	str_add(out, text);
	free(text);
	json_decref(j);
}

static bool
add_result(struct str *out, const json_t *bundle, const json_t *r)
{
	static const struct label of_result[] = { { "cloud", "csp" },
		{ "region", "region" }, { "vm", "vmId" }, { "kind", "kind" },
		{ "variant", "variant" }, { "profile", "profile" },
		{ "validity", "validity" }, { "provenance", "provenance" },
		{ "n", "n" }, { "n_valid", "nValid" }, { "ci_low", "ciLow" },
		{ "ci_high", "ciHigh" }, { "ci_level", "ciLevel" },
		{ "mad_cv", "madCv" }, { "tool", "tool" },
		{ "tool_version", "toolVersion" }, { "env_hash", "envHash" },
		{ "result_id", "resultId" }, { NULL, NULL } };
	static const struct label of_env[] = { { "zone", "zone" },
		{ "image", "image" }, { "num_cpus", "vcpus" },
		{ "cpu_model", "cpuModel" }, { "kernel", "kernel" },
		{ NULL, NULL } };
	const char *variant = js(r, "variant"), *plus;
	struct sample s = { .test = "milkyway_bench",
		.unit = js(r, "unit"),
		.run = js(r, "runId"),
		.what = js(r, "resultId"),
		.value = jnum(r, "value", NAN) };
	char metric[128];

	if (isnan(s.value) || !when_parse(js(r, "measuredAt"), &s.at))
		return false;
	if (str_eq(variant, "std"))
		variant = "";
	snprintf(metric, sizeof metric, "%.32s%s%.32s median", js(r, "kind"),
	    *variant ? " " : "", variant);
	s.metric = metric;
	plus = strrchr(js(r, "specId"), '+');
	bundle_label(&s.labels, "machine_type", plus ? plus + 1 : NULL);
	labels_of(&s.labels, r, of_result);
	labels_of(&s.labels, json_object_get(r, "env"), of_env);
	label_of(&s.labels, "target", json_object_get(r, "target"));
	bundle_label(&s.labels, "milkyway_version",
	    js(bundle, "milkywayVersion"));
	add(out, bundle, &s);
	str_free(&s.labels);
	return true;
}

static void
label_end(struct str *labels, const json_t *vms, const char *end,
    const char *vm_id)
{
	static const struct label of[] = { { "cloud", "csp" },
		{ "region", "region" }, { "zone", "zone" },
		{ "machine_type", "spec" }, { NULL, NULL } };
	const json_t *vm = json_object_get(vms, vm_id);
	char key[64];

	snprintf(key, sizeof key, "%s_vm", end);
	bundle_label(labels, key, vm_id);
	for (const struct label *l = of; vm && l->key; l++) {
		snprintf(key, sizeof key, "%s_%s", end, l->key);
		label_of(labels, key, json_object_get(vm, l->from));
	}
}

static void
add_cell(struct str *out, const json_t *bundle, const json_t *vms,
    const json_t *cell, const char *src, const char *dst)
{
	static const struct label of_cell[] = { { "n", "n" },
		{ "lost", "lost" }, { "rounds", "rounds" },
		{ "loss_pct", "lossPct" }, { "jitter_ms", "jitterMs" },
		{ "method", "method" }, { NULL, NULL } };
	static const struct {
		const char *metric, *from;
	} of[] = { { "rtt median", "rttMedianMs" }, { "rtt p95", "rttP95Ms" },
		{ "rtt min", "rttMinMs" } };
	const json_t *m = json_object_get(bundle, "matrix");
	struct str what = STR_INIT;
	struct sample s = { .test = "milkyway_rtt",
		.unit = "ms",
		.run = js(m, "roundId") };
	int64_t until, age_s;

	if (!when_parse(js(bundle, "until"), &until))
		return;
	age_s = ji(cell, "ageS", 0);
	s.at = until - (age_s > 0 && age_s < AGE_MAX_S ? age_s * NS_PER_S : 0);
	str_addf(&what, "%s %s %s", js(m, "roundId"), src, dst);
	s.what = str_cstr(&what);
	label_end(&s.labels, vms, "sending", src);
	label_end(&s.labels, vms, "receiving", dst);
	labels_of(&s.labels, cell, of_cell);
	bundle_label(&s.labels, "milkyway_version",
	    js(bundle, "milkywayVersion"));
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		s.metric = of[i].metric;
		s.value = jnum(cell, of[i].from, NAN);
		if (!isnan(s.value))
			add(out, bundle, &s);
	}
	str_free(&what);
	str_free(&s.labels);
}

size_t
bundle_perfkit(const json_t *bundle, struct str *out)
{
	const json_t *m = json_object_get(bundle, "matrix");
	const json_t *rows = ja(m, "vms");
	json_t *r, *row, *cell, *vms = json_object();
	size_t i, k, without = 0;

	json_array_foreach(ja(bundle, "vms"), i, r)
	    json_put(vms, js(r, "vmId"), json_incref(r));
	json_array_foreach(ja(bundle, "results"), i, r) without +=
	    !add_result(out, bundle, r);
	json_array_foreach(ja(m, "cells"), i, row)
	{
		json_array_foreach(row, k, cell)
		{
			if (i != k && !json_is_null(cell))
				add_cell(out, bundle, vms, cell,
				    js(json_array_get(rows, i), "vmId"),
				    js(json_array_get(rows, k), "vmId"));
		}
	}
	json_decref(vms);
	return without;
}
