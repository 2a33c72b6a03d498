/*
 * init_show.c - /proc/cpuinfo, /proc/meminfo and the list of CPUs tell the
 * size of the VM, not of the host. sysinfo(2) cannot be changed.
 */
#include "twin/init.h"

#include "common/pure/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define MEMINFO "/run/.twin/meminfo"

static void show(const char *file, const char *over, const char *text);
static bool memory_used(uint64_t *used_kib, uint64_t *cache_kib);
static bool read_number(const char *path, uint64_t *v);
static uint64_t field(const struct str *s, const char *name);

void
init_show_cpus(const struct init_conf *c)
{
	struct str all = STR_INIT, some = STR_INIT;
	char online[32] = "0\n";
	const char *p, *end;
	unsigned n = 0;

	if (c->cpus == 0)
		return;
	if (c->cpus > 1)
		snprintf(online, sizeof online, "0-%u\n", c->cpus - 1);
	show("/run/.twin/online", "/sys/devices/system/cpu/online", online);
	if (!init_slurp("/proc/cpuinfo", &all))
		return;
	/* one block per CPU, an empty line after each */
	for (p = str_cstr(&all); *p && n < c->cpus; p = end, n++) {
		end = strstr(p, "\n\n");
		end = end ? end + 2 : p + strlen(p);
		str_addn(&some, p, (size_t)(end - p));
	}
	show("/run/.twin/cpuinfo", "/proc/cpuinfo", str_cstr(&some));
	str_free(&all);
	str_free(&some);
}

/* The file keeps its inode, because it is mounted over /proc/meminfo. */
void
init_show_memory(const struct init_conf *c)
{
	uint64_t total = (uint64_t)c->memory_mib << 10, used, cache, left;
	char text[1024];

	if (total == 0 || !memory_used(&used, &cache))
		return;
	left = used < total ? total - used : 0;
	if (cache > used)
		cache = used;
	snprintf(text, sizeof text,
	    "MemTotal:       %8llu kB\n"
	    "MemFree:        %8llu kB\n"
	    "MemAvailable:   %8llu kB\n"
	    "Buffers:               0 kB\n"
	    "Cached:         %8llu kB\n"
	    "SwapCached:            0 kB\n"
	    "SwapTotal:             0 kB\n"
	    "SwapFree:              0 kB\n"
	    "Shmem:                 0 kB\n"
	    "SReclaimable:          0 kB\n",
	    (unsigned long long)total, (unsigned long long)left,
	    (unsigned long long)(left + cache), (unsigned long long)cache);
	if (access(MEMINFO, F_OK) != 0) {
		show(MEMINFO, "/proc/meminfo", text);
		return;
	}
	/* same length each time: no reader sees a short file */
	if (!init_set(MEMINFO, text))
		init_log("meminfo: %s", strerror(errno));
}

static void
show(const char *file, const char *over, const char *text)
{
	init_put(file, 0444, text);
	if (mount(file, over, NULL, MS_BIND, NULL))
		init_log("%s shows the host: %s", over, strerror(errno));
}

static bool
memory_used(uint64_t *used_kib, uint64_t *cache_kib)
{
	static const char *const usage[] = { "/sys/fs/cgroup/memory.current",
		"/sys/fs/cgroup/memory/memory.usage_in_bytes" };
	static const char *const stat[] = { "/sys/fs/cgroup/memory.stat",
		"/sys/fs/cgroup/memory/memory.stat" };
	static const char *const name[] = { "file ", "total_cache " };
	struct str s = STR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_LEN(usage); i++) {
		if (!read_number(usage[i], used_kib))
			continue;
		*used_kib >>= 10;
		*cache_kib =
		    init_slurp(stat[i], &s) ? field(&s, name[i]) >> 10 : 0;
		str_free(&s);
		return true;
	}
	return false;
}

static bool
read_number(const char *path, uint64_t *v)
{
	struct str s = STR_INIT;
	int64_t n = 0;
	bool ok;

	ok = init_slurp(path, &s) &&
	    num_parse_i64(str_cstr(&s), strcspn(str_cstr(&s), "\n"), 0,
		INT64_MAX, &n);
	*v = (uint64_t)n;
	str_free(&s);
	return ok;
}

/* The number behind "name " at the start of a line; 0 if there is none. */
static uint64_t
field(const struct str *s, const char *name)
{
	const char *p = str_cstr(s);
	int64_t v;

	for (; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (str_starts(p, name) &&
		    num_parse_i64(p + strlen(name),
			strcspn(p + strlen(name), "\n"), 0, INT64_MAX, &v))
			return (uint64_t)v;
	return 0;
}
