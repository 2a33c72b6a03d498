/*
 * wan_fwd.h - the packet path of the WAN child: reads TUNs, works out when a
 * packet is due, delivers what is due. No allocation in steady state; memory
 * and sender limits are counted in whole buffers.
 */
#ifndef MW_TWIN_WAN_FWD_H
#define MW_TWIN_WAN_FWD_H

#include "twin/wan_msg.h"

struct wan_fwd;

/* Takes the matrix (mmapped, never freed). */
struct wan_fwd *wan_fwd_new(const struct wan_msg_start *start,
    const int32_t *rtt_us);
/* Returns false for a slot that is out of range; else takes the TUN. */
bool wan_fwd_host_add(struct wan_fwd *f, const struct wan_msg_host *h,
    int take_tun) mw_must_check;
/* The TUN of that slot, or -1. */
int wan_fwd_tun(const struct wan_fwd *f, uint32_t slot);
void wan_fwd_host_del(struct wan_fwd *f, uint32_t slot);
void wan_fwd_host_cut(struct wan_fwd *f, uint32_t slot, bool cut);
void wan_fwd_rules(struct wan_fwd *f, const struct wan_rule *rules, size_t n);
void wan_fwd_comp(struct wan_fwd *f, int64_t comp_ns);

/* Takes up to 64 packets from the TUN of that slot. */
void wan_fwd_read(struct wan_fwd *f, uint32_t slot);
/* Delivers all that is due. */
void wan_fwd_deliver(struct wan_fwd *f);
int64_t wan_fwd_due(const struct wan_fwd *f); /* INT64_MAX: nothing */

/* Counters; the lateness figures are of the time since the last call. */
void wan_fwd_stats(struct wan_fwd *f, struct wan_stats *st);

#endif
