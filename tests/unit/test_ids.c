/*
 * test_ids.c - grammars of names and addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/ids.h"

#include <string.h>

static void
ids_obey_the_grammar(void **state)
{
	char longest[65];

	(void)state;
	assert_true(id_valid("a"));
	assert_true(id_valid("vm-03"));
	memset(longest, 'a', sizeof longest);
	longest[63] = '\0';
	assert_true(id_valid(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(id_valid(longest));
	assert_false(id_valid(""));
	assert_false(id_valid("A"));
	assert_false(id_valid("3a"));
	assert_false(id_valid("-a"));
	assert_false(id_valid("a-"));
	assert_false(id_valid("a_b"));
	assert_false(id_valid("a/b"));
	assert_false(id_valid("a\n"));
}

static void
words_cannot_be_options_or_text(void **state)
{
	(void)state;
	assert_true(id_word_valid("aws+us-east-1+c5.xlarge", 64));
	assert_true(id_word_valid("abc", 3));
	assert_false(id_word_valid("abcd", 3));
	assert_false(id_word_valid("", 3));
	assert_false(id_word_valid("-rf", 64));
	assert_false(id_word_valid("a b", 64));
	assert_false(id_word_valid("a\"b", 64));
	assert_false(id_word_valid("a$b", 64));
	assert_false(id_word_valid("\xc3\xa4", 64));
}

static void
hosts(void **state)
{
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "-a",
		"a-", "a.-b", "a-.b", "a b", "a;b", "a_b" };
	char longest[255];

	(void)state;
	assert_true(id_host_valid("example.com"));
	assert_true(id_host_valid("10.0.0.1"));
	assert_true(id_host_valid("A-1.b"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(id_host_valid(bad[i]));
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i % 50 == 49 ? '.' : 'a';
	longest[253] = '\0';
	assert_true(id_host_valid(longest));
	longest[253] = 'a';
	longest[254] = '\0';
	assert_false(id_host_valid(longest));
	memset(longest, 'a', 64);
	longest[64] = '\0';
	assert_false(id_host_valid(longest));
}

static void
ipv4_is_strict(void **state)
{
	static const char *const bad[] = { "", "1", "1.2.3", "1.2.3.4.5",
		"256.1.1.1", "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1.2.3.4 ",
		" 1.2.3.4", "1..2.3", "1.2.3.", "1.2.3.+4", "1.2.3.4444" };
	uint32_t a;
	char text[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(id_ipv4_parse(bad[i], &a));
	assert_true(id_ipv4_parse("192.0.2.255", &a));
	assert_int_equal(a, 0xc00002ff);
	id_ipv4_format(a, text);
	assert_string_equal(text, "192.0.2.255");
	assert_true(id_ipv4_parse("0.0.0.0", &a));
	assert_int_equal(a, 0);
}

static void
some_addresses_are_no_targets(void **state)
{
	static const char *const refused[] = { "0.0.0.0", "0.1.2.3",
		"127.0.0.1", "127.255.0.1", "169.254.169.254", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.255",
		"0.255.255.255", "127.0.0.53", "169.254.0.1", "169.254.170.2",
		"100.100.100.200", "168.63.129.16", "192.0.0.192" };
	static const char *const allowed[] = { "1.1.1.1", "10.0.0.1",
		"192.168.1.1", "172.16.0.1", "169.253.0.1", "223.255.255.255",
		"100.100.100.199", "100.64.0.1", "168.63.129.17",
		"192.0.0.191" };
	uint32_t a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_true(id_ipv4_parse(refused[i], &a));
		assert_true(id_ipv4_refused(a));
	}
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		assert_true(id_ipv4_parse(allowed[i], &a));
		assert_false(id_ipv4_refused(a));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_obey_the_grammar),
		cmocka_unit_test(words_cannot_be_options_or_text),
		cmocka_unit_test(hosts),
		cmocka_unit_test(ipv4_is_strict),
		cmocka_unit_test(some_addresses_are_no_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
