/*
 * matrix_pool.c - several rounds as one.
 */
#include "common/pure/matrix_pool.h"

#include "common/pure/alloc.h"

#include <assert.h>
#include <string.h>

#define ON_STACK 64 /* rounds; days with more take memory */

struct sums {
	uint32_t *p50, *p95; /* of the rounds that count */
	size_t n; /* of them */
	uint64_t answered, lost, avg, jitter, probes;
	uint32_t min_us;
	uint8_t flags;
	bool no_avg, no_jitter;
	const struct matrix_cell *newest; /* that counts */
};

static int
us_cmp(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static void
sort(uint32_t *v, size_t n)
{
	if (n > ON_STACK) {
		qsort(v, n, sizeof *v, us_cmp);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		uint32_t x = v[i];
		size_t j = i;

		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static bool
own(const struct matrix_cell *c)
{
	return c->why == MATRIX_KNOWN && !(c->flags & MATRIX_F_INHERITED);
}

static void
add(struct sums *s, const struct matrix_cell *c)
{
	if (!s->n || c->min_us < s->min_us)
		s->min_us = c->min_us;
	if (!s->n)
		s->newest = c;
	s->p50[s->n] = c->p50_us;
	s->p95[s->n++] = c->p95_us;
	s->answered += c->n;
	s->probes += (uint64_t)c->n + c->lost;
	s->flags |= c->flags;
	s->no_avg |= c->avg_us == MATRIX_NO_US;
	s->no_jitter |= c->jitter_us == MATRIX_NO_US;
	s->avg += (uint64_t)c->avg_us * c->n;
	s->jitter += (uint64_t)c->jitter_us * c->n;
}

/* Only the newest of the inherited: they are one value many times. */
static void
collect(struct sums *s, const struct matrix_cell *v, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= own(&v[i]);
	for (size_t i = 0; i < n; i++) {
		s->lost += v[i].lost;
		if (any ? own(&v[i]) : v[i].why == MATRIX_KNOWN && !s->n)
			add(s, &v[i]);
	}
	sort(s->p50, s->n);
	sort(s->p95, s->n);
}

static uint32_t
p95_of(const struct sums *s)
{
	double q = 1, rank;
	size_t at;

	/* k is at least 20 where 0.95^k is of no more interest */
	for (uint64_t k = s->probes / s->n; k > 0 && q > 0.5; k--)
		q *= 0.95;
	rank = (q > 0.5 ? q : 0.5) * (double)s->n;
	at = (size_t)rank;
	if ((double)at < rank)
		at++;
	return s->p95[at > 0 ? at - 1 : 0];
}

static uint16_t
u16(uint64_t v)
{
	return v < UINT16_MAX ? (uint16_t)v : UINT16_MAX;
}

static uint32_t
mean_up(uint64_t sum, uint64_t n, bool none)
{
	uint64_t v = n ? (sum + n - 1) / n : 0;

	return none || v > MATRIX_NO_US ? MATRIX_NO_US : (uint32_t)v;
}

void
matrix_pool(const struct matrix_cell *v, size_t n, struct matrix_cell *out)
{
	uint32_t p50[MATRIX_POOL_ROUNDS], p95[MATRIX_POOL_ROUNDS];
	struct sums s = { .p50 = p50, .p95 = p95 };

	assert(n > 0 && n <= MATRIX_POOL_ROUNDS);
	*out = v[0];
	if (v[0].why == MATRIX_NO_ANSWER || v[0].why == MATRIX_REFUSED)
		return;
	collect(&s, v, n);
	out->lost = u16(s.lost);
	if (!s.n)
		return;
	out->why = MATRIX_KNOWN;
	out->method = s.newest->method;
	out->flags = s.flags;
	out->n = u16(s.answered);
	out->rounds = u16(s.n);
	out->min_us = s.min_us;
	out->avg_us = mean_up(s.avg, s.answered, s.no_avg);
	out->jitter_us = mean_up(s.jitter, s.answered, s.no_jitter);
	out->p50_us = s.p50[s.n / 2];
	out->p95_us = p95_of(&s);
	if (out->p95_us < out->p50_us) /* of few rounds, each by itself */
		out->p95_us = out->p50_us;
	out->at_wall_ns = s.newest->at_wall_ns;
}

void
matrix_fold(const struct matrix_cell *v, size_t n, struct matrix_day *out)
{
	uint32_t small[2 * ON_STACK];
	uint32_t *buf = n > ON_STACK ? xcalloc(2 * n, sizeof *buf) : small;
	struct sums s = { .p50 = buf, .p95 = buf + n };

	memset(out, 0, sizeof *out);
	collect(&s, v, n);
	out->lost = u16(s.lost);
	if (s.n) {
		out->rounds = u16(s.n);
		out->n = u16(s.answered);
		out->flags = s.flags;
		out->min_us = s.min_us;
		out->p50_us = s.p50[s.n / 2];
		out->p95_us = p95_of(&s);
		if (out->p95_us < out->p50_us)
			out->p95_us = out->p50_us;
		out->max_us = s.p95[s.n - 1];
	}
	if (buf != small)
		free(buf);
}
