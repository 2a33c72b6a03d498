/*
 * test_cli_answer.c - placement answers for people: sentences, exit status,
 * and that unknown never becomes a number.
 */
#include "cli/cli.h"
#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

bool
cli_interrupted(void)
{
	return false;
}

#define MEMBER(group, site, spec) \
	"{\"group\":\"" group "\",\"site\":\"" site "\",\"specId\":" spec "}"
#define A MEMBER("vm", "aws-seoul-c5", "\"aws+seoul+c5\"")
#define B MEMBER("vm", "gcp-taipei", "\"gcp+taipei+e2\"")

static char *
answer(const char *text, const char *query, enum cli_out form, int *rc,
    char **err)
{
	struct cli c = { .out = form };
	struct mw_err e = MW_ERR_INIT;
	json_t *a = json_parse(text, strlen(text), 100000, &e);
	json_t *q = query ? json_parse(query, strlen(query), 1000, &e) : NULL;
	char *out;

	if (a == NULL)
		fail_msg("%s", e.msg);
	capture_begin();
	*rc = answer_print(&c, a, q);
	out = capture_end(err);
	json_decref(a);
	json_decref(q);
	return out;
}

/* Prints, checks the exit status and that all the texts are there. */
static void
expect(const char *text, const char *query, int status, const char *const *says)
{
	char *err, *out;
	int rc;

	out = answer(text, query, OUT_TABLE, &rc, &err);
	assert_int_equal(rc, status);
	for (; *says; says++)
		if (!strstr(out, *says) && !strstr(err, *says))
			fail_msg("no \"%s\" in:\n%s%s", *says, out, err);
	free(out);
	free(err);
}

static void
ranking_names_sites_and_the_worst_pair(void **state)
{
	static const char *const says[] = { "optimal: proved",
		"aws-seoul-c5 x2, gcp-taipei e2",
		"worst pair of #1: gcp-taipei to aws-seoul-c5, 57.671 ms",
		"limit 60.000 ms, n unknown, 3 h old, singleValue",
		"limits without room: /constraints/minCsps",
		"note: other groups are as good",
		"create it: milkyway mcis create --from-placement pl-7", NULL };

	(void)state;
	expect("{\"status\":\"optimal\",\"placementId\":\"pl-7\","
	       "\"moreTies\":true,\"provedRanks\":1,\"ranking\":[{\"rank\":1,"
	       "\"costPerHourMicros\":377000,\"csps\":2,\"slackMs\":2.329,"
	       "\"worstRttMs\":57.671,\"parts\":{\"price\":1},\"score\":1,"
	       "\"binding\":[\"/constraints/minCsps\"],"
	       "\"members\":[" A "," B "," A "],\"worstPair\":{\"a\":\"vm-2\","
	       "\"b\":\"vm-1\",\"siteA\":\"gcp-taipei\","
	       "\"siteB\":\"aws-seoul-c5\",\"rttMs\":57.671,\"limitMs\":60.0,"
	       "\"stat\":\"p95\",\"n\":null,\"ageS\":10800,"
	       "\"quality\":[\"singleValue\"]}}]}",
	    NULL, 0, says);
}

static void
unknown_is_not_zero(void **state)
{
	static const char text[] =
	    "{\"status\":\"optimal\",\"provedRanks\":1,\"ranking\":[{"
	    "\"rank\":1,\"costPerHourMicros\":null,\"csps\":1,"
	    "\"slackMs\":null,\"worstRttMs\":null,\"parts\":{},\"score\":0,"
	    "\"members\":[" A "," B "],\"worstPair\":null}]}";
	static const char *const says[] = { "\n1    2     1      -"
					    "              -         -  aws",
		"worst pair of #1: unknown", NULL };
	char *out;
	int rc;

	(void)state;
	expect(text, NULL, 0, says);
	out = answer(text, NULL, OUT_CSV, &rc, NULL);
	assert_non_null(strstr(out, "\n1,2,1,,,,0,\"aws-seoul-c5, gcp"));
	free(out);
}

#define INFEASIBLE                                                             \
	"{\"status\":\"infeasible\",\"ranking\":[],\"conflictsMinimal\":true," \
	"\"conflicts\":[\"/constraints/maxRttMs\",\"/constraints/minCsps\","   \
	"\"/constraints/maxPerSite\",\"/groups/0/filter/vcpu\"],"              \
	"\"minFeasibleRttMs\":57.671,\"minFeasibleRttLowMs\":57.671,"          \
	"\"relaxations\":[{\"pointer\":\"/constraints/maxRttMs\","             \
	"\"from\":40.0,\"to\":null,\"above\":57.671,\"proved\":true,"          \
	"\"members\":[" A "," A "],\"pair\":{\"siteA\":\"x\","                 \
	"\"siteB\":\"y\",\"rttMs\":57.671}},"                                  \
	"{\"pointer\":\"/constraints/minCsps\",\"from\":2,\"to\":1,"           \
	"\"above\":null,\"proved\":false,\"members\":[],\"pair\":null},"       \
	"{\"pointer\":\"/groups/0/count\",\"from\":5,\"to\":2,"                \
	"\"proved\":true,\"members\":[" B "]},"                                \
	"{\"pointer\":\"/constraints/budgetPerHourMicros\","                   \
	"\"from\":100000,\"to\":250000,\"proved\":true,\"members\":[]},"       \
	"{\"pointer\":\"/groups/0/filter/arch\",\"drop\":true,"                \
	"\"proved\":true,\"members\":[]}]}"

static void
impossible_names_the_ways_out(void **state)
{
	static const char *const says[] = { "infeasible: proved",
		"these cannot hold together: every pair under 40 ms, "
		"at least 2 CSPs, at most 1 VM per site, "
		"filter vcpu",
		"  - the limit must exceed 57.671 ms (now 40), set by x and "
		"y\n      aws-seoul-c5 x2\n",
		"  - at least 1 CSP instead of 2 (less may do",
		"  - 2 VMs instead of 5\n      gcp-taipei e2\n",
		"  - at most 0.2500 USD per hour instead of 0.1000\n",
		"  - without: filter arch\n", NULL };
	static const char *const reach[] = { "the limit must reach 57.671 ms",
		NULL };
	static const char *const term[] = {
		"this cannot be met: performance of cpum in the objective\n",
		"  - without: performance of cpum in the objective\n", NULL
	};

	(void)state;
	expect(INFEASIBLE, "{\"constraints\":{\"maxPerSite\":1}}", EXIT_NO,
	    says);
	expect(INFEASIBLE, "{\"constraints\":{\"rttOp\":\"le\"}}", EXIT_NO,
	    reach);
	expect("{\"status\":\"infeasible\",\"ranking\":[],"
	       "\"conflictsMinimal\":true,\"conflicts\":"
	       "[\"/objective/terms/0\"],\"relaxations\":[{\"pointer\":"
	       "\"/objective/terms/0\",\"from\":null,\"to\":null,"
	       "\"drop\":true,\"proved\":true,\"members\":[]}]}",
	    "{\"objective\":{\"terms\":[{\"term\":\"performance\","
	    "\"metric\":\"cpum\"}]}}",
	    EXIT_NO, term);
}

static void
every_status_has_its_sentence_and_exit_status(void **state)
{
	static const struct {
		const char *text, *says;
		int status;
	} rows[] = {
		{ "{\"status\":\"no_data\",\"noDataReason\":\"noPrice\"}",
		    "unknown (noPrice)", EXIT_NO },
		{ "{\"status\":\"undecided\",\"stats\":{\"cut\":\"nodes\"}}",
		    "undecided: cut before a group was found or excluded "
		    "(cut: nodes)",
		    EXIT_NO },
		{ "{\"status\":\"feasible_gap\",\"gap\":0.0321,"
		  "\"provedRanks\":0,\"ranking\":[{\"rank\":1,\"members\":[" A
		  "]}]}",
		    "at most 3.21 % better", 0 },
		{ "{\"status\":\"infeasible\",\"violations\":"
		  "[\"/constraints/maxRttMs\"],\"ranking\":[{\"rank\":1,"
		  "\"members\":[" A "]}]}",
		    "broken: /constraints/maxRttMs", EXIT_NO },
		{ "{\"status\":\"infeasible\",\"minFeasibleRttMs\":9.5,"
		  "\"minFeasibleRttLowMs\":9.0}",
		    "smallest possible worst pair: at most 9.500 ms", EXIT_NO },
		{ "{\"status\":\"infeasible\",\"stats\":{\"excluded\":[{"
		  "\"group\":\"vm\",\"filter\":{\"vcpu\":4},\"noPrice\":3}]}}",
		    "note: filter vcpu of group vm drops 4 offers", EXIT_NO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const says[] = { rows[i].says, NULL };

		expect(rows[i].text, NULL, rows[i].status, says);
	}
}

static void
groups_are_sets_of_sites(void **state)
{
	static const char *const says[] = { "2 maximal sets of sites",
		"#  SITES  CSPS  WORST PAIR MS  SLACK MS  SET\n",
		"1      2     2          3.253    36.747  aws-seoul-c5, gcp",
		"2      1     1              -         -  gcp-taipei", NULL };

	(void)state;
	expect("{\"status\":\"optimal\",\"provedRanks\":2,\"ranking\":[{"
	       "\"rank\":1,\"csps\":2,\"worstRttMs\":3.253,\"slackMs\":36.747,"
	       "\"members\":[" A "," B "]},{\"rank\":2,\"csps\":1,"
	       "\"worstRttMs\":null,\"slackMs\":null,\"members\":[" MEMBER("vm",
		   "gcp-taipei", "null") "]}]}",
	    "{\"mode\":\"groups\"}", 0, says);
}

static void
several_groups_are_named(void **state)
{
	static const char *const says[] = {
		"web: aws-seoul-c5 x2; db: aws-seoul-c5", NULL
	};

	(void)state;
	expect("{\"status\":\"optimal\",\"provedRanks\":1,\"ranking\":[{"
	       "\"rank\":1,\"members\":[" MEMBER("web", "aws-seoul-c5",
		   "\"aws+seoul+c5\"") "," MEMBER("web", "aws-seoul-c5",
		   "\"aws+seoul+c5\"") "," MEMBER("db", "aws-seoul-c5",
		   "\"aws+seoul+c5\"") "]}]}",
	    NULL, 0, says);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranking_names_sites_and_the_worst_pair),
		cmocka_unit_test(unknown_is_not_zero),
		cmocka_unit_test(impossible_names_the_ways_out),
		cmocka_unit_test(every_status_has_its_sentence_and_exit_status),
		cmocka_unit_test(groups_are_sets_of_sites),
		cmocka_unit_test(several_groups_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
