/*
 * reach.c - one method after the other, each for the addresses that are left.
 * Promises: on_done once, at the latest at the deadline, with whatever is
 * known by then. Called by rtt.c and mesh.c.
 */
#include "agent/probe/reach.h"

#include "agent/probe/icmp.h"
#include "agent/probe/pinger.h"
#include "agent/probe/tcpinfo.h"
#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define RETRY_NS (100 * NS_PER_MS) /* while an abandoned round still runs */
#define RAW_TIMEOUT_MIN_MS 10
#define RAW_TIMEOUT_MAX_MS 10000 /* what milkyway-ping takes */

enum stage {
	STAGE_ICMP,
	STAGE_RAW,
	STAGE_TCP,
	STAGE_END
};

struct reach {
	struct reach_conf conf;
	struct reach_target *targets;
	struct reach_result *results;
	int64_t *rtt_ns; /* n * count, what results point into */
	struct loop_timer *timer, *deadline;
	enum stage stage;
	bool icmp_tried, done;
	/* Of the stage that runs: */
	size_t *index, nindex, next; /* of targets; pinger: the next chunk */
	size_t chunk_from;
	struct sample_target *samples;
	struct icmp *icmp;
	struct tcpinfo *tcp;
};

static void step(void *arg);

unsigned
reach_method(const char *name)
{
	static const enum matrix_method methods[] = { MATRIX_ICMP,
		MATRIX_ICMP_RAW, MATRIX_TCP_INFO };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(name, matrix_method_name(methods[i])))
			return 1u << i;
	return 0;
}

static void
stage_clear(struct reach *r)
{
	icmp_free(r->icmp);
	r->icmp = NULL;
	tcpinfo_free(r->tcp);
	r->tcp = NULL;
	free(r->samples);
	r->samples = NULL;
	pinger_abandon(r->conf.pinger, r);
}

static void
finish(struct reach *r, bool late)
{
	if (r->done)
		return;
	r->done = true;
	loop_timer_clear(r->timer);
	loop_timer_clear(r->deadline);
	stage_clear(r);
	r->conf.on_done(r->conf.arg, r->results, late);
}

static void
on_deadline(void *arg)
{
	finish(arg, true);
}

struct reach *
reach_start(const struct reach_conf *conf)
{
	struct reach *r = xcalloc(1, sizeof *r);

	r->conf = *conf;
	r->targets = xmemdup(conf->targets, conf->n * sizeof *conf->targets);
	r->results = xcalloc(conf->n + 1, sizeof *r->results);
	r->rtt_ns = xcalloc(conf->n * conf->count + 1, sizeof *r->rtt_ns);
	r->index = xcalloc(conf->n + 1, sizeof *r->index);
	for (size_t i = 0; i < conf->n; i++) {
		r->results[i].rtt_ns = &r->rtt_ns[i * conf->count];
		r->results[i].method = MATRIX_ICMP;
	}
	r->stage = STAGE_ICMP;
	r->timer = loop_timer_new(conf->loop, step, r);
	r->deadline = loop_timer_new(conf->loop, on_deadline, r);
	loop_timer_set(r->timer, 0);
	loop_timer_set(r->deadline, conf->deadline_ns - clock_mono_ns());
	return r;
}

void
reach_free(struct reach *r)
{
	if (r == NULL)
		return;
	stage_clear(r);
	loop_timer_free(r->timer);
	loop_timer_free(r->deadline);
	free(r->targets);
	free(r->results);
	free(r->rtt_ns);
	free(r->index);
	free(r);
}

/* Whom the stage is for: not answered yet, method and port given. */
static void
choose(struct reach *r, unsigned method, bool port)
{
	r->nindex = 0;
	r->next = 0;
	for (size_t i = 0; i < r->conf.n; i++) {
		const struct reach_target *t = &r->targets[i];

		if (r->results[i].n == 0 && t->methods & method &&
		    (!port || t->tcp_port != 0))
			r->index[r->nindex++] = i;
	}
}

/* A method begins to speak for that target: what another one lost is told by
 * a flag, not by its count. */
static struct reach_result *
begin(struct reach *r, size_t i, enum matrix_method method)
{
	struct reach_result *x = &r->results[i];

	if (x->lost > 0 && method == MATRIX_TCP_INFO)
		x->flags |= MATRIX_F_ICMP_BLOCKED;
	x->asked = true;
	x->method = (uint8_t)method;
	x->lost = 0;
	x->refused = x->skipped = false;
	return x;
}

static void
take(struct reach *r, struct reach_result *x, int64_t rtt)
{
	if (rtt == SAMPLE_SKIPPED) {
		x->skipped = true;
	} else if (rtt < 0) {
		x->refused |= rtt == SAMPLE_REFUSED;
		x->lost++;
	} else if (x->n < r->conf.count) {
		x->rtt_ns[x->n++] = rtt;
	}
}

static void
take_samples(struct reach *r, const int64_t *rtt, const uint8_t *flags,
    uint32_t count, enum matrix_method method)
{
	for (size_t k = 0; k < r->nindex; k++) {
		struct reach_result *x = begin(r, r->index[k], method);

		for (uint32_t s = 0; s < count; s++)
			take(r, x, rtt[k * count + s]);
		x->flags |= flags[k];
	}
	loop_timer_set(r->timer, 0); /* the prober is freed there */
}

static void
on_icmp(void *arg, const int64_t *rtt, const uint8_t *flags)
{
	struct reach *r = arg;

	take_samples(r, rtt, flags, r->conf.count, MATRIX_ICMP);
}

static uint32_t
tcp_count(const struct reach *r)
{
	return r->conf.count < REACH_TCP_MAX ? r->conf.count : REACH_TCP_MAX;
}

static void
on_tcp(void *arg, const int64_t *rtt, const uint8_t *flags)
{
	struct reach *r = arg;

	take_samples(r, rtt, flags, tcp_count(r), MATRIX_TCP_INFO);
}

static bool
is_busy(void *arg)
{
	struct reach *r = arg;

	return r->conf.is_busy(r->conf.arg);
}

static struct sample_conf
sample_conf(struct reach *r, uint32_t count)
{
	struct sample_conf c = { .loop = r->conf.loop,
		.n = r->nindex,
		.count = count,
		.gap_ns = r->conf.gap_ns,
		.timeout_ns = r->conf.timeout_ns,
		.is_busy = r->conf.is_busy != NULL ? is_busy : NULL,
		.arg = r };

	free(r->samples);
	r->samples = xcalloc(r->nindex, sizeof *r->samples);
	for (size_t k = 0; k < r->nindex; k++) {
		const struct reach_target *t = &r->targets[r->index[k]];

		r->samples[k] = (struct sample_target){ t->ip, t->tcp_port };
	}
	c.targets = r->samples;
	return c;
}

static void
on_sample(void *arg, uint32_t ip, int64_t us)
{
	struct reach *r = arg;

	for (size_t k = r->chunk_from; k < r->next; k++)
		if (r->targets[r->index[k]].ip == ip)
			take(r, &r->results[r->index[k]],
			    us < 0 ? SAMPLE_LOST : us * NS_PER_US);
}

static void
on_end(void *arg, const struct mw_err *err)
{
	struct reach *r = arg;

	if (err->code != MW_OK)
		r->next = r->nindex; /* logged already; go on with TCP */
	loop_timer_set(r->timer, 0);
}

/* liboping waits the whole time if one host is dead, in each sweep and in the
 * one that warms up: half of the time that is left must be enough. */
static int64_t
raw_timeout_ms(const struct reach *r)
{
	int64_t left = (r->conf.deadline_ns - clock_mono_ns()) / NS_PER_MS / 2;
	int64_t chunks =
	    (int64_t)((r->nindex - r->next + PINGER_HOSTS_MAX - 1) /
		PINGER_HOSTS_MAX);
	int64_t ms = r->conf.timeout_ns / NS_PER_MS;

	left /= chunks * (r->conf.count + 1);
	if (ms > left)
		ms = left;
	if (ms > RAW_TIMEOUT_MAX_MS)
		ms = RAW_TIMEOUT_MAX_MS;
	return ms < RAW_TIMEOUT_MIN_MS ? RAW_TIMEOUT_MIN_MS : ms;
}

/* The next 64 addresses by milkyway-ping. False: there are no more. */
static bool
raw_chunk(struct reach *r)
{
	static const struct pinger_ops ops = { on_sample, on_end };
	uint32_t ips[PINGER_HOSTS_MAX];
	struct pinger_ask ask = { 0, r->conf.count, r->conf.gap_ns / NS_PER_MS,
		ips, 0 };
	struct mw_err err = MW_ERR_INIT;
	size_t from = r->next;

	if (r->next == r->nindex || !pinger_ready(r->conf.pinger))
		return false;
	ask.timeout_ms = raw_timeout_ms(r);
	while (ask.n < PINGER_HOSTS_MAX && from + ask.n < r->nindex) {
		ips[ask.n] = r->targets[r->index[from + ask.n]].ip;
		ask.n++;
	}
	if (!pinger_run(r->conf.pinger, &ask, &ops, r, &err)) {
		loop_timer_set(r->timer, RETRY_NS);
		return true;
	}
	for (size_t k = 0; k < ask.n; k++)
		begin(r, r->index[from + k], MATRIX_ICMP_RAW);
	r->chunk_from = from;
	r->next = from + ask.n;
	return true;
}

static bool
icmp_stage(struct reach *r)
{
	struct mw_err err = MW_ERR_INIT;
	struct sample_conf c;

	choose(r, REACH_ICMP, false);
	if (r->nindex == 0)
		return false;
	c = sample_conf(r, r->conf.count);
	c.on_done = on_icmp;
	if (!icmp_start(&c, &r->icmp, &err))
		return false; /* net.ipv4.ping_group_range: raw then */
	r->icmp_tried = true;
	return true;
}

static bool
tcp_stage(struct reach *r)
{
	struct sample_conf c;

	choose(r, REACH_TCP, true);
	if (r->nindex == 0)
		return false;
	c = sample_conf(r, tcp_count(r));
	c.on_done = on_tcp;
	r->tcp = tcpinfo_start(&c);
	return true;
}

/* Of those without an answer, raw asks whom the datagram socket did not: a
 * raw packet is no other packet. */
static void
choose_raw(struct reach *r)
{
	size_t n = 0;

	choose(r, REACH_ICMP_RAW, false);
	for (size_t k = 0; k < r->nindex; k++)
		if (!r->icmp_tried ||
		    !(r->targets[r->index[k]].methods & REACH_ICMP))
			r->index[n++] = r->index[k];
	r->nindex = n;
}

/* A prober ended, or none runs yet: the next stage. */
static void
step(void *arg)
{
	struct reach *r = arg;

	if (r->stage == STAGE_ICMP) {
		if (r->icmp == NULL && icmp_stage(r))
			return;
		stage_clear(r);
		choose_raw(r);
		r->stage = STAGE_RAW;
	}
	if (r->stage == STAGE_RAW) {
		if (raw_chunk(r))
			return;
		r->stage = STAGE_TCP;
	}
	if (r->stage == STAGE_TCP) {
		if (r->tcp == NULL && tcp_stage(r))
			return;
		r->stage = STAGE_END;
	}
	finish(r, false);
}
