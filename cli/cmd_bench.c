/*
 * cmd_bench.c - benchmarks: run, show, list, cancel.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/result.h"

#include <math.h>
#include <string.h>

static void bench_print(struct cli *c, const json_t *run);

/* "cpus,cpum" to ["cpus","cpum"]; NULL after a message. */
static json_t *
kinds_of(const struct cli_cmd *cmd, const char *list)
{
	json_t *a = json_array();
	const char *p = list, *e;
	char word[16];
	enum kind k;

	for (;;) {
		e = strchr(p, ',');
		snprintf(word, sizeof word, "%.*s",
		    (int)(e ? e - p : (long)strlen(p)), p);
		if (!kind_parse(word, &k)) {
			cli_usage(cmd, "no benchmark kind \"%s\"", word);
			json_decref(a);
			return NULL;
		}
		json_array_append_new(a, json_string(word));
		if (!e)
			return a;
		p = e + 1;
	}
}

static int
run_run(struct cli *c, int argc, char **argv)
{
	const char *kinds = NULL, *profile = "quick", *engine = NULL;
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &kinds },
		{ "profile", 'p', OPT_STR, &profile },
		{ "db-engine", 0, OPT_STR, &engine },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_bench, "bench run");
	struct mw_err err = MW_ERR_INIT;
	json_t *body, *end = NULL, *run = NULL, *list;
	char *path, *rest;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	body = json_object();
	json_put_str(body, "profile", profile);
	if (engine)
		json_put_str(body, "dbEngine", engine);
	if (kinds) {
		list = kinds_of(cmd, kinds);
		if (!list) {
			json_decref(body);
			return 2;
		}
		json_put(body, "kinds", list);
	}
	path = cli_mcis_path(c, argv[1], "/benchmarks");
	if (!path) {
		json_decref(body);
		return 2;
	}
	rc = cli_act(c, "POST", path, body, &end);
	free(path);
	/* The action's target is the run: .../benchmarks/b-12 */
	if (end && strrchr(js(end, "target"), '/') && js(end, "state")[0]) {
		rest =
		    xasprintf("/benchmarks%s", strrchr(js(end, "target"), '/'));
		path = cli_mcis_path(c, argv[1], rest);
		if (cli_call(c, "GET", path, NULL, &run, &err))
			bench_print(c, run);
		else
			rc = cli_fail(&err);
		free(rest);
		free(path);
	}
	json_decref(run);
	json_decref(end);
	return rc;
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	const char *kind = NULL, *id = NULL;
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &kind },
		{ "run", 0, OPT_STR, &id },
	};
	struct mw_err err = MW_ERR_INIT;
	json_t *run = NULL;
	char *path, *rest;

	if (cli_opts(c, cli_cmd(cmds_bench, "bench show"), argc, argv, opts, 2,
		1, 1) < 0)
		return 2;
	rest = id ? xasprintf("/benchmarks/%s", id)
		  : xasprintf("/results?latest=1%s%s", kind ? "&kind=" : "",
			kind ? kind : "");
	path = cli_mcis_path(c, argv[1], rest);
	free(rest);
	if (!path)
		return 2;
	if (!cli_call(c, "GET", path, NULL, &run, &err)) {
		free(path);
		return cli_fail(&err);
	}
	free(path);
	bench_print(c, run);
	json_decref(run);
	return 0;
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "RUN", "STATE", "PROFILE",
		"STARTED", "ENDED", NULL };
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL, *r;
	struct cli_table *t;
	char *path;
	size_t i;

	if (cli_opts(c, cli_cmd(cmds_bench, "bench list"), argc, argv, NULL, 0,
		1, 1) < 0)
		return 2;
	path = cli_mcis_path(c, argv[1], "/benchmarks");
	if (!path)
		return 2;
	if (!cli_call(c, "GET", path, NULL, &a, &err)) {
		free(path);
		return cli_fail(&err);
	}
	free(path);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
	} else {
		t = table_new(heads);
		json_array_foreach(ja(a, "items"), i, r)
		{
			table_add(t, "%s", js(r, "runId"));
			table_add(t, "%s", js(r, "state"));
			table_add(t, "%s", js(r, "profile"));
			table_add(t, "%s", js(r, "startedAt"));
			table_add(t, "%s", js(r, "endedAt"));
		}
		table_print(t, c);
	}
	json_decref(a);
	return 0;
}

/* Three or four significant digits, whatever the size. */
static void
short_num(double v, char out[32])
{
	if (isnan(v))
		snprintf(out, 32, "-");
	else if (fabs(v) >= 1000)
		snprintf(out, 32, "%.0f", v);
	else
		snprintf(out, 32, fabs(v) >= 100 ? "%.1f" : "%.2f", v);
}

/* CSV and lists: a row per result. */
static void
print_rows(struct cli *c, const json_t *results)
{
	static const char *const heads[] = { "VM", "SPEC", "KIND", ">VALUE",
		"UNIT", ">CI LOW", ">CI HIGH", ">N", "VALIDITY", "WHY", NULL };
	struct cli_table *t = table_new(heads);
	char num[32];
	json_t *r;
	size_t i;

	json_array_foreach(results, i, r)
	{
		table_add(t, "%s", js(r, "vmId"));
		table_add(t, "%s", js(r, "specId"));
		table_add(t, "%s", js(r, "kind"));
		short_num(jnum(r, "value", NAN), num);
		table_add(t, "%s", num);
		table_add(t, "%s", js(r, "unit"));
		short_num(jnum(r, "ciLow", NAN), num);
		table_add(t, "%s", num);
		short_num(jnum(r, "ciHigh", NAN), num);
		table_add(t, "%s", num);
		table_add_int(t, r, "nValid");
		table_add(t, "%s", js(r, "validity"));
		table_add(t, "%s",
		    js(r, "valueReason")[0] ? js(r, "valueReason")
					    : js(r, "substatus"));
	}
	table_print(t, c);
}

static const json_t *
find(const json_t *results, const char *vm, const char *kind)
{
	json_t *r;
	size_t i;

	json_array_foreach(results, i, r) if (str_eq(js(r, "vmId"), vm) &&
	    str_eq(js(r, "kind"), kind)) return r;
	return NULL;
}

static void
add_value(struct cli_table *t, const json_t *r)
{
	char num[32];

	if (!r) {
		table_add(t, "%s", "");
		return;
	}
	if (!json_is_number(json_object_get(r, "value"))) {
		table_color(t, 31);
		table_add(t, "%s",
		    js(r, "substatus")[0] ? js(r, "substatus") : "failed");
		return;
	}
	short_num(jnum(r, "value", NAN), num);
	if (!str_eq(js(r, "validity"), "ok"))
		table_color(t, 33);
	table_add(t, "%s%s", num, str_eq(js(r, "validity"), "ok") ? "" : "*");
}

/* People: a row per VM, a column per kind. */
static void
print_grid(struct cli *c, const json_t *results)
{
	static const char *const heads[] = { "VM", "SPEC", ">CPUS ev/s",
		">CPUM ev/s", ">MEMR MiB/s", ">MEMW MiB/s", ">FIOR MiB/s",
		">FIOW MiB/s", ">DBR tx/s", ">DBW tx/s", NULL };
	struct cli_table *t = table_new(heads);
	bool starred = false;
	json_t *r;
	size_t i, j;

	json_array_foreach(results, i, r)
	{
		const char *vm = js(r, "vmId");

		starred |= !str_eq(js(r, "validity"), "ok");
		for (j = 0; j < i; j++)
			if (str_eq(js(json_array_get(results, j), "vmId"), vm))
				break;
		if (j < i || str_eq(js(r, "kind"), "rtt"))
			continue;
		table_add(t, "%s", vm);
		table_add(t, "%s", js(r, "specId"));
		for (int k = KIND_CPUS; k <= KIND_DBW; k++)
			add_value(t,
			    find(results, vm, kind_info((enum kind)k)->name));
	}
	table_print(t, c);
	if (starred)
		printf(
		    "* not fully valid (see: milkyway bench show NAME -o csv)\n");
}

static void
bench_print(struct cli *c, const json_t *run)
{
	const json_t *results = ja(run, "results");
	json_t *vm;
	size_t i;

	if (!results)
		results = ja(run, "items");
	if (c->out == OUT_JSON) {
		cli_print_json(run);
		return;
	}
	if (c->out == OUT_CSV) {
		print_rows(c, results);
		return;
	}
	print_grid(c, results);
	json_array_foreach(ja(run, "vms"), i, vm) if (js(vm, "error")[0])
	    printf("%s: %s\n", js(vm, "vmId"), js(vm, "error"));
}

const struct cli_cmd cmds_bench[] = {
	{ "bench run", "NAME", "benchmark every VM from inside", run_run,
	    "  -k, --kind K,..      cpus cpum memR memW fioR fioW dbR dbW (all)\n"
	    "  -p, --profile P      quick, standard or deep (quick)\n"
	    "      --db-engine E    for dbR, dbW: mariadb, pgsql or lite (mariadb)\n\n"
	    "One benchmark at a time runs on a VM and on a physical machine, so\n"
	    "numbers are of that VM alone. Values are medians; a star marks a value\n"
	    "that is not fully valid.\n\n"
	    "  milkyway bench run demo17 --kind cpus,cpum\n"
	    "  milkyway bench show demo17 -o csv\n" },
	{ "bench show", "NAME", "latest results, or one run", run_show,
	    "  -k, --kind K    only this kind\n  --run ID        this run\n" },
	{ "bench list", "NAME", "runs so far", run_list, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
