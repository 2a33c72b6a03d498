/*
 * test_err.c - error codes, context and the table of statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/err.h"

#include <string.h>

static void
sets_and_wraps(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_false(err_set(&err, MW_LIMIT, 28, "full: %d", 3));
	assert_false(err_wrap(&err, "spool %s", "a"));
	assert_false(err_hint(&err, "free some"));
	assert_false(err_pointer(&err, "/vms/%d", 2));
	assert_int_equal(err.code, MW_LIMIT);
	assert_int_equal(err.sys, 28);
	assert_string_equal(err.msg, "spool a: full: 3");
	assert_string_equal(err.hint, "free some");
	assert_string_equal(err.pointer, "/vms/2");
	err_set(&err, MW_INVALID, 0, "new");
	assert_string_equal(err.hint, "");
	assert_string_equal(err.pointer, "");
}

static void
cuts_what_is_too_long(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	err_set(&err, MW_INVALID, 0, "%0400d", 1);
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
	err_wrap(&err, "%0400d", 1);
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
}

static void
maps_every_code(void **state)
{
	static const struct {
		enum mw_code code;
		int http, exit;
	} want[] = {
		{ MW_OK, 200, 0 },
		{ MW_INVALID, 400, 2 },
		{ MW_NOT_FOUND, 404, 3 },
		{ MW_CONFLICT, 409, 5 },
		{ MW_EXISTS, 409, 5 },
		{ MW_DENIED, 403, 6 },
		{ MW_CANCELED, 409, 130 },
		{ MW_UNREACHABLE, 503, 7 },
		{ MW_TIMEOUT, 504, 8 },
		{ MW_REMOTE, 502, 9 },
		{ MW_UNSUPPORTED, 501, 10 },
		{ MW_LIMIT, 429, 11 },
		{ MW_FULL, 507, 11 },
		{ MW_PROTO, 500, 1 },
		{ MW_INTERNAL, 500, 1 },
	};

	(void)state;
	assert_int_equal(ARRAY_LEN(want), MW_CODE_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		enum mw_code c = want[i].code;

		assert_int_equal(err_http_status(c), want[i].http);
		assert_int_equal(err_exit_status(c), want[i].exit);
		assert_int_equal(err_code_parse(err_code_name(c)), c);
	}
	assert_int_equal(err_code_parse("nonsense"), MW_INTERNAL);
	assert_int_equal(err_code_parse(NULL), MW_INTERNAL);
	assert_int_equal(err_http_status((enum mw_code)99), 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_wraps),
		cmocka_unit_test(cuts_what_is_too_long),
		cmocka_unit_test(maps_every_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
