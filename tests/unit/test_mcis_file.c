/*
 * test_mcis_file.c - the MCIS file: defaults, and the exact place of what is
 * wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/mcis/mcis_file.h"

#include <string.h>

#define G "\"connection\":\"aws-1\",\"spec\":\"c5.large\""

static bool
parse(const char *text, struct arena *a, struct lc_wish *w, struct mw_err *err)
{
	json_t *j = json_parse(text, strlen(text), JSON_BODY_MAX, err);
	bool ok = j && mcis_file_parse(j, "default", "demo", a, w, err);

	json_decref(j);
	return ok;
}

static void
defaults_are_filled_in(void **state)
{
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct lc_wish w;

	(void)state;
	assert_true(
	    parse("{\"groups\":[{\"name\":\"web\"," G "}]}", a, &w, &err));
	assert_string_equal(w.ns, "default");
	assert_string_equal(w.name, "demo");
	assert_string_equal(w.description, "");
	assert_string_equal(w.labels, "{}");
	assert_true(w.require_agent);
	assert_int_equal(w.policy, LC_CONTINUE);
	assert_int_equal(w.ngroups, 1);
	assert_string_equal(w.groups[0].name, "web");
	assert_int_equal(w.groups[0].count, 1);
	assert_string_equal(w.groups[0].spec.connection, "aws-1");
	assert_string_equal(w.groups[0].spec.spec, "c5.large");
	assert_string_equal(w.groups[0].spec.zone, "");
	arena_free(a);
}

static void
all_fields_are_read(void **state)
{
	struct arena *a = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct lc_wish w;

	(void)state;
	assert_true(parse("{\"name\":\"demo\",\"description\":\"d\","
			  "\"labels\":{\"b\":\"2\",\"a\":\"1\"},"
			  "\"requireAgent\":false,"
			  "\"onPartialFailure\":\"rollback\",\"groups\":["
			  "{\"name\":\"web\",\"count\":3," G
			  ",\"image\":\"debian-12\",\"zone\":\"a\","
			  "\"labels\":{\"tier\":\"front\"}},"
			  "{\"name\":\"db\",\"count\":0," G ",\"zone\":null}]}",
	    a, &w, &err));
	assert_string_equal(w.labels, "{\"a\":\"1\",\"b\":\"2\"}");
	assert_false(w.require_agent);
	assert_int_equal(w.policy, LC_ROLLBACK);
	assert_int_equal(w.ngroups, 2);
	assert_string_equal(w.groups[0].spec.zone, "a");
	assert_string_equal(w.groups[0].labels, "{\"tier\":\"front\"}");
	assert_int_equal(w.groups[1].count, 0);
	arena_free(a);
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *pointer;
	} t[] = {
		{ "[]", "" },
		{ "{}", "/groups" },
		{ "{\"groups\":{}}", "/groups" },
		{ "{\"name\":\"other\",\"groups\":[]}", "/name" },
		{ "{\"name\":\"De_mo\",\"groups\":[]}", "/name" },
		{ "{\"groups\":[],\"more\":1}", "/more" },
		{ "{\"groups\":[],\"requireAgent\":1}", "/requireAgent" },
		{ "{\"groups\":[],\"onPartialFailure\":\"hope\"}",
		    "/onPartialFailure" },
		{ "{\"groups\":[],\"labels\":{\"a\":1}}", "/labels/a" },
		{ "{\"groups\":[],\"labels\":{\"a\":\"\\n\"}}", "/labels/a" },
		{ "{\"groups\":[{" G "}]}", "/groups/0/name" },
		{ "{\"groups\":[{\"name\":\"a\",\"spec\":\"s\"}]}",
		    "/groups/0/connection" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":-1," G "}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\",\"count\":1001," G "}]}",
		    "/groups/0/count" },
		{ "{\"groups\":[{\"name\":\"a\"," G ",\"image\":\"a b\"}]}",
		    "/groups/0/image" },
		{ "{\"groups\":[{\"name\":\"a\"," G ",\"cpu\":1}]}",
		    "/groups/0/cpu" },
		{ "{\"groups\":[{\"name\":\"a\"," G "},{\"name\":\"a\"," G
		  "}]}",
		    "/groups/1/name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct arena *a = arena_new();
		struct mw_err err = MW_ERR_INIT;
		struct lc_wish w;

		assert_false(parse(t[i].text, a, &w, &err));
		assert_int_equal(err.code, MW_INVALID);
		assert_string_equal(err.pointer, t[i].pointer);
		assert_true(err.msg[0] != '\0');
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(all_fields_are_read),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
