/*
 * child.h - child processes by argv, never a shell: own process group, closed
 * descriptors, output cap, absolute deadline (SIGTERM, 2 s, SIGKILL of the
 * group; strict: SIGKILL), resource usage. Exactly one done callback.
 */
#ifndef MW_COMMON_CHILD_H
#define MW_COMMON_CHILD_H

#include "common/loop.h"
#include "common/pure/str.h"

#include <sys/resource.h>

struct child;

struct child_conf {
	const char *const *argv; /* argv[0] is looked up in PATH */
	const char *const *env; /* NULL: PATH, HOME, LC_ALL=C only */
	const char *cwd; /* NULL: inherited */
	const void *input; /* written to stdin, then closed */
	size_t input_len;
	size_t output_max; /* 0: 256 KiB; more is cut, counted */
	int64_t deadline_ms; /* 0: 60 s */
	bool merge_stderr; /* stderr into out instead of err */
	bool pdeathsig; /* dies with us */
	bool strict; /* SIGKILL at once at the deadline or the output's cap */
};

struct child_end {
	bool exited; /* else died by signal */
	int code; /* exit status or signal */
	bool timed_out, canceled, cut; /* cut: output cap reached */
	struct str out, err; /* freed after done returns */
	int64_t wall_ns, cpu_ns;
	struct rusage ru;
};

/* False with MW_NOT_FOUND if the program does not exist. */
bool child_start(struct loop *l, const struct child_conf *conf,
    void (*done)(struct child *c, const struct child_end *end, void *arg),
    void *arg, struct child **out, struct mw_err *err) mw_must_check;
/* Kills the group now; done still comes, with canceled set. */
void child_cancel(struct child *c);
pid_t child_pid(const struct child *c);

#endif
