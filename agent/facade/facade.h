/*
 * facade.h - a drop-in for CB-Milkyway: the HTTP service that CB-Tumblebug
 * calls on port 1324 of each VM. A process of its own, without enrolment.
 *
 * Promises: only networks on the allow list get a byte; nothing of a request
 * reaches a shell; one benchmark at a time, the rest waits in a queue with a
 * limit; SIGTERM leaves no process and no file. docs/facade.md.
 */
#ifndef MW_AGENT_FACADE_H
#define MW_AGENT_FACADE_H

#include "agent/facade/facade_msg.h"

#include <sys/types.h>

#define FACADE_PORT 1324

struct facade_conf {
	uint16_t port; /* 0: any; the log names it */
	const char *address; /* to listen on; NULL: 127.0.0.1 if only loopback
			      * is allowed, else 0.0.0.0 */
	struct facade_allow allow;
	int64_t seconds; /* of each run of sysbench; 0: as CB-Milkyway */
	const char *dir; /* a folder is made in it, and removed */
	uid_t uid; /* whom to become; 0: stay (not root) */
	gid_t gid;
};

/* Whom to let in: the list given, else MILKYWAY_FACADE_ALLOW, else the file
 * milkyway.allow beside the program, else loopback. Says on standard error what
 * to do in the last case. */
bool facade_allow_find(const char *given, const char *argv0,
    struct facade_allow *out, struct mw_err *err) mw_must_check;
/* Returns after SIGTERM or SIGINT, or false if it cannot start. */
bool facade_run(const struct facade_conf *conf,
    struct mw_err *err) mw_must_check;

#endif
