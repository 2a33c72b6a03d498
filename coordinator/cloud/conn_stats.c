/*
 * conn_stats.c - see conn_stats.h.
 */
#include "coordinator/cloud/conn_stats.h"

#include "common/clock.h"
#include "common/pure/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NS NS_PER_MS
#define PER_OCTAVE 4.0

/* A call under way. */
struct counted {
	struct conn_stats *stats;
	int64_t from_ns;
	drv_done_fn done;
	void *arg;
};

struct conn_stats *
conn_stats_new(void)
{
	struct conn_stats *s = xcalloc(1, sizeof *s);

	s->refs = 1;
	return s;
}

struct conn_stats *
conn_stats_ref(struct conn_stats *s)
{
	s->refs++;
	return s;
}

void
conn_stats_unref(struct conn_stats *s)
{
	if (s && --s->refs == 0)
		free(s);
}

static size_t
bucket_of(int64_t ns)
{
	double i;

	if (ns <= FIRST_NS)
		return 0;
	i = ceil(PER_OCTAVE * log2((double)ns / (double)FIRST_NS) - 1e-9);
	return i < CONN_BUCKETS - 1 ? (size_t)i : CONN_BUCKETS - 1;
}

static int64_t
bucket_end(size_t i)
{
	return llround((double)FIRST_NS * exp2((double)i / PER_OCTAVE));
}

static void
put_text(char *out, size_t size, const char *text)
{
	struct str s = STR_INIT;

	if (text)
		str_add_escaped(&s, text, strlen(text), size - 1);
	str_copy(out, size, str_cstr(&s));
	str_free(&s);
}

void
conn_stats_add(struct conn_stats *s, const struct csp_answer *a, int64_t ns,
    int64_t wall_ns)
{
	s->calls++;
	s->by_class[a->cls]++;
	s->time[bucket_of(ns)]++;
	if (ns > s->longest_ns)
		s->longest_ns = ns;
	if (a->cls == CSP_OK) {
		s->ok_at_ns = wall_ns;
		return;
	}
	s->by_reason[a->reason]++;
	s->failed_at_ns = wall_ns;
	s->last.op = a->op;
	s->last.cls = a->cls;
	s->last.reason = a->reason;
	s->last.http_status = a->http_status;
	put_text(s->last.code, sizeof s->last.code, a->code);
	put_text(s->last.message, sizeof s->last.message, a->message);
	put_text(s->last.request_id, sizeof s->last.request_id, a->request_id);
}

int64_t
conn_stats_quantile(const struct conn_stats *s, double q)
{
	uint64_t rank = (uint64_t)ceil(q * (double)s->calls), seen = 0;

	if (!s->calls)
		return -1;
	for (size_t i = 0; i < CONN_BUCKETS - 1; i++) {
		seen += s->time[i];
		if (seen >= rank && seen > 0)
			return bucket_end(i) < s->longest_ns ? bucket_end(i)
							     : s->longest_ns;
	}
	return s->longest_ns;
}

static void
on_done(struct csp_answer *take_a, void *arg)
{
	struct counted *k = arg;
	drv_done_fn done = k->done;
	void *then = k->arg;

	k->stats->open--;
	conn_stats_add(k->stats, take_a, clock_mono_ns() - k->from_ns,
	    clock_wall_ns());
	conn_stats_unref(k->stats);
	free(k);
	done(take_a, then);
}

drv_done_fn
conn_stats_wrap(struct conn_stats *s, drv_done_fn done, void **arg)
{
	struct counted *k = xcalloc(1, sizeof *k);

	k->stats = conn_stats_ref(s);
	k->stats->open++;
	k->from_ns = clock_mono_ns();
	k->done = done;
	k->arg = *arg;
	*arg = k;
	return on_done;
}
