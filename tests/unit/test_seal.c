/*
 * test_seal.c - sealed credentials: what was put comes back; another key, a
 * flipped bit, swapped entries, a torn file are refused and named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/pure/alloc.h"
#include "drivers/seal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANARY "{\"ClientSecret\":\"c4n4ry-s3cret\"}"

static char dir[64];

static int
setup(void **state)
{
	(void)state;
	str_copy(dir, sizeof dir, "/tmp/mw-seal.XXXXXX");
	unsetenv("CREDENTIALS_DIRECTORY");
	return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	return file_remove_tree(dir, &err) ? 0 : -1;
}

static const char *
path(const char *rest)
{
	static char p[2][128];
	static int i;

	i = !i;
	str_copy(p[i], sizeof p[i], dir);
	str_copy(p[i] + strlen(dir), sizeof p[i] - strlen(dir), rest);
	return p[i];
}

static void
put(const char *name, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	struct seal *s = seal_new(dir);

	assert_true(seal_put(s, name, text, strlen(text), &err));
	seal_free(s);
}

/* Of a process that starts anew; NULL if refused, err tells. */
static char *
get(const char *name, struct mw_err *err)
{
	struct seal *s = seal_new(dir);
	struct str out = STR_INIT;
	bool ok;

	*err = (struct mw_err)MW_ERR_INIT;
	ok = seal_vault(s)->unseal(seal_vault(s)->ctx, name, &out, err);
	seal_free(s);
	assert_null(strstr(err->msg, "c4n4ry"));
	assert_true(ok == (err->code == MW_OK));
	if (ok)
		return str_take(&out);
	assert_int_equal(out.len, 0);
	str_free(&out);
	return NULL;
}

static void
refused(const char *name, enum mw_code code, const char *word)
{
	struct mw_err err;

	assert_null(get(name, &err));
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, word));
	assert_true(err.hint[0]);
	if (strstr(word, "others may read"))
		assert_non_null(strstr(err.hint, "chmod 400"));
}

static void
returns(const char *name, const char *text)
{
	struct mw_err err;
	char *got = get(name, &err);

	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void
raw(const char *p, struct str *out)
{
	struct mw_err err = MW_ERR_INIT;

	assert_true(file_read(p, 1 << 20, out, &err));
}

static void
write_raw(const char *p, const struct str *s)
{
	struct mw_err err = MW_ERR_INIT;

	assert_true(file_write(p, s->p, s->len, 0600, &err));
}

static void
test_round_trip(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str a = STR_INIT, b = STR_INIT;
	struct seal *s;
	struct stat st;

	(void)state;
	put("aws-one", CANARY);
	returns("aws-one", CANARY);
	assert_int_equal(stat(path("/seal.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(stat(path("/credentials/aws-one"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	raw(path("/credentials/aws-one"), &a);
	assert_null(memmem(a.p, a.len, "c4n4ry", 6));
	/* a nonce of its own each time */
	put("aws-one", CANARY);
	raw(path("/credentials/aws-one"), &b);
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.p + 16, b.p + 16, 12);
	str_free(&a);
	str_free(&b);
	s = seal_new(dir);
	assert_true(seal_remove(s, "aws-one", &err));
	assert_true(seal_remove(s, "aws-one", &err));
	seal_free(s);
	refused("aws-one", MW_NOT_FOUND, "no sealed credential aws-one");
}

static void
test_every_bit(void **state)
{
	struct str a = STR_INIT;

	(void)state;
	put("x", CANARY);
	raw(path("/credentials/x"), &a);
	for (size_t i = 0; i < a.len; i++) {
		a.p[i] ^= (char)(1 << (i % 8));
		write_raw(path("/credentials/x"), &a);
		refused("x", MW_DENIED,
		    i >= 8 && i < 16 ? "another master key" : "damaged");
		a.p[i] ^= (char)(1 << (i % 8));
	}
	write_raw(path("/credentials/x"), &a);
	returns("x", CANARY);
	for (size_t n = a.len; n-- > 0;) {
		a.len = n;
		write_raw(path("/credentials/x"), &a);
		refused("x", MW_DENIED, "damaged");
	}
	str_free(&a);
}

static void
test_swapped(void **state)
{
	(void)state;
	put("cheap", "{\"ClientSecret\":\"one\"}");
	put("dear", "{\"ClientSecret\":\"two\"}");
	assert_int_equal(rename(path("/credentials/dear"),
			     path("/credentials/cheap")),
	    0);
	refused("cheap", MW_DENIED, "another name");
}

/* A text of one kind is none of another. */
static void
test_kinds(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct seal *s = seal_new(dir);
	struct str out = STR_INIT;

	(void)state;
	put("x", CANARY);
	assert_true(seal_put_as(s, SEAL_SSH, "x", "k", 1, &err));
	assert_true(seal_put_as(s, SEAL_CA, "ca", "k", 1, &err));
	assert_int_equal(rename(path("/credentials/x"), path("/ssh/x.sealed")),
	    0);
	assert_false(seal_get_as(s, SEAL_SSH, "x", &out, &err));
	assert_int_equal(err.code, MW_DENIED);
	assert_non_null(strstr(err.msg, "SSH key x"));
	assert_int_equal(rename(path("/ca.key.sealed"), path("/ssh/x.sealed")),
	    0);
	assert_false(seal_get_as(s, SEAL_SSH, "x", &out, &err));
	assert_int_equal(out.len, 0);
	assert_true(seal_remove_as(s, SEAL_SSH, "x", &err));
	assert_int_equal(access(path("/ssh/x.sealed"), F_OK), -1);
	seal_free(s);
}

static void
test_keys(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str key = STR_INIT;
	struct seal *s;

	(void)state;
	put("x", CANARY);
	raw(path("/seal.key"), &key);
	assert_int_equal(chmod(path("/seal.key"), 0440), 0);
	refused("x", MW_DENIED, "others may read");
	/* lost: nothing is sealed with a new one in silence */
	assert_int_equal(unlink(path("/seal.key")), 0);
	refused("x", MW_NOT_FOUND, "master key");
	s = seal_new(dir);
	assert_false(seal_put(s, "y", "{}", 2, &err));
	assert_non_null(strstr(err.hint, "put the key back"));
	seal_free(s);
	key.p[3] ^= 1;
	write_raw(path("/seal.key"), &key);
	refused("x", MW_DENIED, "another master key");
	key.p[3] ^= 1;
	key.len--;
	write_raw(path("/seal.key"), &key);
	refused("x", MW_DENIED, "32 bytes");
	key.len++;
	/* systemd's */
	assert_int_equal(unlink(path("/seal.key")), 0);
	assert_int_equal(mkdir(path("/cd"), 0700), 0);
	write_raw(path("/cd/milkyway-seal"), &key);
	setenv("CREDENTIALS_DIRECTORY", path("/cd"), 1);
	returns("x", CANARY);
	unsetenv("CREDENTIALS_DIRECTORY");
	str_free(&key);
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "", "../x", "a/b", ".x", "A",
		"a b" };
	struct mw_err err;
	struct seal *s = seal_new(dir);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct str out = STR_INIT;

		err = (struct mw_err)MW_ERR_INIT;
		assert_false(seal_put(s, bad[i], "{}", 2, &err));
		assert_int_equal(err.code, MW_INVALID);
		assert_false(seal_get(s, bad[i], &out, &err));
		assert_false(seal_remove(s, bad[i], &err));
		str_free(&out);
	}
	err = (struct mw_err)MW_ERR_INIT;
	assert_false(seal_put(s, "x", "", 0, &err));
	assert_int_equal(err.code, MW_INVALID);
	seal_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_every_bit, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_swapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
