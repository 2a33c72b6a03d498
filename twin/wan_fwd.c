/*
 * wan_fwd.c - see wan_fwd.h. Owns hosts, flows, heap and packet buffers of the
 * WAN child; wan_main.c drives it.
 */
#include "twin/wan_fwd.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/rng.h"
#include "twin/netdev.h"
#include "twin/wan_flow.h"
#include "twin/wan_heap.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	HDR = sizeof(struct virtio_net_hdr),
	IP_MIN = 20,
	SMALL = 2048, /* bytes of a whole small buffer */
	LARGE = 68 * 1024, /* a 64 KiB segment and its headers */
	SLAB = 1 << 20, /* small buffers are made in pieces of this */
	READ_BATCH = 64,
	FLOWS = 1 << 16,
	LATE_STEP_NS = 4000,
	LATE_STEPS = 512,
	NO_SLOT = 0xffff,
};
#define IN_FLIGHT_MAX ((uint64_t)512 << 20)
#define SENDER_MAX ((uint64_t)64 << 20)
#define QUEUE_MAX_NS (100 * NS_PER_MS) /* of a rate limit; then tail drop */

struct packet {
	struct packet *next; /* while free */
	uint32_t size; /* SMALL or LARGE */
	uint32_t len;
	uint32_t src, dst; /* slots */
	uint32_t src_life, dst_life;
	unsigned char data[];
};

struct host {
	int tun; /* -1: free slot */
	bool cut;
	int offload; /* of the device: 0, 1, or -1 as not set yet */
	uint32_t life; /* counts hosts that had this slot */
	uint32_t address, private_address, network;
	struct wan_point point;
	uint64_t in_flight;
};

struct wan_fwd {
	struct wan_msg_start conf;
	struct wan_model model;
	uint32_t gen; /* of the rules */
	int64_t rule_tx_ns[WAN_RULES_MAX][2]; /* token clocks, per direction */
	struct host *hosts;
	uint16_t *slot_of; /* by address - net */
	uint32_t addresses;
	struct wan_heap heap;
	struct wan_flows flows;
	struct rng rng;
	int64_t comp_ns;
	struct packet *free_small, *free_large;
	unsigned char *large; /* where the rest of a long packet is read to */
	struct wan_stats st;
	uint64_t in_flight;
	uint32_t late[LATE_STEPS + 1];
	int64_t late_max_ns;
};

static void host_offload(struct wan_fwd *f, struct host *h);
static void address_set(struct wan_fwd *f, uint32_t address, uint16_t slot);
static void forward(struct wan_fwd *f, uint32_t slot, struct packet *p);
static bool route(struct wan_fwd *f, const struct host *src,
    const struct packet *p, uint32_t *dst);
static bool due_time(struct wan_fwd *f, struct wan_flow *fl,
    const struct packet *p, int64_t now, int64_t *due);
static bool rate_clock(struct wan_fwd *f, const struct wan_path *path,
    uint32_t len, int64_t now, int64_t *tx);
static struct packet *packet_small(struct wan_fwd *f);
static struct packet *packet_large(struct wan_fwd *f);
static void packet_free(struct wan_fwd *f, struct packet *p);
static int64_t late_quantile(const struct wan_fwd *f, uint64_t n, unsigned pct);

struct wan_fwd *
wan_fwd_new(const struct wan_msg_start *start, const int32_t *rtt_us)
{
	struct wan_fwd *f = xcalloc(1, sizeof *f);
	uint32_t i;

	f->conf = *start;
	f->model.nsites = start->nsites;
	f->model.rtt_us = rtt_us;
	f->gen = 1;
	f->comp_ns = start->comp_ns;
	f->hosts = xcalloc(start->slots, sizeof *f->hosts);
	for (i = 0; i < start->slots; i++)
		f->hosts[i].tun = -1;
	f->addresses = (uint32_t)1 << (32 - start->prefix);
	f->slot_of = xmalloc(f->addresses * sizeof *f->slot_of);
	memset(f->slot_of, 0xff, f->addresses * sizeof *f->slot_of);
	wan_heap_init(&f->heap, IN_FLIGHT_MAX / SMALL);
	wan_flows_init(&f->flows, FLOWS);
	rng_seed(&f->rng, start->seed);
	f->large = xmalloc(LARGE);
	return f;
}

bool
wan_fwd_host_add(struct wan_fwd *f, const struct wan_msg_host *m, int take_tun)
{
	struct host *h;

	if (m->slot >= f->conf.slots)
		return false;
	wan_fwd_host_del(f, m->slot);
	h = &f->hosts[m->slot];
	h->tun = take_tun;
	h->cut = m->cut;
	h->offload = -1; /* an earlier process may have set it */
	h->address = m->address;
	h->private_address = m->private_address;
	h->network = m->network;
	h->point.site = m->site;
	h->point.host = m->slot == f->conf.self_slot ? WAN_SELF : m->slot;
	address_set(f, h->address, (uint16_t)m->slot);
	address_set(f, h->private_address, (uint16_t)m->slot);
	f->gen++; /* paths of the slot's last host are void */
	host_offload(f, h);
	return true;
}

int
wan_fwd_tun(const struct wan_fwd *f, uint32_t slot)
{
	return slot < f->conf.slots ? f->hosts[slot].tun : -1;
}

void
wan_fwd_host_del(struct wan_fwd *f, uint32_t slot)
{
	struct host *h;

	if (slot >= f->conf.slots || f->hosts[slot].tun < 0)
		return;
	h = &f->hosts[slot];
	close(h->tun);
	h->tun = -1;
	h->life++;
	h->in_flight = 0;
	address_set(f, h->address, NO_SLOT);
	address_set(f, h->private_address, NO_SLOT);
}

void
wan_fwd_host_cut(struct wan_fwd *f, uint32_t slot, bool cut)
{
	if (slot < f->conf.slots)
		f->hosts[slot].cut = cut;
}

void
wan_fwd_rules(struct wan_fwd *f, const struct wan_rule *rules, size_t n)
{
	uint32_t i;

	if (n > WAN_RULES_MAX)
		return;
	if (n > 0)
		memcpy(f->model.rules, rules, n * sizeof *rules);
	f->model.nrules = n;
	memset(f->rule_tx_ns, 0, sizeof f->rule_tx_ns);
	f->gen++;
	for (i = 0; i < f->conf.slots; i++)
		if (f->hosts[i].tun >= 0)
			host_offload(f, &f->hosts[i]);
}

void
wan_fwd_comp(struct wan_fwd *f, int64_t comp_ns)
{
	f->comp_ns = comp_ns;
}

/* A short packet is read where it stays; only a long one is copied. */
void
wan_fwd_read(struct wan_fwd *f, uint32_t slot)
{
	const size_t room = SMALL - sizeof(struct packet);
	struct packet *p, *q;
	int k;

	for (k = 0; k < READ_BATCH && f->hosts[slot].tun >= 0; k++) {
		struct iovec io[2];
		ssize_t n;

		p = packet_small(f);
		io[0] = (struct iovec){ p->data, room };
		io[1] = (struct iovec){ f->large, LARGE - SMALL };
		n = readv(f->hosts[slot].tun, io, 2);
		if (n <= 0) {
			packet_free(f, p);
			return;
		}
		p->len = (uint32_t)n;
		if ((size_t)n > room) {
			q = packet_large(f);
			q->len = p->len;
			memcpy(q->data, p->data, room);
			memcpy(q->data + room, f->large, (size_t)n - room);
			packet_free(f, p);
			p = q;
		}
		f->st.received++;
		forward(f, slot, p);
	}
}

void
wan_fwd_deliver(struct wan_fwd *f)
{
	int64_t now = clock_mono_ns(), late;

	while (wan_heap_due(&f->heap) <= now) {
		struct packet *p;
		struct host *src, *dst;

		late = now - wan_heap_due(&f->heap);
		if (late > f->late_max_ns)
			f->late_max_ns = late;
		late /= LATE_STEP_NS;
		f->late[late < LATE_STEPS ? late : LATE_STEPS]++;
		p = wan_heap_pop(&f->heap);
		src = &f->hosts[p->src];
		dst = &f->hosts[p->dst];
		f->in_flight -= p->size;
		if (src->life == p->src_life)
			src->in_flight -= p->size;
		/* the slot may have another host by now */
		if (dst->life != p->dst_life || dst->tun < 0) {
			f->st.no_route++;
		} else if (dst->cut) {
			f->st.cut++;
		} else if (write(dst->tun, p->data, p->len) < 0) {
			f->st.dropped++;
		} else {
			f->st.sent++;
			f->st.bytes += p->len - HDR;
		}
		packet_free(f, p);
		now = clock_mono_ns();
	}
}

int64_t
wan_fwd_due(const struct wan_fwd *f)
{
	return wan_heap_due(&f->heap);
}

void
wan_fwd_stats(struct wan_fwd *f, struct wan_stats *st)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i <= LATE_STEPS; i++)
		n += f->late[i];
	*st = f->st;
	st->flow_evictions = f->flows.evictions;
	st->in_flight_bytes = f->in_flight;
	st->in_flight_packets = f->heap.n;
	st->late_p50_ns = late_quantile(f, n, 50);
	st->late_p99_ns = late_quantile(f, n, 99);
	st->late_max_ns = f->late_max_ns;
	memset(f->late, 0, sizeof f->late);
	f->late_max_ns = 0;
}

/* Loss and rate must act on single packets, not on 64 KiB segments. */
static void
host_offload(struct wan_fwd *f, struct host *h)
{
	const unsigned heavy = WAN_SET_LOSS | WAN_SET_RATE;
	bool on = true;
	size_t i;

	for (i = 0; i < f->model.nrules && on; i++) {
		const struct wan_rule *r = &f->model.rules[i];

		if (!(r->link.set & heavy))
			continue;
		on = !(r->a.type == WAN_ANY || r->b.type == WAN_ANY ||
		    (r->a.type == WAN_SITE && r->a.index == h->point.site) ||
		    (r->b.type == WAN_SITE && r->b.index == h->point.site) ||
		    (r->a.type == WAN_HOST && r->a.index == h->point.host) ||
		    (r->b.type == WAN_HOST && r->b.index == h->point.host));
	}
	if ((int)on != h->offload && netdev_offload(h->tun, on))
		h->offload = on;
}

static void
address_set(struct wan_fwd *f, uint32_t address, uint16_t slot)
{
	uint32_t i = address - f->conf.net;

	if (address != 0 && i < f->addresses)
		f->slot_of[i] = slot;
}

/* Owns p: it goes into the heap or back to the pool. */
static void
forward(struct wan_fwd *f, uint32_t slot, struct packet *p)
{
	struct host *src = &f->hosts[slot];
	struct wan_flow *fl;
	int64_t now = clock_mono_ns(), due;

	if (p->len < HDR + IP_MIN || p->data[HDR] >> 4 != 4) {
		f->st.not_ipv4++;
		goto drop;
	}
	if (!route(f, src, p, &p->dst)) {
		f->st.no_route++;
		goto drop;
	}
	if (src->cut || f->hosts[p->dst].cut) {
		f->st.cut++;
		goto drop;
	}
	if (f->in_flight + p->size > IN_FLIGHT_MAX ||
	    src->in_flight + p->size > SENDER_MAX) {
		f->st.dropped++;
		goto drop;
	}
	fl = wan_flows_get(&f->flows, slot, p->dst, now);
	if (fl->gen != f->gen) {
		fl->path = wan_model_path(&f->model, src->point,
		    f->hosts[p->dst].point);
		fl->gen = f->gen;
	}
	if (!due_time(f, fl, p, now, &due))
		goto drop;
	p->src = slot;
	p->src_life = src->life;
	p->dst_life = f->hosts[p->dst].life;
	if (!wan_heap_push(&f->heap, due, p)) {
		f->st.dropped++;
		goto drop;
	}
	f->in_flight += p->size;
	src->in_flight += p->size;
	return;
drop:
	packet_free(f, p);
}

static bool
route(struct wan_fwd *f, const struct host *src, const struct packet *p,
    uint32_t *dst)
{
	const struct host *h;
	uint32_t addr;

	memcpy(&addr, p->data + HDR + 16, sizeof addr);
	addr = ntohl(addr);
	if (addr - f->conf.net >= f->addresses)
		return false;
	*dst = f->slot_of[addr - f->conf.net];
	if (*dst == NO_SLOT)
		return false;
	h = &f->hosts[*dst];
	return addr == h->address ||
	    (h->network == src->network && src->private_address != 0);
}

/* False: the packet is lost, cut or too much; counted here. */
static bool
due_time(struct wan_fwd *f, struct wan_flow *fl, const struct packet *p,
    int64_t now, int64_t *due)
{
	const struct wan_path *path = &fl->path;
	int64_t tx = now, delay;

	if (path->cut) {
		f->st.cut++;
		return false;
	}
	if (path->rtt_us < 0) {
		f->st.no_route++;
		return false;
	}
	if (path->loss_ppm > 0 &&
	    rng_below(&f->rng, 1000000) < path->loss_ppm) {
		f->st.lost++;
		return false;
	}
	if (path->rate_kbps > 0 &&
	    !rate_clock(f, path, p->len - HDR, now, &tx)) {
		f->st.dropped++;
		return false;
	}
	delay = (int64_t)path->rtt_us * NS_PER_US / 2 - f->comp_ns;
	if (path->jitter_us > 0)
		delay += (int64_t)(rng_exp(&f->rng) *
		    (double)(path->jitter_us * NS_PER_US));
	*due = delay > 0 ? tx + delay : tx;
	/* a path is first in, first out, whatever jitter and rules do */
	if (*due < fl->last_due_ns)
		*due = fl->last_due_ns;
	fl->last_due_ns = *due;
	return true;
}

/* Moves the clock of the rule's sender by one packet; false: queue full. */
static bool
rate_clock(struct wan_fwd *f, const struct wan_path *path, uint32_t len,
    int64_t now, int64_t *tx)
{
	int64_t *next = &f->rule_tx_ns[path->rate_rule][path->rate_back];
	int64_t start = *next > now ? *next : now;

	if (start - now > QUEUE_MAX_NS)
		return false;
	*next = start + (int64_t)len * 8 * NS_PER_MS / path->rate_kbps;
	*tx = *next;
	return true;
}

static struct packet *
packet_small(struct wan_fwd *f)
{
	struct packet *p;
	unsigned char *slab;
	size_t i;

	if (!f->free_small) {
		slab = xmalloc(SLAB);
		for (i = 0; i < SLAB / SMALL; i++) {
			p = (void *)(slab + i * SMALL);
			p->size = SMALL;
			packet_free(f, p);
		}
	}
	p = f->free_small;
	f->free_small = p->next;
	return p;
}

static struct packet *
packet_large(struct wan_fwd *f)
{
	struct packet *p = f->free_large;

	if (!p) {
		p = xmalloc(LARGE);
		p->size = LARGE;
		return p;
	}
	f->free_large = p->next;
	return p;
}

static void
packet_free(struct wan_fwd *f, struct packet *p)
{
	struct packet **list =
	    p->size == SMALL ? &f->free_small : &f->free_large;

	p->next = *list;
	*list = p;
}

static int64_t
late_quantile(const struct wan_fwd *f, uint64_t n, unsigned pct)
{
	uint64_t seen = 0;
	size_t i;

	if (n == 0)
		return 0;
	for (i = 0; i <= LATE_STEPS; i++) {
		seen += f->late[i];
		if (seen * 100 >= n * pct)
			break;
	}
	return (int64_t)i * LATE_STEP_NS;
}
