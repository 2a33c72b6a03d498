/*
 * test_facade_msg.c - what the drop-in for CB-Milkyway says and reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/facade/facade_msg.h"

#include <stdlib.h>
#include <string.h>

static const struct facade_params params = { .sysbench = "/usr/bin/sysbench",
	.cpus = 4,
	.db_socket = "/d/s",
	.db_user = "nobody" };

static void
routes_are_exactly_those(void **state)
{
	static const char *const bad[] = { "", "/", "/milkyway", "/milkyway/",
		"/milkyway/cpu", "/milkyway/CPUS", "/milkyway/cpus/",
		"/milkyway//cpus", "/Milkyway/cpus", "/milkyway/memr",
		"/milkyway/mrtt2" };
	enum facade_action a;

	(void)state;
	for (int i = 0; i < FACADE_ACTIONS; i++) {
		const char *path = facade_action_path((enum facade_action)i);

		assert_true(facade_action_find(path, &a));
		assert_int_equal(a, i);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (facade_action_find(bad[i], &a))
			fail_msg("accepted: %s", bad[i]);
}

static char *
line_of(enum facade_action a, enum facade_command c,
    const struct facade_params *p)
{
	struct facade_argv argv;
	struct str s = STR_INIT;

	facade_argv(a, c, p, &argv);
	assert_null(argv.v[argv.n]);
	for (size_t i = 0; i < argv.n; i++)
		str_addf(&s, "%s%s", i > 0 ? " " : "", argv.v[i]);
	return str_take(&s);
}

static void
arguments_are_the_old_ones(void **state)
{
#define DB                                       \
	"--db-driver=mysql --mysql-socket=/d/s " \
	"--mysql-user=nobody --mysql-db=sbtest"
#define MEM                                                    \
	"memory --memory-block-size=1K --memory-scope=global " \
	"--memory-total-size=10G --memory-oper="
	static const struct {
		enum facade_action a;
		enum facade_command c;
		const char *line;
	} cases[] = {
		{ FACADE_CPUS, FACADE_RUN,
		    "cpu --cpu-max-prime=100000 --threads=1 run" },
		{ FACADE_CPUM, FACADE_RUN,
		    "cpu --cpu-max-prime=100000 --threads=4 run" },
		{ FACADE_MEMR, FACADE_RUN, MEM "read run" },
		{ FACADE_MEMW, FACADE_RUN, MEM "write run" },
		{ FACADE_FIOR, FACADE_RUN,
		    "fileio --file-total-size=50M --file-test-mode=rndrd "
		    "--events=0 --time=30 run" },
		{ FACADE_FIOW, FACADE_RUN,
		    "fileio --file-total-size=50M --file-test-mode=rndwr "
		    "--events=0 --time=30 run" },
		{ FACADE_DBR, FACADE_RUN,
		    "oltp_read_only --table-size=100000 " DB " run" },
		{ FACADE_DBW, FACADE_RUN,
		    "oltp_write_only --table-size=100000 " DB " run" },
		{ FACADE_INIT, FACADE_FILES_PREPARE,
		    "fileio --file-total-size=50M prepare" },
		{ FACADE_CLEAN, FACADE_FILES_CLEANUP,
		    "fileio --file-total-size=50M cleanup" },
		{ FACADE_INIT, FACADE_DB_PREPARE,
		    "oltp_read_write --table-size=100000 " DB " prepare" },
		{ FACADE_INIT, FACADE_DB_CLEANUP,
		    "oltp_read_write --table-size=100000 " DB " cleanup" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *line = line_of(cases[i].a, cases[i].c, &params);

		assert_true(str_starts(line, "/usr/bin/sysbench "));
		assert_string_equal(strchr(line, ' ') + 1, cases[i].line);
		free(line);
	}
}

static void
seconds_replace_the_time(void **state)
{
	struct facade_params p = params;
	char *line;

	(void)state;
	p.seconds = 2;
	line = line_of(FACADE_FIOR, FACADE_RUN, &p);
	assert_non_null(strstr(line, " --time=2 run"));
	assert_null(strstr(line, "30"));
	free(line);
	line = line_of(FACADE_CPUS, FACADE_RUN, &p);
	assert_non_null(strstr(line, " --time=2 run"));
	free(line);
}

static const struct {
	enum facade_action a;
	const char *text, *number; /* NULL: there is none */
} outputs[] = {
	{ FACADE_CPUS, "CPU speed:\n    events per second:   104.61\n",
	    "104.61" },
	{ FACADE_MEMR,
	    "8768 total\n\n8768.00 MiB transferred (8687.11 MiB/sec)\n",
	    "8687.11" },
	{ FACADE_FIOR,
	    "Throughput:\n    read, MiB/s:                  6676.03\n"
	    "    written, MiB/s:               0.00\n",
	    "6676.03" },
	{ FACADE_FIOW,
	    "Throughput:\n    read, MiB/s:                  0.00\n"
	    "    written, MiB/s:               12.5\n",
	    "12.5" },
	{ FACADE_DBR,
	    "    transactions:                        3004   (299.72 per "
	    "sec.)\n    queries: 1 (2 per sec.)\n",
	    "299.72" },
	{ FACADE_CPUS, "", NULL },
	{ FACADE_CPUS, "FATAL: x\n", NULL },
	{ FACADE_CPUS, "events per second:", NULL },
	{ FACADE_CPUS, "events per second: nan", NULL },
	{ FACADE_CPUS, "events per second: .", NULL },
	{ FACADE_CPUS, "events per second: 5.", NULL },
	{ FACADE_CPUS, "events per second: -3", NULL },
	{ FACADE_CPUS, "events per second: 11111111111111111111111111111111",
	    NULL },
	{ FACADE_DBR, "transactions: 5\n(7 per sec.)", NULL },
	{ FACADE_INIT, "events per second: 5", NULL },
	{ FACADE_RTT, "events per second: 5", NULL },
};

static void
numbers_are_as_printed(void **state)
{
	char number[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
		bool ok = facade_number(outputs[i].a, outputs[i].text,
		    strlen(outputs[i].text), number);

		if (ok != (outputs[i].number != NULL))
			fail_msg("%s", outputs[i].text);
		if (ok)
			assert_string_equal(number, outputs[i].number);
	}
}

static const char *
text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	assert_non_null(s);
	return s;
}

static void
every_field_is_a_string(void **state)
{
	(void)state;
	for (int i = 0; i < FACADE_ACTIONS; i++) {
		json_t *j = facade_answer((enum facade_action)i, "1.5", &params,
		    0.1234567);

		assert_int_equal(json_object_size(j), 5);
		assert_string_equal(text_of(j, "result"), "1.5");
		assert_string_equal(text_of(j, "elapsed"), "0.123457");
		assert_string_equal(text_of(j, "specid"), "");
		text_of(j, "unit");
		assert_null(strchr(text_of(j, "desc"), '%'));
		json_decref(j);
	}
}

static void
texts_to_the_letter(void **state)
{
	json_t *j = facade_answer(FACADE_CPUM, "1", &params, 0);

	(void)state;
	assert_string_equal(text_of(j, "desc"),
	    "Repeat the calculation (excution) for prime numbers in 100000 "
	    "using 4cores");
	json_decref(j);
	j = facade_answer(FACADE_FIOW, "1", &params, 0);
	assert_string_equal(text_of(j, "desc"),
	    "Check write throughput by excuting random writes for files in "
	    "50MiB for 30s");
	json_decref(j);
	j = facade_answer_rtt("a.example", "aws+x+y", "0.123", 2);
	assert_string_equal(text_of(j, "desc"), "Average RTT to a.example");
	assert_string_equal(text_of(j, "specid"), "aws+x+y");
	assert_string_equal(text_of(j, "unit"), "ms");
	assert_string_equal(text_of(j, "elapsed"), "2.000000");
	json_decref(j);
	j = facade_message("Not Found");
	assert_int_equal(json_object_size(j), 1);
	assert_string_equal(text_of(j, "message"), "Not Found");
	json_decref(j);
}

static bool
parse(const char *body, bool multi, struct facade_hosts *h)
{
	struct mw_err err = MW_ERR_INIT;

	return facade_parse_hosts(body, strlen(body), multi, h, &err);
}

static void
hosts_of_a_body(void **state)
{
	struct facade_hosts h;

	(void)state;
	assert_true(parse("{\n \"host\": \"10.0.0.7\",\"x\":[1]}", false, &h));
	assert_int_equal(h.n, 1);
	assert_true(h.v[0].valid && h.v[0].known);
	assert_int_equal(h.v[0].ip, 0x0a000007);
	facade_hosts_free(&h);
	assert_true(parse("{\"multihost\":[{\"host\":\"a.example\","
			  "\"spec\":\"s\"},{\"host\":\"-c1\"}]}",
	    true, &h));
	assert_int_equal(h.n, 2);
	assert_true(h.v[0].valid && !h.v[0].known);
	assert_string_equal(h.v[0].spec, "s");
	assert_false(h.v[1].valid);
	assert_string_equal(h.v[1].spec, "");
	facade_hosts_free(&h);
	assert_true(parse("{\"multihost\":null}", true, &h));
	assert_int_equal(h.n, 0);
	facade_hosts_free(&h);
}

static void
bad_bodies(void **state)
{
	static const char *const one[] = { "", "{", "[]", "7", "{}",
		"{\"host\":7}", "{\"host\":null}", "{\"host\":\"a\\u0000\"}",
		"{\"host\":\"a\",\"host\":\"b\"}", "{\"host\":\"a\"} x",
		"{\"host\":\"a\",\"spec\":1}" };
	static const char *const many[] = { "{\"multihost\":{}}",
		"{\"multihost\":[1]}", "{\"multihost\":[{}]}",
		"{\"multihost\":[{\"host\":\"a\"},{\"host\":1}]}" };
	struct facade_hosts h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(one); i++) {
		if (parse(one[i], false, &h))
			fail_msg("accepted: %s", one[i]);
		facade_hosts_free(&h);
	}
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		if (parse(many[i], true, &h))
			fail_msg("accepted: %s", many[i]);
		facade_hosts_free(&h);
	}
}

static void
getent_first_address(void **state)
{
	static const char good[] = "10.0.0.7       STREAM a.example\n"
				   "10.0.0.8       STREAM\n";
	uint32_t ip;

	(void)state;
	assert_true(facade_parse_getent(good, sizeof good - 1, &ip));
	assert_int_equal(ip, 0x0a000007);
	assert_false(facade_parse_getent("", 0, &ip));
	assert_false(facade_parse_getent("::1 STREAM", 10, &ip));
	assert_false(facade_parse_getent("10.0.0.7.8888888888 S", 21, &ip));
}

static void
allow_lists(void **state)
{
	static const char *const bad[] = { "", " # nothing\n", "x",
		"10.0.0.0/7", "0.0.0.0/0", "10.0.0.0/33", "10.0.0.0/",
		"10.0.0.0/8/8", "10.0.0/8", "::1/128", "10.0.0.0/8;",
		"10.0.0.0/-1" };
	struct mw_err err = MW_ERR_INIT;
	struct facade_allow a;

	(void)state;
	assert_true(facade_allow_parse("10.1.2.3/8, 192.0.2.7 # the server\n"
				       "# 172.16.0.0/12\n127.0.0.0/8",
	    &a, &err));
	assert_int_equal(a.n, 3);
	assert_true(facade_allowed(&a, 0x0affffff));
	assert_true(facade_allowed(&a, 0xc0000207));
	assert_false(facade_allowed(&a, 0xc0000208));
	assert_false(facade_allowed(&a, 0xac100001));
	assert_false(facade_allow_local(&a));
	assert_true(facade_allow_parse("127.0.0.0/8", &a, &err));
	assert_true(facade_allow_local(&a));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (facade_allow_parse(bad[i], &a, &err))
			fail_msg("accepted: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_are_exactly_those),
		cmocka_unit_test(arguments_are_the_old_ones),
		cmocka_unit_test(seconds_replace_the_time),
		cmocka_unit_test(numbers_are_as_printed),
		cmocka_unit_test(every_field_is_a_string),
		cmocka_unit_test(texts_to_the_letter),
		cmocka_unit_test(hosts_of_a_body),
		cmocka_unit_test(bad_bodies),
		cmocka_unit_test(getent_first_address),
		cmocka_unit_test(allow_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
