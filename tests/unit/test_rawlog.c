/*
 * test_rawlog.c - what an agent packs is what the coordinator reads, within
 * its limits; the environment from files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/bench/rawlog.h"
#include "agent/host/sysenv.h"
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "coordinator/measure/raw.h"

#include <stdlib.h>
#include <string.h>

static void
what_is_packed_can_be_read(void **state)
{
	struct rawlog *l = rawlog_new();
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	struct result_raw raw;
	char name[RAW_NAME_LEN];
	bool truncated;
	void *packed;
	size_t n;

	(void)state;
	rawlog_add(l, "==> one", "eps: 5\n", 7);
	rawlog_add(l, "==> two", "eps: 6", 6);
	rawlog_end(l, &raw, &truncated);
	assert_false(truncated);
	assert_true(raw_decode(raw.base64, &packed, &n, &err));
	assert_true(raw_check(packed, n, raw.hash, &err));
	assert_true(raw_inflate(packed, n, &text, &err));
	assert_string_equal(str_cstr(&text),
	    "==> one\neps: 5\n==> two\neps: 6\n");
	assert_int_equal(raw.bytes, text.len);
	raw_name(text.p, text.len, name);
	assert_string_equal(name, raw.hash);
	assert_true(raw_name_valid(name));
	/* another text of that name, and a cut one, are refused */
	name[70] = name[70] == '0' ? '1' : '0';
	assert_false(raw_check(packed, n, name, &err));
	assert_false(raw_check(packed, n - 1, raw.hash, &err));
	assert_false(raw_check("", 0, raw.hash, &err));
	str_free(&text);
	free(packed);
	rawlog_free(l);
}

static void
nothing_is_no_text(void **state)
{
	struct rawlog *l = rawlog_new();
	struct result_raw raw;
	bool truncated;

	(void)state;
	rawlog_end(l, &raw, &truncated);
	assert_string_equal(raw.hash, "");
	assert_null(raw.base64);
	rawlog_free(l);
}

static void
limits_are_kept_and_said(void **state)
{
	struct rawlog *l = rawlog_new();
	size_t n = 200 * 1024;
	char *text = xmalloc(n);
	struct mw_err err = MW_ERR_INIT;
	struct result_raw raw;
	struct rng rng;
	bool truncated;
	void *packed;
	size_t len;

	(void)state;
	rng_seed(&rng, 1);
	for (int rep = 0; rep < 12; rep++) {
		for (size_t i = 0; i < n; i++)
			text[i] = (char)('0' + rng_below(&rng, 10));
		rawlog_add(l, "==>", text, n);
	}
	rawlog_end(l, &raw, &truncated);
	assert_true(truncated);
	assert_true(raw.bytes > 0 && raw.bytes <= RESULT_RAW_MAX);
	assert_true(raw_decode(raw.base64, &packed, &len, &err));
	assert_true(len <= RESULT_RAW_PACKED_MAX);
	assert_true(raw_check(packed, len, raw.hash, &err));
	free(packed);
	free(text);
	rawlog_free(l);
}

static void
base64_is_checked(void **state)
{
	static const char *const bad[] = { "", "A", "AAA", "A===", "AA*A",
		"AAAA\n" };
	struct mw_err err = MW_ERR_INIT;
	size_t n;
	void *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (raw_decode(bad[i], &p, &n, &err)) {
			/* decodable, but never more than was there */
			assert_true(n <= 3);
			free(p);
		}
}

static void
files_of_the_kernel(void **state)
{
	int64_t v;
	char word[16];

	(void)state;
	assert_true(sysenv_parse_size("32768K", 6, &v));
	assert_int_equal(v, 32768);
	assert_true(sysenv_parse_size("32M", 3, &v));
	assert_int_equal(v, 32768);
	assert_false(sysenv_parse_size("K", 1, &v));
	assert_false(sysenv_parse_size("", 0, &v));
	assert_true(
	    sysenv_parse_choice("none [mq-deadline] bfq", 22, word, 16));
	assert_string_equal(word, "mq-deadline");
	assert_true(sysenv_parse_choice("none", 4, word, 16));
	assert_string_equal(word, "none");
	assert_false(sysenv_parse_choice("a b", 3, word, 16));
	assert_false(sysenv_parse_choice("[none", 5, word, 16));
	assert_true(sysenv_parse_stat("nr_periods 3\nthrottled_usec 42\n", 32,
	    "throttled_usec", &v));
	assert_int_equal(v, 42);
	assert_false(
	    sysenv_parse_stat("throttled_usec x", 16, "throttled_usec", &v));
	assert_string_equal(sysenv_virt("QEMU", "Standard PC", ""), "kvm");
	assert_string_equal(sysenv_virt("", "", "flags : a hypervisor b"),
	    "vm");
	assert_string_equal(sysenv_virt("", "", "flags : a b"), "none");
	assert_string_equal(sysenv_virt("", "", ""), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_packed_can_be_read),
		cmocka_unit_test(nothing_is_no_text),
		cmocka_unit_test(limits_are_kept_and_said),
		cmocka_unit_test(base64_is_checked),
		cmocka_unit_test(files_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
