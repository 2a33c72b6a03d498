/*
 * rtt.c - a job of kind rtt. Promises: every target of the list is in the
 * answer, with figures or with a reason; the answer comes once, at the latest
 * at the deadline. Called by jobs.c.
 */
#include "agent/probe/rtt.h"

#include "agent/probe/prober.h"
#include "common/json.h"
#include "common/pure/alloc.h"

#include <string.h>

struct rtt {
	struct rtt_conf conf;
	struct reach_target *ips; /* each address once, sorted */
	size_t nips;
	struct reach *reach;
	struct reach_result *results; /* of ips, while on_reached() runs */
	bool late;
};

static int
cmp_target(const void *a, const void *b)
{
	const struct reach_target *x = a, *y = b;

	return (x->ip > y->ip) - (x->ip < y->ip);
}

/* Targets that share an address share its figures. */
static const struct reach_result *
result_of(const struct rtt *r, uint32_t ip)
{
	struct reach_target key = { .ip = ip };
	const struct reach_target *t =
	    bsearch(&key, r->ips, r->nips, sizeof key, cmp_target);

	return t != NULL ? &r->results[t - r->ips] : NULL;
}

static void
put_ms(json_t *j, const char *key, bool known, uint32_t us)
{
	if (known)
		json_put_num(j, key, (double)us / 1000);
	else
		json_put(j, key, NULL);
}

static const char *
why_of(const struct rtt *r, const struct reach_result *x)
{
	if (x == NULL)
		return "refused"; /* it is never probed */
	if (x->n > 0)
		return NULL;
	if (!x->asked)
		return r->late ? "timeout" : "noPing";
	if (x->lost == 0)
		return x->skipped ? "busy" : "timeout";
	return x->refused ? "refused" : "noAnswer";
}

static json_t *
target_json(const struct rtt *r, const struct rtt_target *t)
{
	const struct reach_result *x = t->refused ? NULL : result_of(r, t->ip);
	bool known = x != NULL && x->n > 0;
	int64_t copy[RTT_COUNT_MAX];
	struct matrix_cell c = { 0 };
	json_t *j = json_object();

	if (known) {
		/* Two names may share an address: statistics sort. */
		memcpy(copy, x->rtt_ns, x->n * sizeof copy[0]);
		prober_cell(&c, copy, x->n);
	}
	json_put_str(j, "target", t->name);
	json_put_int(j, "n", known ? x->n : 0);
	json_put_int(j, "lost", x != NULL ? x->lost : 0);
	put_ms(j, "minMs", known, c.min_us);
	put_ms(j, "avgMs", known, c.avg_us);
	put_ms(j, "p50Ms", known, c.p50_us);
	put_ms(j, "p95Ms", known, c.p95_us);
	put_ms(j, "jitterMs", known, c.jitter_us);
	json_put_str(j, "method",
	    known ? matrix_method_name((enum matrix_method)x->method) : NULL);
	json_put_int(j, "flags", known ? x->flags : 0);
	json_put_str(j, "why", why_of(r, x));
	return j;
}

static void
on_reached(void *arg, struct reach_result *results, bool late)
{
	struct rtt *r = arg;
	json_t *j = json_object(), *list = json_array();

	r->results = results;
	r->late = late;
	json_put_str(j, "jobId", r->conf.job_id);
	for (size_t i = 0; i < r->conf.n; i++)
		json_array_append_new(list,
		    target_json(r, &r->conf.targets[i]));
	json_put(j, "targets", list);
	r->results = NULL;
	r->conf.on_done(r->conf.arg, j);
	json_decref(j);
}

struct rtt *
rtt_start(const struct rtt_conf *take_conf)
{
	struct rtt *r = xcalloc(1, sizeof *r);
	struct reach_conf conf = { .loop = take_conf->loop,
		.pinger = take_conf->pinger,
		.count = (uint32_t)take_conf->count,
		.gap_ns = take_conf->gap_ms * NS_PER_MS,
		.timeout_ns = take_conf->timeout_ms * NS_PER_MS,
		.deadline_ns = take_conf->deadline_ns,
		.on_done = on_reached,
		.arg = r };
	size_t n = 0;

	r->conf = *take_conf;
	r->ips = xcalloc(r->conf.n, sizeof *r->ips);
	for (size_t i = 0; i < r->conf.n; i++) {
		const struct rtt_target *t = &r->conf.targets[i];

		if (!t->refused)
			r->ips[n++] = (struct reach_target){ t->ip, t->tcp_port,
				t->methods };
	}
	qsort(r->ips, n, sizeof *r->ips, cmp_target);
	for (size_t i = 0; i < n; i++)
		if (r->nips == 0 || r->ips[r->nips - 1].ip != r->ips[i].ip)
			r->ips[r->nips++] = r->ips[i];
	conf.targets = r->ips;
	conf.n = r->nips;
	r->reach = reach_start(&conf);
	return r;
}

void
rtt_free(struct rtt *r)
{
	if (r == NULL)
		return;
	reach_free(r->reach);
	free(r->ips);
	free(r->conf.targets);
	free(r);
}
