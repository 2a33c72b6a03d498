/*
 * cmd_bench.c - benchmarks: run, show, list, cancel.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/lane.h"
#include "common/pure/when.h"

#include <string.h>

/* "cpus,cpum" to ["cpus","cpum"]; NULL after a message. */
static json_t *
kinds_of(const struct cli_cmd *cmd, const char *list)
{
	json_t *a = json_array();
	const char *p = list, *e;
	char word[LANE_NAME_MAX];
	unsigned lane;

	for (;;) {
		e = strchr(p, ',');
		snprintf(word, sizeof word, "%.*s",
		    (int)(e ? e - p : (long)strlen(p)), p);
		if (!lane_parse(word, &lane)) {
			cli_usage(cmd,
			    "no benchmark kind \"%s\" (see: milkyway bench "
			    "kinds)",
			    word);
			json_decref(a);
			return NULL;
		}
		json_array_append_new(a, json_string(word));
		if (!e)
			return a;
		p = e + 1;
	}
}

static bool
put_age(const struct cli_cmd *cmd, json_t *body, const char *age)
{
	int64_t s;

	if (!age)
		return true;
	if (!cli_duration(age, &s)) {
		cli_usage(cmd, "--max-age: a duration is 90s, 5m, 1h or 1d");
		return false;
	}
	json_put_int(body, "maxAgeS", s);
	return true;
}

/* The results of the run, and what it did not have to measure again. */
static bool
show_end(struct cli *c, const char *mcis, const json_t *end, struct mw_err *err)
{
	/* The action's target is the run: .../benchmarks/b-12 */
	const char *slash = strrchr(js(end, "target"), '/');
	json_t *run = NULL;
	char *path, *rest;
	bool ok;

	if (!slash || !js(end, "state")[0])
		return true;
	rest = ji(end, "reused", 0) > 0 ? xstrdup("/results?latest=1")
					: xasprintf("/benchmarks%s", slash);
	path = cli_mcis_path(c, mcis, rest);
	ok = cli_call(c, "GET", path, NULL, &run, err);
	if (ok)
		bench_print(c, run, false);
	json_decref(run);
	free(rest);
	free(path);
	return ok;
}

static int
run_run(struct cli *c, int argc, char **argv)
{
	const char *kinds = NULL, *profile = "quick", *engine = NULL;
	const char *age = NULL;
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &kinds },
		{ "profile", 'p', OPT_STR, &profile },
		{ "db-engine", 0, OPT_STR, &engine },
		{ "max-age", 0, OPT_STR, &age },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_bench, "bench run");
	struct mw_err err = MW_ERR_INIT;
	json_t *body, *end = NULL, *list;
	char *path;
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
	if (!path || !put_age(cmd, body, age)) {
		json_decref(body);
		free(path);
		return 2;
	}
	rc = cli_act(c, "POST", path, body, &end);
	free(path);
	if (end && json_object_get(end, "results")) {
		fprintf(stderr, "measured within %s already\n", age);
		bench_print(c, end, false);
	} else if (end && !show_end(c, argv[1], end, &err)) {
		rc = cli_fail(&err);
	}
	json_decref(end);
	return rc;
}

/* Only the results of "fioR" (all variants) or "fioR.seq" (this one). */
static void
keep_kind(json_t *run, const char *name)
{
	json_t *list = json_object_get(run, "results"), *r;
	const char *dot = strchr(name, '.');
	size_t i, n = dot ? (size_t)(dot - name) : strlen(name);

	if (!list)
		list = json_object_get(run, "items");
	for (i = json_array_size(list); i-- > 0;) {
		r = json_array_get(list, i);
		if (strlen(js(r, "kind")) != n ||
		    strncmp(js(r, "kind"), name, n) != 0 ||
		    (dot && !str_eq(js(r, "variant"), dot + 1)))
			json_array_remove(list, i);
	}
}

static bool
kind_known(const char *name)
{
	unsigned lane;
	enum kind kind;

	return lane_parse(name, &lane) || kind_parse(name, &kind);
}

static int
show(struct cli *c, const char *cmd, int argc, char **argv, bool rows)
{
	const char *kind = NULL, *id = NULL, *at = NULL;
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &kind },
		{ "run", 0, OPT_STR, &id },
		{ "at", 0, OPT_STR, &at },
	};
	char utc[WHEN_LEN];
	json_t *run = NULL;
	char *path, *rest;
	int n =
	    cli_opts(c, cli_cmd(cmds_bench, cmd), argc, argv, opts, 3, 1, 2);
	int rc;

	if (n < 0 || (at && !cli_time(cli_cmd(cmds_bench, cmd), "at", at, utc)))
		return 2;
	if (n == 2)
		id = argv[2];
	if (id && at)
		return cli_usage(cli_cmd(cmds_bench, cmd),
		    "a run or --at, not both");
	if (kind && !kind_known(kind))
		return cli_usage(cli_cmd(cmds_bench, cmd),
		    "no benchmark kind \"%s\" (see: milkyway bench kinds)",
		    kind);
	if (id && !cli_id(id))
		return 2;
	rest = id ? xasprintf("/benchmarks/%s", id)
		  : xasprintf("/results?latest=1&limit=100000%s%s",
			at ? "&at=" : "", at ? utc : "");
	path = cli_mcis_path(c, argv[1], rest);
	free(rest);
	rc = cli_get(c, path, &run);
	if (rc)
		return rc;
	if (kind)
		keep_kind(run, kind);
	bench_print(c, run, rows);
	json_decref(run);
	return 0;
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	return show(c, "bench show", argc, argv, false);
}

static int
run_results(struct cli *c, int argc, char **argv)
{
	return show(c, "bench results", argc, argv, true);
}

static int
run_raw(struct cli *c, int argc, char **argv)
{
	const struct cli_cmd *cmd = cli_cmd(cmds_bench, "bench raw");
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	char *path;
	bool ok;

	if (cli_opts(c, cmd, argc, argv, NULL, 0, 1, 1) < 0)
		return 2;
	if (strspn(argv[1], "r-0123456789") != strlen(argv[1]))
		return cli_usage(cmd, "a result is named r-N, not \"%s\"",
		    argv[1]);
	path = cli_path("/v1/results/", argv[1], "/raw");
	if (!path)
		return 2;
	ok = cli_text(c, path, &text, &err);
	free(path);
	if (ok)
		fputs(str_cstr(&text), stdout);
	str_free(&text);
	return ok ? 0 : cli_fail(&err);
}

/* In which profiles a lane is measured without being named. */
static void
profiles_of(unsigned lane, char *out, size_t size)
{
	static const char *const names[] = { "quick", "standard", "deep",
		"legacy" };
	size_t used = 0;

	out[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (lanes_default(names[i]) & LANE_BIT(lane))
			used += (size_t)snprintf(out + used, size - used,
			    "%s%s", used ? " " : "", names[i]);
}

static int
run_kinds(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "KIND", "UNIT", "BETTER",
		"MEASURED IN", "WHAT", NULL };
	char name[LANE_NAME_MAX], profiles[64];
	json_t *list = json_array();
	struct cli_table *t = table_new(heads);

	if (cli_opts(c, cli_cmd(cmds_bench, "bench kinds"), argc, argv, NULL, 0,
		0, 0) < 0) {
		json_decref(list);
		table_free(t);
		return 2;
	}
	for (unsigned i = 0; i < LANE_COUNT; i++) {
		const struct lane_info *l = lane_info(i);
		const struct kind_info *k = kind_info(l->kind);
		json_t *o = json_object();

		lane_name(i, name);
		profiles_of(i, profiles, sizeof profiles);
		table_add(t, "%s", name);
		table_add(t, "%s", k->unit);
		table_add(t, "%s", k->higher_is_better ? "higher" : "lower");
		table_add(t, "%s",
		    profiles[0]        ? profiles
			: k->exclusive ? "if named"
				       : "milkyway matrix");
		table_add(t, "%s", l->what);
		json_put_str(o, "name", name);
		json_put_str(o, "kind", k->name);
		json_put_str(o, "variant", l->variant);
		json_put_str(o, "unit", k->unit);
		json_put_str(o, "direction",
		    k->higher_is_better ? "higher" : "lower");
		json_put_str(o, "profiles", profiles);
		json_put_str(o, "what", l->what);
		json_array_append_new(list, o);
	}
	if (c->out == OUT_JSON) {
		cli_print_json(list);
		table_free(t);
	} else {
		table_print(t, c);
	}
	json_decref(list);
	return 0;
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "RUN", "STATE", "PROFILE",
		"STARTED", "ENDED", NULL };
	json_t *a = NULL, *r;
	struct cli_table *t;
	size_t i;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_bench, "bench list"), argc, argv, NULL, 0,
		1, 1) < 0)
		return 2;
	rc = cli_get(c, cli_mcis_path(c, argv[1], "/benchmarks"), &a);
	if (rc)
		return rc;
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

#define SHOW_OPTS                                                   \
	"  -k, --kind K    only this kind, e.g. fioR or fioR.seq\n" \
	"  --run ID        this run\n"                              \
	"  --at TIME       what was known then: 2026-11-21T10:00:00Z, or 2h ago\n"

const struct cli_cmd cmds_bench[] = {
	{ "bench run", "NAME", "benchmark every VM from inside", run_run,
	    "  -k, --kind K,..      cpus, fioR.seq, ...: see milkyway bench kinds\n"
	    "                       (all that the profile has)\n"
	    "  -p, --profile P      quick, standard, deep or legacy (quick)\n"
	    "      --db-engine E    for dbR, dbW: mariadb, pgsql or lite (mariadb)\n"
	    "      --max-age D      not what was measured within 90s, 5m, 1h, 1d\n\n"
	    "One benchmark at a time runs on a VM and on a physical machine, so\n"
	    "numbers are of that VM alone. A value is the median of repetitions that\n"
	    "nothing disturbed; a star marks a value that is not fully valid.\n\n"
	    "  milkyway bench run demo17 --kind cpus,cpum\n"
	    "  milkyway bench run demo17 --profile standard --kind fioR,fioR.seq\n"
	    "  milkyway bench run demo17 --kind cpus --max-age 1h\n"
	    "  milkyway bench results demo17\n" },
	{ "bench show", "NAME [RUN]",
	    "latest results, or one run: a row per VM", run_show, SHOW_OPTS },
	{ "bench results", "NAME [RUN]",
	    "the same, a row per result: interval, repetitions, validity",
	    run_results,
	    SHOW_OPTS
	    "\nVALID is how many of the repetitions nothing disturbed. The interval\n"
	    "holds the true median with at least 95 %. All that is known of a result,\n"
	    "with each repetition: -o json; what the tool printed: bench raw.\n\n"
	    "  milkyway bench results demo17 --kind cpus\n"
	    "  milkyway bench results demo17 b-3 -o csv\n" },
	{ "bench raw", "RESULT", "what the tool printed for one result",
	    run_raw, "  milkyway bench raw r-12\n" },
	{ "bench list", "NAME", "runs so far", run_list, "" },
	{ "bench kinds", "", "what can be measured, in which unit", run_kinds,
	    "A kind is compared only with itself: same kind, same variant, same\n"
	    "command, same version of the tool.\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
