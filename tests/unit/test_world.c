/*
 * test_world.c - world files: what is accepted, where an error is placed, and
 * the one round-trip time per pair.
 */
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Two regions of one cloud; the tail is what the tests change. */
#define CLOUD                                                           \
	"\"name\":\"w\",\"timeScale\":0.5,\"cpuScale\":0.25,"           \
	"\"clouds\":[{\"id\":\"aws\",\"csp\":\"aws\",\"regions\":["     \
	"{\"id\":\"r1\",\"lat\":1,\"lon\":2},"                          \
	"{\"id\":\"r2\",\"lat\":3,\"lon\":4,\"zones\":[\"a\",\"b\"]}]," \
	"\"specs\":[{\"id\":\"s\",\"vcpu\":2,\"memoryMiB\":2048}],"     \
	"\"images\":[{\"id\":\"debian-12\",\"user\":\"cb-user\"}],"     \
	"\"caps\":[\"IDEM_TOKEN\"]}]"

static struct world *
parse(const char *text, struct mw_err *err)
{
	*err = (struct mw_err)MW_ERR_INIT;
	return world_parse(text, strlen(text), err);
}

static void
minimal_world_has_defaults(void **state)
{
	struct mw_err err;
	struct world *w =
	    parse("{" CLOUD ",\"rttMs\":[[0.2,50],[50,null]]}", &err);

	(void)state;
	assert_non_null(w);
	assert_int_equal(w->nsites, 2);
	assert_string_equal(w->sites[1].name, "aws-r2");
	assert_int_equal(w->coordinator_site, 0);
	assert_int_equal(w->clouds[0].page_size, 100);
	assert_int_equal(w->clouds[0].terminated_listed_s, 3600);
	assert_int_equal(w->clouds[0].specs[0].cost_per_hour_micros, -1);
	assert_string_equal(w->clouds[0].specs[0].cost_reason, "noSource");
	assert_false(w->clouds[0].specs[0].scores[KIND_CPUS] > 0);
	assert_int_equal(w->rtt_us[0], 200);
	assert_int_equal(w->rtt_us[1], 50000);
	assert_int_equal(w->rtt_us[3], 300); /* intraSiteRttMs */
	assert_int_equal(world_site_of(w, 0, 1, 0), 1);
	world_free(w);
}

static void
errors_name_their_place(void **state)
{
	static const struct {
		const char *text, *pointer;
	} rows[] = {
		{ "{" CLOUD "}", "/rttMs" },
		{ "{" CLOUD ",\"rttMs\":[[0,1],[1,0]],\"bogus\":1}", "/bogus" },
		{ "{" CLOUD ",\"rttMs\":[[0,1],[1]]}", "/rttMs/1" },
		{ "{" CLOUD ",\"rttMs\":[[0,1],[-1,0]]}", "/rttMs/1/0" },
		{ "{" CLOUD ",\"rttMs\":[[0,10],[20,0]]}", "/rttMs/0/1" },
		{ "{" CLOUD ",\"rttMs\":[[0,1],[1,0]],\"asymmetry\":\"min\"}",
		    "/asymmetry" },
		{ "{" CLOUD ",\"rttMs\":[[0,1],[1,0]],"
		  "\"coordinatorSite\":\"x\"}",
		    "/coordinatorSite" },
		{ "{" CLOUD ",\"rttModel\":{\"kind\":\"magic\"}}",
		    "/rttModel/kind" },
		{ "{" CLOUD ",\"rttModel\":{\"kind\":\"distance\",\"x\":1}}",
		    "/rttModel/x" },
		{ "{" CLOUD ",\"rttModel\":{\"kind\":\"distance\"},"
		  "\"sites\":[{\"site\":\"a\",\"cloud\":\"aws\","
		  "\"region\":\"r9\"}]}",
		    "/sites/0/region" },
		{ "{" CLOUD ",\"rttModel\":{\"kind\":\"distance\"},"
		  "\"sites\":[{\"site\":\"a\",\"cloud\":\"aws\","
		  "\"region\":\"r1\"}]}",
		    "/clouds/0/specs/0" }, /* r2 has no site */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mw_err err;

		assert_null(parse(rows[i].text, &err));
		assert_int_equal(err.code, MW_INVALID);
		assert_string_equal(err.pointer, rows[i].pointer);
	}
}

static void
rules_fold_two_directions(void **state)
{
	static const struct {
		const char *tail;
		int32_t us;
	} rows[] = {
		{ "[[0,10],[12,0]]", 11000 }, /* close enough: the mean */
		{ "[[0,10],[20,0]],\"asymmetry\":\"max\"", 20000 },
		{ "[[0,10],[20,0]],\"asymmetry\":\"mean\"", 15000 },
		{ "[[0,10],[20,0]],\"useTranspose\":["
		  "{\"from\":\"aws-r1\",\"to\":\"aws-*\"}]",
		    20000 },
		{ "[[0,10],[20,0]],\"useTranspose\":["
		  "{\"from\":\"aws-r2\",\"to\":\"aws-r1\"}]",
		    10000 },
		{ "[[0,null],[20,0]]", 20000 }, /* one direction is known */
		{ "[[0,null],[null,0]]", -1 }, /* unreachable, no default */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mw_err err;
		char *text =
		    xasprintf("{%s,\"rttMs\":%s}", CLOUD, rows[i].tail);
		struct world *w = parse(text, &err);

		assert_non_null(w);
		assert_int_equal(w->rtt_us[1], rows[i].us);
		assert_int_equal(w->rtt_us[2], rows[i].us);
		world_free(w);
		free(text);
	}
}

/* Tests run in the root of the project. */
static struct world *
load(const char *name)
{
	struct mw_err err = MW_ERR_INIT;
	char *path = xasprintf("bench-data/worlds/%s.json", name);
	struct world *w = world_load(path, &err);

	if (!w)
		print_message("%s: %s %s\n", path, err.pointer, err.msg);
	free(path);
	return w;
}

static void
deck17_repairs_the_damaged_rows(void **state)
{
	struct world *w = load("deck17");

	(void)state;
	assert_non_null(w);
	assert_int_equal(w->nsites, 17);
	assert_string_equal(w->sites[w->coordinator_site].name,
	    "aws-ap-northeast-2-c5.xlarge");
	/* row 2, column 17 said 183.568; the other direction 87.885 */
	assert_int_equal(w->rtt_us[1 * 17 + 16], 87885);
	assert_int_equal(w->rtt_us[16 * 17 + 1], 87885);
	/* row 7 is clean: the larger direction */
	assert_int_equal(w->rtt_us[6 * 17 + 16], 90092);
	assert_int_equal(w->rtt_us[0], 104);
	for (size_t i = 0; i < w->nclouds; i++) {
		for (size_t k = 0; k < w->clouds[i].nspecs; k++) {
			const struct world_spec *s = &w->clouds[i].specs[k];

			assert_true(s->cost_per_hour_micros > 0);
			assert_true(s->scores[KIND_CPUS] > 0);
			assert_true(s->scores[KIND_CPUM] > 0);
		}
	}
	world_free(w);
}

static void
global100_is_complete(void **state)
{
	struct world *w = load("global100");
	size_t regions = 0;

	(void)state;
	assert_non_null(w);
	assert_int_equal(w->nclouds, 5);
	for (size_t i = 0; i < w->nclouds; i++)
		regions += w->clouds[i].nregions;
	assert_int_equal(regions, 100);
	for (size_t i = 0; i < w->nsites * w->nsites; i++)
		assert_true(w->rtt_us[i] >= 300 && w->rtt_us[i] <= 450000);
	world_free(w);
}

static void
tiny_is_what_tests_expect(void **state)
{
	struct world *w = load("tiny");

	(void)state;
	assert_non_null(w);
	assert_int_equal(w->nsites, 4);
	assert_int_equal(w->rtt_us[1], 180000);
	world_free(w);
}

static void
patterns(void **state)
{
	(void)state;
	assert_true(world_pattern_match("gcp-*", "gcp-x"));
	assert_true(world_pattern_match("*", "x"));
	assert_true(world_pattern_match("a", "a"));
	assert_false(world_pattern_match("a", "ab"));
	assert_false(world_pattern_match("gcp-*", "gc"));
	assert_false(world_pattern_match("", "a"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal_world_has_defaults),
		cmocka_unit_test(errors_name_their_place),
		cmocka_unit_test(rules_fold_two_directions),
		cmocka_unit_test(deck17_repairs_the_damaged_rows),
		cmocka_unit_test(global100_is_complete),
		cmocka_unit_test(tiny_is_what_tests_expect),
		cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
