/*
 * sysinfo.c - facts and counters of this machine from /proc, /sys and
 * /run/milkyway-twin.json. Promises: a figure that cannot be read is unknown,
 * never zero. In containers and in the twin /proc/stat and PSI are those of
 * the physical machine; whoever judges by them must know that.
 */
#include "agent/host/sysinfo.h"

#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TEXT_MAX 16384

enum {
	F_STAT,
	F_LOADAVG,
	F_MEMINFO,
	F_NETDEV,
	F_PRESSURE,
	F_COUNT
};

struct sysinfo_monitor {
	int fd[F_COUNT];
	struct sysinfo_cpu last;
	bool has_last;
	char text[TEXT_MAX];
};

/* Up to TEXT_MAX - 1 bytes of a file, NUL-terminated; -1: not readable. */
static ssize_t
read_text(const char *root, const char *path, char text[TEXT_MAX])
{
	char full[512];
	ssize_t n, sum = 0;
	int fd;

	if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
		return -1;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (sum < TEXT_MAX - 1 &&
	    (n = read(fd, text + sum, (size_t)(TEXT_MAX - 1 - sum))) > 0)
		sum += n;
	close(fd);
	text[sum] = '\0';
	return sum;
}

/* The next word of *p .. end; words are cut at blanks and newlines. */
static bool
next_word(const char **p, const char *end, const char **word, size_t *len)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\n'))
		(*p)++;
	*word = *p;
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\n')
		(*p)++;
	*len = (size_t)(*p - *word);
	return *len > 0;
}

static bool
next_number(const char **p, const char *end, int64_t *out)
{
	const char *w;
	size_t n;

	return next_word(p, end, &w, &n) &&
	    num_parse_i64(w, n, 0, INT64_MAX, out);
}

bool
sysinfo_parse_cpu(const char *p, size_t n, struct sysinfo_cpu *out)
{
	const char *end = memchr(p, '\n', n);
	const char *w;
	int64_t v[8] = { 0 }; /* user nice system idle iowait irq sirq steal */
	size_t len;

	if (end == NULL)
		end = p + n;
	if (!next_word(&p, end, &w, &len) || len != 3 ||
	    memcmp(w, "cpu", 3) != 0)
		return false;
	*out = (struct sysinfo_cpu){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		if (!next_number(&p, end, &v[i]))
			return false;
		out->total += (uint64_t)v[i];
	}
	out->idle = (uint64_t)v[3] + (uint64_t)v[4];
	out->steal = (uint64_t)v[7];
	return true;
}

bool
sysinfo_parse_quota(const char *p, size_t n, double *cores)
{
	const char *end = p + n, *w;
	int64_t quota, period;
	size_t len;

	if (!next_word(&p, end, &w, &len))
		return false;
	if (len == 3 && memcmp(w, "max", 3) == 0) {
		*cores = 0;
		return true;
	}
	if (!num_parse_i64(w, len, 1, INT64_MAX, &quota) ||
	    !next_number(&p, end, &period) || period == 0)
		return false;
	*cores = (double)quota / (double)period;
	return true;
}

bool
sysinfo_parse_meminfo(const char *p, size_t n, const char *key, int64_t *kib)
{
	const char *end = p + n, *line = p;
	size_t klen = strlen(key);

	while (line < end) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		const char *stop = nl != NULL ? nl : end;

		if ((size_t)(stop - line) > klen &&
		    memcmp(line, key, klen) == 0 && line[klen] == ':') {
			const char *q = line + klen + 1;

			return next_number(&q, stop, kib);
		}
		line = stop + 1;
	}
	return false;
}

bool
sysinfo_parse_netdev(const char *p, size_t n, int64_t *rx, int64_t *tx)
{
	const char *end = p + n;
	bool any = false;

	*rx = *tx = 0;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl != NULL ? nl : end;
		const char *colon = memchr(p, ':', (size_t)(stop - p));
		const char *q = p, *w;
		size_t len;
		int64_t v[9];
		bool ok = colon != NULL && next_word(&q, colon, &w, &len);

		q = colon != NULL ? colon + 1 : stop;
		for (size_t i = 0; ok && i < ARRAY_LEN(v); i++)
			ok = next_number(&q, stop, &v[i]);
		if (ok && !(len == 2 && memcmp(w, "lo", 2) == 0)) {
			/* Counters of a hostile text could overflow. */
			*rx = (int64_t)((uint64_t)*rx + (uint64_t)v[0]);
			*tx = (int64_t)((uint64_t)*tx + (uint64_t)v[8]);
			any = true;
		}
		p = stop + 1;
	}
	return any && *rx >= 0 && *tx >= 0;
}

bool
sysinfo_parse_pressure(const char *p, size_t n, uint64_t *some_us)
{
	const char *end = memchr(p, '\n', n);
	const char *t;
	int64_t v;

	if (end == NULL)
		end = p + n;
	if (end - p < 5 || memcmp(p, "some ", 5) != 0)
		return false;
	t = memmem(p, (size_t)(end - p), "total=", 6);
	if (t == NULL ||
	    !num_parse_i64(t + 6, (size_t)(end - t - 6), 0, INT64_MAX, &v))
		return false;
	*some_us = (uint64_t)v;
	return true;
}

/* True if the comma list holds the word, or both are empty. */
static bool
list_has(const char *p, size_t n, const char *word)
{
	size_t wlen = strlen(word);

	for (;;) {
		const char *comma = memchr(p, ',', n);
		size_t len = comma != NULL ? (size_t)(comma - p) : n;

		if (len == wlen && memcmp(p, word, len) == 0)
			return true;
		if (comma == NULL)
			return false;
		p += len + 1;
		n -= len + 1;
	}
}

bool
sysinfo_parse_cgroup(const char *p, size_t n, const char *controller,
    char *path, size_t size)
{
	const char *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl != NULL ? nl : end;
		const char *a = memchr(p, ':', (size_t)(stop - p));
		const char *b = a != NULL
		    ? memchr(a + 1, ':', (size_t)(stop - a - 1))
		    : NULL;

		if (b != NULL &&
		    list_has(a + 1, (size_t)(b - a - 1), controller) &&
		    (size_t)(stop - b - 1) < size) {
			memcpy(path, b + 1, (size_t)(stop - b - 1));
			path[stop - b - 1] = '\0';
			return path[0] == '/';
		}
		p = stop + 1;
	}
	return false;
}

/* Where a controller may be mounted, and the file with the limit. */
static const struct limit_place {
	const char *controller, *mount;
} places[] = {
	{ "", "/sys/fs/cgroup" },
	{ "", "/sys/fs/cgroup/unified" },
	{ "cpu", "/sys/fs/cgroup/cpu" },
	{ "cpu", "/sys/fs/cgroup/cpu,cpuacct" },
	{ "memory", "/sys/fs/cgroup/memory" },
};

/* Cuts the last part of a path; false at the top. */
static bool
path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

static bool
quota_at(const char *root, const struct limit_place *pl, const char *path,
    char text[TEXT_MAX], double *cores)
{
	char file[400], both[64];
	ssize_t n;

	if (pl->controller[0] == '\0') {
		snprintf(file, sizeof file, "%s%s/cpu.max", pl->mount, path);
		n = read_text(root, file, text);
		return n > 0 && sysinfo_parse_quota(text, (size_t)n, cores);
	}
	snprintf(file, sizeof file, "%s%s/cpu.cfs_quota_us", pl->mount, path);
	n = read_text(root, file, text);
	if (n <= 0 || text[0] == '-' || n > 20)
		return false;
	text[n - 1] = '\0';
	snprintf(both, sizeof both, "%.20s ", text);
	snprintf(file, sizeof file, "%s%s/cpu.cfs_period_us", pl->mount, path);
	if (read_text(root, file, text) <= 0)
		return false;
	text[20] = '\0';
	snprintf(both + strlen(both), sizeof both - strlen(both), "%.20s",
	    text);
	return sysinfo_parse_quota(both, strlen(both), cores);
}

static bool
memory_at(const char *root, const struct limit_place *pl, const char *path,
    bool usage, char text[TEXT_MAX], int64_t *bytes)
{
	bool v2 = pl->controller[0] == '\0';
	const char *name = v2
	    ? (usage ? "memory.current" : "memory.max")
	    : (usage ? "memory.usage_in_bytes" : "memory.limit_in_bytes");
	char file[400];
	ssize_t n;

	snprintf(file, sizeof file, "%s%s/%s", pl->mount, path, name);
	n = read_text(root, file, text);
	return n > 1 && num_parse_i64(text, (size_t)n - 1, 0, INT64_MAX, bytes);
}

/*
 * The tightest limit on the way from our cgroup up to the top of what we see.
 * In a cgroup namespace the path is "/", and the mount's top is our own.
 */
static void
cgroup_limits(const char *root, double *cores, int64_t *mem_limit,
    int64_t *mem_used)
{
	static char text[TEXT_MAX];
	char self[TEXT_MAX], path[256];
	ssize_t n = read_text(root, "/proc/self/cgroup", self);

	*cores = 0;
	*mem_limit = INT64_MAX;
	*mem_used = 0;
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(places); i++) {
		const struct limit_place *pl = &places[i];

		if (!sysinfo_parse_cgroup(self, (size_t)n, pl->controller, path,
			sizeof path))
			continue;
		do {
			const char *sub = path[1] != '\0' ? path : "";
			double c;
			int64_t m;

			if (quota_at(root, pl, sub, text, &c) && c > 0 &&
			    (*cores <= 0 || c < *cores))
				*cores = c;
			if (memory_at(root, pl, sub, false, text, &m) &&
			    m < *mem_limit) {
				*mem_limit = m;
				if (!memory_at(root, pl, sub, true, text,
					mem_used))
					*mem_used = 0;
			}
		} while (path_up(path));
	}
}

static void
read_cpu_model(const char *root, char *model, size_t size)
{
	static char text[TEXT_MAX];
	ssize_t n = read_text(root, "/proc/cpuinfo", text);
	char *p = n > 0 ? strstr(text, "model name") : NULL;
	char *nl = p != NULL ? strchr(p, '\n') : NULL;

	str_copy(model, size, "unknown");
	if (nl == NULL)
		return;
	*nl = '\0';
	p = strchr(p, ':');
	if (p != NULL && p[1] == ' ')
		str_copy(model, size, p + 2);
}

static void
read_emulated(const char *root, char *out, size_t size)
{
	char path[300];
	struct mw_err err = MW_ERR_INIT;
	struct json_at at;
	const char *s = "";
	json_t *j;

	out[0] = '\0';
	snprintf(path, sizeof path, "%s/run/milkyway-twin.json", root);
	if (access(path, R_OK) != 0)
		return;
	j = json_load_path(path, 65536, &err);
	if (j != NULL && json_at_root(&at, j, &err) &&
	    json_get_str(&at, "emulated", true, size - 1, &s, &err))
		str_copy(out, size, s);
	else /* a twin all the same: do not pass for a real machine */
		str_copy(out, size, "measured");
	json_decref(j);
}

static unsigned
affinity(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

void
sysinfo_read(struct sysinfo_facts *f, const char *root)
{
	static char text[TEXT_MAX];
	struct utsname u;
	int64_t kib = 0, limit, used;
	ssize_t n;

	memset(f, 0, sizeof *f);
	memset(&u, 0, sizeof u);
	if (uname(&u) != 0)
		str_copy(u.nodename, sizeof u.nodename, "unknown");
	str_copy(f->hostname, sizeof f->hostname, u.nodename);
	str_copy(f->kernel, sizeof f->kernel, u.release);
	str_copy(f->arch, sizeof f->arch, u.machine);
	read_cpu_model(root, f->cpu_model, sizeof f->cpu_model);
	n = read_text(root, "/proc/sys/kernel/random/boot_id", text);
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	str_copy(f->boot_id, sizeof f->boot_id, n > 0 ? text : "unknown");
	cgroup_limits(root, &f->cpu_quota, &limit, &used);
	f->vcpus = affinity();
	if (f->cpu_quota > 0 && ceil(f->cpu_quota) < (double)f->vcpus)
		f->vcpus = (unsigned)ceil(f->cpu_quota);
	n = read_text(root, "/proc/meminfo", text);
	if (n > 0 && sysinfo_parse_meminfo(text, (size_t)n, "MemTotal", &kib))
		f->memory_mib = kib / 1024;
	if (limit / (1024 * 1024) < f->memory_mib)
		f->memory_mib = limit / (1024 * 1024);
	read_emulated(root, f->emulated, sizeof f->emulated);
}

int64_t
sysinfo_available_mib(const char *root)
{
	static char text[TEXT_MAX];
	ssize_t n = read_text(root, "/proc/meminfo", text);
	int64_t kib, limit, used, mib;
	double cores;

	if (n <= 0 ||
	    !sysinfo_parse_meminfo(text, (size_t)n, "MemAvailable", &kib))
		return -1;
	mib = kib / 1024;
	cgroup_limits(root, &cores, &limit, &used);
	if (limit < INT64_MAX && (limit - used) / (1024 * 1024) < mib)
		mib = (limit - used) / (1024 * 1024);
	return mib > 0 ? mib : 0;
}

struct sysinfo_monitor *
sysinfo_monitor_new(const char *root)
{
	static const char *const paths[F_COUNT] = {
		[F_STAT] = "/proc/stat",
		[F_LOADAVG] = "/proc/loadavg",
		[F_MEMINFO] = "/proc/meminfo",
		[F_NETDEV] = "/proc/net/dev",
		[F_PRESSURE] = "/proc/pressure/cpu",
	};
	struct sysinfo_monitor *m = xcalloc(1, sizeof *m);
	char full[512];

	for (size_t i = 0; i < F_COUNT; i++) {
		snprintf(full, sizeof full, "%s%s", root, paths[i]);
		m->fd[i] = open(full, O_RDONLY | O_CLOEXEC);
	}
	return m;
}

void
sysinfo_monitor_free(struct sysinfo_monitor *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < F_COUNT; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	free(m);
}

static size_t
monitor_read(struct sysinfo_monitor *m, int which)
{
	ssize_t n = m->fd[which] >= 0
	    ? pread(m->fd[which], m->text, TEXT_MAX - 1, 0)
	    : -1;

	m->text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

bool
sysinfo_cpu(struct sysinfo_monitor *m, struct sysinfo_cpu *out)
{
	size_t n = monitor_read(m, F_STAT);

	return sysinfo_parse_cpu(m->text, n, out);
}

bool
sysinfo_pressure(struct sysinfo_monitor *m, uint64_t *some_us)
{
	size_t n = monitor_read(m, F_PRESSURE);

	return sysinfo_parse_pressure(m->text, n, some_us);
}

static void
metrics_cpu(struct sysinfo_monitor *m, struct sysinfo_metrics *out)
{
	struct sysinfo_cpu now;
	uint64_t total;

	out->cpu_pct = out->steal_pct = NAN;
	if (!sysinfo_cpu(m, &now))
		return;
	total = now.total - m->last.total;
	if (m->has_last && now.total > m->last.total &&
	    now.idle >= m->last.idle && now.steal >= m->last.steal) {
		uint64_t idle = now.idle - m->last.idle;

		out->cpu_pct = idle < total
		    ? 100.0 * (double)(total - idle) / (double)total
		    : 0;
		out->steal_pct =
		    100.0 * (double)(now.steal - m->last.steal) / (double)total;
	}
	m->last = now;
	m->has_last = true;
}

void
sysinfo_metrics(struct sysinfo_monitor *m, struct sysinfo_metrics *out)
{
	const char *p, *w;
	int64_t total, avail;
	size_t n, len;

	metrics_cpu(m, out);
	n = monitor_read(m, F_LOADAVG);
	p = m->text;
	if (!next_word(&p, p + n, &w, &len) ||
	    !num_parse_f64(w, len, 0, 1e6, &out->load1))
		out->load1 = NAN;
	n = monitor_read(m, F_MEMINFO);
	out->mem_used_mib = -1;
	if (sysinfo_parse_meminfo(m->text, n, "MemTotal", &total) &&
	    sysinfo_parse_meminfo(m->text, n, "MemAvailable", &avail))
		out->mem_used_mib = (total - avail) / 1024;
	n = monitor_read(m, F_NETDEV);
	if (!sysinfo_parse_netdev(m->text, n, &out->net_rx_bytes,
		&out->net_tx_bytes))
		out->net_rx_bytes = out->net_tx_bytes = -1;
}

bool
sysinfo_fs(const char *path, struct sysinfo_fs *out, struct mw_err *err)
{
	struct statfs s;

	if (statfs(path, &s) != 0)
		return err_set(err, MW_INTERNAL, errno, "statfs %s: %s", path,
		    strerror(errno));
	out->memory = s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC;
	out->free_mib = (int64_t)((uint64_t)s.f_bavail * (uint64_t)s.f_bsize /
	    (1024 * 1024));
	return true;
}

bool
sysinfo_tool(const char *name, char *path, size_t size)
{
	/* An agent started by rc.local has a short PATH or none. */
	const char *const lists[] = { getenv("PATH"),
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		":/usr/libexec" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (const char *p = lists[i]; p != NULL && *p != '\0';) {
			size_t n = strcspn(p, ":");
			int len =
			    snprintf(path, size, "%.*s/%s", (int)n, p, name);

			if (n > 0 && len > 0 && (size_t)len < size &&
			    access(path, X_OK) == 0)
				return true;
			p += n + (p[n] == ':');
		}
	return false;
}
