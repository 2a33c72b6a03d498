/*
 * agent.h - the resident agent: one process, one loop.
 *
 * Promises: one exclusive benchmark at most; typed jobs only; results survive
 * the coordinator's absence; nothing of this needs root after start.
 */
#ifndef MW_AGENT_AGENT_H
#define MW_AGENT_AGENT_H

#include "common/pure/err.h"

#include <sys/types.h>

struct agent_conf {
	const char *dir;
	uid_t uid; /* whom to become; 0: stay (not root) */
	gid_t gid;
	/* Serves /metrics at this "address:port"; NULL: no open port. */
	const char *metrics;
};

/* Returns after SIGTERM or SIGINT, or false if it cannot start. */
bool agent_run(const struct agent_conf *conf, struct mw_err *err) mw_must_check;

#endif
