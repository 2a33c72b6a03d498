/*
 * guard.c - see guard.h. Both ends: guard_start() for control, guard_main() is
 * the process. The pipe carries lines "vm-7\n"; end of file means control is
 * gone. Also vm_sweep(), which does the same for runs that died with their
 * guard.
 */
#include "twin/guard.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LEAF_MAX = 32,
	RETRY_MS = 20,
	QUEUE_MAX = 20000 /* leaves waiting for their last task to go */
};
#define FINAL_NS (10 * NS_PER_S)
#define STOP_NS (5 * NS_PER_S)

struct guard {
	pid_t pid;
	int pipe;
};

struct keeper { /* the process's own state */
	const char *run;
	char state[CGROUP_PATH_MAX]; /* state_dir/run */
	struct cgroup_trees trees;
	char (*leaf)[LEAF_MAX];
	size_t n, cap;
	char line[LEAF_MAX];
	size_t nline;
};

static bool read_lines(struct keeper *k);
static void line_done(struct keeper *k);
static void retry(struct keeper *k);
static bool leaf_remove(struct keeper *k, const char *leaf);
static void run_remove(struct keeper *k);
static bool tree_remove(const char *path);
static void sweep_dir(const char *dir, bool cgroups, bool remove,
    const struct cgroup_trees *t, struct vm_leftovers *out);

bool
guard_start(const char *exe, const char *run, const char *state_dir,
    struct guard **out, struct mw_err *err)
{
	char name[] = "milkyway-twin", role[] = "guard";
	char *r = xstrdup(run), *s = xstrdup(state_dir);
	char *argv[] = { name, role, r, s, NULL }, *env[] = { NULL };
	posix_spawn_file_actions_t fa;
	int fd[2] = { -1, -1 }, rc;
	pid_t pid = 0;

	if (pipe2(fd, O_CLOEXEC)) {
		rc = errno;
		goto out;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[0], 0);
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	rc = posix_spawn(&pid, exe, &fa, NULL, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	close(fd[0]);
out:
	free(r);
	free(s);
	if (rc != 0) {
		if (fd[1] >= 0)
			close(fd[1]);
		return err_set(err, MW_INTERNAL, rc, "guard process: %s",
		    strerror(rc));
	}
	*out = xcalloc(1, sizeof **out);
	(*out)->pid = pid;
	(*out)->pipe = fd[1];
	return true;
}

void
guard_remove(struct guard *g, const char *leaf)
{
	char line[LEAF_MAX + 1];
	int n = snprintf(line, sizeof line, "%s\n", leaf);

	if (n > 0 && (size_t)n < sizeof line &&
	    !file_write_all(g->pipe, line, (size_t)n))
		log_warn("twin", leaf,
		    "guard is gone: %s\taction=\"next start removes it\"",
		    strerror(errno));
}

void
guard_stop(struct guard *g)
{
	int64_t until = clock_mono_ns() + STOP_NS;
	struct timespec nap = { 0, 2000000 };

	if (!g)
		return;
	close(g->pipe);
	while (waitpid(g->pid, NULL, WNOHANG) == 0 && clock_mono_ns() < until)
		nanosleep(&nap, NULL);
	free(g);
}

int
guard_main(int argc, char **argv)
{
	struct keeper k = { 0 };
	struct pollfd p = { .fd = 0, .events = POLLIN };

	log_init("milkyway-twin-guard", LOG_INFO);
	if (argc != 4 || !cgroup_run_parse(argv[2], &(pid_t){ 0 }) ||
	    strlen(argv[3]) + strlen(argv[2]) + 2 > sizeof k.state) {
		log_error("guard", NULL, "started by milkyway-twin only");
		return 2;
	}
	prctl(PR_SET_NAME, "twin-guard");
	/* it must outlive control, also when a terminal ends both */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	k.run = argv[2];
	snprintf(k.state, sizeof k.state, "%s/%s", argv[3], argv[2]);
	cgroup_trees_find(&k.trees);
	do {
		if (poll(&p, 1, k.n > 0 ? RETRY_MS : -1) < 0 && errno != EINTR)
			break;
		retry(&k);
	} while (!(p.revents & (POLLIN | POLLHUP)) || read_lines(&k));
	run_remove(&k);
	free(k.leaf);
	return 0;
}

void
vm_sweep(const char *state_dir, bool remove, struct vm_leftovers *out)
{
	struct cgroup_trees t;
	size_t i;

	*out = (struct vm_leftovers){ 0 };
	cgroup_trees_find(&t);
	for (i = 0; i < t.n; i++)
		sweep_dir(t.tree[i].path, true, remove, &t, out);
	sweep_dir(state_dir ? state_dir : "/run/milkyway-twin", false, remove,
	    &t, out);
}

/* False at end of file. */
static bool
read_lines(struct keeper *k)
{
	char buf[4096];
	ssize_t n = read(0, buf, sizeof buf), i;

	if (n < 0)
		return errno == EINTR;
	for (i = 0; i < n; i++) {
		if (buf[i] == '\n')
			line_done(k);
		else if (k->nline < LEAF_MAX - 1)
			k->line[k->nline++] = buf[i];
	}
	return n > 0;
}

static void
line_done(struct keeper *k)
{
	k->line[k->nline] = '\0';
	k->nline = 0;
	/* a path must not lead elsewhere, whoever writes into the pipe */
	if (!str_starts(k->line, "vm-") || strchr(k->line, '/') ||
	    leaf_remove(k, k->line) || k->n >= QUEUE_MAX)
		return;
	VEC_GROW(k->leaf, k->n, k->cap);
	str_copy(k->leaf[k->n++], LEAF_MAX, k->line);
}

static void
retry(struct keeper *k)
{
	size_t i, kept = 0;

	for (i = 0; i < k->n; i++) {
		if (leaf_remove(k, k->leaf[i]))
			continue;
		if (kept != i)
			memcpy(k->leaf[kept], k->leaf[i], LEAF_MAX);
		kept++;
	}
	k->n = kept;
}

static bool
leaf_remove(struct keeper *k, const char *leaf)
{
	char path[2 * CGROUP_PATH_MAX];
	bool gone = cgroup_remove(&k->trees, k->run, leaf);

	snprintf(path, sizeof path, "%s/%s", k->state, leaf);
	return tree_remove(path) && gone;
}

/* The kernel ends the VMs of a dead control by itself; that takes some ms. */
static void
run_remove(struct keeper *k)
{
	int64_t until = clock_mono_ns() + FINAL_NS;
	struct timespec nap = { 0, RETRY_MS * 1000000 };

	for (;;) {
		bool gone = cgroup_remove(&k->trees, k->run, NULL);

		gone = tree_remove(k->state) && gone;
		if (gone || clock_mono_ns() > until)
			return;
		nanosleep(&nap, NULL);
	}
}

static bool
tree_remove(const char *path)
{
	struct mw_err err = MW_ERR_INIT;

	return access(path, F_OK) != 0 || file_remove_tree(path, &err);
}

static void
sweep_dir(const char *dir, bool cgroups, bool remove,
    const struct cgroup_trees *t, struct vm_leftovers *out)
{
	char path[2 * CGROUP_PATH_MAX];
	struct dirent *e;
	pid_t pid;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)) != NULL) {
		if (!cgroup_run_parse(e->d_name, &pid) ||
		    cgroup_run_alive(e->d_name))
			continue;
		if (cgroups)
			out->cgroups++;
		else
			out->dirs++;
		if (!remove)
			continue;
		snprintf(path, sizeof path, "%.200s/%.60s", dir, e->d_name);
		if (!(cgroups ? cgroup_remove(t, e->d_name, NULL)
			      : tree_remove(path)))
			log_warn("twin", e->d_name,
			    "leftover in %s cannot be removed", dir);
	}
	if (d)
		closedir(d);
}
