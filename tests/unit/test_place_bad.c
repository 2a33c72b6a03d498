/*
 * test_place_bad.c - bad questions and bad worlds: each refused at its exact
 * place, or proved impossible; large ones in bounded time and memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "placement/io/place_io.h"
#include "placement/prepared.h"

#include <stdlib.h>
#include <string.h>

#define SITES                                                            \
	"\"sites\":[{\"site\":\"a\",\"csp\":\"aws\",\"region\":\"r1\"}," \
	"{\"site\":\"b\",\"csp\":\"gcp\",\"region\":\"r2\"}]"
#define OFFERS                                                     \
	"\"offers\":[{\"site\":\"a\",\"specId\":\"s\",\"vcpu\":2," \
	"\"costPerHourMicros\":100,\"scores\":{\"cpum\":10}},"     \
	"{\"site\":\"b\",\"specId\":\"s\",\"vcpu\":2,"             \
	"\"costPerHourMicros\":80}]"
#define RTT "\"rttMs\":[[0.1,5],[6,0.1]]"
#define WORLD "{" SITES "," OFFERS "," RTT "}"

/* The status of the answer; NULL with err. */
static const char *
ask(const char *world, const char *query, struct mw_err *err)
{
	struct arena *arena = arena_new();
	struct place_answer *a = NULL;
	const char *status = NULL;
	json_t *wd = json_parse(world, strlen(world), SIZE_MAX, err), *qd;
	struct json_at wa, qa;
	struct place_world w;
	struct place_query q;

	qd =
	    wd == NULL ? NULL : json_parse(query, strlen(query), SIZE_MAX, err);
	if (qd != NULL && json_at_root(&wa, wd, err) &&
	    json_at_root(&qa, qd, err) && place_io_world(&wa, arena, &w, err) &&
	    place_io_query(&qa, &w, arena, &q, err))
		a = place_solve(&q, &w, 0, NULL, NULL, err);
	if (a != NULL)
		status = place_status_name(a->status);
	place_answer_free(a);
	json_decref(wd);
	json_decref(qd);
	arena_free(arena);
	return status;
}

struct bad {
	const char *text, *pointer;
};

static void
questions_are_refused_where_they_are_wrong(void **state)
{
#define G "\"groups\":[{\"name\":\"a\",\"count\":1}]"
#define F(x) "{\"groups\":[{\"name\":\"a\",\"count\":1,\"filter\":" x "}]}"
#define C(x) "{" G ",\"constraints\":" x "}"
	static const struct bad v[] = {
		{ "{}", "/groups" },
		{ "{\"groups\":[]}", "/groups" },
		{ "{\"groups\":null}", "/groups" },
		{ "{\"groups\":[{\"name\":\"a\"}]}", "/groups/0/count" },
		{ "{\"groups\":[{\"count\":1}]}", "/groups/0/name" },
		{ "{\"groups\":[{\"name\":\"\",\"count\":1}]}",
		    "/groups/0/name" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":0}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":-1}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":1.5}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":100000}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":"
		  "9223372036854775807}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":1},"
		  "{\"name\":\"a\",\"count\":1}]}",
		    "/groups" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":100},"
		  "{\"name\":\"b\",\"count\":100}]}",
		    "/groups" },
		{ F("{\"vcpu\":{\"min\":4,\"max\":2}}"),
		    "/groups/0/filter/vcpu" },
		{ F("{\"vcpu\":{\"min\":1e308}}"),
		    "/groups/0/filter/vcpu/min" },
		{ F("{\"vcpu\":{\"min\":\"NaN\"}}"),
		    "/groups/0/filter/vcpu/min" },
		{ F("{\"memoryMiB\":{\"max\":\"Infinity\"}}"),
		    "/groups/0/filter/memoryMiB/max" },
		{ F("{\"costPerHourMicros\":{\"min\":5,\"max\":4}}"),
		    "/groups/0/filter/costPerHourMicros" },
		{ F("{\"region\":[\"mars\"]}"), "/groups/0/filter/region/0" },
		{ F("{\"site\":[\"a\",\"mars\"]}"), "/groups/0/filter/site/1" },
		{ F("{\"csp\":[7]}"), "/groups/0/filter/csp/0" },
		{ F("{\"score\":{\"none\":{\"min\":1}}}"),
		    "/groups/0/filter/score" },
		{ F("{\"cpu\":{\"min\":1}}"), "/groups/0/filter/cpu" },
		{ C("{\"maxRttMs\":-1}"), "/constraints/maxRttMs" },
		{ C("{\"maxRttMs\":0}"), "/constraints/maxRttMs" },
		{ C("{\"maxRttMs\":1e308}"), "/constraints/maxRttMs" },
		{ C("{\"maxRttMs\":\"NaN\"}"), "/constraints/maxRttMs" },
		{ C("{\"maxPerSite\":0}"), "/constraints/maxPerSite" },
		{ C("{\"maxPerCsp\":-3}"), "/constraints/maxPerCsp" },
		{ C("{\"minCsps\":9223372036854775807}"),
		    "/constraints/minCsps" },
		{ C("{\"budgetPerHourMicros\":-5}"),
		    "/constraints/budgetPerHourMicros" },
		{ C("{\"budgetPerHourMicros\":9223372036854775807}"),
		    "/constraints/budgetPerHourMicros" },
		{ C("{\"pairLimits\":[{\"between\":[\"a\",\"x\"],"
		    "\"maxRttMs\":1}]}"),
		    "/constraints/pairLimits/0/between" },
		{ C("{\"pairLimits\":[{\"between\":[\"a\",\"a\"]}]}"),
		    "/constraints/pairLimits/0/maxRttMs" },
		{ "{" G ",\"users\":[{\"name\":\"u\",\"region\":\"mars\"}]}",
		    "/users/0" },
		{ "{" G ",\"topK\":0}", "/topK" },
		{ "{" G ",\"topK\":100000}", "/topK" },
		{ "{" G ",\"deadlineMs\":-1}", "/deadlineMs" },
		{ "{" G ",\"mode\":\"best\"}", "/mode" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct mw_err err = MW_ERR_INIT;
		const char *status = ask(WORLD, v[i].text, &err);

		if (status != NULL || err.code != MW_INVALID ||
		    strcmp(err.pointer, v[i].pointer) != 0)
			fail_msg("%s: %s, %s at %s", v[i].text,
			    status != NULL ? status : "refused", err.msg,
			    err.pointer);
	}
}

static void
worlds_are_refused_where_they_are_wrong(void **state)
{
#define W(sites, offers, rtt) "{" sites "," offers "," rtt "}"
	static const struct bad v[] = {
		{ W(SITES, OFFERS, "\"rttMs\":[[0.1,-5],[6,0.1]]"),
		    "/rttMs/0/1" },
		{ W(SITES, OFFERS, "\"rttMs\":[[0.1,5],[\"NaN\",0.1]]"),
		    "/rttMs/1/0" },
		{ W(SITES, OFFERS, "\"rttMs\":[[0.1,1e308],[6,0.1]]"),
		    "/rttMs/0/1" },
		{ W(SITES, OFFERS, "\"rttMs\":[[0.1,5],[6]]"), "/rttMs/1" },
		{ W(SITES, OFFERS, "\"rttMs\":[[0.1,5]]"), "/rttMs" },
		{ W(SITES, "\"offers\":[{\"site\":\"c\",\"specId\":\"s\"}]",
		      RTT),
		    "/offers/0/site" },
		{ W(SITES,
		      "\"offers\":[{\"site\":\"a\",\"specId\":\"s\","
		      "\"vcpu\":-1}]",
		      RTT),
		    "/offers/0/vcpu" },
		{ W(SITES,
		      "\"offers\":[{\"site\":\"a\",\"specId\":\"s\","
		      "\"costPerHourMicros\":-2}]",
		      RTT),
		    "/offers/0/costPerHourMicros" },
		{ W(SITES,
		      "\"offers\":[{\"site\":\"a\",\"specId\":\"s\","
		      "\"scores\":{\"x\":1e308}}]",
		      RTT),
		    "/offers/0/scores" },
		{ W("\"sites\":[]", OFFERS, RTT), "/sites" },
		{ W("\"sites\":[{\"site\":\"a\",\"csp\":\"x\"},"
		    "{\"site\":\"a\",\"csp\":\"y\"}]",
		      "\"offers\":[]", RTT),
		    "/world/sites" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct mw_err err = MW_ERR_INIT;
		const char *status = ask(v[i].text, "{" G "}", &err);

		if (status != NULL || err.code != MW_INVALID ||
		    strcmp(err.pointer, v[i].pointer) != 0)
			fail_msg("%s: %s, %s at %s", v[i].text,
			    status != NULL ? status : "refused", err.msg,
			    err.pointer);
	}
}

static void
what_cannot_be_is_proved(void **state)
{
	static const struct bad v[] = { /* pointer: the status */
		{ "{\"groups\":[{\"name\":\"a\",\"count\":3}],"
		  "\"constraints\":{\"maxPerSite\":1}}",
		    "infeasible" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":128}],"
		  "\"constraints\":{\"maxPerCsp\":63}}",
		    "infeasible" },
		{ "{" G ",\"constraints\":{\"minCsps\":2}}", "infeasible" },
		{ F("{\"csp\":[\"nobody\"]}"), "infeasible" },
		{ F("{\"vcpu\":{\"min\":3}}"), "infeasible" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":128}]}", "optimal" }
	};
	struct mw_err err = MW_ERR_INIT;
	const char *status;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		status = ask(WORLD, v[i].text, &err);
		if (status == NULL || strcmp(status, v[i].pointer) != 0)
			fail_msg("%s: %s %s", v[i].text,
			    status != NULL ? status : "refused", err.msg);
	}
	/* null is no time, and satisfies no limit. */
	status = ask(W(SITES, OFFERS, "\"rttMs\":[[0.1,null],[null,0.1]]"),
	    "{\"groups\":[{\"name\":\"a\",\"count\":2}],\"constraints\":"
	    "{\"maxPerSite\":1,\"maxRttMs\":60000}}",
	    &err);
	assert_non_null(status);
	assert_string_equal(status, "no_data");
}

/* All offers of one site, each dearer than the one before. */
static void
large_world(struct place_world *w, struct place_offer *offers, size_t n)
{
	static const struct place_site sites[1] = { { "a", "aws", "r", NULL } };

	memset(w, 0, sizeof *w);
	w->sites = sites;
	w->nsites = 1;
	w->offers = offers;
	w->noffers = n;
	w->intra_site_us = 100;
	for (size_t i = 0; i < n; i++) {
		offers[i].spec_id = "s";
		offers[i].vcpu = 2;
		offers[i].cost_per_hour_micros = 1 + (int64_t)i;
	}
}

static void
a_million_offers_are_the_limit(void **state)
{
	struct place_offer *offers =
	    xcalloc(PLACE_MAX_OFFERS + 1, sizeof *offers);
	struct place_role role = { .name = "vm", .count = 2 };
	struct place_term term = { .kind = PLACE_PRICE, .weight = 1 };
	struct place_query q = { .roles = &role,
		.nroles = 1,
		.terms = &term,
		.nterms = 1 };
	struct mw_err err = MW_ERR_INIT;
	struct place_prepared *p;
	struct place_answer *a;
	struct place_world w;

	(void)state;
	large_world(&w, offers, PLACE_MAX_OFFERS + 1);
	assert_null(place_solve(&q, &w, 0, NULL, NULL, &err));
	assert_int_equal(err.code, MW_LIMIT);
	assert_null(place_prepare(&w, &err));
	w.noffers = PLACE_MAX_OFFERS;
	a = place_solve(&q, &w, 0, NULL, NULL, &err);
	assert_non_null(a);
	assert_int_equal(a->status, PLACE_OPTIMAL);
	assert_int_equal(a->ranked[0].cost_per_hour_micros, 2);
	place_answer_free(a);
	p = place_prepare(&w, &err);
	assert_non_null(p);
	assert_true(place_prepared_bytes(p) < 64U * PLACE_MAX_OFFERS);
	a = place_solve(&q, place_prepared_world(p), 0, NULL, NULL, &err);
	assert_non_null(a);
	assert_int_equal(a->ranked[0].cost_per_hour_micros, 2);
	place_answer_free(a);
	place_prepared_free(p);
	free(offers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_refused_where_they_are_wrong),
		cmocka_unit_test(worlds_are_refused_where_they_are_wrong),
		cmocka_unit_test(what_cannot_be_is_proved),
		cmocka_unit_test(a_million_offers_are_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
