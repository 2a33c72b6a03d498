/*
 * cmd_eval.c - what specs are worth: one row per spec, the numbers behind one
 * kind, and VMs that are far worse than their siblings.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/result.h"
#include "common/pure/when.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define YELLOW 33
#define RED 31
#define CORES_MAX 6 /* sentences about cores */

/* Marks that a table of values made use of: their footnotes follow. */
struct marks {
	bool starred, mixed, stale, replay;
};

struct wish {
	const char *kind, *csp, *region, *spec, *profile, *include;
	const char *max_age; /* "7d" */
	const char *cmd; /* who asks */
};

/* The answer, or NULL after a message; *rc is the exit status. */
static json_t *
ask(struct cli *c, const char *mcis, const struct wish *w, int *rc)
{
	char *base = mcis ? cli_mcis_path(c, mcis, "/evaluations")
			  : xstrdup("/v1/evaluations");
	struct mw_err err = MW_ERR_INIT;
	struct str path = STR_INIT;
	json_t *a = NULL;
	int64_t max_age_s = 0;
	char age[24];

	*rc = 2;
	if (w->max_age && !cli_duration(w->max_age, &max_age_s)) {
		cli_usage(cli_cmd(cmds_eval, w->cmd),
		    "--max-age: a duration is 90s, 5m, 1h or 1d, not %s",
		    w->max_age);
		free(base);
		return NULL;
	}
	if (!base)
		return NULL;
	str_add(&path, base);
	free(base);
	cli_query(&path, "kind", w->kind);
	cli_query(&path, "csp", w->csp);
	cli_query(&path, "region", w->region);
	cli_query(&path, "spec", w->spec);
	cli_query(&path, "profile", w->profile);
	cli_query(&path, "include", w->include);
	if (max_age_s) {
		snprintf(age, sizeof age, "%lld", (long long)max_age_s);
		cli_query(&path, "maxAgeS", age);
	}
	*rc = 0;
	if (!cli_call(c, "GET", path.p, NULL, &a, &err))
		*rc = cli_fail(&err);
	str_free(&path);
	return a;
}

static void
age_of(const json_t *answer, const char *then, char out[WHEN_LEN])
{
	int64_t now, t;

	if (when_parse(js(answer, "evaluatedAt"), &now) && when_parse(then, &t))
		when_age(now > t ? now - t : 0, out);
	else
		snprintf(out, WHEN_LEN, "-");
}

static void
add_num(struct cli_table *t, double v)
{
	char num[32];

	cli_short(v, num);
	table_add(t, "%s", isnan(v) ? "" : num);
}

/* A value with its marks; also a flagged one. */
static void
add_value(struct cli_table *t, const json_t *item, struct marks *m)
{
	double v = jnum(item, "value", NAN);
	bool starred = isnan(v), mixed = jflag(item, "mixedEnv");
	char num[32];

	if (starred)
		v = jnum(item, "flaggedValue", NAN);
	if (isnan(v)) {
		if (item)
			table_color(t, RED);
		table_add(t, "%s", item ? js(item, "valueReason") : "");
		return;
	}
	cli_short(v, num);
	if (starred)
		table_color(t, YELLOW);
	table_add(t, "%s%s%s", num, starred ? "*" : "", mixed ? "~" : "");
	m->starred |= starred;
	m->mixed |= mixed;
	m->replay |= jflag(item, "replay");
}

static void
footnotes(const struct marks *m)
{
	if (m->starred)
		printf("* not fully valid: nothing better was measured "
		       "(milkyway eval --kind K tells)\n");
	if (m->mixed)
		printf("~ VMs of another environment are left out "
		       "(-o json lists them)\n");
	if (m->stale)
		printf("! the newest result is older than a week\n");
	if (m->replay)
		printf("replayed numbers of an emulated cloud are among them, "
		       "no measurements\n");
}

/* The standard variant of a kind of that spec; NULL if there is none. */
static const json_t *
item_of(const json_t *answer, const json_t *spec, const char *kind)
{
	json_t *x;
	size_t i;

	json_array_foreach(ja(answer, "items"), i, x)
	{
		if (str_eq(js(x, "kind"), kind) &&
		    str_eq(js(x, "variant"), "std") &&
		    str_eq(js(x, "spec"), js(spec, "spec")) &&
		    str_eq(js(x, "region"), js(spec, "region")) &&
		    str_eq(js(x, "csp"), js(spec, "csp")))
			return x;
	}
	return NULL;
}

/* VMs and age of a row: the fewest and the oldest of what is shown. */
static void
add_basis(struct cli_table *t, const json_t *answer, const json_t *spec,
    struct marks *m)
{
	const char *oldest = "";
	char age[WHEN_LEN];
	int64_t vms = -1;
	bool stale = false;

	for (int k = KIND_CPUS; k <= KIND_DBW; k++) {
		const json_t *x =
		    item_of(answer, spec, kind_info((enum kind)k)->name);
		int64_t n = ji(x, "nVms", 0);

		if (n <= 0)
			continue;
		vms = vms < 0 || n < vms ? n : vms;
		stale |= jflag(x, "stale");
		if (!*oldest || strcmp(js(x, "newestAt"), oldest) < 0)
			oldest = js(x, "newestAt");
	}
	if (vms > 0)
		table_add(t, "%lld", (long long)vms);
	else
		table_add(t, "%s", "");
	age_of(answer, oldest, age);
	if (stale)
		table_color(t, YELLOW);
	table_add(t, "%s%s", age, stale ? "!" : "");
	m->stale |= stale;
}

static void
add_spec(struct cli_table *t, const json_t *answer, const json_t *s,
    struct marks *m)
{
	double cores = jnum(s, "effectiveCores", NAN);
	const json_t *cpum = item_of(answer, s, "cpum");
	char money[32];

	table_add(t, "%s", js(s, "spec"));
	table_add(t, "%s%s%s", js(s, "csp"), js(s, "csp")[0] ? "-" : "",
	    js(s, "region"));
	table_add_int(t, s, "vcpu");
	add_value(t, item_of(answer, s, "cpus"), m);
	add_value(t, cpum, m);
	if (isnan(cores))
		table_add(t, "%s", "");
	else
		table_add(t, "%.1f%s", cores,
		    jb(s, "scalingFlagged") ? "*" : "");
	for (int k = KIND_MEMR; k <= KIND_DBW; k++)
		add_value(t, item_of(answer, s, kind_info((enum kind)k)->name),
		    m);
	cli_money(ji(s, "costPerHourMicros", -1), money);
	table_add(t, "%s", money);
	add_num(t, jnum(cpum, "unitsPerCostHour", NAN));
	cli_money(ji(s, "costPerCoreMicros", -1), money);
	table_add(t, "%s", money);
	add_basis(t, answer, s, m);
}

/* What the vCPUs are: of few specs all, of many what is out of the ordinary.
 * Nothing is said from values that are not fully valid. */
static void
print_cores(const json_t *specs)
{
	bool few = json_array_size(specs) <= CORES_MAX;
	size_t i, n = 0;
	json_t *s;

	json_array_foreach(specs, i, s)
	{
		double eff = jnum(s, "efficiency", NAN);

		if (!js(s, "cores")[0] || jb(s, "scalingFlagged") ||
		    (!few && eff > 0.6 && eff < 1.1))
			continue;
		if (++n <= CORES_MAX)
			printf("%s%s%s %s: %s\n", js(s, "csp"),
			    js(s, "csp")[0] ? "-" : "", js(s, "region"),
			    js(s, "spec"), js(s, "cores"));
	}
	if (n > CORES_MAX)
		printf("and %zu more like these (-o json)\n", n - CORES_MAX);
}

static void
print_specs(struct cli *c, const json_t *answer)
{
	static const char *const heads[] = { "SPEC", "REGION", ">VCPU", ">CPUS",
		">CPUM", ">CORES", ">MEMR", ">MEMW", ">FIOR", ">FIOW", ">DBR",
		">DBW", ">PRICE/H", ">CPUM/PRICE", ">PRICE/CORE", ">VMS",
		">AGE", NULL };
	struct cli_table *t = table_new(heads);
	struct marks m = { false };
	json_t *s;
	size_t i;

	json_array_foreach(ja(answer, "specs"), i, s)
	    add_spec(t, answer, s, &m);
	table_print(t, c);
	printf("cpu events/s, mem and fio MiB/s, db transactions/s: medians "
	       "over VMs. CORES = CPUM/CPUS:\nhow many times one thread's work "
	       "all vCPUs do together.\n");
	print_cores(ja(answer, "specs"));
	footnotes(&m);
}

/* All that is known: a row per spec, kind and variant. */
static void
print_items(struct cli *c, const json_t *answer)
{
	static const char *const heads[] = { "SPEC", "REGION", "KIND",
		"VARIANT", "PROFILE", ">VALUE", "UNIT", ">CI LOW", ">CI HIGH",
		"CI METHOD", ">MADCV", ">VMS", ">RESULTS", ">VALUE/PRICE",
		"AGE", "VALIDITY", "FLAGS", NULL };
	struct cli_table *t = table_new(heads);
	struct marks m = { false };
	char age[WHEN_LEN];
	json_t *x, *f;
	size_t i, k;

	json_array_foreach(ja(answer, "items"), i, x)
	{
		struct str flags = STR_INIT;

		json_array_foreach(ja(x, "flags"), k, f)
		    str_addf(&flags, "%s%s", k ? " " : "",
			json_string_value(f) ? json_string_value(f) : "");
		table_add(t, "%s", js(x, "spec"));
		table_add(t, "%s%s%s", js(x, "csp"), js(x, "csp")[0] ? "-" : "",
		    js(x, "region"));
		table_add(t, "%s", js(x, "kind"));
		table_add(t, "%s", js(x, "variant"));
		table_add(t, "%s", js(x, "profile"));
		if (c->out == OUT_CSV)
			add_num(t,
			    jnum(x, "value", jnum(x, "flaggedValue", NAN)));
		else
			add_value(t, x, &m);
		table_add(t, "%s", js(x, "unit"));
		add_num(t, jnum(x, "ciLow", NAN));
		add_num(t, jnum(x, "ciHigh", NAN));
		table_add(t, "%s", js(x, "ciMethod"));
		if (isnan(jnum(x, "madCv", NAN)))
			table_add(t, "%s", "");
		else
			table_add(t, "%.3f", jnum(x, "madCv", NAN));
		table_add_int(t, x, "nVms");
		table_add_int(t, x, "nResults");
		add_num(t, jnum(x, "unitsPerCostHour", NAN));
		age_of(answer, js(x, "newestAt"), age);
		table_add(t, "%s", age);
		table_add(t, "%s", js(x, "validity"));
		table_add(t, "%s", str_cstr(&flags));
		str_free(&flags);
	}
	table_print(t, c);
	if (c->out == OUT_TABLE)
		footnotes(&m);
}

static int
run_eval(struct cli *c, int argc, char **argv)
{
	struct wish w = { .cmd = "eval" };
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &w.kind },
		{ "csp", 0, OPT_STR, &w.csp },
		{ "region", 0, OPT_STR, &w.region },
		{ "spec", 0, OPT_STR, &w.spec },
		{ "profile", 'p', OPT_STR, &w.profile },
		{ "include", 0, OPT_STR, &w.include },
		{ "max-age", 0, OPT_STR, &w.max_age },
	};
	json_t *a;
	int n, rc;

	n = cli_opts(c, cli_cmd(cmds_eval, "eval"), argc, argv, opts,
	    ARRAY_LEN(opts), 0, 1);
	if (n < 0)
		return 2;
	a = ask(c, n ? argv[1] : NULL, &w, &rc);
	if (!a)
		return rc;
	if (c->out == OUT_JSON) {
		cli_print_json(a);
	} else if (!json_array_size(ja(a, "items")) && c->out == OUT_TABLE) {
		fprintf(stderr,
		    "milkyway: no results to evaluate\n"
		    "  way out: milkyway bench run %s\n",
		    n ? argv[1] : "NAME");
	} else if (c->out == OUT_CSV || w.kind) {
		print_items(c, a);
	} else {
		print_specs(c, a);
	}
	json_decref(a);
	return 0;
}

static void
print_lemons(struct cli *c, const json_t *lemons)
{
	static const char *const heads[] = { "VM", "SPEC", "KIND", ">VALUE",
		">SIBLINGS", ">WORSE %", ">Z", ">OF", ">WASTE/MONTH", ">REROLL",
		"NOTE", NULL };
	struct cli_table *t = table_new(heads);
	char money[32];
	json_t *l, *k;
	size_t i, j;

	json_array_foreach(lemons, i, l)
	{
		json_array_foreach(ja(l, "kinds"), j, k)
		{
			table_add(t, "%s", js(l, "vmId"));
			table_add(t, "%s",
			    js(l, "specId")[0] ? js(l, "specId")
					       : js(l, "spec"));
			table_add(t, "%s", js(k, "kind"));
			add_num(t, jnum(k, "value", NAN));
			add_num(t, jnum(k, "siblingsMedian", NAN));
			table_color(t, RED);
			table_add(t, "%.0f", jnum(k, "worsePct", NAN));
			table_add(t, "%.1f", jnum(k, "z", NAN));
			table_add_int(t, k, "nSiblings");
			cli_money(ji(l, "wastePerMonthMicros", -1), money);
			table_add(t, "%s", money);
			cli_money(ji(l, "rerollCostMicros", -1), money);
			table_add(t, "%s", money);
			table_add(t, "%s",
			    jb(k, "otherEnv") ? "another environment" : "");
		}
	}
	table_print(t, c);
}

static int
run_lemons(struct cli *c, int argc, char **argv)
{
	struct wish w = { .cmd = "eval lemons" };
	const struct cli_opt opts[] = {
		{ "profile", 'p', OPT_STR, &w.profile },
		{ "include", 0, OPT_STR, &w.include },
		{ "max-age", 0, OPT_STR, &w.max_age },
	};
	const char *mcis;
	json_t *a, *lemons;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_eval, "eval lemons"), argc, argv, opts,
		ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	mcis = argv[1];
	a = ask(c, mcis, &w, &rc);
	if (!a)
		return rc;
	lemons = ja(a, "lemons");
	if (c->out == OUT_JSON)
		cli_print_json(json_object_get(a, "lemons"));
	else if (c->out == OUT_CSV || json_array_size(lemons))
		print_lemons(c, lemons);
	else
		printf("no lemons: no VM is far worse than at least three "
		       "siblings of its spec\n");
	if (json_array_size(lemons) && c->out == OUT_TABLE)
		fprintf(stderr,
		    "roll again: milkyway mcis terminate %s --vm %s\n"
		    "            milkyway mcis refine %s\n"
		    "            milkyway mcis create -f FILE\n",
		    mcis, js(json_array_get(lemons, 0), "vmId"), mcis);
	json_decref(a);
	return 0;
}

#define EVAL_OPTIONS                                                     \
	"  -p, --profile P    only results of this profile (the most\n"  \
	"                     thorough: deep, standard, quick)\n"        \
	"  --include V,..     count also contended, stolen, throttled, " \
	"tooFew;\n"                                                      \
	"                     all\n"                                     \
	"  --max-age D        leave out what is older: 90s, 5m, 1h, 7d (30d)\n"

const struct cli_cmd cmds_eval[] = {
	{ "eval", "[MCIS]", "what specs are worth, from all VMs' results",
	    run_eval,
	    "  -k, --kind K       the numbers behind one kind: interval, "
	    "spread\n"
	    "  --csp C, --region R, --spec S\n" EVAL_OPTIONS
	    "\nA value is the median over VMs of each VM's newest valid "
	    "result.\n"
	    "Prices are in the currency of the cloud; unknown is a dash.\n\n"
	    "  milkyway eval demo17\n"
	    "  milkyway eval --csp gcp --kind cpum\n"
	    "  milkyway eval -o csv >eval.csv\n" },
	{ "eval lemons", "MCIS", "VMs far worse than their siblings",
	    run_lemons,
	    EVAL_OPTIONS
	    "\nA VM is a lemon if among at least 4 of its spec it is more "
	    "than 10 %\nworse than the median and far outside their spread "
	    "(z below -3.5).\nWASTE is what is paid a month for what it does "
	    "not do, REROLL one\nhour of its price: the most another try "
	    "costs.\n\n"
	    "  milkyway eval lemons demo17\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
