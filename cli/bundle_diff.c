/*
 * bundle_diff.c - benchmarks of two bundles side by side; bundle_pairs.c has
 * the latencies. The rules of what a difference is: common/pure/bundle_diff.h.
 *
 * A group is one (spec, kind, variant, profile). Each VM counts with its newest
 * valid result; environments are never mixed: that of most VMs stands for the
 * group (then the newest), as in evaluations.
 */
#include "cli/bundle.h"

#include "cli/cli.h"
#include "common/pure/alloc.h"
#include "common/pure/bundle_diff.h"
#include "common/pure/result.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

#define SAMPLES_MAX 4096

struct row {
	const json_t *r;
	const char *text[5]; /* specId, kind, variant, profile, vmId */
	int64_t at;
	size_t i; /* of two of one time the later one is the newer */
	bool usable;
};

struct rows {
	struct row *v;
	size_t n;
};

/* What a group of one bundle comes to. */
struct picked {
	const json_t **r; /* one per VM, of one environment */
	size_t n;
	double *vms, *samples;
	size_t nsamples;
	struct bundle_side side;
	bool any; /* there are results, valid or not */
};

static struct rows rows_of(const json_t *bundle);
static int group_cmp(const struct row *x, const struct row *y);
static size_t group_end(const struct rows *s, size_t i);
static json_t *group_json(const struct row *a, size_t na, const struct row *b,
    size_t nb, double min_pct);
static void pick(const struct row *v, size_t n, struct picked *p);
static void picked_free(struct picked *p);
static bool comparable(const struct picked *a, const struct picked *b,
    struct bundle_change *ch, json_t *differs);

json_t *
bundle_diff_bench(const json_t *a, const json_t *b, double min_pct)
{
	struct rows x = rows_of(a), y = rows_of(b);
	json_t *out = json_array();
	size_t i = 0, k = 0;

	while (i < x.n || k < y.n) {
		int d = i == x.n ? 1
		    : k == y.n   ? -1
				 : group_cmp(&x.v[i], &y.v[k]);
		size_t ie = d <= 0 ? group_end(&x, i) : i;
		size_t ke = d >= 0 ? group_end(&y, k) : k;

		json_array_append_new(out,
		    group_json(&x.v[i], ie - i, &y.v[k], ke - k, min_pct));
		i = ie;
		k = ke;
	}
	free(x.v);
	free(y.v);
	return out;
}

static int
group_cmp(const struct row *x, const struct row *y)
{
	for (size_t i = 0; i < 4; i++) {
		int d = strcmp(x->text[i], y->text[i]);

		if (d)
			return d;
	}
	return 0;
}

/* Groups, then VMs, the usable ones first, the newest first. */
static int
row_cmp(const void *p, const void *q)
{
	const struct row *x = p, *y = q;
	int d = group_cmp(x, y);

	if (!d)
		d = strcmp(x->text[4], y->text[4]);
	if (!d)
		d = y->usable - x->usable;
	if (!d)
		d = (y->at > x->at) - (y->at < x->at);
	return d ? d : (y->i > x->i) - (y->i < x->i);
}

static struct rows
rows_of(const json_t *bundle)
{
	static const char *const keys[] = { "specId", "kind", "variant",
		"profile", "vmId" };
	const json_t *list = ja(bundle, "results");
	struct rows s = { xcalloc(json_array_size(list) + 1, sizeof *s.v), 0 };
	enum kind kind;
	json_t *r;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, r)
	{
		struct row *x = &s.v[s.n];

		/* latencies are compared as a matrix */
		if (!kind_parse(js(r, "kind"), &kind) || kind > KIND_DBW ||
		    !when_parse(js(r, "measuredAt"), &x->at))
			continue;
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			x->text[k] = js(r, keys[k]);
		x->r = r;
		x->i = i;
		x->usable = str_eq(js(r, "validity"), "ok") &&
		    isfinite(jnum(r, "value", NAN));
		s.n++;
	}
	if (s.n)
		qsort(s.v, s.n, sizeof *s.v, row_cmp);
	return s;
}

static size_t
group_end(const struct rows *s, size_t i)
{
	size_t e = i + 1;

	while (e < s->n && group_cmp(&s->v[i], &s->v[e]) == 0)
		e++;
	return e;
}

/* One group as JSON -------------------------------------------------------- */

static json_t *
side_json(const struct picked *p)
{
	json_t *j = json_object();

	if (!p->any) {
		json_decref(j);
		return NULL;
	}
	json_put_num(j, "value", p->side.value);
	json_put_int(j, "nVms", (int64_t)p->n);
	json_put_int(j, "nSamples", (int64_t)p->nsamples);
	json_put_num(j, "ciLow", p->side.ci_lo);
	json_put_num(j, "ciHigh", p->side.ci_hi);
	json_put_str(j, "envHash", p->n ? js(p->r[0], "envHash") : NULL);
	return j;
}

static void
judge(const struct picked *a, const struct picked *b, bool higher,
    double min_pct, struct bundle_change *ch, json_t *differs)
{
	*ch = (struct bundle_change){ .verdict = BUNDLE_NOT_COMPARABLE,
		.ratio = NAN,
		.p = NAN };
	if (!a->any || !b->any)
		ch->verdict = a->any ? BUNDLE_MISSING : BUNDLE_NEW;
	else if (!a->n || !b->n)
		ch->reason = "noValidResult";
	else if (comparable(a, b, ch, differs))
		bundle_judge(&a->side, &b->side, higher, min_pct, ch);
}

static json_t *
group_json(const struct row *a, size_t na, const struct row *b, size_t nb,
    double min_pct)
{
	static const char *const keys[] = { "specId", "kind", "variant",
		"profile" };
	const struct row *any = na ? a : b;
	json_t *j = json_object(), *differs = json_array();
	struct picked x, y;
	struct bundle_change ch;
	enum kind kind = KIND_CPUS;

	pick(a, na, &x);
	pick(b, nb, &y);
	(void)!kind_parse(any->text[1], &kind);
	judge(&x, &y, kind_info(kind)->higher_is_better, min_pct, &ch, differs);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		json_put_str(j, keys[i], any->text[i]);
	json_put_str(j, "unit", kind_info(kind)->unit);
	json_put_str(j, "verdict", bundle_verdict_name(ch.verdict));
	json_put_num(j, "changePct", (ch.ratio - 1) * 100);
	json_put_num(j, "p", ch.p);
	json_put_str(j, "how", ch.how);
	json_put_str(j, "reason", ch.reason);
	json_put(j, "differs", differs);
	json_put(j, "a", side_json(&x));
	json_put(j, "b", side_json(&y));
	picked_free(&x);
	picked_free(&y);
	return j;
}

/* One side of a group ------------------------------------------------------ */

static bool
same_env(const json_t *x, const json_t *y)
{
	return str_eq(js(x, "envHash"), js(y, "envHash")) &&
	    str_eq(js(x, "provenance"), js(y, "provenance"));
}

/* The newest usable result of each VM, of the environment of most. */
static void
pick_vms(const struct row *v, size_t n, struct picked *p)
{
	const char *vm = NULL;
	const json_t *env = NULL;
	size_t most = 0, kept = 0;
	int64_t newest = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].usable && !str_eq(v[i].text[4], vm))
			p->r[p->n++] = v[i].r;
		vm = v[i].text[4];
	}
	for (size_t i = 0; i < p->n; i++) {
		size_t count = 0;
		int64_t at = 0, t;

		for (size_t k = 0; k < p->n; k++)
			if (same_env(p->r[i], p->r[k])) {
				count++;
				if (when_parse(js(p->r[k], "measuredAt"), &t) &&
				    t > at)
					at = t;
			}
		if (count > most || (count == most && at > newest)) {
			most = count;
			newest = at;
			env = p->r[i];
		}
	}
	for (size_t i = 0; i < p->n; i++)
		if (same_env(env, p->r[i]))
			p->r[kept++] = p->r[i];
	p->n = kept;
}

/* Its valid repetitions; none are kept of an old result. */
static void
add_samples(struct picked *p, const json_t *r)
{
	json_t *s;
	size_t i;

	json_array_foreach(ja(r, "samples"), i, s)
	{
		double v = jnum(s, "value", NAN);

		if (isfinite(v) && !jflag(s, "warmup") &&
		    !jflag(s, "contended") && p->nsamples < SAMPLES_MAX)
			p->samples[p->nsamples++] = v;
	}
}

static void
pick(const struct row *v, size_t n, struct picked *p)
{
	struct bundle_side *s = &p->side;
	struct quant q;

	*p = (struct picked){ .any = n > 0 };
	p->r = xcalloc(n + 1, sizeof(const json_t *));
	pick_vms(v, n, p);
	p->vms = xcalloc(p->n + 1, sizeof *p->vms);
	p->samples = xcalloc(SAMPLES_MAX, sizeof *p->samples);
	s->ci_lo = INFINITY;
	s->ci_hi = -INFINITY;
	for (size_t i = 0; i < p->n; i++) {
		double lo = jnum(p->r[i], "ciLow", NAN);
		double hi = jnum(p->r[i], "ciHigh", NAN);

		p->vms[i] = jnum(p->r[i], "value", NAN);
		add_samples(p, p->r[i]);
		/* one that is not known makes the hull unknown */
		s->ci_lo = lo < s->ci_lo || isnan(lo) ? lo : s->ci_lo;
		s->ci_hi = hi > s->ci_hi || isnan(hi) ? hi : s->ci_hi;
	}
	quant_of(p->vms, p->n, &q);
	s->value = p->n ? q.median : (double)NAN;
	s->vms = p->vms;
	s->nvms = p->n;
	s->samples = p->samples;
	s->nsamples = p->nsamples;
}

static void
picked_free(struct picked *p)
{
	free(p->r);
	free(p->vms);
	free(p->samples);
}

/* What two results were measured on ---------------------------------------- */

static char *
shown(const json_t *v)
{
	return json_is_string(v) ? xstrdup(json_string_value(v))
	    : v                  ? json_text(v, false)
				 : xstrdup("null");
}

static void
note(json_t *differs, const char *key, const json_t *a, const json_t *b)
{
	char *x = shown(a), *y = shown(b), *text;

	if (!str_eq(x, y)) {
		text = xasprintf("%s: %.100s -> %.100s", key, x, y);
		json_array_append_new(differs, json_string(text));
		free(text);
	}
	free(x);
	free(y);
}

/* False: they must not be compared, ch says why. */
static bool
comparable(const struct picked *a, const struct picked *b,
    struct bundle_change *ch, json_t *differs)
{
	static const char *const env[] = { "image", "kernel", "cpuModel",
		"vcpus", "fs" };
	static const char *const own[] = { "tool", "toolVersion", "argv" };
	const json_t *x = a->r[0], *y = b->r[0];

	if (!str_eq(js(x, "provenance"), js(y, "provenance"))) {
		ch->reason = "provenance";
		note(differs, "provenance", json_object_get(x, "provenance"),
		    json_object_get(y, "provenance"));
		return false;
	}
	if (str_eq(js(x, "envHash"), js(y, "envHash")))
		return true;
	ch->reason = "environment";
	for (size_t i = 0; i < ARRAY_LEN(env); i++)
		note(differs, env[i],
		    json_object_get(json_object_get(x, "env"), env[i]),
		    json_object_get(json_object_get(y, "env"), env[i]));
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		note(differs, own[i], json_object_get(x, own[i]),
		    json_object_get(y, own[i]));
	return false;
}
