/*
 * cmd_bundle.c - bundles: made, looked into, verified, compared, converted.
 */
#include "cli/bundle.h"
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/bundle_diff.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

#define RED 31
#define GREEN 32
#define PAIRS_SHOWN 30

struct wish {
	const char *since, *until, *kind, *out, *format;
	bool raw, addresses;
};

static bool
add_time(struct str *path, const char *key, const char *text)
{
	char utc[WHEN_LEN];

	if (!text)
		return true;
	if (!cli_time(cli_cmd(cmds_bundle, "bundle export"), key, text, utc))
		return false;
	str_addf(path, "&%s=%s", key, utc);
	return true;
}

/* The bundle as the coordinator wrote it, checked; NULL after a message. */
static json_t *
fetch(struct cli *c, const char *mcis, const struct wish *w, struct str *text,
    int *rc)
{
	struct mw_err err = MW_ERR_INIT;
	struct str path = STR_INIT;
	json_t *j = NULL;
	char *base = cli_mcis_path(c, mcis, "/bundle?raw=");

	*rc = 2;
	if (!base)
		return NULL;
	str_addf(&path, "%s%d&addresses=%d", base, w->raw, w->addresses);
	free(base);
	cli_query(&path, "kind", w->kind);
	if (!add_time(&path, "since", w->since) ||
	    !add_time(&path, "until", w->until))
		goto out;
	if (cli_text(c, path.p, text, &err) &&
	    (j = json_parse(text->p, text->len, BUNDLE_MAX + 1024, &err)) &&
	    !bundle_check(j, &err)) {
		json_decref(j);
		j = NULL;
	}
	*rc = j ? 0 : cli_fail(&err);
out:
	str_free(&path);
	return j;
}

static size_t
cells_known(const json_t *bundle)
{
	const json_t *m = json_object_get(bundle, "matrix");
	size_t n = 0, i, k;
	json_t *row, *cell;

	json_array_foreach(ja(m, "cells"), i, row)
	{
		json_array_foreach(row, k, cell)
		{
			n += json_is_number(
			    json_object_get(cell, "rttMedianMs"));
		}
	}
	return n;
}

static void
summary(FILE *to, const json_t *b)
{
	fprintf(to,
	    "%s of %s: %zu VMs, %zu results, %zu latencies, %zu outputs of "
	    "tools\n  measured %s to %s, milkyway %s, %s\n  %s\n",
	    js(b, "mcis"), js(b, "ns"), json_array_size(ja(b, "vms")),
	    json_array_size(ja(b, "results")), cells_known(b),
	    json_object_size(json_object_get(b, "raw")), js(b, "since"),
	    js(b, "until"), js(b, "milkywayVersion"),
	    jb(b, "addresses") ? "with addresses: do not publish it"
			       : "without addresses",
	    js(b, "sha256"));
}

static bool
format_of(const struct cli_cmd *cmd, const char *format, bool *perfkit)
{
	*perfkit = str_eq(format, "perfkit");
	if (*perfkit || str_eq(format, "bundle"))
		return true;
	cli_usage(cmd, "--format: bundle or perfkit");
	return false;
}

/* To a file, or to standard output if out is "-" or NULL. */
static bool
put(const char *out, const struct str *text, struct mw_err *err)
{
	if (out && !str_eq(out, "-"))
		return bundle_write(out, str_cstr(text), text->len, err);
	return fwrite(str_cstr(text), 1, text->len, stdout) == text->len ||
	    err_set(err, MW_INTERNAL, 0, "cannot write to standard output");
}

static void
tell_without(size_t n)
{
	if (n)
		fprintf(stderr,
		    "%zu results without a value are not in it: failed runs "
		    "are no samples\n",
		    n);
}

static int
run_export(struct cli *c, int argc, char **argv)
{
	struct wish w = { .format = "bundle" };
	const struct cli_opt opts[] = { { "out", 0, OPT_STR, &w.out },
		{ "since", 0, OPT_STR, &w.since },
		{ "until", 0, OPT_STR, &w.until },
		{ "kind", 0, OPT_STR, &w.kind }, { "raw", 0, OPT_FLAG, &w.raw },
		{ "with-addresses", 0, OPT_FLAG, &w.addresses },
		{ "format", 0, OPT_STR, &w.format } };
	const struct cli_cmd *cmd = cli_cmd(cmds_bundle, "bundle export");
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	bool perfkit, ok;
	json_t *j;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0 ||
	    !format_of(cmd, w.format, &perfkit))
		return 2;
	if (!w.out)
		return cli_usage(cmd,
		    "--out FILE is needed (- is standard "
		    "output)");
	if (w.kind &&
	    strspn(w.kind, "abcdefghijklmnopqrstuvwxyzRW") != strlen(w.kind))
		return cli_usage(cmd, "--kind cpum");
	j = fetch(c, argv[1], &w, &text, &rc);
	if (j) {
		if (perfkit) {
			str_reset(&text);
			tell_without(bundle_perfkit(j, &text));
		}
		ok = put(w.out, &text, &err);
		rc = ok ? 0 : cli_fail(&err);
		if (ok)
			summary(stderr, j);
	}
	json_decref(j);
	str_free(&text);
	return rc;
}

static int
run_convert(struct cli *c, int argc, char **argv)
{
	const char *out = NULL, *format = "perfkit";
	const struct cli_opt opts[] = { { "out", 0, OPT_STR, &out },
		{ "format", 0, OPT_STR, &format } };
	const struct cli_cmd *cmd = cli_cmd(cmds_bundle, "bundle convert");
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	bool perfkit, ok;
	char *plain;
	json_t *j;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0 ||
	    !format_of(cmd, format, &perfkit))
		return 2;
	j = bundle_load(argv[1], &err);
	if (!j)
		return cli_fail(&err);
	if (perfkit) {
		tell_without(bundle_perfkit(j, &text));
	} else {
		plain = json_text(j, true);
		str_add(&text, plain);
		free(plain);
	}
	ok = put(out, &text, &err);
	str_free(&text);
	json_decref(j);
	return ok ? 0 : cli_fail(&err);
}

/* Looking into one --------------------------------------------------------- */

static void
add_num(struct cli_table *t, double v)
{
	if (isnan(v))
		table_add(t, "%s", "");
	else
		table_add(t, fabs(v) >= 1000 ? "%.0f" : "%.4g", v);
}

static void
print_evals(const struct cli *c, const json_t *b)
{
	static const char *const heads[] = { "SPEC", "KIND", "VARIANT",
		"PROFILE", ">VALUE", "UNIT", ">VMS", ">RESULTS", "VALIDITY",
		"PROVENANCE", NULL };
	struct cli_table *t = table_new(heads);
	json_t *e;
	size_t i;

	json_array_foreach(ja(json_object_get(b, "evaluations"), "items"), i, e)
	{
		double v = jnum(e, "value", NAN);

		table_add(t, "%s", js(e, "specId"));
		table_add(t, "%s", js(e, "kind"));
		table_add(t, "%s", js(e, "variant"));
		table_add(t, "%s", js(e, "profile"));
		add_num(t, isnan(v) ? jnum(e, "flaggedValue", NAN) : v);
		table_add(t, "%s", js(e, "unit"));
		table_add_int(t, e, "nVms");
		table_add_int(t, e, "nResults");
		table_add(t, "%s", js(e, "validity"));
		table_add(t, "%s", js(e, "provenance"));
	}
	table_print(t, c);
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *b;

	if (cli_opts(c, cli_cmd(cmds_bundle, "bundle show"), argc, argv, NULL,
		0, 1, 1) < 0)
		return 2;
	b = bundle_load(argv[1], &err);
	if (!b)
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(b);
	} else {
		summary(c->out == OUT_TABLE ? stdout : stderr, b);
		print_evals(c, b);
	}
	json_decref(b);
	return 0;
}

static int
run_verify(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *b;

	if (cli_opts(c, cli_cmd(cmds_bundle, "bundle verify"), argc, argv, NULL,
		0, 1, 1) < 0)
		return 2;
	b = bundle_load(argv[1], &err);
	if (!b)
		return cli_fail(&err);
	printf("%s is whole: %s\n", argv[1], js(b, "sha256"));
	json_decref(b);
	return 0;
}

/* Comparing two ------------------------------------------------------------ */

static void
add_verdict(struct cli_table *t, const json_t *r)
{
	const char *v = js(r, "verdict");

	table_color(t,
	    str_eq(v, "slower") || str_eq(v, "lost") ? RED
		: str_eq(v, "faster")                ? GREEN
						     : 0);
	table_add(t, "%s", v);
}

static void
add_change(struct cli_table *t, const json_t *r)
{
	double pct = jnum(r, "changePct", NAN);

	if (isnan(pct))
		table_add(t, "%s", "");
	else
		table_add(t, "%+.1f", pct);
}

static void
print_bench(const struct cli *c, const json_t *diff)
{
	static const char *const heads[] = { "SPEC", "KIND", "VARIANT",
		"PROFILE", ">A", ">B", ">CHANGE %", "VERDICT", ">VMS A",
		">VMS B", "WHY", NULL };
	struct cli_table *t = table_new(heads);
	json_t *r, *d;
	size_t i, k;

	json_array_foreach(ja(diff, "benchmarks"), i, r)
	{
		const json_t *a = json_object_get(r, "a"),
			     *b = json_object_get(r, "b");
		struct str why = STR_INIT;

		str_add(&why, js(r, "reason"));
		json_array_foreach(ja(r, "differs"), k, d) str_addf(&why,
		    "%s %s", k ? "," : ":", json_string_value(d));
		table_add(t, "%s", js(r, "specId"));
		table_add(t, "%s", js(r, "kind"));
		table_add(t, "%s", js(r, "variant"));
		table_add(t, "%s", js(r, "profile"));
		add_num(t, jnum(a, "value", NAN));
		add_num(t, jnum(b, "value", NAN));
		add_change(t, r);
		add_verdict(t, r);
		table_add_int(t, a, "nVms");
		table_add_int(t, b, "nVms");
		table_add(t, "%s", str_cstr(&why));
		str_free(&why);
	}
	table_print(t, c);
}

static void
print_pairs(const struct cli *c, const json_t *pairs)
{
	static const char *const heads[] = { "FROM", "TO", ">A ms", ">B ms",
		">CHANGE %", "VERDICT", NULL };
	const json_t *items = ja(pairs, "items");
	size_t n = json_array_size(items), i;
	struct cli_table *t;
	json_t *r;

	if (n == 0 && c->out == OUT_TABLE)
		return;
	t = table_new(heads);
	json_array_foreach((json_t *)(uintptr_t)items, i, r)
	{
		if (c->out == OUT_TABLE && i == PAIRS_SHOWN)
			break;
		table_add(t, "%s", js(r, "src"));
		table_add(t, "%s", js(r, "dst"));
		add_num(t, jnum(r, "aMs", NAN));
		add_num(t, jnum(r, "bMs", NAN));
		add_change(t, r);
		add_verdict(t, r);
	}
	table_print(t, c);
	if (c->out == OUT_TABLE && n > PAIRS_SHOWN)
		fprintf(stderr, "... and %zu more pairs: -o json has all\n",
		    n - PAIRS_SHOWN);
}

/* "3 slower, 1 faster, 20 same"; none: "none". */
static void
add_counts(struct str *s, const json_t *counts)
{
	bool any = false;

	for (int v = 0; v < BUNDLE_VERDICT_COUNT; v++) {
		const char *name = bundle_verdict_name((enum bundle_verdict)v);
		int64_t n = ji(counts, name, 0);

		if (n)
			str_addf(s, "%s%lld %s", any ? ", " : "", (long long)n,
			    name);
		any |= n > 0;
	}
	if (!any)
		str_add(s, "none");
}

static void
diff_summary(const json_t *d)
{
	const json_t *pairs = json_object_get(d, "pairs");
	struct str s = STR_INIT;

	str_addf(&s, "A %s until %s, B %s until %s\nbenchmarks: ",
	    js(json_object_get(d, "a"), "mcis"),
	    js(json_object_get(d, "a"), "until"),
	    js(json_object_get(d, "b"), "mcis"),
	    js(json_object_get(d, "b"), "until"));
	add_counts(&s, json_object_get(d, "benchmarkCounts"));
	str_add(&s, "\nlatencies: ");
	add_counts(&s, json_object_get(pairs, "counts"));
	if (*js(pairs, "reason"))
		str_addf(&s, " (%s)", js(pairs, "reason"));
	if (ji(pairs, "otherSite", 0))
		str_addf(&s, "; %lld VMs are of another spec or region by now",
		    (long long)ji(pairs, "otherSite", 0));
	str_addf(&s, "\nVMs: %zu new, %zu missing\n",
	    json_array_size(ja(d, "newVms")),
	    json_array_size(ja(d, "missingVms")));
	fputs(str_cstr(&s), stderr);
	str_free(&s);
}

static int
run_diff(struct cli *c, int argc, char **argv)
{
	double min_pct = BUNDLE_MIN_PCT;
	const char *table = NULL;
	const struct cli_opt opts[] = { { "min-pct", 0, OPT_NUM, &min_pct },
		{ "table", 0, OPT_STR, &table } };
	const struct cli_cmd *cmd = cli_cmd(cmds_bundle, "bundle diff");
	struct mw_err err = MW_ERR_INIT;
	json_t *a, *b = NULL, *d = NULL;
	bool both;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 2, 2) < 0)
		return 2;
	if (!(min_pct >= 0 && min_pct <= 100))
		return cli_usage(cmd, "--min-pct: 0 to 100");
	if (table && !str_eq(table, "bench") && !str_eq(table, "pairs"))
		return cli_usage(cmd, "--table: bench or pairs");
	a = bundle_load(argv[1], &err);
	b = a ? bundle_load(argv[2], &err) : NULL;
	if (!b) {
		rc = cli_fail(&err);
		goto out;
	}
	d = bundle_diff(a, b, min_pct);
	rc = ji(d, "worse", 0) ? EXIT_NO : 0;
	if (c->out == OUT_JSON) {
		cli_print_json(d);
		goto out;
	}
	/* two tables are no CSV */
	both = !table && c->out == OUT_TABLE;
	if (both || !str_eq(table, "pairs"))
		print_bench(c, d);
	if (both && json_array_size(ja(json_object_get(d, "pairs"), "items")))
		putchar('\n');
	if (both || str_eq(table, "pairs"))
		print_pairs(c, json_object_get(d, "pairs"));
	diff_summary(d);
out:
	json_decref(a);
	json_decref(b);
	json_decref(d);
	return rc;
}

const struct cli_cmd cmds_bundle[] = {
	{ "bundle export", "MCIS --out FILE",
	    "all that was measured on a group, as one file", run_export,
	    "  --out FILE         FILE.json, or packed: FILE.json.gz; - is "
	    "standard output\n"
	    "  --since T          only from then on: 7d, or "
	    "2026-11-21T10:00:00Z\n"
	    "  --until T          only until then; without it to the newest "
	    "measurement\n"
	    "  --kind K           only benchmarks of that kind (and the "
	    "latencies)\n"
	    "  --raw              also what the tools printed\n"
	    "  --with-addresses   keep IP addresses; without it a bundle can "
	    "be published\n"
	    "  --format F         bundle, or perfkit: samples of "
	    "PerfKitBenchmarker\n\n"
	    "As long as nothing is measured, two exports are the same bytes.\n\n"
	    "  milkyway bundle export demo17 --out monday.json.gz\n"
	    "  milkyway place --world monday.json.gz --vms 5 --max-rtt 40\n" },
	{ "bundle show", "FILE", "what is in a bundle", run_show,
	    "-o json prints all of it.\n\n"
	    "  milkyway bundle show monday.json.gz\n" },
	{ "bundle verify", "FILE", "is a bundle whole and unchanged?",
	    run_verify,
	    "Exit status 0: yes. 2: no, or it is no bundle.\n\n"
	    "  milkyway bundle verify monday.json.gz\n" },
	{ "bundle diff", "A B", "what changed between two, beyond noise",
	    run_diff,
	    "  --min-pct P   smaller changes of benchmarks are none (2)\n"
	    "  --table T     only bench or pairs; -o csv gives one of them "
	    "(bench)\n\n"
	    "Exit status 4 if something got worse. Only equal environments are "
	    "compared.\n"
	    "docs/bundles.md has the rules.\n\n"
	    "  milkyway bundle diff monday.json.gz tuesday.json.gz\n" },
	{ "bundle convert", "FILE", "samples of PerfKitBenchmarker, one a line",
	    run_convert,
	    "  --out FILE        instead of standard output\n"
	    "  --format bundle   the bundle itself, in its one canonical form\n\n"
	    "  milkyway bundle convert monday.json.gz --out samples.ndjson\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
