/*
 * cmd_place.c - the best groups, and earlier answers.
 */
#include "cli/place_test.h"
#include "cli/question.h"

#include "common/pure/alloc.h"

static int
run_place(struct cli *c, int argc, char **argv)
{
	struct question q = QUESTION_INIT;
	struct cli_opt opts[QUESTION_OPTS + 3];
	struct mw_err err = MW_ERR_INIT;
	json_t *query, *a;
	int rc;

	question_opts(&q, opts);
	opts[QUESTION_OPTS] =
	    (struct cli_opt){ "groups", 0, OPT_FLAG, &q.groups };
	opts[QUESTION_OPTS + 1] =
	    (struct cli_opt){ "max-rtt", 0, OPT_NUM, &q.max_rtt };
	opts[QUESTION_OPTS + 2] = (struct cli_opt){ "top", 0, OPT_INT, &q.top };
	if (cli_opts(c, cmds_place, argc, argv, opts, ARRAY_LEN(opts), 0, 0) <
	    0)
		return 2;
	query = question_query(&q, cmds_place, &rc);
	if (!query)
		return rc;
	a = question_ask(c, &q, query, &err);
	rc = a ? answer_print(c, a, query) : cli_fail(&err);
	json_decref(query);
	json_decref(a);
	return rc;
}

static int
run_test(struct cli *c, int argc, char **argv)
{
	const struct cli_cmd *cmd = cli_cmd(cmds_place, "place test");

	if (cli_opts(c, cmd, argc, argv, NULL, 0, 1, 1) < 0)
		return 2;
	return place_test(c, argv[1]);
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "PLACEMENT", "STATUS", "CREATED",
		NULL };
	struct cli_table *t;
	json_t *a = NULL, *p;
	char *path;
	size_t i;
	int n, rc;

	n = cli_opts(c, cli_cmd(cmds_place, "placement"), argc, argv, NULL, 0,
	    0, 1);
	if (n < 0)
		return 2;
	path = n ? cli_path("/v1/placements/", argv[1], "")
		 : xstrdup("/v1/placements");
	rc = cli_get(c, path, &a);
	if (rc)
		return rc;
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
		table_add_at(t, c, p, "createdAt");
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
	    "  --top N            ranked groups (5)\n"
	    "  -o tfvars          the best group as Terraform variables\n\n"
	    "Exit status 4 when no group can meet the limits; the answer then says\n"
	    "which limits conflict and what would make it possible.\n\n"
	    "  milkyway place --from demo17 --vms 5 --max-rtt 40\n"
	    "  milkyway place --world bench-data/worlds/deck17.json --vms 2 --csps 2 --max-rtt 40\n" },
	{ "place test", "FILE",
	    "placement questions with the answers you expect, for your CI",
	    run_test,
	    "FILE is JSON: {\"world\": PATH beside it (or \"from\": {\"mcis\": [..]}),\n"
	    "\"tests\": [{\"name\", \"query\", \"expect\"}]}; expect has some of status,\n"
	    "sites, notSites, maxWorstRttMs, maxCostPerHourMicros, minCsps, conflicts,\n"
	    "minFeasibleRttMs. Exit status 4 if a test fails.\n\n"
	    "  milkyway place test bench-data/place-tests/deck17.json\n" },
	{ "placement", "[ID]", "earlier answers", run_list, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
