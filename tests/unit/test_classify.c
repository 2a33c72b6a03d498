/*
 * From answers to classes: what is not proved stays AMBIGUOUS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/classify.h"

#include <string.h>

static const struct classify_row rows[] = {
	{ 400, "Throttling*", CSP_THROTTLED, CSP_R_NONE },
	{ 400, "Bad", CSP_DEFINITE, CSP_R_INVALID },
	{ 404, NULL, CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "Quota", CSP_DEFINITE, CSP_R_QUOTA },
};

static void
first_fitting_row_decides(void **state)
{
	static const struct {
		int status;
		const char *code;
		enum csp_class cls;
		enum csp_reason reason;
	} t[] = {
		{ 400, "Throttling.User", CSP_THROTTLED, CSP_R_NONE },
		{ 400, "Bad", CSP_DEFINITE, CSP_R_INVALID },
		{ 400, "Worse", CSP_AMBIGUOUS, CSP_R_SERVER },
		{ 400, NULL, CSP_AMBIGUOUS, CSP_R_SERVER },
		{ 404, NULL, CSP_NOT_FOUND, CSP_R_NONE },
		{ 500, "Quota", CSP_DEFINITE, CSP_R_QUOTA },
		{ 503, "Unavailable", CSP_AMBIGUOUS, CSP_R_SERVER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		enum csp_class cls;
		enum csp_reason reason;

		classify_code(rows, ARRAY_LEN(rows), t[i].status, t[i].code,
		    &cls, &reason);
		assert_int_equal(cls, t[i].cls);
		assert_int_equal(reason, t[i].reason);
	}
}

static void
ways_to_fail(void **state)
{
	static const struct {
		enum http_end end;
		bool sent;
		enum csp_class cls;
		enum csp_reason reason;
	} t[] = {
		{ HTTP_FAILED, false, CSP_DEFINITE, CSP_R_UNSENT },
		{ HTTP_FAILED, true, CSP_AMBIGUOUS, CSP_R_RESET },
		{ HTTP_TIMED_OUT, false, CSP_DEFINITE, CSP_R_UNSENT },
		{ HTTP_TIMED_OUT, true, CSP_AMBIGUOUS, CSP_R_TIMEOUT },
		{ HTTP_CANCELED, false, CSP_DEFINITE, CSP_R_UNSENT },
		{ HTTP_CANCELED, true, CSP_AMBIGUOUS, CSP_R_CANCELED },
		{ HTTP_QUEUE_FULL, false, CSP_DEFINITE, CSP_R_UNSENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct csp_req *q = csp_req_new(CSP_VM_CREATE, "c");
		struct csp_answer *a = csp_answer_new(q);
		struct http_answer h = { .end = t[i].end, .sent = t[i].sent };

		assert_false(classify_transport(&h, a));
		assert_int_equal(a->cls, t[i].cls);
		assert_int_equal(a->reason, t[i].reason);
		assert_int_equal(a->sent, t[i].sent);
		csp_answer_free(a);
		csp_req_free(q);
	}
}

static void
unreadable_success_is_ambiguous(void **state)
{
	struct csp_req *q = csp_req_new(CSP_VM_CREATE, "c");
	struct csp_answer *a = csp_answer_new(q);

	(void)state;
	classify_unparsable(a, "half a \x01 document");
	assert_int_equal(a->cls, CSP_AMBIGUOUS);
	assert_int_equal(a->reason, CSP_R_UNPARSABLE);
	assert_non_null(strstr(a->message, "\\x01"));
	csp_answer_free(a);
	csp_req_free(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_fitting_row_decides),
		cmocka_unit_test(ways_to_fail),
		cmocka_unit_test(unreadable_success_is_ambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
