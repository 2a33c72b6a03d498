/*
 * host.h - host metrics of the VMs: minutes that agents send in beats, checked
 * and stored, folded to hours, the newest one of each VM in memory.
 *
 * A minute is stored once, whoever sends it how often. Minutes that are lost
 * are absent, not zero. What is old is deleted by retention, not here.
 */
#ifndef MW_COORDINATOR_HOST_H
#define MW_COORDINATOR_HOST_H

#include "common/json.h"
#include "common/pure/hostrec.h"

struct coord;
struct host;

struct host_stats {
	uint64_t minutes; /* taken */
	uint64_t dropped; /* of a time that cannot be, or the store was full */
};

/* The lifecycle has its slots: loads what was stored of them. */
struct host *host_new(struct coord *c, struct mw_err *err) mw_must_check;
void host_free(struct host *h); /* NULL is fine */
/* From the link: the optional field `host` of a beat. False: the beat is
 * broken. */
bool host_on_beat(struct host *h, int64_t slot, json_t *beat,
    struct mw_err *err) mw_must_check;
/* The newest minute of that slot, or NULL. Borrowed until the next beat. */
const struct host_rec *host_latest(const struct host *h, int64_t slot);
void host_stats(const struct host *h, struct host_stats *out);

#endif
