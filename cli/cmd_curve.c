/*
 * cmd_curve.c - what-if curves, Pareto fronts, sizes, moves, comparisons of
 * groups: tables, CSV, and the curve as a picture.
 */
#include "cli/question.h"

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"

#include <math.h>
#include <string.h>

/* "aws-a x2, gcp-b": sites of a group, counted. */
static void
sites_text(const json_t *group, struct str *out)
{
	const json_t *members = ja(group, "members");
	size_t n = json_array_size(members);

	for (size_t i = 0; i < n; i++) {
		const char *site = js(json_array_get(members, i), "site");
		size_t same = 0, before = 0;

		for (size_t j = 0; j < n; j++) {
			bool eq = str_eq(site,
			    js(json_array_get(members, j), "site"));

			same += eq;
			before += eq && j < i;
		}
		if (before)
			continue;
		str_addf(out, "%s%s", out->len ? ", " : "", site);
		if (same > 1)
			str_addf(out, " x%zu", same);
	}
}

static void
add_ms(struct cli_table *t, const json_t *o, const char *key)
{
	double ms = jnum(o, key, NAN);

	if (isnan(ms))
		table_add(t, "%s", "");
	else
		table_add(t, "%.3f", ms);
}

static void
add_money(struct cli_table *t, const json_t *o)
{
	char money[32] = "";

	if (json_is_integer(json_object_get(o, "costPerHourMicros")))
		cli_money(ji(o, "costPerHourMicros", 0), money);
	table_add(t, "%s", money);
}

/* What the curve is not: cut, unproved, without data. */
static void
curve_notes(const json_t *a, const char *list)
{
	bool proved = true;
	json_t *p;
	size_t i;

	json_array_foreach(ja(a, list), i, p) proved =
	    proved && jb(p, "proved");
	if (!proved)
		fprintf(stderr,
		    "note: a point that was not proved is marked with ?\n");
	if (js(a, "noDataReason")[0])
		fprintf(stderr, "note: %s\n", js(a, "noDataReason"));
	if (!jb(a, "complete"))
		fprintf(stderr,
		    "note: the curve goes on; it was cut by its %s\n",
		    js(a, "cut")[0] ? js(a, "cut") : "number of points");
}

static int
print_points(struct cli *c, const json_t *a)
{
	static const char *const heads[] = { ">ABOVE MS", ">UP TO MS", ">USD/H",
		">SCORE", "", "GROUP", NULL };
	struct cli_table *t = table_new(heads);
	json_t *p;
	size_t i;

	json_array_foreach(ja(a, "points"), i, p)
	{
		struct str s = STR_INIT;

		sites_text(p, &s);
		add_ms(t, p, "aboveMs");
		if (json_is_null(json_object_get(p, "upToMs")))
			table_add(t, "%s", "any");
		else
			add_ms(t, p, "upToMs");
		add_money(t, p);
		table_add_int(t, p, "score");
		table_add(t, "%s%s", jb(p, "knee") ? "knee" : "",
		    jb(p, "proved") ? "" : "?");
		table_add(t, "%s", str_cstr(&s));
		str_free(&s);
	}
	table_print(t, c);
	curve_notes(a, "points");
	if (json_array_size(ja(a, "points")))
		return 0;
	printf("no limit on the latency helps: no group meets the rest\n");
	return EXIT_NO;
}

static int
print_sizes(struct cli *c, const json_t *a)
{
	static const char *const heads[] = { ">VMS", ">LIMIT ABOVE MS", "",
		NULL };
	struct cli_table *t = table_new(heads);
	json_t *s;
	size_t i;

	json_array_foreach(ja(a, "sizes"), i, s)
	{
		table_add_int(t, s, "vms");
		add_ms(t, s, "aboveMs");
		table_add(t, "%s", jb(s, "proved") ? "" : "?");
	}
	table_print(t, c);
	if (!json_array_size(ja(a, "sizes")))
		return EXIT_NO;
	curve_notes(a, "sizes");
	return 0;
}

static bool
write_svg(const json_t *a, const char *path, struct mw_err *err)
{
	struct str s = STR_INIT;
	bool ok;

	svg_curve(a, &s);
	ok = file_write(path, str_cstr(&s), s.len, 0644, err);
	str_free(&s);
	if (ok)
		fprintf(stderr, "%s is written\n", path);
	return ok;
}

static int
show(struct cli *c, const struct question *q, const json_t *a)
{
	if (c->out == OUT_JSON) {
		const char *list =
		    q->what == QUESTION_SIZES ? "sizes" : "points";

		cli_print_json(a);
		return json_array_size(ja(a, list)) ? 0 : EXIT_NO;
	}
	return q->what == QUESTION_SIZES ? print_sizes(c, a)
					 : print_points(c, a);
}

/* The options of place, and those of a sweep. */
static int
run_curve(struct cli *c, const struct cli_cmd *cmd, enum question_what what,
    int argc, char **argv)
{
	struct question q = QUESTION_INIT;
	struct cli_opt opts[QUESTION_OPTS + 4];
	struct mw_err err = MW_ERR_INIT;
	double from = -1, to = -1;
	const char *svg = NULL;
	int64_t sizes = 0;
	json_t *query, *sweep, *a;
	int rc;

	question_opts(&q, opts);
	opts[QUESTION_OPTS] = (struct cli_opt){ "max", 0, OPT_NUM, &from };
	opts[QUESTION_OPTS + 1] = (struct cli_opt){ "min", 0, OPT_NUM, &to };
	opts[QUESTION_OPTS + 2] = (struct cli_opt){ "svg", 0, OPT_STR, &svg };
	opts[QUESTION_OPTS + 3] =
	    (struct cli_opt){ "sizes", 0, OPT_INT, &sizes };
	/* A front of sizes there is not: the last option is whatif's. */
	if (cli_opts(c, cmd, argc, argv, opts,
		ARRAY_LEN(opts) - (what == QUESTION_PARETO), 0, 0) < 0)
		return 2;
	q.what = sizes > 0 ? QUESTION_SIZES : what;
	if (sizes > 0 && !q.vms)
		q.vms = 1;
	if (sizes > 0 && svg)
		return cli_usage(cmd, "--sizes has no picture");
	query = question_query(&q, cmd, &rc);
	if (!query)
		return rc;
	sweep = json_object();
	if (from >= 0)
		json_put_num(sweep, "fromMs", from);
	if (to >= 0)
		json_put_num(sweep, "toMs", to);
	if (sizes > 0)
		json_put_int(sweep, "maxVms", sizes);
	json_put(query, "sweep", sweep);
	a = question_ask(c, &q, query, &err);
	json_decref(query);
	if (!a || (svg && !write_svg(a, svg, &err))) {
		json_decref(a);
		return cli_fail(&err);
	}
	rc = show(c, &q, a);
	json_decref(a);
	return rc;
}

static int
run_whatif(struct cli *c, int argc, char **argv)
{
	return run_curve(c, cli_cmd(cmds_curve, "whatif"), QUESTION_WHATIF,
	    argc, argv);
}

static int
run_pareto(struct cli *c, int argc, char **argv)
{
	return run_curve(c, cli_cmd(cmds_curve, "pareto"), QUESTION_PARETO,
	    argc, argv);
}

/* "pl-7" or "pl-7:2" as {"placementId","rank"}. */
static json_t *
side_of(const char *text, char id[32], struct mw_err *err)
{
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	int64_t rank = 1;
	json_t *o;

	if (n == 0 || n >= 32 || !str_starts(text, "pl-") ||
	    (colon &&
		!num_parse_i64(colon + 1, strlen(colon + 1), 1, 1000, &rank))) {
		err_set(err, MW_INVALID, 0,
		    "%.60s is not a placement: pl-7, or pl-7:2 for its second "
		    "group",
		    text);
		err_hint(err, "milkyway placement");
		return NULL;
	}
	str_copy(id, n + 1, text);
	if (!id_valid(id)) {
		err_set(err, MW_INVALID, 0, "%s is not a placement", id);
		err_hint(err, "milkyway placement");
		return NULL;
	}
	o = json_object();
	json_put_str(o, "placementId", id);
	json_put_int(o, "rank", rank);
	return o;
}

/* The question that the first placement answered, asked as a comparison. */
static json_t *
ask_compare(struct cli *c, char **argv, struct mw_err *err)
{
	char id[2][32], path[64];
	json_t *a = side_of(argv[1], id[0], err);
	json_t *b = a ? side_of(argv[2], id[1], err) : NULL;
	json_t *stored = NULL, *query = NULL, *both, *out = NULL;

	if (b) {
		snprintf(path, sizeof path, "/v1/placements/%s", id[0]);
		if (cli_call(c, "GET", path, NULL, &stored, err))
			query =
			    json_deep_copy(json_object_get(stored, "query"));
	}
	if (query) {
		both = json_object();
		json_put(both, "a", json_incref(a));
		json_put(both, "b", json_incref(b));
		json_put(query, "compare", both);
		json_put_str(query, "mode", "place");
		if (!cli_call(c, "POST", "/v1/placements/compare",
			json_incref(query), &out, err))
			out = NULL;
	}
	json_decref(a);
	json_decref(b);
	json_decref(stored);
	json_decref(query);
	return out;
}

static int
run_compare(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "WHAT", ">A", ">B", "BETTER",
		NULL };
	const struct cli_cmd *cmd = cli_cmd(cmds_curve, "compare");
	struct mw_err err = MW_ERR_INIT;
	struct str s[2] = { STR_INIT, STR_INIT };
	struct cli_table *t;
	json_t *a, *l;
	size_t i;

	if (cli_opts(c, cmd, argc, argv, NULL, 0, 2, 2) < 0)
		return 2;
	a = ask_compare(c, argv, &err);
	if (!a)
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "lines"), i, l)
	{
		table_add(t, "%s", js(l, "what"));
		add_ms(t, l, "a");
		add_ms(t, l, "b");
		table_add(t, "%s",
		    str_eq(js(l, "better"), "a")       ? argv[1]
			: str_eq(js(l, "better"), "b") ? argv[2]
						       : "");
	}
	table_print(t, c);
	sites_text(json_object_get(a, "a"), &s[0]);
	sites_text(json_object_get(a, "b"), &s[1]);
	if (c->out == OUT_TABLE)
		printf("A %s: %s\nB %s: %s\n", argv[1], str_cstr(&s[0]),
		    argv[2], str_cstr(&s[1]));
	str_free(&s[0]);
	str_free(&s[1]);
	json_decref(a);
	return 0;
}

const struct cli_cmd cmds_curve[] = {
	{ "whatif", "--from MCIS | --world FILE ...",
	    "how the best group changes with the latency limit, exactly",
	    run_whatif,
	    QUESTION_HELP
	    "  --max MS, --min MS   limits to look at (all)\n"
	    "  --sizes N          instead: the smallest limit for 1 to N VMs\n"
	    "  --svg FILE         the curve as a picture\n\n"
	    "A line is the best group for every limit ABOVE its worst pair, UP TO the\n"
	    "worst pair of the line before.\n\n"
	    "  milkyway whatif --from demo17 --vms 3 --csps 2\n"
	    "  milkyway whatif --world bench-data/worlds/deck17.json --sizes 8\n" },
	{ "pareto", "--from MCIS | --world FILE ...",
	    "score against worst pair: only what nothing beats on both",
	    run_pareto,
	    QUESTION_HELP
	    "  --max MS, --min MS   limits to look at (all)\n"
	    "  --svg FILE         the front as a picture\n\n"
	    "The knee is the point past which a millisecond less costs more than on\n"
	    "average.\n\n"
	    "  milkyway pareto --world bench-data/worlds/deck17.json --vms 4 --csps 2 --svg front.svg\n" },
	{ "compare", "A B", "two placements side by side", run_compare,
	    "A and B are answers of `milkyway place`: pl-7, or pl-7:2 for its second\n"
	    "group. Both are looked at with the question of A and today's measurements.\n\n"
	    "  milkyway compare pl-7 pl-7:2\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
