/*
 * hostmetrics.h - how busy this machine is: sampled every 5 s by pread() on
 * files that stay open, folded to minutes, the newest HOSTMETRICS_KEEP of them
 * kept until they are sent (or older than that).
 *
 * In a container or an emulated VM the figures of its own cgroup are taken
 * where there are any, and the record says of which (host_rec.cgroup). Steal,
 * wait for disks and load are always the whole kernel's, traffic is always
 * that of our network namespace.
 */
#ifndef MW_AGENT_HOSTMETRICS_H
#define MW_AGENT_HOSTMETRICS_H

#include "common/pure/hostrec.h"

#define HOSTMETRICS_KEEP 180 /* minutes: 31 kB */
#define HOSTMETRICS_EVERY_NS (5 * NS_PER_S)

struct hostmetrics;

/* Of the newest sample; -1 or NAN: unknown. Percentages are over the time
 * since the sample before. */
struct host_now {
	double cpu_pct, steal_pct, iowait_pct, load1;
	int64_t mem_used_mib, mem_total_mib;
	int64_t net_rx_bytes, net_tx_bytes; /* since boot */
	int64_t disk_read_bytes, disk_written_bytes; /* since boot, cgroup */
	int64_t psi_us[3]; /* cpu, io, memory: waited since boot */
	unsigned cgroup; /* HOST_CG_ bits */
};

/* root: "" or, in tests, a folder with proc/ and sys/. cpus: what 100 % of our
 * cgroup is; may be a fraction. */
struct hostmetrics *hostmetrics_new(const char *root, double cpus);
void hostmetrics_free(struct hostmetrics *h); /* NULL is fine */
/* One sample. bench: an exclusive benchmark runs now. The minute of wall_ns is
 * what the sample belongs to; the first one of a minute ends the one before. */
void hostmetrics_sample(struct hostmetrics *h, int64_t mono_ns, int64_t wall_ns,
    bool bench);
/* Monotonic time of the newest sample; INT64_MIN: none. */
int64_t hostmetrics_at(const struct hostmetrics *h);
/* totals: disk and PSI are read now; else as of the last whole minute. */
void hostmetrics_now(struct hostmetrics *h, bool totals, struct host_now *out);
/* The oldest minutes that were not taken yet, in order; returns how many. */
size_t hostmetrics_take(struct hostmetrics *h, struct host_rec *out,
    size_t max);
/* The last n that were taken may be lost: they come again. */
void hostmetrics_untake(struct hostmetrics *h, size_t n);
/* Minutes that wait. */
size_t hostmetrics_waiting(const struct hostmetrics *h);

#endif
