/*
 * wan_msg.h - frames between control and the WAN child, on a SOCK_SEQPACKET
 * pair. Both ends are the same program file, so these are plain structs.
 */
#ifndef MW_TWIN_WAN_MSG_H
#define MW_TWIN_WAN_MSG_H

#include "twin/wan_model.h"

#define WAN_CHILD_FD 3 /* the child's end */

enum wan_msg_type {
	WAN_MSG_START = 1, /* + memfd with the matrix */
	WAN_MSG_HOST_ADD, /* + TUN */
	WAN_MSG_HOST_DEL,
	WAN_MSG_HOST_CUT,
	WAN_MSG_RULES, /* followed by nrules struct wan_rule */
	WAN_MSG_COMP,
	WAN_MSG_READY, /* from the child */
	WAN_MSG_STATS,
	WAN_MSG_CLOSED, /* from the child: the next nclosed deleted hosts */
};

struct wan_msg_start {
	uint32_t net, prefix, nsites;
	uint32_t slots; /* those of wan.h, and the reserved ones behind them */
	uint32_t self_slot; /* of the host itself */
	int32_t fifo_priority;
	uint64_t seed;
	int64_t comp_ns;
};

struct wan_msg_host {
	uint32_t slot, site, address, private_address, network;
	bool cut;
};

struct wan_msg {
	uint32_t type;
	union {
		struct wan_msg_start start;
		struct wan_msg_host host; /* ADD; DEL and CUT: slot, cut */
		uint32_t nrules;
		uint32_t nclosed;
		int64_t comp_ns;
		struct wan_stats stats;
		bool realtime; /* READY */
	} u;
};

#endif
