/*
 * test_place_io.c - placement as JSON: both forms of worlds, every field that
 * is wrong named by its pointer, the same text for the same question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "placement/io/place_io.h"

#include <stdlib.h>
#include <string.h>

#define WORLD                                                             \
	"{\"intraSiteRttMs\":0.5,\"sites\":["                             \
	"{\"site\":\"a\",\"csp\":\"aws\",\"region\":\"r1\"},"             \
	"{\"site\":\"b\",\"csp\":\"gcp\",\"region\":\"r2\"},"             \
	"{\"site\":\"c\",\"csp\":\"gcp\",\"region\":\"r3\"}],"            \
	"\"offers\":["                                                    \
	"{\"site\":\"a\",\"specId\":\"s\",\"vcpu\":2,\"memoryMiB\":4096," \
	"\"costPerHourMicros\":100,\"scores\":{\"cpum\":10.5}},"          \
	"{\"site\":\"b\",\"specId\":\"s\",\"vcpu\":2,"                    \
	"\"costPerHourMicros\":80,\"scores\":{\"cpum\":9}},"              \
	"{\"site\":\"c\",\"specId\":\"s\",\"vcpu\":2,"                    \
	"\"costPerHourMicros\":null,\"costReason\":\"noSource\","         \
	"\"scores\":{\"cpum\":30}}],"                                     \
	"\"rttMs\":{\"p95\":[[0.1,57.671,9],[5.5,0.1,3],[8,null,0.2]]},"  \
	"\"rttN\":[[20,20,5],[20,20,20],[20,20,20]],"                     \
	"\"rttAgeS\":[[1,90000,3],[4,5,6],[7,8,9]]}"

/* Parses and solves; NULL with err. The world may be a file. */
static json_t *
ask(const char *query, const char *file, struct mw_err *err)
{
	struct arena *arena = arena_new();
	struct place_answer *a = NULL;
	json_t *doc = json_parse(query, strlen(query), JSON_BODY_MAX, err);
	json_t *world = NULL, *out = NULL;
	struct json_at root, at;
	struct place_world w;
	struct place_query q;
	bool ok;

	if (doc == NULL)
		fail_msg("%s: %s", query, err->msg);
	ok = json_at_root(&root, doc, err);
	if (ok && file != NULL) {
		world = json_load_path(file, PLACE_IO_FILE_MAX, err);
		ok = world != NULL && json_at_root(&at, world, err);
	} else if (ok) {
		ok = json_at_key(&at, &root, "world", true, err);
	}
	if (ok && place_io_world(&at, arena, &w, err) &&
	    place_io_query(&root, &w, arena, &q, err))
		a = place_solve(&q, &w, 0, NULL, NULL, err);
	if (a != NULL)
		out = place_io_answer(a, &q, &w);
	place_answer_free(a);
	json_decref(doc);
	json_decref(world);
	arena_free(arena);
	return out;
}

static json_t *
answer(const char *query, const char *file)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = ask(query, file, &err);

	if (j == NULL)
		fail_msg("%s at %s", err.msg, err.pointer);
	return j;
}

static const char *
text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static json_t *
first_row(const json_t *j)
{
	return json_array_get(json_object_get(j, "ranking"), 0);
}

static void
an_answer_carries_its_reasons(void **state)
{
	json_t *j = answer("{\"groups\":[{\"name\":\"vm\",\"count\":2}],"
			   "\"constraints\":{\"maxRttMs\":57.672,"
			   "\"maxPerSite\":1,\"minCsps\":2},"
			   "\"objective\":{\"terms\":[{\"term\":\"price\"}]},"
			   "\"world\":" WORLD "}",
	    NULL);
	const json_t *row = first_row(j);
	const json_t *p = json_object_get(row, "worstPair");

	(void)state;
	assert_string_equal(text_of(j, "status"), "optimal");
	assert_int_equal(json_array_size(json_object_get(j, "ranking")), 1);
	assert_int_equal(json_integer_value(
			     json_object_get(row, "costPerHourMicros")),
	    180);
	assert_int_equal(json_integer_value(json_object_get(row, "score")),
	    180000);
	assert_string_equal(text_of(p, "a"), "vm-1");
	assert_string_equal(text_of(p, "b"), "vm-2");
	assert_int_equal(json_integer_value(json_object_get(p, "ageS")), 90000);
	assert_true(json_number_value(json_object_get(p, "rttMs")) == 57.671);
	assert_true(
	    json_number_value(json_object_get(row, "slackMs")) == 0.001);
	json_decref(j);
}

static void
the_limit_is_strict_to_the_microsecond(void **state)
{
	json_t *j = answer("{\"groups\":[{\"name\":\"vm\",\"count\":2}],"
			   "\"constraints\":{\"maxRttMs\":57.671,"
			   "\"maxPerSite\":1,\"minCsps\":2},"
			   "\"objective\":{\"terms\":[{\"term\":\"price\"}]},"
			   "\"world\":" WORLD "}",
	    NULL);

	(void)state;
	assert_string_equal(text_of(j, "status"), "infeasible");
	assert_true(json_number_value(json_object_get(j, "minFeasibleRttMs")) ==
	    57.671);
	json_decref(j);
}

static void
the_deck_file_answers_as_the_deck(void **state)
{
	json_t *j = answer(
	    "{\"groups\":[{\"name\":\"vm\",\"count\":2}],\"constraints\":{"
	    "\"maxRttMs\":40,\"maxPerSite\":1,\"minCsps\":2},\"objective\":{"
	    "\"terms\":[{\"term\":\"performance\",\"metric\":\"cpum\"}]}}",
	    "bench-data/worlds/deck17.json");

	(void)state;
	assert_int_equal(json_integer_value(
			     json_object_get(first_row(j), "score")),
	    -238620);
	json_decref(j);
	j = answer("{\"groups\":[{\"name\":\"vm\",\"count\":5}],"
		   "\"constraints\":{\"maxRttMs\":40,\"maxPerSite\":1,"
		   "\"minCsps\":2}}",
	    "bench-data/worlds/deck17.json");
	assert_string_equal(text_of(j, "status"), "infeasible");
	assert_true(json_number_value(json_object_get(j, "minFeasibleRttMs")) ==
	    57.671);
	json_decref(j);
	j = answer("{\"groups\":[{\"name\":\"vm\",\"count\":5}],"
		   "\"constraints\":{\"maxRttMs\":60,\"maxPerSite\":1},"
		   "\"objective\":{\"terms\":[{\"term\":\"price\"}]}}",
	    "bench-data/worlds/global100.json");
	assert_string_equal(text_of(j, "status"), "optimal");
	json_decref(j);
}

static void
the_same_question_gives_the_same_text(void **state)
{
	static const char q[] =
	    "{\"groups\":[{\"name\":\"vm\",\"count\":4}],\"topK\":10,"
	    "\"constraints\":{\"maxRttMs\":70}}";
	json_t *a = answer(q, "bench-data/worlds/deck17.json");
	json_t *b = answer(q, "bench-data/worlds/deck17.json");
	char *x = json_text(a, false), *y = json_text(b, false);

	(void)state;
	assert_string_equal(x, y);
	free(x);
	free(y);
	json_decref(a);
	json_decref(b);
}

#define G "{\"groups\":[{\"name\":\"vm\",\"count\":2}],"
#define W "\"world\":" WORLD "}"

static void
wrong_fields_are_named(void **state)
{
	static const struct {
		const char *query, *pointer;
	} bad[] = {
		{ G "\"colour\":1," W, "/colour" },
		{ G "\"constraints\":{\"maxRtt\":40}," W,
		    "/constraints/maxRtt" },
		{ G "\"constraints\":{\"maxRttMs\":\"40\"}," W,
		    "/constraints/maxRttMs" },
		{ G "\"constraints\":{\"maxRttMs\":0}," W,
		    "/constraints/maxRttMs" },
		{ G "\"constraints\":{\"maxRttMs\":1e9}," W,
		    "/constraints/maxRttMs" },
		{ G "\"constraints\":{\"rttStat\":\"mean\"}," W,
		    "/constraints/rttStat" },
		{ G "\"topK\":65," W, "/topK" },
		{ G "\"constraints\":{\"quota\":\"store\"}," W,
		    "/constraints/quota" },
		{ G "\"constraints\":{\"quota\":[{\"region\":\"x\"}]}," W,
		    "/constraints/quota/0/vms" },
		{ G "\"constraints\":{\"antiAffinity\":[{\"between\":["
		    "\"vm\",\"db\"]}]}," W,
		    "/constraints/antiAffinity/0/between" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":1,\"pins\":[{"
		  "\"site\":\"nowhere\"}]}]," W,
		    "/groups/0/pins/0" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":1,\"pins\":[{"
		  "\"count\":1}]}]," W,
		    "/groups/0/pins/0/site" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":1,\"terms\":[{"
		  "\"term\":\"price\",\"weight\":1}]}]," W,
		    "/groups/0/terms/0/term" },
		{ G "\"objective\":{\"terms\":[{\"term\":\"beauty\"}]}," W,
		    "/objective/terms/0/term" },
		{ G "\"objective\":{\"terms\":[{\"term\":\"performance\","
		    "\"metric\":\"nope\"}]}," W,
		    "/objective/terms/0/metric" },
		{ G "\"users\":[{\"site\":\"nowhere\"}]," W, "/users/0" },
		{ G "\"users\":[{\"ip\":\"203.0.113.7\"}]," W, "/users/0/ip" },
		{ G "\"users\":[{\"lat\":91,\"lon\":0}]," W, "/users/0/lat" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":129}]," W,
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":1,\"filter\":{"
		  "\"vcpu\":{\"min\":1.5}}}]," W,
		    "/groups/0/filter/vcpu/min" },
		{ "{\"groups\":[{\"name\":\"vm\",\"count\":1,\"filter\":{"
		  "\"site\":[\"x\"]}}]," W,
		    "/groups/0/filter/site/0" },
		{ G "\"constraints\":{\"pairLimits\":[{\"between\":[\"vm\","
		    "\"db\"],\"maxRttMs\":1}]}," W,
		    "/constraints/pairLimits/0/between" },
		{ G "\"world\":{\"sites\":[{\"site\":\"a\",\"csp\":\"x\"}],"
		    "\"rttMs\":{\"p95\":[[1,2]]}}}",
		    "/world/rttMs/p95/0" },
		{ G "\"world\":{\"sites\":[{\"site\":\"a\",\"csp\":\"x\"}],"
		    "\"rttMs\":{\"p95\":[[-1]]}}}",
		    "/world/rttMs/p95/0/0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mw_err err = MW_ERR_INIT;
		json_t *j = ask(bad[i].query, NULL, &err);

		if (j != NULL)
			fail_msg("taken: %s", bad[i].query);
		assert_int_equal(err.code, MW_INVALID);
		assert_string_equal(err.pointer, bad[i].pointer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_carries_its_reasons),
		cmocka_unit_test(the_limit_is_strict_to_the_microsecond),
		cmocka_unit_test(the_deck_file_answers_as_the_deck),
		cmocka_unit_test(the_same_question_gives_the_same_text),
		cmocka_unit_test(wrong_fields_are_named),
	};

	return cmocka_run_group_tests_name("place_io", tests, NULL, NULL);
}
