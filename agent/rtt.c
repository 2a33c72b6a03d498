/*
 * rtt.c - a job of kind rtt. Promises: every target of the list is in the
 * answer, with figures or with a reason; the answer comes once, at the latest
 * at the deadline. Called by jobs.c.
 */
#include "agent/rtt.h"

#include "agent/prober.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define RETRY_NS (100 * NS_PER_MS) /* while an abandoned round still runs */

struct figures {
	uint32_t ip;
	bool asked;
	size_t n, lost;
	int64_t rtt_ns[RTT_COUNT_MAX];
};

struct rtt {
	struct rtt_conf conf;
	struct figures *ips; /* each address once, sorted */
	size_t nips, next;
	const char *why; /* for what was not asked */
	struct loop_timer *timer, *deadline;
	bool done;
};

static void step(void *arg);

static int
cmp_figures(const void *a, const void *b)
{
	const struct figures *x = a, *y = b;

	return (x->ip > y->ip) - (x->ip < y->ip);
}

static struct figures *
figures_of(struct rtt *r, uint32_t ip)
{
	struct figures key = { .ip = ip };

	return bsearch(&key, r->ips, r->nips, sizeof key, cmp_figures);
}

static void
put_ms(json_t *j, const char *key, bool known, uint32_t us)
{
	if (known)
		json_put_num(j, key, (double)us / 1000);
	else
		json_put(j, key, NULL);
}

static json_t *
target_json(struct rtt *r, const struct rtt_target *t)
{
	struct figures *f = t->refused ? NULL : figures_of(r, t->ip);
	struct matrix_cell c = { 0 };
	int64_t copy[RTT_COUNT_MAX];
	bool known = f != NULL && f->n > 0;
	json_t *j = json_object();
	const char *why = NULL;

	if (known) {
		/* Two names may share an address: statistics sort. */
		memcpy(copy, f->rtt_ns, f->n * sizeof copy[0]);
		prober_cell(&c, copy, f->n);
	} else if (t->refused) {
		why = "refused";
	} else {
		why = f->asked ? "noAnswer" : r->why;
	}
	json_put_str(j, "target", t->name);
	json_put_int(j, "n", known ? (int64_t)f->n : 0);
	json_put_int(j, "lost", f != NULL ? (int64_t)f->lost : 0);
	put_ms(j, "minMs", known, c.min_us);
	put_ms(j, "avgMs", known, c.avg_us);
	put_ms(j, "p50Ms", known, c.p50_us);
	put_ms(j, "p95Ms", known, c.p95_us);
	put_ms(j, "jitterMs", known, c.jitter_us);
	json_put_str(j, "method", matrix_method_name(MATRIX_ICMP));
	json_put_str(j, "why", why);
	return j;
}

static void
finish(struct rtt *r)
{
	json_t *j = json_object(), *list = json_array();

	if (r->done)
		return;
	r->done = true;
	loop_timer_clear(r->timer);
	loop_timer_clear(r->deadline);
	pinger_abandon(r->conf.pinger, r);
	json_put_str(j, "jobId", r->conf.job_id);
	for (size_t i = 0; i < r->conf.n; i++)
		json_array_append_new(list,
		    target_json(r, &r->conf.targets[i]));
	json_put(j, "targets", list);
	r->conf.on_done(r->conf.arg, j);
	json_decref(j);
}

static void
on_sample(void *arg, uint32_t ip, int64_t us)
{
	struct figures *f = figures_of(arg, ip);

	if (f == NULL || f->n + f->lost == RTT_COUNT_MAX)
		return;
	if (us < 0)
		f->lost++;
	else
		f->rtt_ns[f->n++] = us * NS_PER_US;
}

static void
on_end(void *arg, const struct mw_err *err)
{
	struct rtt *r = arg;

	if (err->code != MW_OK)
		r->why = "noPing";
	loop_timer_set(r->timer, 0);
}

/* Asks for the next 64 addresses, or ends. */
static void
step(void *arg)
{
	static const struct pinger_ops ops = { on_sample, on_end };
	struct rtt *r = arg;
	struct mw_err err = MW_ERR_INIT;
	uint32_t ips[PINGER_HOSTS_MAX];
	struct pinger_ask ask = { r->conf.timeout_ms, r->conf.count,
		r->conf.gap_ms, ips, 0 };

	if (r->next == r->nips || !pinger_ready(r->conf.pinger)) {
		if (r->next < r->nips)
			r->why = "noPing";
		finish(r);
		return;
	}
	while (ask.n < PINGER_HOSTS_MAX && r->next + ask.n < r->nips) {
		ips[ask.n] = r->ips[r->next + ask.n].ip;
		ask.n++;
	}
	if (!pinger_run(r->conf.pinger, &ask, &ops, r, &err)) {
		loop_timer_set(r->timer, RETRY_NS);
		return;
	}
	for (size_t i = 0; i < ask.n; i++)
		r->ips[r->next + i].asked = true;
	r->next += ask.n;
}

static void
on_deadline(void *arg)
{
	struct rtt *r = arg;

	r->why = "timeout";
	finish(r);
}

struct rtt *
rtt_start(const struct rtt_conf *take_conf)
{
	struct rtt *r = xcalloc(1, sizeof *r);
	size_t n = 0;

	r->conf = *take_conf;
	r->why = "timeout";
	r->ips = xcalloc(r->conf.n, sizeof *r->ips);
	for (size_t i = 0; i < r->conf.n; i++)
		if (!r->conf.targets[i].refused)
			r->ips[n++].ip = r->conf.targets[i].ip;
	qsort(r->ips, n, sizeof *r->ips, cmp_figures);
	for (size_t i = 0; i < n; i++)
		if (r->nips == 0 || r->ips[r->nips - 1].ip != r->ips[i].ip)
			r->ips[r->nips++].ip = r->ips[i].ip;
	r->timer = loop_timer_new(r->conf.loop, step, r);
	r->deadline = loop_timer_new(r->conf.loop, on_deadline, r);
	loop_timer_set(r->timer, 0);
	loop_timer_set(r->deadline, r->conf.deadline_ns - clock_mono_ns());
	return r;
}

void
rtt_free(struct rtt *r)
{
	if (r == NULL)
		return;
	if (!r->done)
		pinger_abandon(r->conf.pinger, r);
	loop_timer_free(r->timer);
	loop_timer_free(r->deadline);
	free(r->ips);
	free(r->conf.targets);
	free(r);
}
