/*
 * test_str.c - the growing buffer and the string helpers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/str.h"

#include <stdlib.h>
#include <string.h>

static void
grows_and_stays_terminated(void **state)
{
	struct str s = STR_INIT;
	char *p;

	(void)state;
	assert_string_equal(str_cstr(&s), "");
	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%d,", i % 10);
	assert_int_equal(s.len, 2000);
	assert_int_equal(strlen(str_cstr(&s)), 2000);
	str_consume(&s, 1998);
	assert_string_equal(str_cstr(&s), "9,");
	str_consume(&s, 50);
	assert_int_equal(s.len, 0);
	str_addn(&s, "a\0b", 3);
	assert_int_equal(s.len, 3);
	str_reset(&s);
	assert_string_equal(str_cstr(&s), "");
	str_add(&s, "kept");
	p = str_take(&s);
	assert_string_equal(p, "kept");
	assert_int_equal(s.len, 0);
	free(p);
	p = str_take(&s);
	assert_string_equal(p, "");
	free(p);
	str_free(&s);
}

static void
escapes(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	str_add_escaped(&s, "a\n\"\\\xff\0z", 7, 100);
	assert_string_equal(str_cstr(&s), "a\\x0a\\\"\\\\\\xff\\x00z");
	str_reset(&s);
	str_add_escaped(&s, "abcdef", 6, 3);
	assert_string_equal(str_cstr(&s), "abc...");
	str_reset(&s);
	str_add_html(&s, "<a href='x'>&\"");
	assert_string_equal(str_cstr(&s),
	    "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
	str_free(&s);
}

static void
hex_there_and_back(void **state)
{
	static const char *const bad[] = { "", "0", "0g0102", "00010",
		"000102x", "00010203" };
	unsigned char in[256], out[256], three[3];
	struct str s = STR_INIT;

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)i;
	str_add_hex(&s, in, sizeof in);
	assert_true(str_unhex(str_cstr(&s), out, sizeof out));
	assert_memory_equal(in, out, sizeof in);
	assert_true(str_unhex("AbCdEf", three, 3));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(str_unhex(bad[i], three, 3));
	str_free(&s);
}

static void
compares_and_copies(void **state)
{
	char buf[4];

	(void)state;
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq("", NULL));
	assert_true(str_eq("a", "a"));
	str_copy(buf, sizeof buf, "abcdef");
	assert_string_equal(buf, "abc");
	str_copy(buf, sizeof buf, "");
	assert_string_equal(buf, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(escapes),
		cmocka_unit_test(hex_there_and_back),
		cmocka_unit_test(compares_and_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
