/*
 * wan.h - the emulated wide-area network, seen from control.
 *
 * A WAN is a child process (`milkyway-twin wan`) that forwards IPv4 packets
 * between TUN devices with the round-trip times of a site matrix. Control
 * keeps every descriptor: if the child dies it is started again with the same
 * devices, rules and compensation, and the VMs live on; if control dies the
 * child exits and the kernel removes the devices.
 *
 * Promises: one RTT per unordered pair of sites; jitter and rule changes never
 * reorder packets of a pair; an unknown pair is unreachable. Nothing here
 * blocks the loop for more than some 100 us per call.
 *
 * Units: RTT and jitter in microseconds, loss in parts per million, rate in
 * kbit/s. Addresses are IPv4 in host byte order.
 */
#ifndef MW_TWIN_WAN_H
#define MW_TWIN_WAN_H

#include "common/loop.h"
#include "common/pure/err.h"

#define WAN_UNKNOWN (-1) /* no RTT known: the pair is unreachable */
#define WAN_SITES_MAX 2048
#define WAN_HOSTS_MAX 16384
#define WAN_RULES_MAX 1024

struct wan;

struct wan_conf {
	/* 10.200.0.0 and 15: the first half holds public addresses, the second
	 * half private ones. prefix is 15 to 24. */
	uint32_t net;
	unsigned prefix;
	size_t nsites;
	const int32_t *rtt_us; /* nsites * nsites, copied; must be symmetric */
	size_t coordinator_site; /* where the host itself is */
	const char *host_ifname; /* "twin0"; NULL: the host has no address */
	unsigned max_hosts; /* slots 0..max_hosts-1; 0: 1024 */
	int fifo_priority; /* 10; 0: no real-time scheduling */
	bool calibrate; /* two hidden hosts measure the own delay */
	uint64_t seed; /* of jitter and loss */
	const char *exe; /* NULL: /proc/self/exe; run as `exe wan` */
	/* Told when the child died and was started again; may be NULL. */
	void (*on_restart)(void *arg, const char *why);
	void *arg;
};

/* False with MW_CONFLICT if host_ifname exists already, MW_UNSUPPORTED or
 * MW_DENIED if this machine has no usable TUN. */
bool wan_start(struct loop *l, const struct wan_conf *conf, struct wan **out,
    struct mw_err *err) mw_must_check;
/* Ends the child and removes the devices. NULL is fine. */
void wan_stop(struct wan *w);

/* The address of the host itself: net + 1. */
uint32_t wan_host_address(const struct wan *w);
/* Public and private address of a slot: net + 2 + slot, and the same in the
 * second half. Conventions only; wan_host_add takes any address of the net. */
uint32_t wan_slot_address(const struct wan *w, unsigned slot);
uint32_t wan_slot_private(const struct wan *w, unsigned slot);
unsigned wan_slots(const struct wan *w); /* max_hosts */
/* Prefix length of each half, for an interface's netmask. */
unsigned wan_half_prefix(const struct wan *w);

struct wan_host {
	size_t site;
	uint32_t address; /* public; 0: none */
	uint32_t private_address; /* 0: none */
	uint32_t network; /* private addresses work within one of these */
	int take_tun; /* descriptor of a TUN with IFF_VNET_HDR; wan closes it */
	bool partitioned; /* starts cut off */
};

/* vm.h calls these for its VMs; others need not. */
bool wan_host_add(struct wan *w, unsigned slot, const struct wan_host *h,
    struct mw_err *err) mw_must_check;
void wan_host_del(struct wan *w, unsigned slot);
/* Drops the rules that name this host: the slot gets another one. */
void wan_host_forget(struct wan *w, unsigned slot);
/* Cut off from everybody, both directions, packets in flight included. */
void wan_host_partition(struct wan *w, unsigned slot, bool cut);
bool wan_host_partitioned(const struct wan *w, unsigned slot);

enum wan_end_type {
	WAN_ANY, /* "*" */
	WAN_SITE,
	WAN_HOST, /* a slot, or WAN_SELF */
};
#define WAN_SELF UINT32_MAX /* index of the host itself (twin0) */

struct wan_end {
	enum wan_end_type type;
	uint32_t index;
};

enum { /* struct wan_link.set: which fields count; the others stay */
	WAN_SET_RTT = 1,
	WAN_SET_JITTER = 2,
	WAN_SET_LOSS = 4,
	WAN_SET_RATE = 8,
	WAN_SET_CUT = 16,
};

/* A change of the paths between two ends, both directions alike. */
struct wan_link {
	unsigned set;
	int32_t rtt_us; /* instead of the matrix; WAN_UNKNOWN: unreachable */
	uint32_t jitter_us; /* mean of an exponential, added per direction */
	uint32_t loss_ppm; /* per direction */
	uint32_t rate_kbps; /* per direction, shared by the rule's hosts;
			     * 0: no limit */
	bool cut; /* partition */
};

/*
 * Sets fields of the rule between a and b (unordered); fields not in set keep
 * their value. Of all rules that match a pair the most specific one that sets
 * a field wins (host-host, host-site, host-any, site-site, site-any, any-any;
 * then the later rule). WAN_ANY means every site, the host itself included.
 */
bool wan_link_set(struct wan *w, struct wan_end a, struct wan_end b,
    const struct wan_link *link, struct mw_err *err) mw_must_check;
/* Takes fields out of the rule; a rule without fields is gone. The matrix
 * counts again. set = ~0u: all fields. */
void wan_link_unset(struct wan *w, struct wan_end a, struct wan_end b,
    unsigned set);
void wan_link_unset_all(struct wan *w);
/* Rule number i, for listings; false behind the last one. */
bool wan_link_get(const struct wan *w, size_t i, struct wan_end *a,
    struct wan_end *b, struct wan_link *link) mw_must_check;
/* Effective RTT of two sites with all site rules, or WAN_UNKNOWN. The truth
 * that measurements are compared with. */
int32_t wan_rtt_us(const struct wan *w, size_t site_a, size_t site_b);
/* The same between two slots (or WAN_SELF), host rules and partitions
 * included. */
int32_t wan_host_rtt_us(const struct wan *w, uint32_t a, uint32_t b);

struct wan_stats { /* of the child's whole life, at most 1 s old */
	uint64_t received, sent, bytes;
	uint64_t dropped; /* queue or memory limit, or the device said no */
	uint64_t lost; /* by a loss rule */
	uint64_t cut; /* by a partition */
	uint64_t no_route; /* unknown address or unknown RTT */
	uint64_t not_ipv4;
	uint64_t wakeups;
	uint64_t flow_evictions; /* live flows pushed out of the table */
	uint64_t in_flight_bytes, in_flight_packets;
	int64_t late_p50_ns, late_p99_ns, late_max_ns; /* last second */
	int64_t cpu_ns;
	uint64_t rss_kib;
	bool realtime; /* has SCHED_FIFO now */
	uint32_t restarts;
	int pid;
};

void wan_stats(const struct wan *w, struct wan_stats *out);

struct wan_quality {
	const char *quality; /* "calibrated", "calibrating", "bestEffort" */
	const char *why; /* one sentence if bestEffort, else "" */
	double comp_us; /* own delay taken off per direction */
	bool has_error; /* false for the first 40 samples, 2 s */
	double error_p01_us, error_p50_us, error_p99_us; /* RTT, last 60 s */
	double floor_us; /* smallest RTT that can be emulated */
	size_t n;
};

void wan_quality(const struct wan *w, struct wan_quality *out);

/* `milkyway-twin wan`: the child. argv[1] is "wan". */
int wan_main(int argc, char **argv);

#endif
