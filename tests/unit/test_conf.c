/*
 * test_conf.c - configuration from a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conf {
	char *name;
	int64_t port;
	bool on;
};

static const struct conf_key keys[] = {
	{ "http.name", CONF_STR, offsetof(struct conf, name), 0, 0, "mw",
	    "a name" },
	{ "http.port", CONF_INT, offsetof(struct conf, port), 1, 65535, "7470",
	    "a port" },
	{ "log.on", CONF_BOOL, offsetof(struct conf, on), 0, 0, "true",
	    "a switch" },
};

/* Loads text as a file; the path is the same in every run of a test. */
static bool
load(const char *text, struct conf *c, struct mw_err *err)
{
	char path[] = "/tmp/mw-conf-XXXXXX";
	int fd = mkstemp(path);
	bool ok;

	assert_true(fd >= 0);
	assert_true(file_write_all(fd, text, strlen(text)));
	close(fd);
	conf_defaults(keys, ARRAY_LEN(keys), c);
	ok = conf_load(keys, ARRAY_LEN(keys), c, path, err);
	unlink(path);
	return ok;
}

static void
defaults_then_file_then_assignment(void **state)
{
	struct conf c;
	struct mw_err err;

	(void)state;
	assert_true(
	    load("; comment\n[http]\nport = 80\n[log]\non=no\n", &c, &err));
	assert_string_equal(c.name, "mw");
	assert_int_equal(c.port, 80);
	assert_false(c.on);
	assert_true(conf_set(keys, ARRAY_LEN(keys), &c, "http.name=a=b", &err));
	assert_string_equal(c.name, "a=b");
	assert_false(conf_set(keys, ARRAY_LEN(keys), &c, "http.port=0", &err));
	assert_int_equal(c.port, 80);
	assert_false(conf_set(keys, ARRAY_LEN(keys), &c, "http.prt=1", &err));
	assert_false(conf_set(keys, ARRAY_LEN(keys), &c, "http.port", &err));
	conf_free(keys, ARRAY_LEN(keys), &c);
	assert_null(c.name);
}

static void
errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ "[http]\nport=80\nprot=1\n", ":3: unknown key http.prot" },
		{ "[http]\nport=x\n", ":2: http.port must be in 1..65535" },
		{ "[log]\n\non=maybe\n", ":3: log.on must be true or false" },
		{ "[http]\nport=1\nport=2\n", ":3: http.port is set twice" },
		{ "[http]\nnonsense\n", ":2: not key = value" },
	};
	struct conf c;
	struct mw_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(load(bad[i].text, &c, &err));
		assert_int_equal(err.code, MW_INVALID);
		if (strstr(err.msg, bad[i].want) == NULL)
			fail_msg("%s", err.msg);
		conf_free(keys, ARRAY_LEN(keys), &c);
	}
	conf_defaults(keys, ARRAY_LEN(keys), &c);
	assert_false(
	    conf_load(keys, ARRAY_LEN(keys), &c, "/no/such/file", &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	conf_free(keys, ARRAY_LEN(keys), &c);
}

static void
what_it_prints_it_can_load(void **state)
{
	char path[] = "/tmp/mw-conf-XXXXXX";
	int fd = mkstemp(path), keep = dup(1);
	struct str text = STR_INIT;
	struct conf c, d;
	struct mw_err err;

	(void)state;
	assert_true(load("[http]\nname = other\nport = 81\n", &c, &err));
	fflush(stdout);
	dup2(fd, 1);
	conf_print(keys, ARRAY_LEN(keys), &c);
	fflush(stdout);
	dup2(keep, 1);
	close(keep);
	close(fd);
	assert_true(file_read(path, 10000, &text, &err));
	assert_non_null(
	    strstr(str_cstr(&text), "# a port (1..65535)\nport = 81\n"));
	conf_defaults(keys, ARRAY_LEN(keys), &d);
	assert_true(conf_load(keys, ARRAY_LEN(keys), &d, path, &err));
	assert_string_equal(d.name, "other");
	assert_int_equal(d.port, 81);
	unlink(path);
	str_free(&text);
	conf_free(keys, ARRAY_LEN(keys), &c);
	conf_free(keys, ARRAY_LEN(keys), &d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_then_file_then_assignment),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(what_it_prints_it_can_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
