/*
 * hostparse.h - texts of /proc and of cgroups that host metrics need besides
 * those of sysinfo.h. Pure: (bytes, length) to numbers, or false.
 */
#ifndef MW_AGENT_HOSTPARSE_H
#define MW_AGENT_HOSTPARSE_H

#include "common/pure/mw.h"

struct hostparse_cpu { /* ticks */
	int64_t total, idle, iowait, steal;
};

/* The first line of /proc/stat. */
bool hostparse_stat(const char *p, size_t n,
    struct hostparse_cpu *out) mw_must_check;
/* Bytes since the start of all disks of /proc/diskstats; partitions, loops and
 * what lies on other disks (dm, md) are left out. */
bool hostparse_diskstats(const char *p, size_t n, int64_t *read,
    int64_t *written) mw_must_check;
/* io.stat of cgroup v2: "8:0 rbytes=1 wbytes=2 rios=.." a line. */
bool hostparse_iostat(const char *p, size_t n, int64_t *read,
    int64_t *written) mw_must_check;
/* blkio.throttle.io_service_bytes of v1: "8:0 Read 1" a line. */
bool hostparse_blkio(const char *p, size_t n, int64_t *read,
    int64_t *written) mw_must_check;
/* The number behind a key at the start of a line: "usage_usec 123". */
bool hostparse_key(const char *p, size_t n, const char *key,
    int64_t *out) mw_must_check;

#endif
