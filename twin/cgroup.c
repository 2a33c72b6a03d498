/*
 * cgroup.c - see cgroup.h. Used by vm.c and guard.c.
 */
#include "twin/cgroup.h"

#include "common/file.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_PREFIX "milkyway-twin-"
/* Short, so that a benchmark of one second sees an even share of the CPU. */
#define CPU_PERIOD_US 10000
#define CPU_QUOTA_MIN_US 1000

static const char *const ctl_name[CGROUP_CTL_COUNT] = {
	[CGROUP_CPU] = "cpu",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_CPUSET] = "cpuset",
	[CGROUP_PIDS] = "pids",
};

static void tree_add(struct cgroup_trees *t, const char *path,
    const char *options, bool v2);
static void v2_controllers(struct cgroup_trees *t);
static bool has_word(const char *list, const char *word, const char *sep);
static bool put(const char *dir, const char *file, const char *value);
static bool limits_set(const struct cgroup_trees *t, const char *base,
    const char *leaf, const struct cgroup_limits *lim, struct mw_err *err);
static bool cpu_limit(const char *dir, bool v2, uint32_t millicores);
static bool cpuset_inherit(const char *dir);
static bool remove_dir(const char *path, bool children);
static bool start_time(pid_t pid, int64_t *ticks);

void
cgroup_trees_find(struct cgroup_trees *t)
{
	static const char *const drop[] = { "rw", "ro", "relatime", "nosuid",
		"nodev", "noexec" };
	char buf[4096], opts[64];
	struct mntent m;
	size_t used;
	size_t i;
	FILE *f;

	*t = (struct cgroup_trees){ .v2 = -1 };
	for (i = 0; i < CGROUP_CTL_COUNT; i++)
		t->where[i] = -1;
	f = setmntent("/proc/self/mounts", "re");
	if (!f)
		return;
	while (getmntent_r(f, &m, buf, sizeof buf)) {
		char *p, *rest = m.mnt_opts;

		if (strcmp(m.mnt_type, "cgroup2") == 0)
			tree_add(t, m.mnt_dir, "", true);
		if (strcmp(m.mnt_type, "cgroup") != 0)
			continue;
		opts[0] = '\0';
		used = 0;
		while ((p = strsep(&rest, ",")) != NULL) {
			for (i = 0; i < ARRAY_LEN(drop); i++)
				if (strcmp(p, drop[i]) == 0)
					break;
			if (i < ARRAY_LEN(drop) || strchr(p, '=') ||
			    used + strlen(p) + 2 > sizeof opts)
				continue;
			used += (size_t)snprintf(opts + used,
			    sizeof opts - used, "%s%s", used ? "," : "", p);
		}
		for (i = 0; i < CGROUP_CTL_COUNT; i++)
			if (has_word(opts, ctl_name[i], ","))
				break;
		if (i < CGROUP_CTL_COUNT)
			tree_add(t, m.mnt_dir, opts, false);
	}
	endmntent(f);
	v2_controllers(t);
}

const char *
cgroup_layout(const struct cgroup_trees *t)
{
	size_t i, v1 = 0;

	for (i = 0; i < t->n; i++)
		v1 += !t->tree[i].v2;
	if (t->v2 < 0)
		return v1 ? "v1" : "none";
	return v1 ? "hybrid" : "v2";
}

bool
cgroup_base_make(struct cgroup_trees *t, const char *base, struct mw_err *err)
{
	char dir[2 * CGROUP_PATH_MAX], text[32];
	size_t i, k;

	for (i = 0; i < t->n; i++) {
		bool ok;

		snprintf(dir, sizeof dir, "%s/%s", t->tree[i].path, base);
		ok = mkdir(dir, 0755) == 0 || errno == EEXIST;
		for (k = 0; k < CGROUP_CTL_COUNT; k++) {
			if (t->where[k] != (int)i)
				continue;
			if (t->tree[i].v2) {
				snprintf(text, sizeof text, "+%s", ctl_name[k]);
				ok = put(t->tree[i].path,
					 "cgroup.subtree_control", text) &&
				    put(dir, "cgroup.subtree_control", text);
			} else if (k == CGROUP_CPUSET) {
				ok = ok && cpuset_inherit(dir);
			}
			if (!ok)
				t->where[k] = -1;
		}
	}
	snprintf(dir, sizeof dir, "%s/%s",
	    t->v2 >= 0 ? t->tree[t->v2].path : "", base);
	if (t->v2 < 0 || access(dir, W_OK))
		return err_set(err, MW_UNSUPPORTED, errno,
		    "no writable cgroup v2 tree");
	return true;
}

bool
cgroup_make(const struct cgroup_trees *t, const char *base, const char *leaf,
    const struct cgroup_limits *lim, struct mw_err *err)
{
	char dir[2 * CGROUP_PATH_MAX];
	size_t i;

	for (i = 0; i < t->n; i++) {
		cgroup_path(t, i, base, leaf, dir);
		if (mkdir(dir, 0755) && errno != EEXIST)
			return err_set(err, MW_INTERNAL, errno, "%s: %s", dir,
			    strerror(errno));
	}
	return limits_set(t, base, leaf, lim, err);
}

void
cgroup_path(const struct cgroup_trees *t, size_t i, const char *base,
    const char *leaf, char out[2 * CGROUP_PATH_MAX])
{
	snprintf(out, 2 * CGROUP_PATH_MAX, "%s/%s/%s", t->tree[i].path, base,
	    leaf);
}

bool
cgroup_v2_write(const struct cgroup_trees *t, const char *base,
    const char *leaf, const char *file, const char *value)
{
	char dir[2 * CGROUP_PATH_MAX];

	if (t->v2 < 0)
		return false;
	cgroup_path(t, (size_t)t->v2, base, leaf, dir);
	return put(dir, file, value);
}

bool
cgroup_remove(const struct cgroup_trees *t, const char *base, const char *leaf)
{
	char dir[2 * CGROUP_PATH_MAX];
	bool gone = true;
	size_t i;

	for (i = 0; i < t->n; i++) {
		if (leaf)
			cgroup_path(t, i, base, leaf, dir);
		else
			snprintf(dir, sizeof dir, "%s/%s", t->tree[i].path,
			    base);
		gone = remove_dir(dir, !leaf) && gone;
	}
	return gone;
}

void
cgroup_run_name(pid_t pid, char out[64])
{
	int64_t ticks = 0;

	if (!start_time(pid, &ticks))
		ticks = 0;
	snprintf(out, 64, RUN_PREFIX "%d-%lld", (int)pid, (long long)ticks);
}

bool
cgroup_run_parse(const char *name, pid_t *pid)
{
	const char *p = name + strlen(RUN_PREFIX), *dash;
	int64_t v, ticks;

	if (!str_starts(name, RUN_PREFIX))
		return false;
	dash = strchr(p, '-');
	if (!dash || !num_parse_i64(p, (size_t)(dash - p), 1, INT32_MAX, &v) ||
	    !num_parse_i64(dash + 1, strlen(dash + 1), 0, INT64_MAX, &ticks))
		return false;
	*pid = (pid_t)v;
	return true;
}

bool
cgroup_run_alive(const char *name)
{
	char now[64];
	pid_t pid;

	if (!cgroup_run_parse(name, &pid))
		return false;
	cgroup_run_name(pid, now);
	return strcmp(now, name) == 0;
}

static void
tree_add(struct cgroup_trees *t, const char *path, const char *options, bool v2)
{
	size_t i, k;

	/* the same hierarchy may be mounted twice */
	if (t->n == CGROUP_TREES_MAX || strlen(path) >= CGROUP_PATH_MAX / 2 ||
	    (v2 && t->v2 >= 0))
		return;
	for (i = 0; i < t->n; i++)
		if (!v2 && strcmp(t->tree[i].options, options) == 0)
			return;
	str_copy(t->tree[t->n].path, CGROUP_PATH_MAX, path);
	str_copy(t->tree[t->n].options, sizeof t->tree[0].options, options);
	t->tree[t->n].v2 = v2;
	if (v2)
		t->v2 = (int)t->n;
	for (k = 0; k < CGROUP_CTL_COUNT && !v2; k++)
		if (has_word(options, ctl_name[k], ","))
			t->where[k] = (int)t->n;
	t->n++;
}

static void
v2_controllers(struct cgroup_trees *t)
{
	char path[2 * CGROUP_PATH_MAX];
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	size_t k;

	if (t->v2 < 0)
		return;
	snprintf(path, sizeof path, "%s/cgroup.controllers",
	    t->tree[t->v2].path);
	if (file_read(path, 4096, &s, &err))
		for (k = 0; k < CGROUP_CTL_COUNT; k++)
			if (t->where[k] < 0 &&
			    has_word(str_cstr(&s), ctl_name[k], " \n"))
				t->where[k] = t->v2;
	str_free(&s);
}

static bool
has_word(const char *list, const char *word, const char *sep)
{
	size_t n = strlen(word), k;

	for (; *list; list += k + (list[k] != '\0')) {
		k = strcspn(list, sep);
		if (k == n && memcmp(list, word, n) == 0)
			return true;
	}
	return false;
}

static bool
put(const char *dir, const char *file, const char *value)
{
	char path[3 * CGROUP_PATH_MAX];
	bool ok;
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

static bool
limits_set(const struct cgroup_trees *t, const char *base, const char *leaf,
    const struct cgroup_limits *lim, struct mw_err *err)
{
	char dir[2 * CGROUP_PATH_MAX], text[32];
	size_t k;

	for (k = 0; k < CGROUP_CTL_COUNT; k++) {
		bool v2, ok = true;

		if (t->where[k] < 0)
			continue;
		v2 = t->tree[t->where[k]].v2;
		cgroup_path(t, (size_t)t->where[k], base, leaf, dir);
		if (k == CGROUP_CPU && lim->cpu_millicores > 0) {
			ok = cpu_limit(dir, v2, lim->cpu_millicores);
		} else if (k == CGROUP_MEMORY && lim->memory_mib > 0) {
			snprintf(text, sizeof text, "%llu",
			    (unsigned long long)lim->memory_mib << 20);
			ok = put(dir,
			    v2 ? "memory.max" : "memory.limit_in_bytes", text);
		} else if (k == CGROUP_PIDS && lim->pids_max > 0) {
			snprintf(text, sizeof text, "%u",
			    (unsigned)lim->pids_max);
			ok = put(dir, "pids.max", text);
		} else if (k == CGROUP_CPUSET) {
			/* a v1 set without CPUs takes no task at all */
			ok = (v2 || cpuset_inherit(dir)) &&
			    (!lim->cpuset ||
				put(dir, "cpuset.cpus", lim->cpuset));
		}
		if (!ok)
			return err_set(err, MW_INTERNAL, errno,
			    "limit of %s: %s", ctl_name[k], strerror(errno));
	}
	return true;
}

static bool
cpu_limit(const char *dir, bool v2, uint32_t millicores)
{
	uint64_t quota = (uint64_t)millicores * CPU_PERIOD_US / 1000;
	char q[32], both[64];

	if (quota < CPU_QUOTA_MIN_US)
		quota = CPU_QUOTA_MIN_US;
	snprintf(q, sizeof q, "%llu", (unsigned long long)quota);
	snprintf(both, sizeof both, "%s %d", q, CPU_PERIOD_US);
	if (v2)
		return put(dir, "cpu.max", both);
	snprintf(both, sizeof both, "%d", CPU_PERIOD_US);
	return put(dir, "cpu.cfs_period_us", both) &&
	    put(dir, "cpu.cfs_quota_us", q);
}

/* v1: a new set is empty until it is given what its parent has. */
static bool
cpuset_inherit(const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char path[3 * CGROUP_PATH_MAX];
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	bool ok = true;
	size_t i;

	for (i = 0; i < ARRAY_LEN(files) && ok; i++) {
		snprintf(path, sizeof path, "%s/../%s", dir, files[i]);
		str_reset(&s);
		ok = file_read(path, 4096, &s, &err) &&
		    put(dir, files[i], str_cstr(&s));
	}
	str_free(&s);
	return ok;
}

static bool
remove_dir(const char *path, bool children)
{
	char sub[3 * CGROUP_PATH_MAX];
	struct dirent *e;
	DIR *d = children ? opendir(path) : NULL;

	while (d && (e = readdir(d)) != NULL) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%.200s", path, e->d_name);
		(void)!rmdir(sub);
	}
	if (d)
		closedir(d);
	return rmdir(path) == 0 || errno == ENOENT;
}

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything. */
static bool
start_time(pid_t pid, int64_t *ticks)
{
	char path[64];
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	const char *p;
	bool ok = false;
	int field;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (!file_read(path, 4096, &s, &err))
		goto out;
	p = strrchr(str_cstr(&s), ')');
	for (field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	ok = p && num_parse_i64(p, strcspn(p, " "), 0, INT64_MAX, ticks);
out:
	str_free(&s);
	return ok;
}
