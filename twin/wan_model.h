/*
 * wan_model.h - what a path between two hosts is like: the site matrix and
 * the rules laid over it. Pure: no clock, no I/O. Control uses it to answer
 * questions, the WAN child to forward packets, so both always agree.
 */
#ifndef MW_TWIN_WAN_MODEL_H
#define MW_TWIN_WAN_MODEL_H

#include "twin/wan.h"

#define WAN_HIDDEN_RTT_US 10000 /* between the two calibration hosts */
#define WAN_NO_RULE UINT32_MAX

struct wan_rule {
	struct wan_end a, b;
	struct wan_link link;
};

struct wan_model {
	size_t nsites;
	const int32_t *rtt_us; /* nsites * nsites, borrowed */
	size_t nrules;
	struct wan_rule rules[WAN_RULES_MAX];
};

/* Where a packet comes from or goes to. site == nsites: a calibration host,
 * which no rule touches. */
struct wan_point {
	uint32_t host; /* slot or WAN_SELF */
	uint32_t site;
};

struct wan_path { /* one direction */
	int32_t rtt_us; /* WAN_UNKNOWN: unreachable */
	uint32_t jitter_us, loss_ppm;
	uint32_t rate_kbps; /* 0: no limit */
	uint32_t rate_rule; /* the rule that limits, or WAN_NO_RULE */
	bool rate_back; /* the path runs from the rule's b to its a */
	bool cut;
};

/* Why the matrix cannot be used, e.g. it is not symmetric. */
bool wan_model_check(const int32_t *rtt_us, size_t nsites,
    struct mw_err *err) mw_must_check;
/* True if rule r concerns the pair; *back: from its b to its a. */
bool wan_rule_matches(const struct wan_rule *r, struct wan_point from,
    struct wan_point to, bool *back) mw_must_check;
struct wan_path wan_model_path(const struct wan_model *m, struct wan_point from,
    struct wan_point to);
/* Adds or changes a rule. MW_LIMIT if there are too many. */
bool wan_model_set(struct wan_model *m, struct wan_end a, struct wan_end b,
    const struct wan_link *link, struct mw_err *err) mw_must_check;
void wan_model_unset(struct wan_model *m, struct wan_end a, struct wan_end b,
    unsigned set);

#endif
