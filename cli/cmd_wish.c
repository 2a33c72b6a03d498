/*
 * cmd_wish.c - what a user wants: create from a file or a placement, scale,
 * and the plan of either.
 */
#include "cli/mcis.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <string.h>

#define COUNT_MAX 1000
#define GROUPS_MAX 64

struct wish {
	const char *file, *placement, *name, *plan;
	bool dry, remove, replace, unknown;
	int64_t rank;
};

/* The query of a wish, from the question mark on, or ""; to be freed. */
static char *
wish_query(const struct wish *w)
{
	struct str q = STR_INIT;

	cli_query(&q, "dryRun", w->dry ? "1" : NULL);
	cli_query(&q, "allowRemove", w->remove ? "1" : NULL);
	cli_query(&q, "allowReplace", w->replace ? "1" : NULL);
	cli_query(&q, "allowUnknownPrices", w->unknown ? "1" : NULL);
	cli_query(&q, "planRevision", w->plan);
	return str_take(&q);
}

/* The request of a wish, to be freed; or an exit status after a message. */
static int
wish_request(struct cli *c, const struct wish *w, json_t **body, char **path,
    char **name)
{
	struct mw_err err = MW_ERR_INIT;
	char *query = wish_query(w);

	if (w->placement) {
		char *rest = xasprintf("/mcis%s", query);

		*path = cli_ns_path(c, rest);
		free(rest);
		free(query);
		if (!*path || !cli_id(w->name)) {
			free(*path);
			return 2;
		}
		*body = json_object();
		json_put_str(*body, "name", w->name);
		json_put_str(*body, "fromPlacement", w->placement);
		json_put_int(*body, "rank", w->rank);
		*name = xstrdup(w->name);
		return 0;
	}
	*body = cli_load(w->file, FILE_MCIS, JSON_BODY_MAX, &err);
	if (!*body) {
		free(query);
		return cli_fail(&err);
	}
	if (w->name)
		json_put_str(*body, "name", w->name);
	if (!js(*body, "name")[0]) {
		err_set(&err, MW_INVALID, 0, "%s has no name", w->file);
		err_hint(&err,
		    "give --name, or write {\"name\":\"web\", "
		    "\"groups\":[...]}");
		json_decref(*body);
		free(query);
		return cli_fail(&err);
	}
	*name = xstrdup(js(*body, "name"));
	*path = cli_mcis_path(c, *name, query);
	free(query);
	if (*path)
		return 0;
	json_decref(*body);
	free(*name);
	return 2;
}

static void
sum_print(const json_t *end)
{
	static const char *const changes[] = { "create", "replace", "retry",
		"remove", "forget", "keep" };
	const json_t *s = json_object_get(end, "summary");
	const json_t *before = json_object_get(end, "before");
	char after[32], now[32];
	const char *sep = "";

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		if (ji(s, changes[i], 0) == 0)
			continue;
		printf("%s%s %lld", sep, changes[i],
		    (long long)ji(s, changes[i], 0));
		sep = ", ";
	}
	cli_money(ji(end, "costPerHourMicros", -1), after);
	cli_money(ji(before, "costPerHourMicros", -1), now);
	printf("%s%lld VM%s, %s USD/h (now %lld VM%s, %s USD/h)\n",
	    *sep ? ": " : "", (long long)ji(s, "vmsAfter", 0),
	    ji(s, "vmsAfter", 0) == 1 ? "" : "s", after,
	    (long long)ji(before, "vms", 0),
	    ji(before, "vms", 0) == 1 ? "" : "s", now);
	if (ji(end, "costUnknownVms", 0) > 0) {
		cli_money(ji(end, "costKnownPerHourMicros", -1), after);
		printf("the price of %lld VMs is not known (%s); the others "
		       "cost %s USD/h\n",
		    (long long)ji(end, "costUnknownVms", 0),
		    js(end, "costReason"), after);
	}
}

static void
plan_print(struct cli *c, const json_t *end)
{
	static const char *const heads[] = { "VM", "CHANGE", "CONNECTION",
		"SPEC", ">USD/H", "REASON", NULL };
	struct cli_table *t;
	char money[32];
	json_t *p;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(end);
		return;
	}
	t = table_new(heads);
	json_array_foreach(ja(end, "plan"), i, p)
	{
		cli_money(ji(p, "costPerHourMicros", -1), money);
		table_add(t, "%s", js(p, "vmId"));
		table_add(t, "%s", js(p, "change"));
		table_add(t, "%s", js(p, "connection"));
		table_add(t, "%s", js(p, "spec"));
		table_add(t, "%s", money);
		table_add(t, "%s", js(p, "reason"));
	}
	table_print(t, c);
	if (c->out == OUT_TABLE)
		sum_print(end);
}

/* How to carry it out, with what it needs. */
static void
way_print(struct cli *c, const struct wish *w, const json_t *end)
{
	const json_t *s = json_object_get(end, "summary");

	if (c->out != OUT_TABLE)
		return;
	if (ji(s, "keep", 0) + ji(s, "forget", 0) ==
		(int64_t)json_array_size(ja(end, "plan")) &&
	    !jb(end, "changed")) {
		printf("nothing to change\n");
		return;
	}
	printf("carry it out: milkyway mcis create %s %s%s%s%s%s --plan %s\n",
	    w->placement ? "--from-placement" : "-f",
	    w->placement ? w->placement : w->file, w->name ? " --name " : "",
	    w->name ? w->name : "", ji(s, "remove", 0) ? " --allow-remove" : "",
	    ji(s, "replace", 0) ? " --allow-replace" : "",
	    js(end, "planRevision"));
}

static int
wish_do(struct cli *c, int argc, char **argv, const char *what, bool plan)
{
	struct wish w = { .rank = 1, .dry = plan };
	const struct cli_opt opts[] = {
		{ "file", 'f', OPT_STR, &w.file },
		{ "from-placement", 0, OPT_STR, &w.placement },
		{ "rank", 0, OPT_INT, &w.rank },
		{ "name", 0, OPT_STR, &w.name },
		{ "allow-remove", 0, OPT_FLAG, &w.remove },
		{ "allow-replace", 0, OPT_FLAG, &w.replace },
		{ "allow-unknown-prices", 0, OPT_FLAG, &w.unknown },
		{ "dry-run", 0, OPT_FLAG, &w.dry },
		{ "plan", 0, OPT_STR, &w.plan },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_mcis, what);
	json_t *body, *end = NULL;
	char *path = NULL, *name = NULL;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts) - (plan ? 2 : 0),
		0, 0) < 0)
		return 2;
	if (!w.file == !w.placement)
		return cli_usage(cmd, "give -f FILE or --from-placement ID");
	if (w.placement && !w.name)
		return cli_usage(cmd, "--from-placement needs --name");
	rc = wish_request(c, &w, &body, &path, &name);
	if (rc)
		return rc;
	rc = cli_act(c, w.placement ? "POST" : "PUT", path, body, &end);
	if (w.dry && end) {
		plan_print(c, end);
		way_print(c, &w, end);
	} else if (end && json_is_false(json_object_get(end, "changed"))) {
		fprintf(stderr, "%s: nothing to change\n", name);
	}
	if (!w.dry && end)
		mcis_show_after(c, name);
	json_decref(end);
	free(path);
	free(name);
	return rc;
}

int
mcis_create(struct cli *c, int argc, char **argv)
{
	return wish_do(c, argc, argv, "mcis create", false);
}

int
mcis_plan(struct cli *c, int argc, char **argv)
{
	return wish_do(c, argc, argv, "mcis plan", true);
}

/* ---- scale --------------------------------------------------------------- */

/* "web=5" into groups; false: it is something else. */
static bool
scale_word(const char *word, json_t *groups)
{
	const char *eq = strchr(word, '=');
	char name[64];
	int64_t n;

	if (!eq || eq == word || (size_t)(eq - word) >= sizeof name ||
	    !num_parse_i64(eq + 1, strlen(eq + 1), 0, COUNT_MAX, &n))
		return false;
	str_copy(name, (size_t)(eq - word) + 1, word);
	json_put_int(groups, name, n);
	return true;
}

static int
scale_call(struct cli *c, const char *mcis, json_t *body, const struct wish *w,
    json_t **end)
{
	char *query = wish_query(w), *rest = xasprintf("/actions%s", query);
	char *path = cli_mcis_path(c, mcis, rest);
	int rc = path ? cli_act(c, "POST", path, json_incref(body), end) : 2;

	free(path);
	free(rest);
	free(query);
	return rc;
}

static int
scale_go(struct cli *c, const char *mcis, json_t *body, struct wish *w,
    const json_t *plan)
{
	int64_t gone = ji(json_object_get(plan, "summary"), "remove", 0);
	json_t *end = NULL;
	int rc;

	if (!jb(plan, "changed")) {
		fprintf(stderr, "%s: nothing to change\n", mcis);
		return 0;
	}
	if (gone > 0 &&
	    !cli_confirm(c, "scale %s: %lld VMs will be gone. Go on?", mcis,
		(long long)gone))
		return EXIT_INTERRUPTED;
	/* What the user agreed to, and nothing else. */
	w->plan = js(plan, "planRevision");
	w->remove = gone > 0;
	w->dry = false;
	rc = scale_call(c, mcis, body, w, &end);
	if (end)
		mcis_show_after(c, mcis);
	json_decref(end);
	return rc;
}

int
mcis_scale(struct cli *c, int argc, char **argv)
{
	struct wish w = { .dry = true };
	bool dry = false;
	const struct cli_opt opts[] = {
		{ "dry-run", 0, OPT_FLAG, &dry },
		{ "allow-unknown-prices", 0, OPT_FLAG, &w.unknown },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_mcis, "mcis scale");
	json_t *body, *groups, *plan = NULL;
	int n, rc;

	n = cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 2, GROUPS_MAX);
	if (n < 0)
		return 2;
	body = json_object();
	groups = json_object();
	json_put_str(body, "action", "scale");
	json_put(body, "groups", groups);
	for (int i = 2; i <= n; i++) {
		if (scale_word(argv[i], groups))
			continue;
		json_decref(body);
		return cli_usage(cmd, "%s is not GROUP=N, N at most %d",
		    argv[i], COUNT_MAX);
	}
	rc = scale_call(c, argv[1], body, &w, &plan);
	if (rc == 0 && plan && dry)
		plan_print(c, plan);
	else if (rc == 0 && plan)
		rc = scale_go(c, argv[1], body, &w, plan);
	json_decref(plan);
	json_decref(body);
	return rc;
}
