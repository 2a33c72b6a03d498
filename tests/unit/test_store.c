/*
 * test_store.c - the store: groups, savepoints, what survives a death.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "coordinator/store/store.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COPIES_MAX 20

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct store *store;
	unsigned done, failed;
	int64_t last;
};

struct put_job {
	struct store_job job;
	struct fixture *f;
	int64_t n;
	bool fail;
	struct store_job *then; /* submitted from done() */
};

static bool
put_run(struct db *db, struct store_job *job, struct mw_err *err)
{
	struct put_job *j = container_of(job, struct put_job, job);
	sqlite3_stmt *st =
	    db_stmt(db, "INSERT INTO meta(key, value) VALUES(?, 'x')");
	char key[32];

	snprintf(key, sizeof key, "k%lld", (long long)j->n);
	db_bind(st, "s", key);
	if (!db_exec(db, st, err))
		return false;
	return !j->fail || err_set(err, MW_INVALID, 0, "asked to fail");
}

static void
put_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct put_job *j = container_of(job, struct put_job, job);

	assert_true(ok == (err->code == MW_OK));
	if (ok) {
		assert_true(j->n > j->f->last); /* in order */
		j->f->last = j->n;
		j->f->done++;
	} else {
		j->f->failed++;
	}
	if (j->then)
		store_submit(j->f->store, j->then);
	free(j);
}

static struct put_job *
put(struct fixture *f, int64_t n, bool fail)
{
	struct put_job *j = xcalloc(1, sizeof *j);

	j->job.run = put_run;
	j->job.done = put_done;
	j->f = f;
	j->n = n;
	j->fail = fail;
	return j;
}

static bool
count_run(struct db *db, void *arg, struct mw_err *err)
{
	sqlite3_stmt *st = db_stmt(db, "SELECT count(*) FROM meta");

	if (db_row(db, st, err))
		*(int64_t *)arg = sqlite3_column_int64(st, 0);
	return err->code == MW_OK;
}

static int64_t
count(struct fixture *f)
{
	struct mw_err err = MW_ERR_INIT;
	int64_t n = -1;

	assert_true(store_run_now(f->store, count_run, &n, &err));
	return n;
}

static void
open_store(struct fixture *f)
{
	struct mw_err err = MW_ERR_INIT;

	f->loop = loop_new();
	f->store = store_open(f->loop, f->path, &err);
	if (!f->store)
		fail_msg("%s", err.msg);
}

static void
close_store(struct fixture *f)
{
	store_close(f->store);
	loop_free(f->loop);
	f->store = NULL;
}

static void
run_until(struct fixture *f, unsigned n)
{
	int64_t end = clock_mono_ns() + 20 * NS_PER_S;

	while (f->done + f->failed < n && clock_mono_ns() < end)
		event_base_loop(loop_base(f->loop), EVLOOP_ONCE);
	assert_int_equal(f->done + f->failed, n);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	snprintf(f->dir, sizeof f->dir, "/tmp/mw-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/db", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;

	if (f->store)
		close_store(f);
	assert_true(file_remove_tree(f->dir, &err));
	free(f);
	return 0;
}

static void
a_failing_job_takes_back_only_itself(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	for (int64_t i = 1; i <= 100; i++)
		store_submit(f->store, &put(f, i, i % 10 == 0)->job);
	run_until(f, 100);
	assert_int_equal(f->failed, 10);
	assert_int_equal(count(f), 90);
}

static void
a_constraint_is_an_error_of_its_job(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	store_submit(f->store, &put(f, 1, false)->job);
	store_submit(f->store, &put(f, 1, false)->job);
	store_submit(f->store, &put(f, 2, false)->job);
	run_until(f, 3);
	assert_int_equal(f->done, 2);
	assert_int_equal(count(f), 2);
}

static void
many_jobs_share_few_commits(void **state)
{
	struct fixture *f = *state;
	uint64_t commits;
	int64_t worst;

	open_store(f);
	for (int64_t i = 1; i <= 2000; i++)
		store_submit(f->store, &put(f, i, false)->job);
	run_until(f, 2000);
	store_stats(f->store, &commits, &worst);
	assert_true(commits < 1000);
	assert_true(worst > 0);
	assert_int_equal(store_backlog(f->store), 0);
}

struct copy {
	struct store_copy copy;
	struct fixture *f;
	bool over, ok;
	enum mw_code code;
	uint64_t puts; /* done when it ended */
};

static void
copy_done(struct store_job *job, bool ok, const struct mw_err *err)
{
	struct copy *c = container_of(job, struct copy, copy.job);

	c->over = true;
	c->ok = ok;
	c->code = err->code;
	c->puts = c->f->done;
}

/* Commits go on while the copy is made, and it holds what was acknowledged
 * before it began. */
static void
a_copy_is_made_while_others_write(void **state)
{
	struct fixture *f = *state;
	char path[128], bad[128];
	struct copy one = { .f = f }, two = { .f = f }, third = { .f = f };
	int64_t next = 1, before = 0;
	bool went_on = false;
	sqlite3_stmt *st;
	sqlite3 *h;

	snprintf(path, sizeof path, "%s/copy.db", f->dir);
	snprintf(bad, sizeof bad, "%s/no/copy.db", f->dir);
	open_store(f);
	for (; next <= 30000; next++)
		store_submit(f->store, &put(f, next, false)->job);
	run_until(f, 30000);
	one.copy.path = two.copy.path = path;
	one.copy.job.done = two.copy.job.done = third.copy.job.done = copy_done;
	third.copy.path = bad;
	/* On a busy machine a whole copy may pass before we run again. */
	for (int i = 0; i < COPIES_MAX && !went_on; i++) {
		unlink(path);
		before = f->done;
		one.over = false;
		store_copy(f->store, &one.copy);
		if (i == 0)
			store_copy(f->store, &two.copy); /* one at a time */
		while (!one.over) {
			if (store_backlog(f->store) < 20)
				store_submit(f->store,
				    &put(f, next++, false)->job);
			event_base_loop(loop_base(f->loop), EVLOOP_ONCE);
		}
		assert_true(one.ok);
		went_on = (int64_t)one.puts > before;
	}
	assert_true(two.over && !two.ok && two.code == MW_CONFLICT);
	assert_true(went_on);
	store_copy(f->store, &third.copy);
	run_until(f, (unsigned)(next - 1));
	while (!third.over)
		event_base_loop(loop_base(f->loop), EVLOOP_ONCE);
	assert_false(third.ok);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(h,
			     "SELECT count(*), (SELECT integrity_check FROM "
			     "pragma_integrity_check(1)) FROM meta",
			     -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_in_range(sqlite3_column_int64(st, 0), before, next);
	assert_string_equal((const char *)sqlite3_column_text(st, 1), "ok");
	sqlite3_finalize(st);
	sqlite3_close(h);
}

static void
close_finishes_what_done_submits(void **state)
{
	struct fixture *f = *state;
	struct put_job *j;

	open_store(f);
	j = put(f, 1, false);
	j->then = &put(f, 2, false)->job;
	store_submit(f->store, &j->job);
	close_store(f);
	assert_int_equal(f->done, 2);
	open_store(f);
	assert_int_equal(count(f), 2);
}

/* Writes until told ones exceed enough, or for ever; says each over the pipe. */
static mw_noreturn void
write_and_die(struct fixture *f, int fd, int64_t jobs, unsigned enough)
{
	unsigned told = 0;
	int64_t next = 1;

	open_store(f);
	for (;;) {
		while (next <= jobs && store_backlog(f->store) < 50)
			store_submit(f->store, &put(f, next++, false)->job);
		event_base_loop(loop_base(f->loop), EVLOOP_ONCE);
		for (; told < f->done; told++)
			if (write(fd, "x", 1) != 1)
				_exit(1);
		if (f->done > enough)
			_exit(9);
	}
}

/* Runs a child that dies; returns its status and what it acknowledged. */
static int
child_dies(struct fixture *f, rlim_t file_max, int64_t jobs, unsigned enough)
{
	struct rlimit lim = { file_max, file_max };
	int fds[2], status;
	char said[4096];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &lim);
		write_and_die(f, fds[1], jobs, enough);
	}
	close(fds[1]);
	f->last = 0;
	while ((n = read(fds[0], said, sizeof said)) > 0)
		f->last += n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
what_was_acknowledged_survives_a_death(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(child_dies(f, RLIM_INFINITY, 5000, 700), 9);
	open_store(f);
	assert_true(f->last > 700);
	assert_true(count(f) >= f->last);
}

/* The disk takes no more: the process ends itself, nothing is half done. */
static void
a_write_error_ends_the_process_and_loses_nothing(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	close_store(f);
	assert_int_equal(child_dies(f, 600000, 400000, UINT_MAX - 1), 70);
	open_store(f);
	assert_true(f->last > 0);
	assert_true(count(f) >= f->last);
	f->last = 1000000;
	store_submit(f->store, &put(f, 1000001, false)->job);
	run_until(f, 1);
}

static void
a_foreign_or_torn_file_is_refused_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	static const char junk[] = "this is no database at all, it is text";
	struct str back = STR_INIT;

	assert_true(file_write(f->path, junk, sizeof junk, 0600, &err));
	f->loop = loop_new();
	assert_null(store_open(f->loop, f->path, &err));
	assert_int_equal(err.code, MW_INTERNAL);
	assert_true(file_read(f->path, 1000, &back, &err));
	assert_memory_equal(back.p, junk, sizeof junk);
	str_free(&back);
	loop_free(f->loop);
}

static void
a_log_without_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mw_err err = MW_ERR_INIT;
	char wal[128];

	snprintf(wal, sizeof wal, "%s-wal", f->path);
	assert_true(file_write(wal, "x", 1, 0600, &err));
	f->loop = loop_new();
	assert_null(store_open(f->loop, f->path, &err));
	assert_int_not_equal(access(f->path, F_OK), 0);
	loop_free(f->loop);
}

static void
the_file_is_ours_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	open_store(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(a_failing_job_takes_back_only_itself),
		T(a_constraint_is_an_error_of_its_job),
		T(many_jobs_share_few_commits),
		T(a_copy_is_made_while_others_write),
		T(close_finishes_what_done_submits),
		T(what_was_acknowledged_survives_a_death),
		T(a_write_error_ends_the_process_and_loses_nothing),
		T(a_foreign_or_torn_file_is_refused_not_replaced),
		T(a_log_without_database_is_refused),
		T(the_file_is_ours_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
