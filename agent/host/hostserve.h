/*
 * hostserve.h - GET /metrics of the agent in the text format of Prometheus:
 * host metrics and the agent's own state. Only where it is asked for by
 * --metrics ADDRESS:PORT; plain HTTP without a token, so it belongs on
 * loopback or on a network that only a scraper reaches.
 */
#ifndef MW_AGENT_HOSTSERVE_H
#define MW_AGENT_HOSTSERVE_H

#include "agent/host/hostmetrics.h"
#include "common/loop.h"
#include "common/pure/str.h"

struct hostserve;

struct hostserve_state {
	bool link_up, busy;
	size_t spooled;
};

/* at: "127.0.0.1:9470". h and the loop outlive it; state(arg) is asked at each
 * request. */
bool hostserve_new(struct loop *l, const char *at, struct hostmetrics *h,
    void (*state)(void *arg, struct hostserve_state *out), void *arg,
    struct hostserve **out, struct mw_err *err) mw_must_check;
void hostserve_free(struct hostserve *s); /* NULL is fine */

/* "a.b.c.d:port"; pure. */
bool hostserve_parse(const char *at, char address[16],
    uint16_t *port) mw_must_check;
/* The page; pure. */
void hostserve_text(const struct host_now *m,
    const struct hostserve_state *state, struct str *out);

#endif
