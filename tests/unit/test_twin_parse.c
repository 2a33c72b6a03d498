/*
 * Answers of milkyway-twin: what is taken, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/twin_parse.h"

#include <string.h>

static json_t *
doc(const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_parse(text, strlen(text), 65536, &err);

	assert_non_null(j);
	return j;
}

static struct csp_answer *
answer(enum csp_op op)
{
	struct csp_req *q = csp_req_new(op, "c");
	struct csp_answer *a = csp_answer_new(q);

	csp_req_free(q);
	return a;
}

#define VM(id, state)                                                         \
	"{\"id\":\"" id "\",\"nativeState\":\"" state "\",\"publicIp\":null," \
	"\"tags\":{\"mw-slot\":\"4\",\"n\":1},\"sshPort\":22,\"later\":[]}"

static void
vms_are_read(void **state)
{
	struct csp_answer *a = answer(CSP_VM_GET);
	struct mw_err err = MW_ERR_INIT;
	json_t *j = doc(VM("i-1", "pending"));

	(void)state;
	assert_true(twin_parse_vm(j, a, &err));
	assert_string_equal(a->csp_id, "i-1");
	assert_string_equal(a->vms[0].native, "pending");
	assert_null(a->vms[0].public_ip);
	assert_int_equal(a->vms[0].ntags, 1); /* only strings are tags */
	assert_int_equal(a->vms[0].ssh_port, 22);
	json_decref(j);
	csp_answer_free(a);
}

static void
pages_add_up_without_doubles(void **state)
{
	struct csp_answer *a = answer(CSP_VM_LIST);
	struct mw_err err = MW_ERR_INIT;
	const char *next;
	json_t *j;

	(void)state;
	j = doc("{\"items\":[" VM("i-2", "running") "," VM("i-1",
	    "running") "],\"next\":\"i-2\"}");
	assert_true(twin_parse_vms(j, a, &next, &err));
	assert_string_equal(next, "i-2");
	json_decref(j);
	j = doc("{\"items\":[" VM("i-2", "running") "," VM("i-3",
	    "running") "],\"next\":null}");
	assert_true(twin_parse_vms(j, a, &next, &err));
	assert_null(next);
	assert_int_equal(a->nvms, 3);
	json_decref(j);
	csp_answer_free(a);
}

static void
other_shapes_are_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"items\":{}}",
		"{\"items\":[1]}",
		"{\"items\":[{}]}",
		"{\"items\":[{\"id\":7,\"nativeState\":\"x\"}]}",
		"{\"items\":[{\"id\":\"i\",\"nativeState\":\"x\","
		"\"sshPort\":70000}]}",
		"{\"items\":[{\"id\":\"i\",\"nativeState\":\"x\","
		"\"tags\":[]}]}",
		"{\"items\":[],\"next\":4}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct csp_answer *a = answer(CSP_VM_LIST);
		struct mw_err err = MW_ERR_INIT;
		const char *next;
		json_t *j = doc(bad[i]);

		assert_false(twin_parse_vms(j, a, &next, &err));
		assert_true(err.msg[0]);
		json_decref(j);
		csp_answer_free(a);
	}
}

static void
catalogues_are_read(void **state)
{
	struct csp_answer *a = answer(CSP_SPECS);
	struct mw_err err = MW_ERR_INIT;
	json_t *j = doc("{\"items\":[{\"name\":\"c5.xlarge\",\"arch\":\"x\","
			"\"vcpu\":4,\"memoryMiB\":8192,"
			"\"costPerHourMicros\":null,\"currency\":\"USD\","
			"\"costReason\":\"unknown\"}]}");

	(void)state;
	assert_true(twin_parse_specs(j, a, &err));
	assert_int_equal(a->specs[0].cost_per_hour_micros, -1);
	assert_string_equal(a->specs[0].cost_reason, "unknown");
	json_decref(j);
	j = doc("{\"items\":[{\"id\":\"r\",\"csp\":\"aws\",\"lat\":37.5,"
		"\"lon\":127,\"zones\":[\"a\",\"b\"]}]}");
	assert_true(twin_parse_regions(j, a, &err));
	assert_true(a->regions[0].has_location);
	assert_int_equal(a->regions[0].nzones, 2);
	json_decref(j);
	csp_answer_free(a);
}

static void
clouds_have_bounds(void **state)
{
	struct arena *arena = arena_new();
	struct mw_err err = MW_ERR_INIT;
	struct twin_cloud *clouds;
	size_t n;
	json_t *j = doc("{\"items\":[{\"id\":\"aws\",\"csp\":\"aws\","
			"\"caps\":[\"IDEM_TOKEN\",\"NEW_ONE\"],"
			"\"lateApplyMaxS\":30,\"listVisibleMaxS\":5}]}");

	(void)state;
	assert_true(twin_parse_clouds(j, arena, &clouds, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(clouds[0].caps.late_apply_max_s, 30);
	assert_true(clouds[0].caps.flags & CSP_CAP_IDEM_TOKEN);
	assert_false(clouds[0].caps.flags & CSP_CAP_LIST_BY_TAG);
	json_decref(j);
	arena_free(arena);
}

static void
errors_keep_the_clouds_words(void **state)
{
	struct csp_answer *a = answer(CSP_VM_CREATE);
	struct mw_err err = MW_ERR_INIT;
	const char *word;
	json_t *j = doc("{\"error\":{\"code\":\"throttled\",\"message\":\"m\","
			"\"nativeCode\":\"RequestLimitExceeded\","
			"\"httpStatus\":503,\"retryAfterS\":1.5}}");

	(void)state;
	assert_true(twin_parse_error(j, a, &word, &err));
	assert_string_equal(word, "throttled");
	assert_string_equal(a->code, "RequestLimitExceeded");
	assert_int_equal(a->retry_after_ms, 1500);
	json_decref(j);
	csp_answer_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vms_are_read),
		cmocka_unit_test(pages_add_up_without_doubles),
		cmocka_unit_test(other_shapes_are_refused),
		cmocka_unit_test(catalogues_are_read),
		cmocka_unit_test(clouds_have_bounds),
		cmocka_unit_test(errors_keep_the_clouds_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
