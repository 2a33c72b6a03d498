/*
 * uplink.h - the one connection to the coordinator: dialled again and again
 * with full jitter, TLS 1.3 with certificates of both, frames of JSON.
 */
#ifndef MW_AGENT_UPLINK_H
#define MW_AGENT_UPLINK_H

#include "agent/link/identity.h"
#include "common/loop.h"

#include <jansson.h>

struct uplink;

struct uplink_ops {
	void (*on_up)(void *arg); /* the peer proved to be the coordinator */
	void (*on_frame)(void *arg, const char *p, size_t n);
	void (*on_down)(void *arg); /* after on_up only */
};

/* id lives as long; what it holds at the next dial is used. Dials at once. */
struct uplink *uplink_new(struct loop *l, const struct identity *id,
    const struct uplink_ops *ops, void *arg);
void uplink_free(struct uplink *u); /* NULL is fine */
/* False: no link; the message is dropped. */
bool uplink_send(struct uplink *u, json_t *take_msg);
bool uplink_send_text(struct uplink *u, const char *p, size_t n);
/* Closes the link and dials again after a while (< 0: the usual jitter). */
void uplink_drop(struct uplink *u, int64_t after_ns);
/* Full jitter: uniform in 1 s .. min(60 s, 2^attempt s). Pure; unit in [0,1). */
int64_t uplink_backoff_ns(unsigned attempt, double unit);

#endif
