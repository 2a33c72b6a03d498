/*
 * sysenv.h - what a benchmark ran on: the machine, the disk under its folder,
 * and how long the cgroup's quota stopped us. Read once per job; a figure that
 * cannot be read is unknown. root as in sysinfo.h.
 */
#ifndef MW_AGENT_SYSENV_H
#define MW_AGENT_SYSENV_H

#include "agent/host/sysinfo.h"
#include "common/pure/result.h"

/* dir: where the files of the file kinds go. file_mib stays unknown. */
void sysenv_read(struct result_env *e, const struct sysinfo_facts *f,
    const char *dir, const char *root);
/* Time for which our cgroup, or one above it, was stopped by its CPU quota; the
 * largest of them; -1: unknown. */
int64_t sysenv_throttled_us(const char *root);

/* Pure. "32K" of .../cache/index3/size in KiB; false: no size. */
bool sysenv_parse_size(const char *p, size_t n, int64_t *kib) mw_must_check;
/* "none [mq-deadline] bfq": the word in brackets, else the only word. */
bool sysenv_parse_choice(const char *p, size_t n, char *out,
    size_t size) mw_must_check;
/* The value after a key at the start of a line, as in cpu.stat. */
bool sysenv_parse_stat(const char *p, size_t n, const char *key,
    int64_t *out) mw_must_check;
/* "kvm", "xen", ... from DMI and /proc/cpuinfo texts; "" unknown, "none" if
 * the CPU does not say that it is virtual. */
const char *sysenv_virt(const char *vendor, const char *product,
    const char *cpuinfo);

#endif
