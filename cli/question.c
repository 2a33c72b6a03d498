/*
 * question.c - placement questions: to the coordinator's measurements, or to
 * a world file without any coordinator. Both give the same JSON answer.
 */
#include "cli/question.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "placement/io/place_io.h"

#include <poll.h>
#include <string.h>

#define DEADLINE_MS 5000
#define FOLLOW_MS 500 /* how often a search that takes long is asked for */
#define TELL_NS (5 * NS_PER_S)

static const struct {
	const char *path;
	enum place_io_what what;
} kinds[] = {
	[QUESTION_GROUPS] = { "", PLACE_IO_WHATS },
	[QUESTION_WHATIF] = { "/whatif", PLACE_IO_WHATIF },
	[QUESTION_PARETO] = { "/pareto", PLACE_IO_PARETO },
	[QUESTION_SIZES] = { "/sizes", PLACE_IO_SIZES },
	[QUESTION_MOVES] = { "/moves", PLACE_IO_MOVES },
	[QUESTION_COMPARE] = { "/compare", PLACE_IO_COMPARE },
};

void
question_opts(struct question *q, struct cli_opt *out)
{
	const struct cli_opt opts[QUESTION_OPTS] = {
		{ "query", 'f', OPT_STR, &q->file },
		{ "world", 0, OPT_STR, &q->world },
		{ "from", 0, OPT_STR, &q->from },
		{ "site-by", 0, OPT_STR, &q->site_by },
		{ "vms", 0, OPT_INT, &q->vms },
		{ "csps", 0, OPT_INT, &q->csps },
		{ "per-site", 0, OPT_INT, &q->per_site },
		{ "budget-micros", 0, OPT_INT, &q->budget },
		{ "objective", 0, OPT_STR, &q->objective },
	};

	memcpy(out, opts, sizeof opts);
}

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

/* False after a message: the words do not make a question. */
static bool
complete(const struct question *q, const struct cli_cmd *cmd)
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
		cli_usage(cmd, "%s", wrong);
	return !wrong;
}

/*
 * An answer that takes long comes later, under the number that the first one
 * has. Who leaves stops nothing.
 */
static json_t *
follow(struct cli *c, json_t *take_first, struct mw_err *err)
{
	char *id = xstrdup(js(take_first, "placementId"));
	char *path = xasprintf("/v1/placements/%s", id);
	int64_t began = clock_mono_ns(), told = began;
	json_t *a = take_first;

	fprintf(stderr, "%s is being searched for\n", id);
	while (a && str_eq(js(a, "status"), "running")) {
		json_decref(a);
		a = NULL;
		(void)poll(NULL, 0, FOLLOW_MS); /* a signal ends it */
		if (clock_mono_ns() - told > TELL_NS) {
			told = clock_mono_ns();
			fprintf(stderr,
			    "%s is still being searched for, %lld s\n", id,
			    (long long)((told - began) / NS_PER_S));
		}
		if (cli_interrupted() ||
		    !cli_call(c, "GET", path, NULL, &a, err))
			a = NULL;
	}
	if (cli_interrupted() && !a) {
		*err = (struct mw_err)MW_ERR_INIT;
		err_set(err, MW_CANCELED, 0, "%s is searched for without you",
		    id);
		err_hint(err, "milkyway placement %s shows the answer", id);
	}
	if (a && json_object_get(a, "error")) {
		err_set(err, MW_INTERNAL, 0, "%s: %s", id,
		    js(json_object_get(a, "error"), "message"));
		json_decref(a);
		a = NULL;
	}
	free(id);
	free(path);
	return a;
}

static json_t *
online(struct cli *c, const struct question *q, json_t *query,
    struct mw_err *err)
{
	json_t *from = json_object(), *a = NULL;
	char path[64];

	if (q->from) {
		json_put_str(from, "ns", c->ns);
		json_put(from, "mcis", names_of(q->from));
		if (q->site_by)
			json_put_str(from, "siteBy", q->site_by);
		json_put(query, "from", from);
	} else {
		json_decref(from);
	}
	snprintf(path, sizeof path, "/v1/placements%s", kinds[q->what].path);
	if (!cli_call(c, "POST", path, json_incref(query), &a, err))
		return NULL;
	return str_eq(js(a, "status"), "running") ? follow(c, a, err) : a;
}

static bool
past(void *arg)
{
	return cli_interrupted() || clock_mono_ns() > *(int64_t *)arg;
}

/* What a file says itself is meant; else there is time here. */
static int64_t
until(const json_t *query)
{
	int64_t ms = json_integer_value(json_object_get(query, "deadlineMs"));

	return clock_mono_ns() + (ms > 0 ? ms : DEADLINE_MS) * NS_PER_MS;
}

static json_t *
solve(const struct question *q, json_t *world, json_t *query,
    struct arena *arena, struct mw_err *err)
{
	int64_t end = until(query);
	struct place_answer *found;
	struct place_query pq;
	struct place_world w;
	struct json_at at;
	json_t *a = NULL;

	if (!json_at_root(&at, world, err) ||
	    !place_io_world(&at, arena, &w, err)) {
		err_wrap(err, "%s", q->world ? q->world : "world");
		return NULL;
	}
	if (!json_at_root(&at, query, err) ||
	    !place_io_query(&at, &w, arena, &pq, err)) {
		if (q->file)
			err_wrap(err, "%s", q->file);
		return NULL;
	}
	if (q->what != QUESTION_GROUPS)
		return place_io_curve(kinds[q->what].what, &at, &w, arena, past,
		    &end, err);
	found = place_solve(&pq, &w, pq.max_nodes, past, &end, err);
	if (found)
		a = place_io_answer(found, &pq, &w);
	place_answer_free(found);
	return a;
}

json_t *
question_ask_with(struct cli *c, const struct question *q, json_t *world,
    json_t *query, struct mw_err *err)
{
	struct arena *arena;
	json_t *a;

	if (!world)
		return online(c, q, query, err);
	arena = arena_new();
	json_object_del(query, "from");
	a = solve(q, world, query, arena, err);
	arena_free(arena);
	return a;
}

json_t *
question_query(const struct question *q, const struct cli_cmd *cmd, int *status)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *query;

	*status = 2;
	if (!complete(q, cmd))
		return NULL;
	if (!q->file)
		return build(q);
	query = cli_load(q->file, FILE_QUERY, JSON_BODY_MAX, &err);
	if (!query)
		*status = cli_fail(&err);
	return query;
}

json_t *
question_ask(struct cli *c, const struct question *q, json_t *query,
    struct mw_err *err)
{
	json_t *world = NULL, *a;

	if (q->world) {
		world = cli_load(q->world, FILE_WORLD, PLACE_IO_FILE_MAX, err);
		if (!world)
			return NULL;
	}
	a = question_ask_with(c, q, world, query, err);
	json_decref(world);
	return a;
}
