/*
 * cmd_drift.c - whether a placement still holds what it relied on, and the
 * MCIS file that mends it.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <string.h>

static void
add_ms(struct cli_table *t, const json_t *o, const char *key)
{
	double v = jnum(o, key, NAN);

	if (isnan(v))
		table_add(t, "%s", "");
	else
		table_add(t, "%.3f", v);
}

static bool
bad(const char *state)
{
	return str_eq(state, "drifted") || str_eq(state, "pairLost");
}

static void
pairs_print(struct cli *c, const json_t *p)
{
	static const char *const heads[] = { "A", "B", ">LIMIT ms", ">NOW ms",
		">POOLED ms", ">SLACK ms", ">N", ">AGE s", ">RELIED ON ms",
		"STATE", "SINCE", NULL };
	struct cli_table *t = table_new(heads);
	const json_t *o;
	size_t i;

	json_array_foreach(ja(p, "pairs"), i, o)
	{
		table_add(t, "%s", js(o, "a"));
		table_add(t, "%s", js(o, "b"));
		add_ms(t, o, "limitMs");
		add_ms(t, o, "valueMs");
		add_ms(t, o, "pooledMs");
		add_ms(t, o, "slackMs");
		table_add_int(t, o, "n");
		table_add_int(t, o, "ageS");
		add_ms(t, json_object_get(o, "relied"), "valueMs");
		table_color(t, bad(js(o, "state")) ? 31 : 0);
		table_add(t, "%s", js(o, "state"));
		table_add(t, "%.19s", js(o, "relevantSince"));
	}
	table_print(t, c);
}

static void
move_print(const json_t *p)
{
	const json_t *m = json_object_get(p, "move"), *o;
	char money[32];
	size_t i;

	if (!json_is_object(m)) {
		if (*js(p, "moveReason"))
			printf("\nmove: none: %s\n", js(p, "moveReason"));
		return;
	}
	json_array_foreach(ja(m, "vms"), i, o)
	{
		const json_t *from = json_object_get(o, "from");
		const json_t *to = json_object_get(o, "to");

		printf("%smove %s from %s to %s (%s, %s)\n", i ? "" : "\n",
		    js(o, "vmId"), js(from, "site"), js(to, "site"),
		    js(to, "connection"), js(to, "spec"));
	}
	if (!isnan(jnum(m, "worstRttMs", NAN)))
		printf("then the worst pair is %.3f ms, %.3f ms below its "
		       "limit",
		    jnum(m, "worstRttMs", 0), jnum(m, "slackMs", 0));
	else
		printf("then no pair has a limit");
	if (!isnan(jnum(m, "costChangePerHourMicros", NAN))) {
		int64_t change = ji(m, "costChangePerHourMicros", 0);

		cli_money(change < 0 ? -change : change, money);
		printf("; %s%s USD/h", change < 0 ? "-" : "+", money);
	}
	printf("\n");
	json_array_foreach(ja(m, "commands"), i, o)
	    printf("  %s\n", json_string_value(o));
}

/* The MCIS file ------------------------------------------------------------ */

static json_t *
group_named(json_t *groups, const char *name)
{
	json_t *g;
	size_t i;

	json_array_foreach(groups, i,
	    g) if (str_eq(js(g, "name"), name)) return g;
	return NULL;
}

/* The groups of an MCIS as its file names them. */
static json_t *
groups_of(const json_t *m)
{
	static const char *const same[] = { "connection", "spec", "image",
		"labels" };
	json_t *groups = json_array(), *v, *g;
	size_t i;

	json_array_foreach(ja(m, "vms"), i, v)
	{
		g = group_named(groups, js(v, "group"));
		if (g) {
			json_put_int(g, "count", ji(g, "count", 0) + 1);
			continue;
		}
		g = json_object();
		json_put_str(g, "name", js(v, "group"));
		json_put_int(g, "count", 1);
		for (size_t k = 0; k < ARRAY_LEN(same); k++)
			json_put(g, same[k],
			    json_incref(json_object_get(v, same[k])));
		json_array_append_new(groups, g);
	}
	return groups;
}

/* The only VM of a group takes the group with it; else the group has one less,
 * and a new group of its role one VM. */
static void
move_vm(json_t *groups, const json_t *m, const json_t *move)
{
	const json_t *to = json_object_get(move, "to"), *v, *at = NULL;
	json_t *g = NULL;
	char *name = NULL;
	size_t i;

	json_array_foreach(ja(m, "vms"), i,
	    v) if (str_eq(js(v, "vmId"), js(move, "vmId"))) at = v;
	g = at ? group_named(groups, js(at, "group")) : NULL;
	if (!g)
		return;
	if (ji(g, "count", 1) > 1) {
		json_put_int(g, "count", ji(g, "count", 1) - 1);
		for (int n = 2; !name; n++) {
			name = xasprintf("%s-x%d", js(move, "role"), n);
			if (group_named(groups, name)) {
				free(name);
				name = NULL;
			}
		}
		g = json_copy(g);
		json_put_str(g, "name", name);
		json_put_int(g, "count", 1);
		json_array_append_new(groups, g);
		free(name);
	}
	json_put_str(g, "connection", js(to, "connection"));
	json_put_str(g, "spec", js(to, "spec"));
}

static int
file_print(struct cli *c, const char *name, const json_t *p)
{
	static const char *const same[] = { "name", "description", "labels",
		"requireAgent", "onPartialFailure" };
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL, *out, *groups, *v;
	size_t i;
	int rc;

	if (!json_is_object(json_object_get(p, "move"))) {
		err_set(&err, MW_NOT_FOUND, 0, "there is no move for %s", name);
		err_hint(&err, "milkyway drift %s says why", name);
		return cli_fail(&err);
	}
	rc = cli_get(c, cli_mcis_path(c, name, ""), &m);
	if (rc)
		return rc;
	out = json_object();
	for (i = 0; i < ARRAY_LEN(same); i++)
		json_put(out, same[i],
		    json_incref(json_object_get(m, same[i])));
	groups = groups_of(m);
	json_array_foreach(ja(json_object_get(p, "move"), "vms"), i, v)
	    move_vm(groups, m, v);
	json_put(out, "groups", groups);
	cli_print_json(out);
	json_decref(out);
	json_decref(m);
	return 0;
}

static int
run_drift(struct cli *c, int argc, char **argv)
{
	bool file = false, drifted;
	const struct cli_opt opts[] = { { "file", 0, OPT_FLAG, &file } };
	json_t *p = NULL;
	int rc;

	if (cli_opts(c, cmds_drift, argc, argv, opts, ARRAY_LEN(opts), 1, 1) <
	    0)
		return 2;
	rc = cli_get(c, cli_mcis_path(c, argv[1], "/placement"), &p);
	if (rc)
		return rc;
	drifted = str_eq(js(p, "state"), "drifted");
	if (file) {
		rc = file_print(c, argv[1], p);
		json_decref(p);
		return rc;
	}
	if (c->out == OUT_JSON) {
		cli_print_json(p);
	} else {
		pairs_print(c, p);
		if (c->out == OUT_TABLE) {
			printf("\n%s, rank %lld: %s since %.19s\n",
			    js(p, "placementId"), (long long)ji(p, "rank", 0),
			    js(p, "state"), js(p, "since"));
			move_print(p);
		}
	}
	json_decref(p);
	return drifted ? EXIT_NO : 0;
}

const struct cli_cmd cmds_drift[] = {
	{ "drift", "MCIS", "whether a placement still holds what it relied on",
	    run_drift,
	    "Of an MCIS that was made by `mcis create --from-placement`: each pair with\n"
	    "a limit, its newest value (NOW) and that of all rounds of a day (POOLED).\n"
	    "Exit status 4 when a pair has drifted over its limit or is lost; then the\n"
	    "smallest move that mends it is named. Nothing moves without a command.\n\n"
	    "  --file   the MCIS file with that move, for `mcis create -f`\n\n"
	    "  milkyway drift shop\n"
	    "  milkyway drift shop --file > shop.json\n"
	    "  milkyway mcis create -f shop.json --allow-remove --allow-replace\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
