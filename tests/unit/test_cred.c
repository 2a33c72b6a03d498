/*
 * test_cred.c - secrets by reference: the forms, what is refused, and that no
 * message holds a value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/alloc.h"
#include "drivers/cred.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANARY "c4n4ry-s3cret"

static const struct cred_field fields[] = {
	{ "ClientId", "MW_TEST_ID", true },
	{ "ClientSecret", "MW_TEST_SECRET", true },
	{ "StsToken", "MW_TEST_TOKEN", false },
};

struct got {
	struct loop *loop;
	struct cred *cred;
	struct mw_err err;
	int calls;
};

static void
on_cred(struct cred *take_cred, const struct mw_err *err, void *arg)
{
	struct got *g = arg;

	g->calls++;
	g->cred = take_cred;
	g->err = *err;
	loop_stop(g->loop);
}

static struct got
get(const struct cred_vault *vault, const char *ref)
{
	struct got g = { .loop = loop_new() };

	cred_get(g.loop, vault, ref, fields, 3, on_cred, &g);
	assert_int_equal(g.calls, 0);
	loop_run(g.loop);
	loop_free(g.loop);
	assert_int_equal(g.calls, 1);
	assert_null(strstr(g.err.msg, CANARY));
	assert_null(strstr(g.err.hint, CANARY));
	/* somebody who gets no secret is told the way out */
	assert_true(g.cred || g.err.hint[0] || g.err.code == MW_INVALID ||
	    g.err.code == MW_UNSUPPORTED || vault);
	assert_true((g.cred != NULL) == (g.err.code == MW_OK));
	return g;
}

static void
is_canary(struct got g)
{
	assert_non_null(g.cred);
	assert_string_equal(cred_value(g.cred, "ClientId"), "me");
	assert_string_equal(cred_value(g.cred, "ClientSecret"), CANARY);
	assert_null(cred_value(g.cred, "StsToken"));
	cred_free(g.cred);
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
files_must_be_private(void **state)
{
	static const char good[] =
	    "{\"ClientId\":\"me\",\"ClientSecret\":\"" CANARY "\"}";
	static const char *const bad[] = {
		"",
		"[]",
		"{\"ClientId\":\"me\"}",
		"{\"ClientId\":\"me\",\"ClientSecret\":7}",
		"{\"ClientId\":\"me\",\"ClientSecret\":\"\"}",
		"{\"ClientId\":\"me\",\"ClientSecret\":\"" CANARY "\"",
		"{\"ClientId\":\"me\",\"ClientSecret\":\"" CANARY "\\u0000\"}",
	};
	char path[] = "/tmp/mw-cred-XXXXXX", ref[64];
	struct got g;

	(void)state;
	close(mkstemp(path));
	snprintf(ref, sizeof ref, "file:%s", path);
	write_file(path, good, 0400);
	is_canary(get(NULL, ref));
	write_file(path, good, 0640);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_DENIED);
	assert_non_null(strstr(g.err.hint, "chmod 400"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		write_file(path, bad[i], 0600);
		g = get(NULL, ref);
		assert_int_equal(g.err.code, MW_INVALID);
		assert_non_null(strstr(g.err.hint, "ClientId, ClientSecret"));
	}
	unlink(path);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_NOT_FOUND);
	g = get(NULL, "file:/");
	assert_int_equal(g.err.code, MW_DENIED);
}

/* Its name, never its value; those that fit nothing are no error. */
static void
misspelt_names_are_told(void **state)
{
	static const char bad[] =
	    "{\"acessKeyId\":\"" CANARY "\",\"ClientSecret\":\"" CANARY
	    "\",\"b\":1,\"c\":1,\"d\":1}";
	static const char good[] = "{\"ClientId\":\"me\",\"Region\":\"r\","
				   "\"ClientSecret\":\"" CANARY "\"}";
	struct mw_err err = MW_ERR_INIT;
	struct cred *c = cred_parse(bad, strlen(bad), fields, 3, &err);

	(void)state;
	assert_null(c);
	assert_string_equal(err.msg,
	    "the credential has no field ClientId, but has acessKeyId, b, c");
	assert_string_equal(err.hint,
	    "a JSON object of texts: ClientId, ClientSecret, StsToken "
	    "(optional)");
	c = cred_parse(good, strlen(good), fields, 3, &err);
	assert_non_null(c);
	assert_string_equal(c->others, "Region");
	cred_free(c);
}

/* What an answer says that has no secret: the way out is in it. */
static void
the_way_out_is_passed_on(void **state)
{
	struct mw_err err = MW_ERR_INIT, out = MW_ERR_INIT;

	(void)state;
	err_set(&err, MW_DENIED, 0, "others may read /x");
	cred_none(&err, &out);
	assert_string_equal(out.msg, CRED_NONE "others may read /x");
	err_hint(&err, "chmod 400 /x");
	cred_none(&err, &out);
	assert_int_equal(out.code, MW_DENIED);
	assert_string_equal(out.msg,
	    CRED_NONE "others may read /x" CRED_WAY "chmod 400 /x");
}

static void
variables(void **state)
{
	struct got g;

	(void)state;
	unsetenv("MW_TEST_SECRET");
	setenv("MW_TEST_ID", "me", 1);
	g = get(NULL, "env:");
	assert_int_equal(g.err.code, MW_INVALID);
	assert_non_null(strstr(g.err.msg, "MW_TEST_SECRET"));
	setenv("MW_TEST_SECRET", CANARY, 1);
	is_canary(get(NULL, "env:"));
	unsetenv("MW_TEST_SECRET");
	unsetenv("MW_TEST_ID");
}

static void
programs(void **state)
{
	char path[] = "/tmp/mw-cred-XXXXXX", ref[64];
	struct got g;

	(void)state;
	close(mkstemp(path));
	write_file(path,
	    "#!/bin/sh\n[ \"$1\" = a ] || exit 3\n"
	    "echo '{\"ClientId\":\"me\",\"ClientSecret\":\"" CANARY "\"}'\n",
	    0700);
	snprintf(ref, sizeof ref, "exec:%s a", path);
	is_canary(get(NULL, ref));
	snprintf(ref, sizeof ref, "exec:%s b", path);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_REMOTE);
	assert_non_null(strstr(g.err.msg, "status 3"));
	unlink(path);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_NOT_FOUND);
	g = get(NULL, "exec: ");
	assert_int_equal(g.err.code, MW_INVALID);
}

/* What it says is passed on, one line of it; what it prints never is. */
static void
programs_that_fail_are_heard(void **state)
{
	static const char twenty[] =
	    "exec:a b c d e f g h i j k l m n o p q r s t";
	char path[] = "/tmp/mw-cred-XXXXXX", ref[64];
	struct mw_err err = MW_ERR_INIT;
	struct got g;

	(void)state;
	close(mkstemp(path));
	snprintf(ref, sizeof ref, "exec:%s", path);
	write_file(path,
	    "#!/bin/sh\necho " CANARY "\n"
	    "printf '\\nlogin first\\033[1m\\n" CANARY "\\n' >&2\nexit 7\n",
	    0700);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_REMOTE);
	assert_non_null(strstr(g.err.msg, path));
	assert_non_null(strstr(g.err.msg, "ended with status 7: login first"));
	assert_null(strchr(g.err.msg, '\033'));
	write_file(path, "#!/bin/sh\nyes " CANARY "\n", 0700);
	g = get(NULL, ref);
	assert_int_equal(g.err.code, MW_INVALID);
	assert_non_null(strstr(g.err.msg, "more than 65536 bytes"));
	unlink(path);
	/* none is cut in silence */
	assert_true(
	    cred_check_ref("exec:a b c d e f g h i j k l m n o p ", &err));
	assert_false(cred_check_ref(twenty, &err));
	assert_non_null(strstr(err.msg, "16 words"));
	g = get(NULL, twenty);
	assert_int_equal(g.err.code, MW_INVALID);
}

static bool
unseal(void *ctx, const char *name, struct str *json, struct mw_err *err)
{
	(void)ctx;
	if (strcmp(name, "aws") != 0)
		return err_set(err, MW_NOT_FOUND, 0, "nothing sealed as %s",
		    name);
	str_add(json, "{\"ClientId\":\"me\",\"ClientSecret\":\"" CANARY "\"}");
	return true;
}

static void
sealed_ones(void **state)
{
	const struct cred_vault vault = { NULL, unseal };
	struct got g;

	(void)state;
	is_canary(get(&vault, "sealed:aws"));
	g = get(&vault, "sealed:gcp");
	assert_int_equal(g.err.code, MW_NOT_FOUND);
	g = get(NULL, "sealed:aws");
	assert_int_equal(g.err.code, MW_UNSUPPORTED);
}

/* Somebody who types the secret where the reference belongs is told how. */
static void
other_texts_are_no_references(void **state)
{
	static const char *const bad[] = { "", CANARY,
		"file:", "exec:", "sealed:", "http://x", "FILE:/x" };
	struct mw_err err = MW_ERR_INIT;
	struct got g;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(cred_check_ref(bad[i], &err));
		assert_int_equal(err.code, MW_INVALID);
		g = get(NULL, bad[i]);
		assert_int_equal(g.err.code, MW_INVALID);
	}
	g = get(NULL, NULL);
	assert_int_equal(g.err.code, MW_INVALID);
	assert_true(cred_check_ref("env:", &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_must_be_private),
		cmocka_unit_test(misspelt_names_are_told),
		cmocka_unit_test(the_way_out_is_passed_on),
		cmocka_unit_test(variables),
		cmocka_unit_test(programs),
		cmocka_unit_test(programs_that_fail_are_heard),
		cmocka_unit_test(sealed_ones),
		cmocka_unit_test(other_texts_are_no_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
