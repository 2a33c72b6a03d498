/*
 * wan_int.h - what wan.c (the child process and its hosts) and wan_link.c
 * (rules and questions) share. Nobody else includes it.
 */
#ifndef MW_TWIN_WAN_INT_H
#define MW_TWIN_WAN_INT_H

#include "twin/calibrate.h"
#include "twin/wan.h"
#include "twin/wan_closer.h"
#include "twin/wan_msg.h"

#include <sys/types.h>

struct wan_slot {
	int tun; /* -1: free */
	struct wan_msg_host host;
};

struct wan {
	struct loop *loop;
	struct wan_conf conf;
	char *exe, *ifname;
	int32_t *rtt_us;
	struct wan_model model;
	struct wan_slot *slots;
	uint32_t nslots; /* with the reserved ones */
	struct calibrate *cal;
	struct wan_closer *closer;
	int *going; /* TUNs that the child has yet to close, oldest first */
	size_t ngoing, cap_going;
	double comp_us;
	pid_t pid; /* 0: no child */
	int sock;
	struct event *ev;
	struct loop_timer *restart;
	int64_t started_ns, delay_ns;
	struct wan_stats stats;
	bool realtime;
	uint32_t restarts;
};

/* wan.c: tells the child all rules. */
bool wan_send_rules(struct wan *w);

#endif
