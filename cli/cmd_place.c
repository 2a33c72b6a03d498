/*
 * cmd_place.c - placement questions: to the coordinator's measurements, or to
 * a world file without any coordinator. Both give the same JSON answer.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "placement/io/place_io.h"

#include <string.h>

struct question {
	const char *file, *from, *site_by, *objective, *world;
	int64_t vms, csps, top, per_site, budget;
	double max_rtt;
	bool groups;
};

/* Adds "key": v to obj unless v is 0. */
static void
put_pos(json_t *obj, const char *key, int64_t v)
{
	if (v > 0)
		json_put_int(obj, key, v);
}

static json_t *
names_of(const char *list)
{
	json_t *a = json_array();
	char *copy = xstrdup(list), *rest = copy, *word;

	while ((word = strsep(&rest, ",")) != NULL)
		json_array_append_new(a, json_string(word));
	free(copy);
	return a;
}

static bool
objective_known(const char *name)
{
	return str_eq(name, "price") || str_eq(name, "rtt") ||
	    str_eq(name, "performance") || str_starts(name, "performance:");
}

static json_t *
objective_of(const char *name)
{
	json_t *o = json_object(), *terms = json_array(), *t = json_object();

	json_put_str(o, "mode", "weighted");
	if (str_starts(name, "performance")) {
		json_put_str(t, "term", "performance");
		json_put_str(t, "metric", name[11] ? name + 12 : "cpum");
		json_put_int(t, "weightMicrosPerPoint", 1000);
	} else if (str_eq(name, "rtt")) {
		json_put_str(t, "term", "pairRttMean");
		json_put_int(t, "weightMicrosPerMs", 1000);
	} else {
		json_put_str(t, "term", "price");
		json_put_int(t, "weight", 1);
	}
	json_array_append_new(terms, t);
	json_put(o, "terms", terms);
	return o;
}

/* The query of the command line's words. */
static json_t *
build(const struct question *q)
{
	json_t *body = json_object(), *groups = json_array();
	json_t *g = json_object(), *lim = json_object();

	json_put_str(body, "mode", q->groups ? "groups" : "place");
	json_put_str(g, "name", "vm");
	if (!q->groups)
		json_put_int(g, "count", q->vms);
	json_array_append_new(groups, g);
	json_put(body, "groups", groups);
	if (q->max_rtt > 0)
		json_put_num(lim, "maxRttMs", q->max_rtt);
	put_pos(lim, "maxPerSite", q->per_site);
	put_pos(lim, "minCsps", q->csps);
	put_pos(lim, "budgetPerHourMicros", q->budget);
	json_put(body, "constraints", lim);
	if (!q->groups) {
		json_put(body, "objective", objective_of(q->objective));
		put_pos(body, "topK", q->top);
	}
	return body;
}

static json_t *online(struct cli *c, const struct question *q, json_t *query,
    struct mw_err *err);
static json_t *offline(const struct question *q, json_t *query,
    struct mw_err *err);

/* False after a message: the words do not make a question. */
static bool
complete(const struct question *q)
{
	const char *wrong = NULL;

	if (!q->file && !q->vms && !q->groups)
		wrong = "give --vms N, --groups or -f QUERY.json";
	else if (q->groups && q->vms)
		wrong = "--groups lists sets of sites: it takes no --vms";
	else if (!q->world && !q->from && !q->file)
		wrong = "give --from MCIS (its measurements) or --world FILE";
	else if (q->max_rtt == 0 || !q->csps || !q->per_site || !q->budget ||
	    !q->top)
		wrong = "a limit of 0 leaves nothing; without the option "
			"there is no such limit";
	else if (!objective_known(q->objective))
		wrong = "--objective: price, performance[:KIND] or rtt";
	if (wrong)
		cli_usage(cmds_place, "%s", wrong);
	return !wrong;
}

static int
run_place(struct cli *c, int argc, char **argv)
{
	struct question q = { .objective = "price",
		.max_rtt = -1, /* negative: no such limit */
		.csps = -1,
		.budget = -1,
		.per_site = 1,
		.top = 5 };
	const struct cli_opt opts[] = {
		{ "query", 'f', OPT_STR, &q.file },
		{ "world", 0, OPT_STR, &q.world },
		{ "from", 0, OPT_STR, &q.from },
		{ "site-by", 0, OPT_STR, &q.site_by },
		{ "vms", 0, OPT_INT, &q.vms },
		{ "groups", 0, OPT_FLAG, &q.groups },
		{ "csps", 0, OPT_INT, &q.csps },
		{ "max-rtt", 0, OPT_NUM, &q.max_rtt },
		{ "per-site", 0, OPT_INT, &q.per_site },
		{ "budget-micros", 0, OPT_INT, &q.budget },
		{ "objective", 0, OPT_STR, &q.objective },
		{ "top", 0, OPT_INT, &q.top },
	};
	struct mw_err err = MW_ERR_INIT;
	json_t *query, *a;
	int rc;

	if (cli_opts(c, cmds_place, argc, argv, opts, ARRAY_LEN(opts), 0, 0) <
		0 ||
	    !complete(&q))
		return 2;
	query = q.file ? cli_load(q.file, FILE_QUERY, JSON_BODY_MAX, &err)
		       : build(&q);
	if (!query)
		return cli_fail(&err);
	a = q.world ? offline(&q, query, &err) : online(c, &q, query, &err);
	rc = a ? answer_print(c, a, query) : cli_fail(&err);
	json_decref(query);
	json_decref(a);
	return rc;
}

static json_t *
online(struct cli *c, const struct question *q, json_t *query,
    struct mw_err *err)
{
	json_t *from = json_object(), *a = NULL;

	if (q->from) {
		json_put_str(from, "ns", c->ns);
		json_put(from, "mcis", names_of(q->from));
		if (q->site_by)
			json_put_str(from, "siteBy", q->site_by);
		json_put(query, "from", from);
	} else {
		json_decref(from);
	}
	if (!cli_call(c, "POST", "/v1/placements", json_incref(query), &a, err))
		return NULL;
	return a;
}

static bool
past(void *arg)
{
	return cli_interrupted() || clock_mono_ns() > *(int64_t *)arg;
}

static struct place_answer *
solve(const struct question *q, json_t *world, json_t *query,
    struct arena *arena, struct place_query *pq, struct place_world *w,
    struct mw_err *err)
{
	struct json_at at;
	int64_t until;

	if (!json_at_root(&at, world, err) ||
	    !place_io_world(&at, arena, w, err)) {
		err_wrap(err, "%s", q->world);
		return NULL;
	}
	if (!json_at_root(&at, query, err) ||
	    !place_io_query(&at, w, arena, pq, err)) {
		if (q->file)
			err_wrap(err, "%s", q->file);
		return NULL;
	}
	/* what a file says itself is meant; else there is time here */
	until = clock_mono_ns() +
	    (json_object_get(query, "deadlineMs") ? pq->deadline_ms : 5000) *
		NS_PER_MS;
	return place_solve(pq, w, pq->max_nodes, past, &until, err);
}

/* Without any coordinator. */
static json_t *
offline(const struct question *q, json_t *query, struct mw_err *err)
{
	json_t *world = cli_load(q->world, FILE_WORLD, PLACE_IO_FILE_MAX, err);
	struct arena *arena = arena_new();
	struct place_answer *found = NULL;
	struct place_query pq;
	struct place_world w;
	json_t *a = NULL;

	json_object_del(query, "from");
	if (world)
		found = solve(q, world, query, arena, &pq, &w, err);
	if (found)
		a = place_io_answer(found, &pq, &w);
	place_answer_free(found);
	arena_free(arena);
	json_decref(world);
	return a;
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "PLACEMENT", "STATUS", "CREATED",
		NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *p;
	char *path;
	size_t i;
	int n;

	n = cli_opts(c, cmds_place + 1, argc, argv, NULL, 0, 0, 1);
	if (n < 0)
		return 2;
	path = n ? xasprintf("/v1/placements/%s", argv[1])
		 : xstrdup("/v1/placements");
	if (!cli_call(c, "GET", path, NULL, &a, &err)) {
		free(path);
		return cli_fail(&err);
	}
	free(path);
	if (n) {
		n = answer_print(c, a, json_object_get(a, "query"));
		json_decref(a);
		return n;
	}
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, p)
	{
		table_add(t, "%s", js(p, "placementId"));
		table_add(t, "%s", js(p, "status"));
		table_add(t, "%s", js(p, "createdAt"));
	}
	table_print(t, c);
	json_decref(a);
	return 0;
}

const struct cli_cmd cmds_place[] = {
	{ "place", "--from MCIS | --world FILE ...",
	    "the best group of VMs under limits, proved", run_place,
	    "  --from M[,M]       measurements of these groups\n"
	    "  --world FILE       a world file instead; needs no coordinator\n"
	    "  --site-by region|regionSpec   what may differ in latency (regionSpec)\n"
	    "  -f, --query FILE   the whole question as JSON (docs/placement.md), or:\n"
	    "  --vms N            how many VMs\n"
	    "  --groups           instead: all largest sets of sites that meet the limits\n"
	    "  --max-rtt MS       every pair below it, in both directions\n"
	    "  --csps N           over at least so many CSPs\n"
	    "  --per-site N       at most so many in one site (1)\n"
	    "  --budget-micros N  at most so much per hour, in micro-USD\n"
	    "  --objective price|performance[:KIND]|rtt   what is best (price)\n"
	    "  --top N            ranked groups (5)\n\n"
	    "Exit status 4 when no group can meet the limits; the answer then says\n"
	    "which limits conflict and what would make it possible.\n\n"
	    "  milkyway place --from demo17 --vms 5 --max-rtt 40\n"
	    "  milkyway place --world bench-data/worlds/deck17.json --vms 2 --csps 2 --max-rtt 40\n" },
	{ "placement", "[ID]", "earlier answers", run_list, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
