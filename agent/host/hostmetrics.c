/*
 * hostmetrics.c - see hostmetrics.h. A sample reads four short files; counters
 * that only sums are made of (disks, pressure) are read once a minute.
 */
#include "agent/host/hostmetrics.h"

#include "agent/host/hostparse.h"
#include "agent/host/sysinfo.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 16384
#define MINUTE_NS (60 * NS_PER_S)
#define STALL_NS (90 * NS_PER_S) /* a longer gap is no minute */
#define CACHE_EVERY 4 /* samples */
#define MIB (INT64_C(1024) * 1024)

enum {
	F_STAT,
	F_LOADAVG,
	F_MEMINFO,
	F_NETDEV,
	F_DISK,
	F_PSI_CPU,
	F_PSI_IO,
	F_PSI_MEM,
	F_CG_CPU, /* cpu.stat, or cpuacct.usage */
	F_CG_MEM,
	F_CG_MEM_STAT,
	F_COUNT
};

/* Counters since boot; -1: unknown. */
enum {
	C_TOTAL, /* ticks of all CPUs */
	C_IDLE,
	C_IOWAIT,
	C_STEAL,
	C_CG_CPU_US,
	C_NET_RX,
	C_NET_TX,
	C_LIGHT, /* up to here with every sample */
	C_DISK_READ = C_LIGHT,
	C_DISK_WRITE,
	C_PSI, /* cpu, io, memory */
	C_COUNT = C_PSI + 3
};

struct counters {
	int64_t at_ns; /* monotonic */
	int64_t v[C_COUNT];
};

/* Mean and maximum of what is no counter. */
struct gauge {
	double sum;
	int64_t n, max;
};

struct hostmetrics {
	int fd[F_COUNT];
	unsigned cgroup;
	bool cg_v1_cpu, cg_v1_disk;
	double cpus;
	int64_t cg_mem_limit; /* bytes; INT64_MAX: none */
	int64_t cg_cache; /* bytes of it that can go */
	unsigned samples;
	bool started, bench;
	int64_t minute; /* that is being filled */
	struct counters base, last; /* at its begin; newest */
	int64_t cpu_max, steal_max, bench_ns;
	struct gauge load, mem;
	struct host_now now;
	struct host_rec ring[HOSTMETRICS_KEEP];
	uint64_t made, taken; /* minutes since start; ring at % KEEP */
	char text[TEXT_MAX];
};

static int
open_at(const char *root, const char *dir, const char *name)
{
	char path[512];

	if (snprintf(path, sizeof path, "%s%s/%s", root, dir, name) >=
	    (int)sizeof path)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool
is_there(const char *root, const char *dir, const char *name)
{
	int fd = open_at(root, dir, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static size_t
read_fd(struct hostmetrics *h, int which)
{
	ssize_t n = h->fd[which] >= 0
	    ? pread(h->fd[which], h->text, TEXT_MAX - 1, 0)
	    : -1;

	h->text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/*
 * The top of a mounted tree is our own cgroup, not the kernel's root, if the
 * tree says so: only other cgroups than the root have cgroup.events (v2), only
 * the root has release_agent (v1).
 */
static bool
own_v2(const char *root, const char *dir)
{
	return is_there(root, dir, "cgroup.events");
}

static bool
own_v1(const char *root, const char *dir)
{
	return is_there(root, dir, "tasks") &&
	    !is_there(root, dir, "release_agent");
}

static bool
adopt(struct hostmetrics *h, int which, int fd, unsigned bit)
{
	if (fd < 0)
		return false;
	if (h->fd[which] >= 0)
		close(h->fd[which]);
	h->fd[which] = fd;
	h->cgroup |= bit;
	return true;
}

static void
find_v2(struct hostmetrics *h, const char *root, const char *dir)
{
	static const char *const psi[] = { "cpu.pressure", "io.pressure",
		"memory.pressure" };
	int fd;

	if (!own_v2(root, dir))
		return;
	(void)adopt(h, F_CG_CPU, open_at(root, dir, "cpu.stat"), HOST_CG_CPU);
	fd = open_at(root, dir, "memory.stat");
	if (fd >= 0 &&
	    adopt(h, F_CG_MEM, open_at(root, dir, "memory.current"),
		HOST_CG_MEM))
		(void)adopt(h, F_CG_MEM_STAT, fd, HOST_CG_MEM);
	else if (fd >= 0)
		close(fd);
	(void)adopt(h, F_DISK, open_at(root, dir, "io.stat"), HOST_CG_DISK);
	for (int i = 0; i < 3; i++)
		(void)adopt(h, F_PSI_CPU + i, open_at(root, dir, psi[i]),
		    HOST_CG_PSI);
}

static void
find_v1(struct hostmetrics *h, const char *root)
{
	static const char *const cpu[] = { "/sys/fs/cgroup/cpuacct",
		"/sys/fs/cgroup/cpu,cpuacct" };
	const char *mem = "/sys/fs/cgroup/memory";
	const char *blkio = "/sys/fs/cgroup/blkio";

	for (size_t i = 0; i < ARRAY_LEN(cpu); i++)
		if (!(h->cgroup & HOST_CG_CPU) && own_v1(root, cpu[i]))
			h->cg_v1_cpu = adopt(h, F_CG_CPU,
			    open_at(root, cpu[i], "cpuacct.usage"),
			    HOST_CG_CPU);
	if (!(h->cgroup & HOST_CG_MEM) && own_v1(root, mem) &&
	    adopt(h, F_CG_MEM, open_at(root, mem, "memory.usage_in_bytes"),
		HOST_CG_MEM))
		(void)adopt(h, F_CG_MEM_STAT, open_at(root, mem, "memory.stat"),
		    HOST_CG_MEM);
	if (!(h->cgroup & HOST_CG_DISK) && own_v1(root, blkio))
		h->cg_v1_disk = adopt(h, F_DISK,
		    open_at(root, blkio, "blkio.throttle.io_service_bytes"),
		    HOST_CG_DISK);
}

/* A file with one number, or "max". */
static int64_t
read_limit(const char *root, const char *dir, const char *name)
{
	int fd = open_at(root, dir, name);
	int64_t v = INT64_MAX;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return INT64_MAX;
	n = read(fd, text, sizeof text);
	close(fd);
	if (n < 2 || !num_parse_i64(text, (size_t)n - 1, 0, INT64_MAX, &v))
		return INT64_MAX;
	return v;
}

static void
find_limit(struct hostmetrics *h, const char *root)
{
	static const char *const files[][2] = {
		{ "/sys/fs/cgroup", "memory.max" },
		{ "/sys/fs/cgroup/unified", "memory.max" },
		{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
	};

	h->cg_mem_limit = INT64_MAX;
	for (size_t i = 0; h->cgroup & HOST_CG_MEM && i < ARRAY_LEN(files);
	     i++) {
		int64_t v = read_limit(root, files[i][0], files[i][1]);

		if (v < h->cg_mem_limit)
			h->cg_mem_limit = v;
	}
}

struct hostmetrics *
hostmetrics_new(const char *root, double cpus)
{
	static const char *const files[] = {
		[F_STAT] = "stat",
		[F_LOADAVG] = "loadavg",
		[F_MEMINFO] = "meminfo",
		[F_NETDEV] = "net/dev",
		[F_DISK] = "diskstats",
		[F_PSI_CPU] = "pressure/cpu",
		[F_PSI_IO] = "pressure/io",
		[F_PSI_MEM] = "pressure/memory",
	};
	struct hostmetrics *h = xcalloc(1, sizeof *h);

	for (size_t i = 0; i < F_COUNT; i++)
		h->fd[i] = i < ARRAY_LEN(files)
		    ? open_at(root, "/proc", files[i])
		    : -1;
	h->cpus = cpus > 0 ? cpus : 1;
	find_v2(h, root, "/sys/fs/cgroup");
	if (h->cgroup == 0)
		find_v2(h, root, "/sys/fs/cgroup/unified");
	find_v1(h, root);
	find_limit(h, root);
	h->last.at_ns = INT64_MIN;
	return h;
}

void
hostmetrics_free(struct hostmetrics *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < F_COUNT; i++)
		if (h->fd[i] >= 0)
			close(h->fd[i]);
	free(h);
}

static void
read_cpu(struct hostmetrics *h, int64_t v[C_COUNT])
{
	struct hostparse_cpu cpu;
	size_t n = read_fd(h, F_STAT);

	v[C_TOTAL] = v[C_IDLE] = v[C_IOWAIT] = v[C_STEAL] = -1;
	if (hostparse_stat(h->text, n, &cpu)) {
		v[C_TOTAL] = cpu.total;
		v[C_IDLE] = cpu.idle;
		v[C_IOWAIT] = cpu.iowait;
		v[C_STEAL] = cpu.steal;
	}
	v[C_CG_CPU_US] = -1;
	if (!(h->cgroup & HOST_CG_CPU))
		return;
	n = read_fd(h, F_CG_CPU);
	if (h->cg_v1_cpu) {
		if (n > 1 &&
		    num_parse_i64(h->text, n - 1, 0, INT64_MAX,
			&v[C_CG_CPU_US]))
			v[C_CG_CPU_US] /= 1000;
		else
			v[C_CG_CPU_US] = -1;
	} else if (!hostparse_key(h->text, n, "usage_usec", &v[C_CG_CPU_US])) {
		v[C_CG_CPU_US] = -1;
	}
}

static void
read_meminfo(struct hostmetrics *h)
{
	struct host_now *o = &h->now;
	int64_t total = -1, avail;
	size_t n = read_fd(h, F_MEMINFO);

	o->mem_used_mib = o->mem_total_mib = -1;
	if (!sysinfo_parse_meminfo(h->text, n, "MemTotal", &total) ||
	    !sysinfo_parse_meminfo(h->text, n, "MemAvailable", &avail))
		return;
	o->mem_total_mib = total / 1024;
	o->mem_used_mib = total > avail ? (total - avail) / 1024 : 0;
}

/* Cache that nobody uses goes away under pressure: it is not counted. Its
 * size is dear to ask for, so not with every sample. */
static void
read_cg_memory(struct hostmetrics *h)
{
	int64_t used;
	size_t n;

	if (!h->started)
		read_meminfo(h);
	if (h->cg_mem_limit / MIB < h->now.mem_total_mib)
		h->now.mem_total_mib = h->cg_mem_limit / MIB;
	if (h->samples++ % CACHE_EVERY == 0) {
		n = read_fd(h, F_CG_MEM_STAT);
		if (!hostparse_key(h->text, n, "total_inactive_file",
			&h->cg_cache) &&
		    !hostparse_key(h->text, n, "inactive_file", &h->cg_cache))
			h->cg_cache = 0;
	}
	n = read_fd(h, F_CG_MEM);
	h->now.mem_used_mib = -1;
	if (n > 1 && num_parse_i64(h->text, n - 1, 0, INT64_MAX, &used))
		h->now.mem_used_mib =
		    used > h->cg_cache ? (used - h->cg_cache) / MIB : 0;
}

/* What changes within a minute. */
static void
read_light(struct hostmetrics *h, struct counters *c)
{
	size_t n, end;

	read_cpu(h, c->v);
	n = read_fd(h, F_LOADAVG);
	end = strcspn(h->text, " ");
	if (n == 0 || !num_parse_f64(h->text, end, 0, 1e6, &h->now.load1))
		h->now.load1 = (double)NAN;
	if (h->cgroup & HOST_CG_MEM)
		read_cg_memory(h);
	else
		read_meminfo(h);
	n = read_fd(h, F_NETDEV);
	if (!sysinfo_parse_netdev(h->text, n, &c->v[C_NET_RX], &c->v[C_NET_TX]))
		c->v[C_NET_RX] = c->v[C_NET_TX] = -1;
}

static void
read_heavy(struct hostmetrics *h, struct counters *c)
{
	size_t n = read_fd(h, F_DISK);
	int64_t *rd = &c->v[C_DISK_READ], *wr = &c->v[C_DISK_WRITE];
	bool ok;

	if (!(h->cgroup & HOST_CG_DISK))
		ok = hostparse_diskstats(h->text, n, rd, wr);
	else if (h->cg_v1_disk)
		ok = hostparse_blkio(h->text, n, rd, wr);
	else
		ok = hostparse_iostat(h->text, n, rd, wr);
	if (!ok)
		*rd = *wr = -1;
	for (int i = 0; i < 3; i++) {
		uint64_t us;

		n = read_fd(h, F_PSI_CPU + i);
		c->v[C_PSI + i] =
		    sysinfo_parse_pressure(h->text, n, &us) && us <= INT64_MAX
		    ? (int64_t)us
		    : -1;
	}
}

/* Growth of a counter; -1: unknown, or it began anew. */
static int64_t
grown(const struct counters *a, const struct counters *b, int which)
{
	int64_t x = a->v[which], y = b->v[which];

	return x >= 0 && y >= x ? y - x : -1;
}

/* part of whole in 1/100 %; -1: unknown. */
static int64_t
share(double part, double whole)
{
	double v = part / whole * 10000;

	if (!(part >= 0) || !(whole > 0))
		return -1;
	return v < 1000000 ? (int64_t)lround(v) : 1000000;
}

static int64_t
cpu_share(const struct hostmetrics *h, const struct counters *a,
    const struct counters *b)
{
	int64_t total = grown(a, b, C_TOTAL), idle = grown(a, b, C_IDLE);
	int64_t wait = grown(a, b, C_IOWAIT);

	if (h->cgroup & HOST_CG_CPU)
		return share((double)grown(a, b, C_CG_CPU_US) * 1e3,
		    (double)(b->at_ns - a->at_ns) * h->cpus);
	if (total <= 0 || idle < 0)
		return -1;
	/* iowait may go backwards by a tick: proc(5) */
	idle += wait > 0 ? wait : 0;
	return share(idle < total ? (double)(total - idle) : 0, (double)total);
}

static int64_t
tick_share(const struct counters *a, const struct counters *b, int which)
{
	return share((double)grown(a, b, which), (double)grown(a, b, C_TOTAL));
}

static double
pct(int64_t v)
{
	return v < 0 ? (double)NAN : (double)v / 100;
}

static void
gauge_add(struct gauge *g, double v, double scale)
{
	int64_t x;

	if (!(v >= 0))
		return;
	x = (int64_t)llround(v * scale);
	g->sum += (double)x;
	g->max = g->n == 0 || x > g->max ? x : g->max;
	g->n++;
}

static int64_t
gauge_mean(const struct gauge *g)
{
	return g->n > 0 ? (int64_t)llround(g->sum / (double)g->n) : -1;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
begin_minute(struct hostmetrics *h, const struct counters *c, int64_t minute)
{
	h->minute = minute;
	h->base = *c;
	h->cpu_max = h->steal_max = -1;
	h->bench_ns = 0;
	h->load = (struct gauge){ 0 };
	h->mem = (struct gauge){ 0 };
}

static void
end_minute(struct hostmetrics *h, const struct counters *c)
{
	struct host_rec *r = &h->ring[h->made % HOSTMETRICS_KEEP];
	int64_t ns = c->at_ns - h->base.at_ns;
	int64_t covered = (ns + NS_PER_S / 2) / NS_PER_S;
	const struct counters *b = &h->base;

	if (covered < 1 || ns > STALL_NS)
		return;
	r->at = h->minute;
	r->covered_s = covered < 60 ? covered : 60;
	r->bench_s = (h->bench_ns + NS_PER_S / 2) / NS_PER_S;
	if (r->bench_s > r->covered_s)
		r->bench_s = r->covered_s;
	r->cgroup = h->cgroup;
	r->v[HOST_CPU] = cpu_share(h, b, c);
	r->v[HOST_CPU_MAX] = larger(h->cpu_max, r->v[HOST_CPU]);
	r->v[HOST_STEAL] = tick_share(b, c, C_STEAL);
	r->v[HOST_STEAL_MAX] = larger(h->steal_max, r->v[HOST_STEAL]);
	r->v[HOST_IOWAIT] = tick_share(b, c, C_IOWAIT);
	r->v[HOST_LOAD1] = gauge_mean(&h->load);
	r->v[HOST_LOAD1_MAX] = h->load.n > 0 ? h->load.max : -1;
	r->v[HOST_MEM_USED] = gauge_mean(&h->mem);
	r->v[HOST_MEM_USED_MAX] = h->mem.n > 0 ? h->mem.max : -1;
	r->v[HOST_MEM_TOTAL] = h->now.mem_total_mib;
	r->v[HOST_NET_RX] = grown(b, c, C_NET_RX);
	r->v[HOST_NET_TX] = grown(b, c, C_NET_TX);
	r->v[HOST_DISK_READ] = grown(b, c, C_DISK_READ);
	r->v[HOST_DISK_WRITE] = grown(b, c, C_DISK_WRITE);
	for (int i = 0; i < 3; i++)
		r->v[HOST_PSI_CPU + i] =
		    share((double)grown(b, c, C_PSI + i) * 1e3, (double)ns);
	if (!host_rec_valid(r, 60))
		return; /* a kernel that counts beyond reason */
	h->made++;
	if (h->made - h->taken > HOSTMETRICS_KEEP)
		h->taken = h->made - HOSTMETRICS_KEEP;
}

void
hostmetrics_sample(struct hostmetrics *h, int64_t mono_ns, int64_t wall_ns,
    bool bench)
{
	struct counters c = h->last;
	int64_t minute = wall_ns / MINUTE_NS, cpu, steal;

	c.at_ns = mono_ns;
	read_light(h, &c);
	if (!h->started) {
		read_heavy(h, &c);
		h->last = c;
		h->now.cpu_pct = h->now.steal_pct = (double)NAN;
		h->now.iowait_pct = (double)NAN;
		begin_minute(h, &c, minute);
		h->started = true;
		h->bench = bench;
		return;
	}
	cpu = cpu_share(h, &h->last, &c);
	steal = tick_share(&h->last, &c, C_STEAL);
	h->now.cpu_pct = pct(cpu);
	h->now.steal_pct = pct(steal);
	h->now.iowait_pct = pct(tick_share(&h->last, &c, C_IOWAIT));
	h->cpu_max = larger(h->cpu_max, cpu);
	h->steal_max = larger(h->steal_max, steal);
	gauge_add(&h->load, h->now.load1, 100);
	gauge_add(&h->mem, (double)h->now.mem_used_mib, 1);
	if (bench || h->bench)
		h->bench_ns += mono_ns - h->last.at_ns;
	h->bench = bench;
	if (minute != h->minute) {
		read_heavy(h, &c);
		/* A clock that was set back: that minute was told already. */
		if (minute > h->minute)
			end_minute(h, &c);
		begin_minute(h, &c, minute);
	}
	h->last = c;
}

int64_t
hostmetrics_at(const struct hostmetrics *h)
{
	return h->last.at_ns;
}

void
hostmetrics_now(struct hostmetrics *h, bool totals, struct host_now *out)
{
	struct counters c = h->last;

	if (totals)
		read_heavy(h, &c);
	*out = h->now;
	out->net_rx_bytes = c.v[C_NET_RX];
	out->net_tx_bytes = c.v[C_NET_TX];
	out->disk_read_bytes = c.v[C_DISK_READ];
	out->disk_written_bytes = c.v[C_DISK_WRITE];
	for (int i = 0; i < 3; i++)
		out->psi_us[i] = c.v[C_PSI + i];
	out->cgroup = h->cgroup;
}

size_t
hostmetrics_take(struct hostmetrics *h, struct host_rec *out, size_t max)
{
	size_t n = 0;

	while (n < max && h->taken < h->made)
		out[n++] = h->ring[h->taken++ % HOSTMETRICS_KEEP];
	return n;
}

void
hostmetrics_untake(struct hostmetrics *h, size_t n)
{
	uint64_t kept = h->made < HOSTMETRICS_KEEP ? h->made : HOSTMETRICS_KEEP;
	uint64_t back = h->made - h->taken + n;

	h->taken = h->made - (back < kept ? back : kept);
}

size_t
hostmetrics_waiting(const struct hostmetrics *h)
{
	return (size_t)(h->made - h->taken);
}
