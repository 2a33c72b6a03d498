/*
 * guard.h - a small process that removes what the kernel does not: cgroups and
 * state directories. While control lives it removes single VMs' remains in
 * the background; when control is gone, all of its run.
 */
#ifndef MW_TWIN_GUARD_H
#define MW_TWIN_GUARD_H

#include "common/pure/err.h"
#include "twin/cgroup.h"

struct guard;

/* run: cgroup_run_name() of control. exe as in vm.h. */
bool guard_start(const char *exe, const char *run, const char *state_dir,
    struct guard **out, struct mw_err *err) mw_must_check;
/* Queues the removal of one leaf: its cgroups and its state directory. */
void guard_remove(struct guard *g, const char *leaf);
/* Tells it that control ends, and waits until it is done (at most 5 s). */
void guard_stop(struct guard *g);

#endif
