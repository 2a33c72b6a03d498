/*
 * world_rtt.h - the second half of world_parse(): one round-trip time per
 * unordered pair of sites. Called by world.c only.
 */
#ifndef MW_TWIN_WORLD_RTT_H
#define MW_TWIN_WORLD_RTT_H

#include "common/json.h"
#include "twin/world.h"

/* Reads asymmetry, useTranspose, intraSiteRttMs, rttMs and rttModel of the
 * world into w->rtt_us; sites and clouds are known already. */
bool world_rtt_parse(struct world *w, const struct json_at *root,
    struct mw_err *err) mw_must_check;

#endif
