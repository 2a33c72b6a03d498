/*
 * test_spool.c - torn tails, the cap, replay, acknowledgement.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/link/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[80];

static int
make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mwspool-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/spool", dir);
	return 0;
}

static int
drop_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct spool *
opened(size_t cap)
{
	struct mw_err err = MW_ERR_INIT;
	struct spool *s = NULL;

	if (!spool_open(path, cap, &s, &err))
		fail_msg("%s", err.msg);
	return s;
}

static uint64_t
put(struct spool *s, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	uint64_t seq = 0;

	assert_true(spool_put(s, text, strlen(text), &seq, &err));
	return seq;
}

static void
assert_body(struct spool *s, size_t i, const char *want)
{
	struct mw_err err = MW_ERR_INIT;
	struct str body = STR_INIT;

	assert_true(spool_get(s, i, &body, &err));
	assert_string_equal(str_cstr(&body), want);
	str_free(&body);
}

static void
ack(struct spool *s, uint64_t seq)
{
	struct mw_err err = MW_ERR_INIT;

	assert_true(spool_ack(s, seq, &err));
}

static off_t
size_of(const char *p)
{
	struct stat st;

	assert_int_equal(stat(p, &st), 0);
	return st.st_size;
}

static void
records_survive_a_restart_in_order(void **state)
{
	struct spool *s = opened(4096);
	char id[33];

	(void)state;
	assert_int_equal(put(s, "one"), 1);
	assert_int_equal(put(s, "two"), 2);
	assert_int_equal(put(s, "three"), 3);
	ack(s, 1);
	assert_int_equal(spool_count(s), 2);
	snprintf(id, sizeof id, "%s", spool_id(s));
	spool_close(s); /* as good as a kill: nothing is written on close */
	s = opened(4096);
	assert_string_equal(spool_id(s), id);
	/* The acknowledgement was not written down: at least once. */
	assert_int_equal(spool_count(s), 3);
	assert_int_equal(spool_seq(s, 1), 2);
	assert_body(s, 2, "three");
	assert_int_equal(put(s, "four"), 4);
	spool_close(s);
}

/* Numbering that starts anew must not reuse (id, seq). */
static void
an_emptied_spool_gets_a_new_id(void **state)
{
	struct spool *s = opened(4096);
	char id[33];

	(void)state;
	put(s, "one");
	snprintf(id, sizeof id, "%s", spool_id(s));
	ack(s, 1);
	assert_int_equal(put(s, "two"), 2);
	assert_string_equal(spool_id(s), id);
	ack(s, 2);
	spool_close(s);
	s = opened(4096);
	assert_int_equal(spool_count(s), 0);
	assert_string_not_equal(spool_id(s), id);
	assert_int_equal(put(s, "three"), 1);
	spool_close(s);
}

static void
a_torn_tail_is_cut_at_every_byte(void **state)
{
	struct spool *s = opened(4096);
	off_t whole, two;

	(void)state;
	put(s, "first record");
	two = size_of(path);
	put(s, "second record");
	whole = size_of(path);
	spool_close(s);
	for (off_t cut = whole - 1; cut >= two; cut--) {
		assert_int_equal(truncate(path, cut), 0);
		s = opened(4096);
		assert_int_equal(spool_count(s), 1);
		assert_body(s, 0, "first record");
		assert_int_equal(spool_torn_bytes(s), cut - two);
		assert_int_equal(size_of(path), two);
		assert_int_equal(put(s, "second record"), 2);
		spool_close(s);
	}
}

static void
a_flipped_bit_is_found(void **state)
{
	struct spool *s = opened(4096);
	off_t first;

	(void)state;
	put(s, "first record");
	first = size_of(path);
	put(s, "second record");
	spool_close(s);
	for (off_t at = first; at < first + 29; at++) {
		int fd = open(path, O_RDWR);
		uint8_t b;

		assert_int_equal(pread(fd, &b, 1, at), 1);
		b ^= 0x10;
		assert_int_equal(pwrite(fd, &b, 1, at), 1);
		close(fd);
		s = opened(4096);
		assert_int_equal(spool_count(s), 1);
		assert_true(spool_torn_bytes(s) > 0);
		put(s, "second record");
		spool_close(s);
	}
}

static void
the_cap_holds(void **state)
{
	struct spool *s = opened(300);
	struct mw_err err = MW_ERR_INIT;
	char body[100];
	uint64_t seq;

	(void)state;
	memset(body, 'x', sizeof body);
	assert_true(spool_put(s, body, sizeof body, &seq, &err));
	assert_true(spool_put(s, body, sizeof body, &seq, &err));
	assert_false(spool_put(s, body, sizeof body, &seq, &err));
	assert_int_equal(err.code, MW_LIMIT);
	assert_true(size_of(path) <= 300);
	assert_int_equal(spool_count(s), 2);
	ack(s, 2);
	assert_true(spool_put(s, body, sizeof body, &seq, &err));
	assert_int_equal(seq, 3);
	assert_false(spool_put(s, body, 0, &seq, &err));
	spool_close(s);
}

static void
a_long_dead_head_is_compacted(void **state)
{
	enum {
		CAP = 4 * 1024 * 1024,
		BODY = 64 * 1024
	};
	struct spool *s = opened(CAP);
	struct mw_err err = MW_ERR_INIT;
	char *body = malloc(BODY);
	off_t before;
	uint64_t seq;

	(void)state;
	assert_non_null(body);
	for (int i = 0; i < 20; i++) {
		memset(body, 'a' + i, BODY);
		assert_true(spool_put(s, body, BODY, &seq, &err));
	}
	before = size_of(path);
	ack(s, 15);
	assert_true(size_of(path) < before / 2);
	assert_int_equal(spool_count(s), 5);
	for (int round = 0; round < 2; round++) {
		struct str got = STR_INIT;

		assert_int_equal(spool_seq(s, 0), 16);
		assert_true(spool_get(s, 0, &got, &err));
		assert_int_equal(got.len, BODY);
		assert_int_equal(got.p[0], 'a' + 15);
		str_free(&got);
		spool_close(s);
		s = opened(CAP);
	}
	assert_int_equal(put(s, "next"), 21);
	spool_close(s);
	free(body);
}

static void
foreign_files_are_replaced_links_refused(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct spool *s = NULL;
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, "hello, this is no spool at all", 30), 30);
	close(fd);
	s = opened(4096);
	assert_int_equal(spool_count(s), 0);
	assert_int_equal(spool_torn_bytes(s), 30);
	spool_close(s);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_false(spool_open(path, 4096, &s, &err));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		CASE(records_survive_a_restart_in_order),
		CASE(an_emptied_spool_gets_a_new_id),
		CASE(a_torn_tail_is_cut_at_every_byte),
		CASE(a_flipped_bit_is_found),
		CASE(the_cap_holds),
		CASE(a_long_dead_head_is_compacted),
		CASE(foreign_files_are_replaced_links_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
