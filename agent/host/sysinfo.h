/*
 * sysinfo.h - what this machine is and how busy it is, from /proc and the
 * cgroup. The functions that parse text are pure; root is "" or, in tests, a
 * folder that holds proc/, sys/ and run/.
 */
#ifndef MW_AGENT_SYSINFO_H
#define MW_AGENT_SYSINFO_H

#include "common/pure/err.h"

struct sysinfo_facts {
	char hostname[65], kernel[65], arch[33], cpu_model[96], boot_id[40];
	unsigned vcpus; /* min(affinity, ceil of the quota), at least 1 */
	double cpu_quota; /* cores; 0: none */
	int64_t memory_mib;
	char emulated[16]; /* "": a real machine; "measured", "replay" */
};

/* Unknown texts stay "unknown"; never fails. */
void sysinfo_read(struct sysinfo_facts *f, const char *root);
/* MemAvailable, or what the cgroup leaves; -1: unknown. */
int64_t sysinfo_available_mib(const char *root);

/* Counters of /proc/stat's first line, in ticks. */
struct sysinfo_cpu {
	uint64_t total, idle, steal; /* idle holds iowait */
};

/* Keeps its files open: one pread per figure. */
struct sysinfo_monitor;

struct sysinfo_metrics { /* -1 (or NAN): unknown */
	double load1, cpu_pct, steal_pct;
	int64_t mem_used_mib, net_rx_bytes, net_tx_bytes;
};

struct sysinfo_monitor *sysinfo_monitor_new(const char *root);
void sysinfo_monitor_free(struct sysinfo_monitor *m);
/* Percentages are over the time since the last call. */
void sysinfo_metrics(struct sysinfo_monitor *m, struct sysinfo_metrics *out);
bool sysinfo_cpu(struct sysinfo_monitor *m,
    struct sysinfo_cpu *out) mw_must_check;
/* Total of /proc/pressure/cpu "some", in us; false: not there. */
bool sysinfo_pressure(struct sysinfo_monitor *m,
    uint64_t *some_us) mw_must_check;

struct sysinfo_fs {
	bool memory; /* tmpfs, ramfs: file kinds would measure RAM */
	int64_t free_mib;
};
bool sysinfo_fs(const char *path, struct sysinfo_fs *out,
    struct mw_err *err) mw_must_check;

/* Path of a program in PATH or the usual folders. */
bool sysinfo_tool(const char *name, char *path, size_t size) mw_must_check;

/* Pure. */
bool sysinfo_parse_cpu(const char *p, size_t n,
    struct sysinfo_cpu *out) mw_must_check;
/* "max 100000" gives 0; "25000 10000" gives 2.5. */
bool sysinfo_parse_quota(const char *p, size_t n, double *cores) mw_must_check;
/* Value of a /proc/meminfo line, in kB. */
bool sysinfo_parse_meminfo(const char *p, size_t n, const char *key,
    int64_t *kib) mw_must_check;
/* Sums over all interfaces but lo. */
bool sysinfo_parse_netdev(const char *p, size_t n, int64_t *rx,
    int64_t *tx) mw_must_check;
bool sysinfo_parse_pressure(const char *p, size_t n,
    uint64_t *some_us) mw_must_check;
/* The path of a cgroup controller in /proc/self/cgroup; "" selects v2. */
bool sysinfo_parse_cgroup(const char *p, size_t n, const char *controller,
    char *path, size_t size) mw_must_check;

#endif
