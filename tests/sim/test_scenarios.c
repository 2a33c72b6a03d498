/*
 * test_scenarios.c - each file of tests/scenarios/ is a case: played in the
 * simulator, with its expectations and all invariants. And what the parser
 * refuses, with file and line. MW_SCENARIO=NAME plays one, with its trace.
 */
#include "tests/sim/scenario.h"

#include "common/pure/mutant.h"
#include "common/pure/str.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FILES_MAX 200

static void
plays(void **state)
{
	const char *one = getenv("MW_SCENARIO");
	struct mw_err err = MW_ERR_INIT;

	if (!scn_run_file(*state, one != NULL, &err))
		fail_msg("%s", err.msg);
}

static void
refuses(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "f: no steps" },
		{ "# nothing\n\n", "f: no steps" },
		{ "wish\n", "f:1: a number of VMs is missing" },
		{ "\n\nwish two\n", "f:3: a number of VMs: two" },
		{ "wish 1 2 3 4", "f:1: too much: 4" },
		{ "wish 1 allow all", "f:1: remove or replace: all" },
		{ "dance", "f:1: a step: dance" },
		{ "do dance", "f:1: a verb such as suspend: dance" },
		{ "at noon wish 1",
		    "f:1: a time such as 90s, within its limit: noon" },
		{ "at 101h wish 1",
		    "f:1: a time such as 90s, within its limit: 101h" },
		{ "within 5s wish 1", "f:1: expect: wish" },
		{ "expect vm g-1 Sleeping",
		    "f:1: a status such as Running: Sleeping" },
		{ "expect calls vm_dance 1",
		    "f:1: an operation such as vm_create: vm_dance" },
		{ "expect live all < 1", "f:1: a number: <" },
		{ "fault flood", "f:1: a fault such as answer-lost: flood" },
		{ "clouds X",
		    "f:1: clouds T, N, L or G, at most 3, before all else: X" },
		{ "wish 1\nclouds T",
		    "f:2: clouds T, N, L or G, at most 3, before all else: T" },
		{ "clouds T T T T wish 1",
		    "f:1: clouds T, N, L or G, at most 3, before all else: T" },
	};
	struct scenario *s = calloc(1, sizeof *s);

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mw_err err = MW_ERR_INIT;

		assert_false(scn_parse("f", cases[i].text,
		    strlen(cases[i].text), s, &err));
		assert_string_equal(err.msg, cases[i].says);
	}
	free(s);
}

/* What is not so is found, with file, line, and what was seen. */
static void
notices(void **state)
{
	static const char text[] = "wish 1\nwithin 300s expect vm g-1 Running\n"
				   "expect live g-1 2\n";
	struct mw_err err = MW_ERR_INIT;
	struct scenario *s = calloc(1, sizeof *s);

	(void)state;
	assert_non_null(s);
	assert_true(scn_parse("f", text, sizeof text - 1, s, &err));
	assert_false(scn_play("f", s, false, &err));
	assert_true(strncmp(err.msg, "f:3: at ", 8) == 0);
	assert_non_null(strstr(err.msg, "it is otherwise: 1"));
	free(s);
}

/* The product's objects are no mutants. */
static void
no_mutants_here(void **state)
{
	(void)state;
	assert_int_equal(MW_MUTANT, MUT_NONE);
}

int
main(void)
{
	struct CMUnitTest tests[FILES_MAX] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(notices),
		cmocka_unit_test(no_mutants_here),
	};
	const char *one = getenv("MW_SCENARIO");
	size_t n = 3;
	int bad;
	glob_t g;

	if (glob("tests/scenarios/*.scn", 0, NULL, &g) != 0) {
		printf("no tests/scenarios/*.scn here\n");
		return 1;
	}
	for (size_t i = 0; i < g.gl_pathc && n < FILES_MAX; i++) {
		const char *name = strrchr(g.gl_pathv[i], '/') + 1;

		if (one && !strstr(name, one))
			continue;
		tests[n++] = (struct CMUnitTest){ .name = name,
			.test_func = plays,
			.initial_state = g.gl_pathv[i] };
	}
	bad = _cmocka_run_group_tests("scenarios", tests, n, NULL, NULL);
	globfree(&g);
	return bad;
}
