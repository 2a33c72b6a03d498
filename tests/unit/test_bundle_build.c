/*
 * test_bundle_build.c - the coordinator's bundle: canonical, hashed, bounded,
 * without what nobody else may know; its evaluation is of its own results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/measure/bundle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESULT(id, vm, value)                                                        \
	"{\"resultId\":\"" id "\",\"vmId\":\"" vm "\",\"ns\":\"default\","           \
	"\"mcisId\":\"m\",\"csp\":\"aws\",\"region\":\"r\",\"specId\":"              \
	"\"aws+r+s\",\"kind\":\"cpum\",\"variant\":\"std\",\"profile\":"             \
	"\"quick\",\"validity\":\"ok\",\"provenance\":\"measured\",\"value\":" value \
	",\"ciLow\":1,\"ciHigh\":9,\"madCv\":0.010000000001,"                        \
	"\"envHash\":\"h\",\"measuredAt\":\"2026-01-05T03:00:01.000Z\","             \
	"\"detail\":\"no route to 10.1.2.3, 1.2.3.4.5\"}\n"
#define PINGED                                                          \
	"{\"resultId\":\"r-9\",\"vmId\":\"a-1\",\"kind\":\"rtt\","      \
	"\"validity\":\"ok\",\"target\":\"example.org\",\"value\":3.5," \
	"\"measuredAt\":\"2026-01-05T03:00:02.000Z\"}\n"

static const char *const vms =
    "{\"deployment\":\"d\",\"ns\":\"default\",\"mcis\":\"m\",\"kind\":null,"
    "\"since\":\"2026-01-05T03:00:00.000Z\",\"until\":"
    "\"2026-01-05T03:00:02.000Z\",\"vms\":[{\"vmId\":\"a-1\",\"specId\":"
    "\"aws+r+s\",\"vcpu\":2,\"costPerHourMicros\":1000,\"currency\":\"USD\"}]}";

static struct bundle_in
input(const char *results)
{
	struct bundle_in in = { .results = results };
	struct mw_err err = MW_ERR_INIT;

	in.head = json_parse(vms, strlen(vms), 10000, &err);
	assert_non_null(in.head);
	assert_true(when_parse("2026-01-05T03:00:00Z", &in.since));
	assert_true(when_parse("2026-01-05T03:00:02Z", &in.until));
	return in;
}

static json_t *
built(const struct bundle_in *in, char **text)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;

	*text = bundle_build(in, &err);
	assert_non_null(*text);
	j = json_parse(*text, strlen(*text), BUNDLE_MAX, &err);
	assert_non_null(j);
	if (!bundle_check(j, &err))
		fail_msg("%s", err.msg);
	return j;
}

static void
it_is_canonical_and_whole(void **state)
{
	struct bundle_in in = input(
	    RESULT("r-1", "a-1", "5.10") RESULT("r-2", "a-2", "7e0") PINGED);
	char *a, *b, *again;
	json_t *j = built(&in, &a), *k = built(&in, &b);

	(void)state;
	assert_string_equal(a, b);
	again = json_text(j, true);
	assert_string_equal(a, again);
	free(again);
	free(a);
	free(b);
	json_decref(j);
	json_decref(k);
	json_decref(in.head);
}

static void
it_evaluates_its_own_results(void **state)
{
	struct bundle_in in = input(RESULT("r-1", "a-1", "5")
		RESULT("r-2", "a-2", "7") RESULT("r-3", "a-1", "6"));
	char *text;
	json_t *j = built(&in, &text);
	const json_t *items =
	    json_object_get(json_object_get(j, "evaluations"), "items");
	const json_t *e = json_array_get(items, 0);

	(void)state;
	assert_int_equal(json_array_size(items), 1);
	/* the newest of each VM: of one time the later one */
	assert_true(
	    fabs(json_number_value(json_object_get(e, "value")) - 6.5) < 1e-9);
	assert_int_equal(json_integer_value(json_object_get(e, "nVms")), 2);
	assert_int_equal(json_integer_value(
			     json_object_get(e, "costPerUnitMicros")),
	    154);
	free(text);
	json_decref(j);
	json_decref(in.head);
}

static void
addresses_only_where_they_are_asked_for(void **state)
{
	struct bundle_in in = input(RESULT("r-1", "a-1", "5") PINGED);
	char *text;

	(void)state;
	json_decref(built(&in, &text));
	assert_null(strstr(text, "10.1.2.3"));
	assert_null(strstr(text, "example.org"));
	assert_non_null(strstr(text, "no route to x.x.x.x, 1.2.3.4.5"));
	assert_non_null(strstr(text, "\"target\":\"target-1\""));
	free(text);
	in.addresses = true;
	json_decref(built(&in, &text));
	assert_non_null(strstr(text, "10.1.2.3"));
	assert_non_null(strstr(text, "example.org"));
	free(text);
	json_decref(in.head);
}

static void
what_is_an_address(void **state)
{
	static const char *const yes[] = { "10.0.0.1", "at 1.2.3.4, x",
		"(8.8.8.8)", "x=1.1.1.1\n", "1.2.3.4:80", "1.2.3.4." };
	static const char *const no[] = { "", "1.2.3", "1.0.20", "a1.2.3.4",
		"1.2.3.4.5", "1234.1.1.1", "1.2.3.4b", "1..2.3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(bundle_has_ip(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(bundle_has_ip(no[i]));
}

static void
too_much_is_refused_with_a_way_out(void **state)
{
	struct bundle_in in = input("");
	struct mw_err err = MW_ERR_INIT;
	size_t n = BUNDLE_MAX + 1;
	char *big = malloc(n);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', n);
	in.raw = json_object();
	json_put(in.raw, "sha256:x", json_stringn(big, n));
	free(big);
	assert_null(bundle_build(&in, &err));
	assert_int_equal(err.code, MW_LIMIT);
	assert_non_null(strstr(err.hint, "--since"));
	json_decref(in.raw);
	json_decref(in.head);
}

static void
what_was_changed_is_found(void **state)
{
	struct bundle_in in = input(RESULT("r-1", "a-1", "5"));
	struct mw_err err = MW_ERR_INIT;
	char *text;
	json_t *j = built(&in, &text);

	(void)state;
	json_put_str(json_array_get(json_object_get(j, "results"), 0), "kind",
	    "cpus");
	assert_false(bundle_check(j, &err));
	assert_non_null(strstr(err.msg, "was changed"));
	free(text);
	json_decref(j);
	json_decref(in.head);
}

static void
what_is_no_bundle_is_refused(void **state)
{
	static const char *const drop[] = { "schema", "ns", "mcis", "since",
		"until", "vms", "results", "matrix", "evaluations", "sha256" };
	struct bundle_in in = input(RESULT("r-1", "a-1", "5"));
	char *text;
	json_t *j = built(&in, &text);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(drop); i++) {
		struct mw_err err = MW_ERR_INIT;
		json_t *copy = json_copy(j);

		json_object_del(copy, drop[i]);
		assert_false(bundle_check_form(copy, &err));
		json_put_int(copy, drop[i], 1);
		err = (struct mw_err)MW_ERR_INIT;
		assert_false(bundle_check_form(copy, &err));
		json_decref(copy);
	}
	free(text);
	json_decref(j);
	json_decref(in.head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_canonical_and_whole),
		cmocka_unit_test(it_evaluates_its_own_results),
		cmocka_unit_test(addresses_only_where_they_are_asked_for),
		cmocka_unit_test(what_is_an_address),
		cmocka_unit_test(too_much_is_refused_with_a_way_out),
		cmocka_unit_test(what_was_changed_is_found),
		cmocka_unit_test(what_is_no_bundle_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
