/*
 * facade_rtt.c - the current task of the facade if it measures round-trip
 * times: names are looked up by "getent" (argv, deadline), addresses are probed
 * by rtt.c. Promises: exactly one answer per task; for mrtt one entry per host,
 * those that answered at once before those that were tried again. Called by
 * facade.c.
 */
#include "agent/facade/facade_int.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOOKUP_MS 5000
#define SSH_PORT 22 /* open on VMs: its handshake, where ICMP is blocked */
#define PROBES 10
#define GAP_MS 200
#define TIMEOUT_MS 1000
#define GROUP_NS (30 * NS_PER_S) /* for 64 hosts; one dead host slows all */

static void look_up_more(struct facade *f);

static bool
multi(const struct facade *f)
{
	return f->current->action == FACADE_MRTT;
}

static bool
may_probe(const struct facade_host *h)
{
	return h->known && !id_ipv4_refused(h->ip);
}

static void
add_result(struct facade *f, const struct facade_host *h, const char *result)
{
	json_array_append_new(f->results,
	    facade_answer_rtt(h->host, h->spec, result, facade_elapsed_s(f)));
}

static void
finish(struct facade *f)
{
	json_t *j = json_object();

	/* As Go writes a list that nobody appended to. */
	if (json_array_size(f->results) == 0) {
		json_decref(f->results);
		f->results = NULL;
	}
	json_put(j, "resultarray", f->results);
	f->results = NULL;
	facade_done_json(f, j);
}

/* Why a single host has no result. */
static void
refuse_one(struct facade *f)
{
	const struct facade_host *h = &f->current->hosts.v[0];

	if (!h->valid)
		facade_failed(f, "Ping ",
		    "the host is neither an IPv4 address nor a host name");
	else if (!h->known)
		facade_failed(f, "Ping ", "the host name has no IPv4 address");
	else
		facade_failed(f, "Ping ",
		    "loopback, link-local, multicast and broadcast addresses "
		    "are not probed");
}

/* One pass over the hosts that may be probed and have no result yet. */

static void probe(struct facade *f);

static void
end_pass(void *arg)
{
	struct facade *f = arg;

	f->rtt_ended = false;
	rtt_free(f->rtt);
	f->rtt = NULL;
	if (f->stopping) {
		facade_failed(f, "Ping ", "the agent ends");
		return;
	}
	if (f->second_try) {
		finish(f);
		return;
	}
	f->second_try = true;
	probe(f);
}

/* After rtt's callback: there it must not be freed. */
static void
end_one(void *arg)
{
	struct facade *f = arg;
	const struct facade_host *h = &f->current->hosts.v[0];
	char ms[40];

	f->rtt_ended = false;
	rtt_free(f->rtt);
	f->rtt = NULL;
	if (isnan(f->rtt_ms)) {
		facade_failed(f, "Ping ", f->rtt_why);
		return;
	}
	snprintf(ms, sizeof ms, "%.3f", f->rtt_ms);
	facade_done_json(f,
	    facade_answer_rtt(h->host, h->spec, ms, facade_elapsed_s(f)));
}

static void
keep_one(struct facade *f, const json_t *target)
{
	const json_t *ms = json_object_get(target, "avgMs");
	const char *why = json_string_value(json_object_get(target, "why"));

	f->rtt_ms = json_is_number(ms) ? json_number_value(ms) : (double)NAN;
	str_copy(f->rtt_why, sizeof f->rtt_why,
	    why == NULL || strcmp(why, "noAnswer") == 0 ? "no answer" : why);
	loop_reap(f->loop, end_one, f);
}

static void
on_probed(void *arg, json_t *j)
{
	struct facade *f = arg;
	struct facade_hosts *hosts = &f->current->hosts;
	const json_t *list = json_object_get(j, "targets");
	size_t at = 0;

	f->rtt_ended = true;
	if (!multi(f)) {
		keep_one(f, json_array_get(list, 0));
		return;
	}
	for (size_t i = 0; i < hosts->n; i++) {
		struct facade_host *h = &hosts->v[i];
		const json_t *ms;
		char text[40] = "";

		if (!may_probe(h))
			continue;
		ms = json_object_get(json_array_get(list, at++), "avgMs");
		if (json_is_number(ms))
			snprintf(text, sizeof text, "%.3f",
			    json_number_value(ms));
		else if (!f->second_try)
			continue;
		add_result(f, h, text);
		h->known = false; /* it has its result */
	}
	loop_reap(f->loop, end_pass, f);
}

static void
probe(struct facade *f)
{
	const struct facade_hosts *hosts = &f->current->hosts;
	struct rtt_conf conf = { .loop = f->loop,
		.pinger = f->pinger,
		.count = PROBES,
		.gap_ms = GAP_MS,
		.timeout_ms = TIMEOUT_MS,
		.on_done = on_probed,
		.arg = f };

	conf.targets = xcalloc(hosts->n + 1, sizeof *conf.targets);
	for (size_t i = 0; i < hosts->n; i++)
		if (may_probe(&hosts->v[i])) {
			struct rtt_target *t = &conf.targets[conf.n++];

			id_ipv4_format(hosts->v[i].ip, t->name);
			t->ip = hosts->v[i].ip;
			t->tcp_port = SSH_PORT;
			t->methods = REACH_ALL;
		}
	if (conf.n == 0) {
		free(conf.targets);
		finish(f);
		return;
	}
	str_copy(conf.job_id, sizeof conf.job_id, "facade");
	conf.deadline_ns = clock_mono_ns() +
	    (int64_t)(conf.n / PINGER_HOSTS_MAX + 1) * GROUP_NS;
	f->rtt = rtt_start(&conf);
}

/* Names. */

static void
all_looked_up(struct facade *f)
{
	const struct facade_hosts *hosts = &f->current->hosts;

	if (f->stopping) {
		facade_failed(f, "Ping ", "the agent ends");
	} else if (!multi(f)) {
		if (may_probe(&hosts->v[0]))
			probe(f);
		else
			refuse_one(f);
	} else {
		f->results = json_array();
		for (size_t i = 0; i < hosts->n; i++)
			if (!may_probe(&hosts->v[i]))
				add_result(f, &hosts->v[i], "");
		probe(f);
	}
}

static void
on_looked_up(struct child *c, const struct child_end *end, void *arg)
{
	struct facade_lookup *l = arg;
	struct facade *f = l->f;

	(void)c;
	if (end->exited && end->code == 0)
		l->host->known = facade_parse_getent(str_cstr(&end->out),
		    end->out.len, &l->host->ip);
	l->child = NULL;
	f->looking--;
	look_up_more(f);
}

static void
look_up(struct facade_lookup *l)
{
	/* A valid name has no leading '-': it cannot be taken for an option. */
	const char *argv[] = { "getent", "ahostsv4", l->host->host, NULL };
	struct child_conf conf = { .argv = argv,
		.deadline_ms = LOOKUP_MS,
		.pdeathsig = true };
	struct mw_err err = MW_ERR_INIT;

	if (child_start(l->f->loop, &conf, on_looked_up, l, &l->child, &err))
		l->f->looking++;
	else
		l->child = NULL;
}

static void
look_up_more(struct facade *f)
{
	struct facade_hosts *hosts = &f->current->hosts;

	for (size_t i = 0; i < FACADE_LOOKUPS && !f->stopping; i++) {
		struct facade_lookup *l = &f->lookups[i];

		if (l->child != NULL)
			continue;
		while (f->looked_up < hosts->n &&
		    (hosts->v[f->looked_up].known ||
			!hosts->v[f->looked_up].valid))
			f->looked_up++;
		if (f->looked_up == hosts->n)
			break;
		l->f = f;
		l->host = &hosts->v[f->looked_up++];
		look_up(l);
	}
	if (f->looking == 0)
		all_looked_up(f);
}

void
facade_rtt_start(struct facade *f)
{
	f->looked_up = 0;
	f->second_try = false;
	look_up_more(f);
}

void
facade_rtt_cancel(struct facade *f)
{
	for (size_t i = 0; i < FACADE_LOOKUPS; i++)
		if (f->lookups[i].child != NULL)
			child_cancel(f->lookups[i].child);
	/* One that has ended says so on the next turn. */
	if (f->rtt != NULL && !f->rtt_ended) {
		rtt_free(f->rtt);
		f->rtt = NULL;
		facade_failed(f, "Ping ", "the agent ends");
	}
}
