/*
 * http_lane.c - rate, concurrency and queue of one connection to a cloud.
 * Owns the waiting calls. Promises: first come, first served; never more than
 * in_flight_max at once, and a bound over all lanes that none of them can fill
 * alone; a token bucket that halves its rate when the cloud
 * throttles and recovers by a tenth per quiet 10 s.
 */
#include "drivers/http_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "drivers/driver.h"

#define BURST 10
#define IN_FLIGHT 8
/* Of all lanes: each costs tens of KiB, and one more socket that all the
 * others wait for. Lanes that want more than they are sure of take turns. */
#define IN_FLIGHT_ALL 256
#define IN_FLIGHT_SURE 2
#define QUEUE 10000
#define QUIET_NS (10 * NS_PER_S)
/* A lane without limit gets one when it is throttled, up to here. */
#define RATE_TOP 50.0
#define RATE_LEAST 0.2
/* Refusals within so long are of one crowd, not of a rate still too high. */
#define CROWD_NS NS_PER_S

static void on_token(void *arg);
static void lane_free(void *p);

struct http_lane *
http_lane_new(struct http *h, const struct http_lane_conf *conf)
{
	struct http_lane *lane = xcalloc(1, sizeof *lane);

	lane->http = h;
	lane->name = xstrdup(conf->name);
	lane->unix_path = xstrdup(conf->unix_path);
	lane->ca_file = xstrdup(conf->ca_file);
	lane->allow_plain = conf->allow_plain;
	lane->base_rate =
	    conf->rate_per_s * (h->rate_scale > 0 ? h->rate_scale : 1);
	if (h->rate_max > 0 &&
	    (lane->base_rate <= 0 || lane->base_rate > h->rate_max))
		lane->base_rate = h->rate_max;
	lane->rate = lane->base_rate;
	lane->burst = conf->burst > 0 ? conf->burst : BURST;
	lane->tokens = lane->burst;
	lane->in_flight_max =
	    conf->in_flight_max ? conf->in_flight_max : IN_FLIGHT;
	lane->queue_max = conf->queue_max ? conf->queue_max : QUEUE;
	lane->filled_ns = lane->quiet_ns = clock_mono_ns();
	TAILQ_INIT(&lane->queue);
	lane->timer = loop_timer_new(h->loop, on_token, lane);
	return lane;
}

static void
lane_free(void *p)
{
	struct http_lane *lane = p;

	loop_timer_free(lane->timer);
	free(lane->name);
	free(lane->unix_path);
	free(lane->ca_file);
	free(lane);
}

void
http_lane_close(struct http_lane *lane)
{
	struct http_call *c, *next;

	if (!lane || lane->closed)
		return;
	lane->closed = true;
	if (lane->starved)
		TAILQ_REMOVE(&lane->http->starved, lane, starved_link);
	lane->starved = false;
	lane->calls++; /* keeps the lane while its calls are canceled */
	for (c = TAILQ_FIRST(&lane->http->open); c; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->lane == lane)
			http_cancel(c);
	}
	http_lane_call_gone(lane);
}

void
http_lane_call_gone(struct http_lane *lane)
{
	lane->calls--;
	if (lane->closed && lane->calls == 0)
		lane_free(lane);
}

void
http_lane_throttled(struct http_lane *lane)
{
	double rate = lane->rate > 0 ? lane->rate / 2 : RATE_TOP / 5;
	int64_t now = clock_mono_ns();

	lane->quiet_ns = now;
	if (lane->tokens > 1)
		lane->tokens = 1;
	if (lane->cut_ns && now - lane->cut_ns < CROWD_NS)
		return;
	lane->cut_ns = now;
	lane->rate = rate > RATE_LEAST ? rate : RATE_LEAST;
	log_warn("drivers", lane->name,
	    "the cloud throttles us\trate_per_s=%.2f action=slower",
	    lane->rate);
}

void
http_lane_load(const struct http_lane *lane, struct drv_load *add)
{
	add->queued += lane->nqueue;
	add->in_flight += lane->in_flight;
	add->rate_per_s += lane->rate;
	if (add->local_ip[0] || !lane->local_ip[0])
		return;
	str_copy(add->local_ip, sizeof add->local_ip, lane->local_ip);
	str_copy(add->peer_ip, sizeof add->peer_ip, lane->peer_ip);
	add->proxied = lane->proxied;
}

static void
recover(struct http_lane *lane, int64_t now)
{
	double top = lane->base_rate > 0 ? lane->base_rate : RATE_TOP;

	while (
	    lane->rate != lane->base_rate && now - lane->quiet_ns >= QUIET_NS) {
		lane->quiet_ns += QUIET_NS;
		lane->rate *= 1.1;
		if (lane->rate >= top)
			lane->rate = lane->base_rate;
	}
}

static bool
take_token(struct http_lane *lane)
{
	int64_t now = clock_mono_ns();

	recover(lane, now);
	if (lane->rate <= 0)
		return true;
	lane->tokens +=
	    lane->rate * (double)(now - lane->filled_ns) / (double)NS_PER_S;
	lane->filled_ns = now;
	if (lane->tokens > lane->burst)
		lane->tokens = lane->burst;
	if (lane->tokens < 1) {
		loop_timer_set(lane->timer,
		    (int64_t)((1 - lane->tokens) / lane->rate *
			(double)NS_PER_S) +
			NS_PER_MS);
		return false;
	}
	lane->tokens -= 1;
	return true;
}

/* False: it waits until a call of any lane has landed. */
static bool
has_place(struct http_lane *lane)
{
	struct http *h = lane->http;

	if (lane->in_flight < IN_FLIGHT_SURE || h->in_flight < IN_FLIGHT_ALL)
		return true;
	if (!lane->starved)
		TAILQ_INSERT_TAIL(&h->starved, lane, starved_link);
	lane->starved = true;
	return false;
}

void
http_lane_landed(struct http_lane *lane)
{
	struct http *h = lane->http;
	struct http_lane *next;

	lane->in_flight--;
	h->in_flight--;
	while (
	    h->in_flight < IN_FLIGHT_ALL && (next = TAILQ_FIRST(&h->starved))) {
		TAILQ_REMOVE(&h->starved, next, starved_link);
		next->starved = false;
		http_lane_pump(next);
	}
}

void
http_rate_max(struct http *h, double rate_per_s)
{
	h->rate_max = rate_per_s;
}

void
http_rate_scale(struct http *h, double factor)
{
	h->rate_scale = factor;
}

void
http_lane_pump(struct http_lane *lane)
{
	struct http_call *c;

	while (!lane->closed && lane->in_flight < lane->in_flight_max &&
	    (c = TAILQ_FIRST(&lane->queue)) && has_place(lane)) {
		if (!take_token(lane))
			return;
		TAILQ_REMOVE(&lane->queue, c, link);
		lane->nqueue--;
		lane->in_flight++;
		lane->http->in_flight++;
		http_call_start(c);
	}
}

void
http_lane_enqueue(struct http_lane *lane, struct http_call *c)
{
	int64_t left = c->deadline_ns - clock_mono_ns();

	c->state = CALL_OPEN;
	if (lane->nqueue >= lane->queue_max) {
		str_copy(c->a.error, sizeof c->a.error,
		    "too many calls are waiting");
		http_call_end(c, HTTP_QUEUE_FULL);
		return;
	}
	c->state = CALL_QUEUED;
	TAILQ_INSERT_TAIL(&lane->queue, c, link);
	lane->nqueue++;
	loop_timer_set(c->timer, left > 0 ? left : 0);
	http_lane_pump(lane);
}

static void
on_token(void *arg)
{
	http_lane_pump(arg);
}
