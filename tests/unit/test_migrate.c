/*
 * test_migrate.c - files of every schema there was: opened by this version
 * they have its schema, to the letter, and keep their rows; a death in the
 * middle leaves the old schema or the new one, nothing between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/store/store_db.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD_SCHEMAS 3 /* tests/unit/data/db_1.sql and so on */
#define PAGE 4096

struct fixture {
	char dir[64], old[96], fresh[96];
};

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	snprintf(f->dir, sizeof f->dir, "/tmp/mw-migrate.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->old, sizeof f->old, "%s/old.db", f->dir);
	snprintf(f->fresh, sizeof f->fresh, "%s/fresh.db", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;

	assert_true(file_remove_tree(f->dir, &err));
	free(f);
	return 0;
}

/* A file as version v left it. */
static void
make_old(const char *path, int v)
{
	char *name = xasprintf("tests/unit/data/db_%d.sql", v);
	struct mw_err err = MW_ERR_INIT;
	struct str sql = STR_INIT;
	char *said = NULL;
	sqlite3 *h;

	unlink(path);
	assert_true(file_read(name, 1 << 20, &sql, &err));
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_exec(h, str_cstr(&sql), NULL, NULL, &said) != SQLITE_OK)
		fail_msg("%s: %s", name, said);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	str_free(&sql);
	free(name);
}

static void
bring_up(const char *path)
{
	struct mw_err err = MW_ERR_INIT;
	struct db *db = db_open(path, &err);

	if (!db)
		fail_msg("%s: %s", path, err.msg);
	db_close(db);
}

/* Each row as a line. */
static void
ask(const char *path, const char *sql, struct str *out)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *h;

	str_reset(out);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_prepare_v2(h, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(h));
	while (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const unsigned char *s = sqlite3_column_text(st, i);

			str_addf(out, "%s%s", i ? "|" : "",
			    s ? (const char *)s : "NULL");
		}
		str_addc(out, '\n');
	}
	sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

/* Without comments, quotes of names and spaces that mean nothing. */
static void
normalise(const char *sql, struct str *out)
{
	char last = 0;

	for (const char *p = sql; *p; p++) {
		if (p[0] == '-' && p[1] == '-') {
			while (p[1] && *p != '\n')
				p++;
		} else if (isspace((unsigned char)*p)) {
			const char *q = p;

			while (isspace((unsigned char)*q))
				q++;
			if (last && !strchr("(),|\n", last) &&
			    !strchr("(),", *q) && *q &&
			    !(q[0] == '-' && q[1] == '-')) {
				str_addc(out, ' ');
				last = ' ';
			}
			p = q - 1;
		} else if (*p != '"') {
			if (strchr("(),", *p) && last == ' ')
				out->p[--out->len] = 0;
			str_addc(out, *p);
			last = *p;
		}
	}
}

static void
schema_of(const char *path, struct str *out)
{
	struct str s = STR_INIT;

	str_reset(out);
	ask(path,
	    "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
	    "ORDER BY name",
	    &s);
	normalise(str_cstr(&s), out);
	str_free(&s);
}

static void
counts_of(const char *path, const char *only_in, struct str *out)
{
	struct str names = STR_INIT, one = STR_INIT;
	char *save = NULL;

	str_reset(out);
	ask(only_in,
	    "SELECT name FROM sqlite_schema WHERE type = 'table' AND "
	    "name NOT LIKE 'sqlite_%' AND name != 'migration' ORDER BY name",
	    &names);
	for (char *n = strtok_r(names.p, "\n", &save); n;
	     n = strtok_r(NULL, "\n", &save)) {
		char *sql = xasprintf("SELECT count(*) FROM \"%s\"", n);

		ask(path, sql, &one);
		str_addf(out, "%s %s", n, str_cstr(&one));
		free(sql);
	}
	str_free(&names);
	str_free(&one);
}

static void
every_old_file_gets_the_newest_schema(void **state)
{
	struct fixture *f = *state;
	struct str want = STR_INIT, got = STR_INIT;
	struct str before = STR_INIT, after = STR_INIT;

	bring_up(f->fresh);
	schema_of(f->fresh, &want);
	assert_true(want.len > 5000);
	for (int v = 1; v <= OLD_SCHEMAS; v++) {
		char *copy = xasprintf("%s/copy.db", f->dir);

		make_old(f->old, v);
		make_old(copy, v);
		bring_up(f->old);
		schema_of(f->old, &got);
		assert_string_equal(str_cstr(&want), str_cstr(&got));
		counts_of(copy, copy, &before);
		counts_of(f->old, copy, &after);
		assert_string_equal(str_cstr(&before), str_cstr(&after));
		ask(f->old, "PRAGMA integrity_check", &got);
		assert_string_equal(str_cstr(&got), "ok\n");
		ask(f->old, "PRAGMA foreign_key_check", &got);
		assert_string_equal(str_cstr(&got), "");
		ask(f->old, "SELECT count(*) FROM migration", &got);
		ask(f->fresh, "PRAGMA user_version", &before);
		ask(f->old, "PRAGMA user_version", &after);
		assert_string_equal(str_cstr(&before), str_cstr(&after));
		free(copy);
	}
	str_free(&want);
	str_free(&got);
	str_free(&before);
	str_free(&after);
}

static void
rows_mean_what_they_meant(void **state)
{
	struct fixture *f = *state;
	struct str got = STR_INIT;

	for (int v = 1; v <= OLD_SCHEMAS; v++) {
		make_old(f->old, v);
		bring_up(f->old);
		ask(f->old, "SELECT value FROM meta WHERE key = 'deployment'",
		    &got);
		assert_string_equal(str_cstr(&got),
		    "a0000000-0000-4000-8000-000000000001\n");
		ask(f->old,
		    "SELECT conn, csp_id, slot, gen, decision, first_seen = "
		    "seen, native, vm, actor FROM orphan",
		    &got);
		assert_string_equal(str_cstr(&got),
		    "conn|csp_id|1|1|quarantine|1|||\n");
		ask(f->old, "SELECT slot, gen, token FROM inst", &got);
		assert_string_equal(str_cstr(&got), "1|1|tok1\n2|1|tok2\n");
		ask(f->old,
		    "SELECT value, json_extract(json, '$.n') FROM result",
		    &got);
		assert_string_equal(str_cstr(&got), "41.5|1\n");
	}
	/* What schema 1 kept in the JSON only. */
	make_old(f->old, 1);
	bring_up(f->old);
	ask(f->old,
	    "SELECT profile, n_valid, ci_lo, ci_hi, mad_cv, replay, variant "
	    "FROM result",
	    &got);
	assert_string_equal(str_cstr(&got), "quick|3|1.5|2.5|0.01|1|std\n");
	str_free(&got);
}

/* Files of schema 3 that have a part of schema 4, and all of it. */
static void
columns_that_are_there_are_no_obstacle(void **state)
{
	struct fixture *f = *state;
	struct str got = STR_INIT;
	static const char *const there[] = {
		"SELECT 1",
		"ALTER TABLE prereq ADD COLUMN asked INT NOT NULL DEFAULT 1",
		"ALTER TABLE conn ADD COLUMN ca_file TEXT",
		"ALTER TABLE conn ADD COLUMN ssh_from TEXT",
		"ALTER TABLE conn ADD COLUMN zones TEXT",
		"ALTER TABLE prereq ADD COLUMN sure INT NOT NULL DEFAULT 0",
		"UPDATE conn SET ca_file = 'ca', ssh_from = 'any', zones = 'a'",
		"UPDATE prereq SET asked = 0, sure = 7",
	};

	for (size_t n = 2; n <= sizeof there / sizeof there[0]; n += 3) {
		make_old(f->old, 3);
		for (size_t i = 0; i < n; i++)
			ask(f->old, there[i], &got);
		bring_up(f->old);
		ask(f->old,
		    "SELECT id, prices, ca_file, ssh_from, zones FROM conn",
		    &got);
		assert_string_equal(str_cstr(&got),
		    n < 7 ? "c1|/etc/milkyway/prices.json|NULL|NULL|NULL\n"
			  : "c1|/etc/milkyway/prices.json|ca|any|a\n");
		ask(f->old,
		    "SELECT kind, conn, key_id, zone, ending, asked, sure "
		    "FROM prereq ORDER BY kind",
		    &got);
		assert_string_equal(str_cstr(&got),
		    n < 8 ? "1|conn|key_id|zone|0|1|0\n2|conn|key_id||1|1|0\n"
			  : "1|conn|key_id|zone|0|0|7\n2|conn|key_id||1|0|7\n");
	}
	str_free(&got);
}

/* A child opens the file while no file may grow over max bytes: its status. */
static int
child_opens(const char *path, rlim_t max)
{
	struct rlimit lim = { max, max };
	struct mw_err err = MW_ERR_INIT;
	struct db *db;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &lim);
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		db = db_open(path, &err);
		if (!db)
			_exit(2);
		db_close(db);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The disk takes a little more each time, until it is enough. */
static void
a_death_in_the_middle_leaves_the_old_or_the_new(void **state)
{
	struct fixture *f = *state;
	struct str old = STR_INIT, new = STR_INIT, got = STR_INIT;
	char *wal = xasprintf("%s-wal", f->old);
	unsigned died, kept;
	rlim_t max;

	bring_up(f->fresh);
	schema_of(f->fresh, &new);
	for (int v = 1; v <= OLD_SCHEMAS; v++) {
		died = kept = 0;
		for (max = PAGE;; max += max < 8 * PAGE ? PAGE : 4 * PAGE) {
			int status;

			assert_true(max < 1000 * PAGE);
			unlink(wal);
			make_old(f->old, v);
			schema_of(f->old, &old);
			status = child_opens(f->old, max);
			schema_of(f->old, &got);
			if (status == 0)
				break;
			assert_true(status == 70 || status == 2);
			died++;
			if (strcmp(str_cstr(&got), str_cstr(&old)) == 0)
				kept++;
			else
				assert_string_equal(str_cstr(&got),
				    str_cstr(&new));
			bring_up(f->old);
			schema_of(f->old, &got);
			assert_string_equal(str_cstr(&got), str_cstr(&new));
		}
		assert_string_equal(str_cstr(&got), str_cstr(&new));
		print_message("schema %d: %u deaths, %u old\n", v, died, kept);
		assert_true(died >= 5);
		assert_true(kept >= 3);
	}
	str_free(&old);
	str_free(&new);
	str_free(&got);
	free(wal);
}

static void
a_newer_file_is_refused_and_not_touched(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	struct str got = STR_INIT;

	bring_up(f->fresh);
	ask(f->fresh, "PRAGMA user_version = 99", &got);
	assert_null(db_open(f->fresh, &err));
	assert_int_equal(err.code, MW_UNSUPPORTED);
	ask(f->fresh, "PRAGMA user_version", &got);
	assert_string_equal(str_cstr(&got), "99\n");
	str_free(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(every_old_file_gets_the_newest_schema),
		T(rows_mean_what_they_meant),
		T(columns_that_are_there_are_no_obstacle),
		T(a_death_in_the_middle_leaves_the_old_or_the_new),
		T(a_newer_file_is_refused_and_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
