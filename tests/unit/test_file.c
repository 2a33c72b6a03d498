/*
 * test_file.c - whole files and trees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *
in_dir(const char *name)
{
	static char path[2][256];
	static unsigned turn;
	char *p = path[turn++ % 2];

	snprintf(p, 256, "%s/%s", dir, name);
	return p;
}

static int
make_dir(void **state)
{
	(void)state;
	str_copy(dir, sizeof dir, "/tmp/mw-file-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state)
{
	struct mw_err err;

	(void)state;
	return !file_remove_tree(dir, &err);
}

static void
writes_and_reads(void **state)
{
	struct str s = STR_INIT;
	struct mw_err err;
	struct stat st;

	(void)state;
	assert_true(file_write(in_dir("a"), "hello\0x", 7, 0600, &err));
	assert_true(file_write(in_dir("a"), "hello\0y", 7, 0640, &err));
	assert_int_equal(stat(in_dir("a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_not_equal(stat(in_dir("a.tmp"), &st), 0);
	assert_true(file_read(in_dir("a"), 7, &s, &err));
	assert_int_equal(s.len, 7);
	assert_memory_equal(s.p, "hello\0y", 7);
	assert_false(file_read(in_dir("a"), 6, &s, &err));
	assert_int_equal(err.code, MW_LIMIT);
	assert_false(file_read(in_dir("none"), 6, &s, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	assert_false(file_write(in_dir("no/such"), "", 0, 0600, &err));
	str_free(&s);
}

static void
makes_directories(void **state)
{
	struct mw_err err;
	struct stat st;

	(void)state;
	assert_true(file_mkdirs(in_dir("d/e/f"), 0700, &err));
	assert_true(file_mkdirs(in_dir("d/e/f"), 0700, &err));
	assert_true(file_mkdirs(in_dir("d/e/g/"), 0700, &err));
	assert_int_equal(stat(in_dir("d/e/f"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_true(file_write(in_dir("plain"), "", 0, 0600, &err));
	assert_false(file_mkdirs(in_dir("plain/x"), 0700, &err));
	assert_false(file_mkdirs(in_dir("plain"), 0700, &err));
	assert_false(file_mkdirs("", 0700, &err));
}

static void
removes_trees_but_not_through_links(void **state)
{
	struct mw_err err;
	struct stat st;

	(void)state;
	assert_true(file_mkdirs(in_dir("keep"), 0700, &err));
	assert_true(file_write(in_dir("keep/me"), "", 0, 0600, &err));
	assert_true(file_mkdirs(in_dir("t/a/b"), 0700, &err));
	assert_true(file_write(in_dir("t/a/x"), "", 0, 0600, &err));
	assert_int_equal(symlink(in_dir("keep"), in_dir("t/a/link")), 0);
	assert_true(file_remove_tree(in_dir("t"), &err));
	assert_int_not_equal(stat(in_dir("t"), &st), 0);
	assert_int_equal(stat(in_dir("keep/me"), &st), 0);
	assert_true(file_remove_tree(in_dir("t"), &err));
	/* A link given as the root is removed, not followed. */
	assert_int_equal(symlink(in_dir("keep"), in_dir("l")), 0);
	assert_true(file_remove_tree(in_dir("l"), &err));
	assert_int_equal(stat(in_dir("keep/me"), &st), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads),
		cmocka_unit_test(makes_directories),
		cmocka_unit_test(removes_trees_but_not_through_links),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
