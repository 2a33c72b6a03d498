/*
 * cgroup.h - control groups of the twin, on pure v2, hybrid and v1 hosts.
 *
 * Freeze and kill always use the v2 tree, which also exists without any
 * controller; cpu, memory, cpuset and pids are set where the controller is.
 * The v1 freezer is never used: its tasks cannot be killed.
 */
#ifndef MW_TWIN_CGROUP_H
#define MW_TWIN_CGROUP_H

#include "common/pure/err.h"

#include <sys/types.h>
#include "common/pure/str.h"

#define CGROUP_PATH_MAX 256
#define CGROUP_TREES_MAX 8

enum cgroup_ctl {
	CGROUP_CPU,
	CGROUP_MEMORY,
	CGROUP_CPUSET,
	CGROUP_PIDS,
	CGROUP_CTL_COUNT
};

/* The hierarchies that matter here. */
struct cgroup_trees {
	size_t n;
	struct {
		char path[CGROUP_PATH_MAX]; /* mount point */
		char options[64]; /* "cpu,cpuacct"; "" for v2 */
		bool v2;
	} tree[CGROUP_TREES_MAX];
	int where[CGROUP_CTL_COUNT]; /* index of a tree, or -1 */
	int v2; /* index of the v2 tree, or -1 */
};

struct cgroup_limits {
	uint32_t cpu_millicores, memory_mib, pids_max; /* 0: no limit */
	const char *cpuset; /* "0-1" or NULL */
};

void cgroup_trees_find(struct cgroup_trees *t);
const char *cgroup_layout(const struct cgroup_trees *t);
/* Makes the group of one twin in every tree, with the controllers on. A tree
 * where that fails is no longer used; true if a v2 tree is left. */
bool cgroup_base_make(struct cgroup_trees *t, const char *base,
    struct mw_err *err) mw_must_check;
/* Makes base/leaf in every tree and sets its limits. */
bool cgroup_make(const struct cgroup_trees *t, const char *base,
    const char *leaf, const struct cgroup_limits *lim,
    struct mw_err *err) mw_must_check;
/* Directory of a leaf in tree i. */
void cgroup_path(const struct cgroup_trees *t, size_t i, const char *base,
    const char *leaf, char out[2 * CGROUP_PATH_MAX]);
/* Writes one file of the leaf's v2 group: "cgroup.freeze", "cgroup.kill". */
bool cgroup_v2_write(const struct cgroup_trees *t, const char *base,
    const char *leaf, const char *file, const char *value) mw_must_check;
/* Removes base/leaf (leaf NULL: base and all its leaves) in every tree. False
 * while something is still in there. */
bool cgroup_remove(const struct cgroup_trees *t, const char *base,
    const char *leaf) mw_must_check;

/*
 * Names of one run of a twin: "milkyway-twin-PID-STARTTIME". A name whose
 * process does not live any more is a leftover.
 */
void cgroup_run_name(pid_t pid, char out[64]);
bool cgroup_run_parse(const char *name, pid_t *pid) mw_must_check;
bool cgroup_run_alive(const char *name) mw_must_check;

#endif
