/*
 * test_backupfile.c - a backup file: what goes in comes out, tar reads it, and
 * no flipped bit or cut passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/backupfile.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_BYTES 70001 /* no multiple of anything */

struct fixture {
	char dir[64], db[96], file[96], out[96];
	struct str bytes;
};

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct mw_err err = MW_ERR_INIT;
	struct rng r;

	snprintf(f->dir, sizeof f->dir, "/tmp/mw-backup.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->db, sizeof f->db, "%s/db", f->dir);
	snprintf(f->file, sizeof f->file, "%s/b.tar", f->dir);
	snprintf(f->out, sizeof f->out, "%s/out", f->dir);
	rng_seed(&r, 7);
	for (size_t i = 0; i < DB_BYTES; i++)
		str_addc(&f->bytes, (char)rng_u64(&r));
	assert_true(file_write(f->db, f->bytes.p, DB_BYTES, 0600, &err));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;

	assert_true(file_remove_tree(f->dir, &err));
	str_free(&f->bytes);
	free(f);
	return 0;
}

static void
make(struct fixture *f)
{
	struct backup_info info = { .deployment = "dep",
		.version = "0.1",
		.made_at = "2026-11-21T10:00:00Z",
		.schema = 3,
		.epoch = 9 };
	struct mw_err err = MW_ERR_INIT;

	assert_true(backupfile_write(f->file, f->db, &info, &err));
	assert_int_equal(info.db_bytes, DB_BYTES);
	assert_int_equal(strlen(info.db_sha256), 64);
}

static bool
take(struct fixture *f, struct backup_info *info, struct mw_err *err)
{
	int fd = open(f->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool ok;

	assert_true(fd >= 0);
	ok = backupfile_read(f->file, fd, info, err);
	close(fd);
	return ok;
}

static void
what_goes_in_comes_out(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;
	struct str back = STR_INIT;
	struct stat st;

	make(f);
	if (!take(f, &info, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(info.deployment, "dep");
	assert_string_equal(info.made_at, "2026-11-21T10:00:00Z");
	assert_int_equal(info.schema, 3);
	assert_int_equal(info.epoch, 9);
	assert_true(file_read(f->out, 1 << 20, &back, &err));
	assert_int_equal(back.len, DB_BYTES);
	assert_memory_equal(back.p, f->bytes.p, DB_BYTES);
	str_free(&back);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size % 512, 0);
	assert_true(backupfile_read(f->file, -1, &info, &err));
}

/* Without a sync: there are many of them. */
static void
put(const struct fixture *f, const struct str *s, size_t n)
{
	FILE *to;

	unlink(f->file);
	to = fopen(f->file, "wb");

	assert_non_null(to);
	assert_int_equal(fwrite(s->p, 1, n, to), n);
	assert_int_equal(fclose(to), 0);
}

/* Each byte that counts: the manifest, both headers, the database. */
static void
no_flipped_bit_passes(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;
	struct str all = STR_INIT;
	size_t passed = 0, step = 1;

	make(f);
	assert_true(file_read(f->file, 1 << 20, &all, &err));
	for (size_t i = 0; i < 1024 + 512 + DB_BYTES; i += step) {
		step = i < 1600 ? 1 : 977;
		all.p[i] = (char)(all.p[i] ^ 0x10);
		put(f, &all, all.len);
		if (backupfile_read(f->file, -1, &info, &err)) {
			/* Texts that nothing repeats; ends of fields. */
			assert_true(i < 1024 + 512);
			passed++;
		} else {
			assert_int_equal(err.code, MW_INVALID);
		}
		all.p[i] = (char)(all.p[i] ^ 0x10);
	}
	assert_true(passed < 600);
	str_free(&all);
}

static void
no_cut_passes(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	struct backup_info info;
	struct str all = STR_INIT;

	make(f);
	assert_true(file_read(f->file, 1 << 20, &all, &err));
	for (size_t n = 0; n < 1024 + 512 + DB_BYTES; n += 509) {
		put(f, &all, n);
		assert_false(backupfile_read(f->file, -1, &info, &err));
		assert_int_equal(err.code, MW_INVALID);
	}
	assert_int_equal(unlink(f->file), 0);
	assert_false(backupfile_read(f->file, -1, &info, &err));
	assert_int_equal(err.code, MW_NOT_FOUND);
	str_free(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(what_goes_in_comes_out),
		T(no_flipped_bit_passes),
		T(no_cut_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
