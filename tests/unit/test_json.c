/*
 * test_json.c - limits, getters and their error places.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/json.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *
parse(const char *text, struct mw_err *err)
{
	return json_parse(text, strlen(text), JSON_BODY_MAX, err);
}

static void
refuses_bad_documents(void **state)
{
	static const char *const bad[] = { "", "{", "{}x", "{} {}", "1",
		"\"a\"", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"a\":01}",
		"{\"a\":1e999}", "{\"a\":99999999999999999999}", "{'a':1}",
		"{\"a\":\"\\u0000\"}", "[1,]", "{\"a\":nan}",
		"\xef\xbb\xbf{}" };
	struct mw_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse(bad[i], &err) != NULL)
			fail_msg("accepted %s", bad[i]);
		assert_int_equal(err.code, MW_INVALID);
	}
	assert_null(json_parse("{}", 2, 1, &err));
	assert_int_equal(err.code, MW_LIMIT);
}

static void
limits_depth_and_count(void **state)
{
	struct str s = STR_INIT;
	struct mw_err err;
	json_t *j;

	(void)state;
	for (int i = 0; i < 32; i++)
		str_addc(&s, '[');
	str_add(&s, "\"[[[[,,,,\\\"[[[\"");
	for (int i = 0; i < 32; i++)
		str_addc(&s, ']');
	j = parse(str_cstr(&s), &err);
	assert_non_null(j);
	json_decref(j);
	str_addc(&s, ']');
	memmove(s.p + 1, s.p, s.len - 1);
	s.p[0] = '[';
	assert_null(parse(str_cstr(&s), &err));
	str_reset(&s);
	str_addc(&s, '[');
	for (int i = 0; i < 100001; i++)
		str_add(&s, i > 0 ? ",1" : "1");
	str_addc(&s, ']');
	assert_null(parse(str_cstr(&s), &err));
	assert_int_equal(err.code, MW_LIMIT);
	str_free(&s);
}

static void
getters_return_values_and_defaults(void **state)
{
	struct mw_err err;
	json_t *j =
	    parse("{\"s\":\"x\",\"i\":5,\"n\":2.5,\"b\":true,\"z\":null,"
		  "\"a\":[{\"k\":1}],\"o\":{\"id\":\"vm-1\"}}",
		&err);
	struct json_at at, child;
	const char *s;
	int64_t i;
	double n;
	bool b;
	json_t *a;

	(void)state;
	assert_true(json_at_root(&at, j, &err));
	assert_true(json_get_str(&at, "s", true, 1, &s, &err));
	assert_string_equal(s, "x");
	assert_true(json_get_str(&at, "none", false, 1, &s, &err));
	assert_null(s);
	assert_true(json_get_int(&at, "i", false, 0, 5, 5, &i, &err));
	assert_int_equal(i, 5);
	assert_true(json_get_int(&at, "z", true, 9, 0, 5, &i, &err));
	assert_int_equal(i, 9);
	assert_true(json_get_num(&at, "n", false, 0, 0, 5, &n, &err));
	assert_true(n == 2.5);
	assert_true(json_get_num(&at, "i", false, 0, 0, 5, &n, &err));
	assert_true(n == 5);
	assert_true(json_get_bool(&at, "b", false, false, &b, &err));
	assert_true(b);
	assert_true(json_get_bool(&at, "none", true, true, &b, &err));
	assert_true(b);
	assert_true(json_get_array(&at, "a", true, 1, 1, &a, &err));
	assert_true(json_at_index(&child, &at, "a", 0, &err));
	assert_string_equal(child.pointer, "/a/0");
	assert_true(json_at_key(&child, &at, "o", true, &err));
	assert_true(json_get_id(&child, "id", true, &s, &err));
	assert_string_equal(s, "vm-1");
	assert_true(json_at_key(&child, &at, "z", false, &err));
	assert_null(child.obj);
	json_decref(j);
}

static void
getters_name_the_place(void **state)
{
	struct mw_err err;
	json_t *j = parse("{\"o\":{\"a/b~c\":[1,{\"n\":7}],\"s\":\"long\","
			  "\"id\":\"Bad\",\"x\":1.5}}",
	    &err);
	static const char *const known[] = { "a/b~c", "s", "id", NULL };
	struct json_at root, at, child;
	const char *s;
	int64_t i;
	double n;
	json_t *a;
	bool b;

	(void)state;
	assert_true(json_at_root(&root, j, &err));
	assert_true(json_at_key(&at, &root, "o", true, &err));
#define FAILS_AT(call, where)                            \
	do {                                             \
		err = (struct mw_err)MW_ERR_INIT;        \
		assert_false(call);                      \
		assert_int_equal(err.code, MW_INVALID);  \
		assert_string_equal(err.pointer, where); \
	} while (0)
	FAILS_AT(json_get_str(&at, "none", true, 9, &s, &err), "/o/none");
	FAILS_AT(json_get_str(&at, "s", true, 3, &s, &err), "/o/s");
	FAILS_AT(json_get_str(&at, "x", true, 3, &s, &err), "/o/x");
	FAILS_AT(json_get_id(&at, "id", true, &s, &err), "/o/id");
	FAILS_AT(json_get_int(&at, "x", false, 0, 0, 9, &i, &err), "/o/x");
	FAILS_AT(json_get_num(&at, "x", false, 0, 2, 9, &n, &err), "/o/x");
	FAILS_AT(json_get_num(&at, "s", false, 0, 2, 9, &n, &err), "/o/s");
	FAILS_AT(json_get_bool(&at, "x", false, 0, &b, &err), "/o/x");
	FAILS_AT(json_get_array(&at, "a/b~c", true, 3, 9, &a, &err),
	    "/o/a~1b~0c");
	FAILS_AT(json_at_index(&child, &at, "a/b~c", 0, &err), "/o/a~1b~0c/0");
	FAILS_AT(json_at_index(&child, &at, "a/b~c", 2, &err), "/o/a~1b~0c/2");
	FAILS_AT(json_at_key(&child, &at, "s", true, &err), "/o/s");
	FAILS_AT(json_no_others(&at, known, &err), "/o/x");
	assert_string_equal(err.hint, "it takes a/b~c, s, id");
	assert_true(json_at_index(&child, &at, "a/b~c", 1, &err));
	FAILS_AT(json_get_int(&child, "n", false, 0, 0, 6, &i, &err),
	    "/o/a~1b~0c/1/n");
#undef FAILS_AT
	assert_false(json_at_root(&root, json_array_get(j, 0), &err));
	json_decref(j);
}

static void
writes_sorted_and_rounded(void **state)
{
	json_t *j = json_object();
	char *p;

	(void)state;
	json_put_num(j, "n", 0.1);
	json_put_num(j, "third", 1.0 / 3);
	json_put_num(j, "nan", NAN);
	json_put_int(j, "i", -5);
	json_put_bool(j, "b", false);
	json_put_str(j, "a", NULL);
	json_put_str(j, "bytes", "a\xff");
	json_put_time(j, "t", 0);
	json_put_time(j, "u", INT64_C(1767582001260000000));
	p = json_text(j, true);
	assert_string_equal(p,
	    "{\"a\":null,\"b\":false,\"bytes\":\"a\\\\xff\",\"i\":-5,"
	    "\"n\":0.1,\"nan\":null,\"t\":null,\"third\":0.333333333333,"
	    "\"u\":\"2026-01-05T03:00:01.260Z\"}\n");
	free(p);
	p = json_pretty(j);
	assert_non_null(strstr(p, "\n  \"i\": -5"));
	free(p);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_documents),
		cmocka_unit_test(limits_depth_and_count),
		cmocka_unit_test(getters_return_values_and_defaults),
		cmocka_unit_test(getters_name_the_place),
		cmocka_unit_test(writes_sorted_and_rounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
