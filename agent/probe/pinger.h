/*
 * pinger.h - the child milkyway-ping: started before privileges are dropped,
 * kept while the agent lives, one round at a time.
 */
#ifndef MW_AGENT_PINGER_H
#define MW_AGENT_PINGER_H

#include "common/loop.h"

#include <sys/types.h>

#define PINGER_HOSTS_MAX 64

struct pinger;

struct pinger_ask {
	int64_t timeout_ms, count, gap_ms;
	const uint32_t *ips; /* host byte order, all different */
	size_t n; /* 1 .. PINGER_HOSTS_MAX */
};

struct pinger_ops {
	void (*on_sample)(void *arg, uint32_t ip, int64_t us); /* -1: lost */
	void (*on_end)(void *arg, const struct mw_err *err); /* MW_OK: all in */
};

/* uid 0: the child keeps our user. Not ready until it says so. */
bool pinger_start(struct loop *l, uid_t uid, gid_t gid, struct pinger **out,
    struct mw_err *err) mw_must_check;
void pinger_free(struct pinger *p); /* NULL is fine; ends the child */
bool pinger_ready(const struct pinger *p); /* alive, has its raw socket */
/* MW_CONFLICT: a round is under way. MW_UNSUPPORTED: not ready. */
bool pinger_run(struct pinger *p, const struct pinger_ask *ask,
    const struct pinger_ops *ops, void *arg, struct mw_err *err) mw_must_check;
/* No callback with that arg comes any more; the child finishes its round
 * unheard. NULL pinger is fine. */
void pinger_abandon(struct pinger *p, const void *arg);

/* One line of the child. Pure. */
enum pinger_word {
	PINGER_BAD,
	PINGER_READY,
	PINGER_SAMPLE,
	PINGER_END,
	PINGER_ERROR
};

struct pinger_line {
	enum pinger_word word;
	uint64_t round;
	uint32_t ip;
	int64_t us; /* -1: lost */
	char text[160];
};

void pinger_parse(const char *line, size_t n, struct pinger_line *out);

#endif
