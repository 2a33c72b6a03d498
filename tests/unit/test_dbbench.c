/*
 * Private databases, for real: each engine that is on this machine starts,
 * answers, ends, and leaves neither process nor file nor shared memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/host/confine.h"
#include "agent/bench/dbbench.h"
#include "agent/bench/sweep.h"
#include "common/file.h"
#include "common/pure/lane.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct seen {
	struct loop *loop;
	struct dbbench *db;
	bool ready, failed, gone;
	const char *kill_file; /* holds the server's pid; NULL: do not */
};

/* MariaDB answers before it writes its pid. */
static void
kill_server(const char *pid_file)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int pid = 0;

	for (int i = 0; i < 20000 && pid == 0; i++) {
		FILE *f = fopen(pid_file, "re");

		if (!f || fscanf(f, "%d", &pid) != 1)
			nanosleep(&ms, NULL);
		if (f)
			fclose(f);
	}
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static void
on_ready(void *arg)
{
	struct seen *s = arg;

	s->ready = true;
	if (s->kill_file != NULL)
		kill_server(s->kill_file);
	else
		dbbench_stop(s->db);
}

static void
on_failed(void *arg, const char *why, const struct mw_err *err)
{
	struct seen *s = arg;

	s->failed = true;
	printf("%s: %s\n", why, err->msg);
	dbbench_stop(s->db);
}

static void
on_gone(void *arg)
{
	struct seen *s = arg;

	s->gone = true;
	loop_stop(s->loop);
}

static const struct dbbench_ops ops = { on_ready, on_failed, on_gone };

static bool
start(struct seen *s, const char *engine, const char *dir, struct mw_err *err)
{
	struct dbbench_conf conf = { .loop = s->loop,
		.engine = dbengine_find(engine),
		.dir = dir,
		.pool_mib = 16,
		.log_mib = 8,
		.clients = 2,
		.life_ms = 60000 };

	return dbbench_start(&conf, &ops, s, &s->db, err);
}

/* Lines of a file of the kernel that name our user's things. */
static unsigned
shared_memory(void)
{
	char line[256];
	unsigned n = 0, uid;
	FILE *f = fopen("/proc/sysvipc/shm", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		n +=
		    sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %u", &uid) == 1 &&
		    uid == geteuid();
	if (f != NULL)
		fclose(f);
	return n;
}

/* pid_file: the server is killed when it is ready; its pid is in there. */
static void
run(const char *engine, bool early, const char *pid_file)
{
	char dir[] = "/var/tmp/test-dbbench-XXXXXX", path[64], pids[96];
	struct seen s = { .loop = loop_new() };
	struct mw_err err = MW_ERR_INIT;
	struct stat st;
	unsigned shm = shared_memory();

	assert_non_null(mkdtemp(dir));
	if (!dbengine_here(dbengine_find(engine)) ||
	    (geteuid() == 0 && dbengine_find(engine)->no_root)) {
		assert_false(start(&s, engine, dir, &err));
		assert_non_null(err.msg);
		rmdir(dir);
		loop_free(s.loop);
		printf("%s: %s\n", engine, err.msg);
		skip();
	}
	assert_true(start(&s, engine, dir, &err));
	snprintf(path, sizeof path, "%s/%s", dir, engine);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(pids, sizeof pids, "%s/%s", path, pid_file ? pid_file : "");
	s.kill_file = pid_file ? pids : NULL;
	if (early)
		dbbench_stop(s.db);
	loop_run(s.loop);
	assert_true(s.gone);
	assert_true(s.failed == (pid_file != NULL));
	assert_true(s.ready || early);
	assert_int_equal(rmdir(dir), 0); /* nothing is in it */
	assert_int_equal(shared_memory(), shm);
	loop_free(s.loop);
}

static void
mariadb(void **state)
{
	(void)state;
	run("mariadb", false, NULL);
}

static void
pgsql(void **state)
{
	(void)state;
	run("pgsql", false, NULL);
}

static void
pgsql_stopped_while_made(void **state)
{
	(void)state;
	run("pgsql", true, NULL);
}

static void
mariadb_killed(void **state)
{
	(void)state;
	run("mariadb", false, "pid");
}

static void
pgsql_killed(void **state)
{
	(void)state;
	run("pgsql", false, "data/postmaster.pid");
}

static void
lite_has_no_server(void **state)
{
	(void)state;
	run("lite", false, NULL);
}

static void
mariadb_stopped_at_once(void **state)
{
	(void)state;
	run("mariadb", true, NULL);
}

static void
engines_have_names(void **state)
{
	(void)state;
	assert_ptr_equal(dbengine_find("mariadb"), dbengine_default);
	assert_string_equal(dbengine_find("mariadb")->variant, "std");
	assert_string_equal(dbengine_find("pgsql")->variant, "pgsql");
	assert_string_equal(dbengine_find("lite")->variant, "lite");
	assert_null(dbengine_find("oracle"));
	assert_null(dbengine_find(""));
}

/* What a request names and what a result says are the same engine. */
static void
engines_are_variants(void **state)
{
	static const char *const names[] = { "mariadb", "pgsql", "lite" };
	unsigned db = 1u << KIND_DBR | 1u << KIND_DBW, cpu = 1u << KIND_CPUS;
	unsigned set, lane;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *variant = dbengine_find(names[i])->variant;

		assert_true(lanes_on_engine(db | cpu, names[i], &set));
		assert_true(lane_find(KIND_DBR, variant, &lane));
		assert_true(set & LANE_BIT(lane));
		assert_true(lane_find(KIND_DBW, variant, &lane));
		assert_true(set & LANE_BIT(lane));
		assert_int_equal(__builtin_popcount(set), 3);
		assert_true(set & cpu);
		assert_true(lanes_on_engine(cpu, names[i], &set));
		assert_int_equal(set, cpu);
	}
	assert_false(lanes_on_engine(db, "oracle", &set));
	assert_true(lanes_on_engine(LANES_LEGACY, "mariadb", &set));
	assert_int_equal(set, LANES_LEGACY);
	assert_false(lanes_on_engine(LANES_LEGACY, "pgsql", &set));
}

static void
long_folders_are_refused(void **state)
{
	char dir[128];
	struct seen s = { .loop = loop_new() };
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	memset(dir, 'x', sizeof dir - 1);
	dir[sizeof dir - 1] = '\0';
	assert_false(start(&s, "mariadb", dir, &err));
	assert_int_equal(err.code, MW_INVALID);
	loop_free(s.loop);
}

/* As after a kill -9 of the agent: folders, and a page of shared memory. */
static void
leftovers_go(void **state)
{
	char dir[] = "/var/tmp/test-dbbench-XXXXXX", path[128], text[128];
	struct mw_err err = MW_ERR_INIT;
	unsigned shm = shared_memory();
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)state;
	assert_true(id >= 0);
	assert_int_equal(shared_memory(), shm + 1);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/milkyway-bench-abcdef/pgsql/data", dir);
	assert_true(file_mkdirs(path, 0700, &err));
	snprintf(path, sizeof path,
	    "%s/milkyway-bench-abcdef/pgsql/data/postmaster.pid", dir);
	snprintf(text, sizeof text, "1\n2\n3\n4\n5\n6\n  1 %d\n", id);
	assert_true(file_write(path, text, strlen(text), 0600, &err));
	snprintf(path, sizeof path, "%s/milkyway-bench-mine", dir);
	assert_true(file_mkdirs(path, 0700, &err));
	assert_int_equal(sweep_leftovers(dir), 1);
	assert_int_equal(shared_memory(), shm);
	assert_int_equal(rmdir(path), 0); /* not one of ours: still there */
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(sweep_leftovers(dir), 0);
}

static void
postmaster_pid_is_read(void **state)
{
	static const char ready[] = "23327\n/var/tmp/x/db/data\n1795259677\n"
				    "5432\n/var/tmp/x/db\n\n   843783         4"
				    "\nready   \n";
	static const char *const not_yet[] = { "", "23327\n",
		"1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n6\n7\nstarting\n",
		"1\n2\n3\n4\n5\n6\n7\nread" };
	static const char *const no_shm[] = { "", "1\n2\n3\n4\n5\n6\n",
		"1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\n5\n6\n7 -8\n",
		"1\n2\n3\n4\n5\n6\n   \n" };

	(void)state;
	assert_true(dbengine_postmaster_ready(ready, sizeof ready - 1));
	assert_int_equal(dbengine_postmaster_shm(ready, sizeof ready - 1), 4);
	for (size_t i = 0; i < ARRAY_LEN(not_yet); i++)
		assert_false(
		    dbengine_postmaster_ready(not_yet[i], strlen(not_yet[i])));
	for (size_t i = 0; i < ARRAY_LEN(no_shm); i++)
		assert_int_equal(dbengine_postmaster_shm(no_shm[i],
				     strlen(no_shm[i])),
		    -1);
}

static void
stat_is_read(void **state)
{
	static const char good[] =
	    "23327 (post) gres) S 23311 23305 17559 0 -1 4194304 1744 15152 0 0 "
	    "3 4 157 79 20 0 1 0 1192424 93892608";
	static const char *const bad[] = { "", "1 (x", "1 (x)", "1 (x) S 1 2",
		"1 (x) S 1 2 3 4 5 6 7 8 9 10 -1 12 13 14 15" };
	int64_t own, waited;

	(void)state;
	assert_true(dbbench_parse_stat(good, sizeof good - 1, &own, &waited));
	assert_int_equal(own, 7);
	assert_int_equal(waited, 236);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(
		    dbbench_parse_stat(bad[i], strlen(bad[i]), &own, &waited));
}

/* Databases refuse to run as root, and so would their files be. */
static void
become_nobody(void)
{
	struct mw_err err = MW_ERR_INIT;
	uid_t uid;
	gid_t gid;

	if (geteuid() == 0 && confine_user("nobody", &uid, &gid, &err) &&
	    !confine_drop(uid, gid, false, &err))
		abort();
}

/* Our own programs lie two folders above the test. */
static void
look_into_build(void)
{
	char self[200], path[600];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *old = getenv("PATH");

	if (n <= 0)
		return;
	self[n] = '\0';
	for (int i = 0; i < 3 && strrchr(self, '/') != NULL; i++)
		*strrchr(self, '/') = '\0';
	snprintf(path, sizeof path, "%s:%s", self, old != NULL ? old : "");
	setenv("PATH", path, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engines_have_names),
		cmocka_unit_test(engines_are_variants),
		cmocka_unit_test(long_folders_are_refused),
		cmocka_unit_test(postmaster_pid_is_read),
		cmocka_unit_test(stat_is_read),
		cmocka_unit_test(leftovers_go),
		cmocka_unit_test(mariadb),
		cmocka_unit_test(mariadb_stopped_at_once),
		cmocka_unit_test(pgsql),
		cmocka_unit_test(pgsql_stopped_while_made),
		cmocka_unit_test(mariadb_killed),
		cmocka_unit_test(pgsql_killed),
		cmocka_unit_test(lite_has_no_server),
	};

	look_into_build();
	become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
