/*
 * mesh_json.c - the matrix of the API.
 */
#include "coordinator/measure/mesh_json.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/gate.h"
#include "common/pure/str.h"

#include <assert.h>
#include <string.h>

#define LIST_MAX 100 /* pairs of one flag that are told one by one */
#define PLAIN_MAX 3 /* the same where all pairs have it for the same reason */
#define DAY_NS (24 * 3600 * NS_PER_S)

/* True of so many pairs at once that one line says it. */
#define PLAIN                                                               \
	(GATE_FEW_SAMPLES | GATE_STALE | GATE_SINGLE_VALUE | GATE_MISSING | \
	    GATE_ONE_DIRECTION)

/* What the gate reads, and what it found. */
struct judged {
	struct gate g;
	uint32_t *us, *samples, *rounds, *age, *pair;
	unsigned *flags; /* n * n */
};

static void judge(const struct mesh_view *v, struct judged *j);
static void judged_free(struct judged *j);
static void add_findings(struct str *s, const struct judged *j);
static void list_pairs(struct str *s, const struct judged *j, unsigned bit,
    size_t count, bool *any);
static char *head_text(const struct mesh_view *v);

char *
mesh_json(const struct mesh_view *v)
{
	char *text = head_text(v);
	struct str s = STR_INIT;
	struct judged j;
	size_t n = v->m->n;

	judge(v, &j);
	str_addn(&s, text, strlen(text) - 1); /* without the last brace */
	str_add(&s, ",\"findings\":[");
	add_findings(&s, &j);
	str_add(&s, "],\"cells\":[");
	for (size_t a = 0; a < n; a++) {
		str_add(&s, a ? ",[" : "[");
		for (size_t b = 0; b < n; b++) {
			if (b)
				str_addc(&s, ',');
			if (a == b) {
				str_add(&s, "null");
				continue;
			}
			str_addc(&s, '{');
			mesh_json_cell(&s, matrix_at(v->m, a, b), v->now,
			    j.flags[a * n + b]);
			str_addc(&s, '}');
		}
		str_addc(&s, ']');
	}
	str_add(&s, "]}\n");
	judged_free(&j);
	free(text);
	return str_take(&s);
}

/* The method of most cells that are known. */
static const char *
main_method(const struct matrix *m)
{
	size_t count[MATRIX_METHOD_COUNT] = { 0 };
	int best = 0;

	for (size_t i = 0; i < m->n * m->n; i++)
		if (m->cells[i].why == MATRIX_KNOWN &&
		    m->cells[i].method < MATRIX_METHOD_COUNT)
			count[m->cells[i].method]++;
	for (int k = 0; k < MATRIX_METHOD_COUNT; k++)
		if (count[k] > count[best])
			best = k;
	return count[best] ? matrix_method_name((enum matrix_method)best)
			   : "none";
}

static char *
head_text(const struct mesh_view *v)
{
	const struct matrix *m = v->m;
	json_t *head = json_object();
	char *text;

	json_put_str(head, "roundId", m->round[0] ? m->round : NULL);
	json_put_str(head, "plane", "public");
	/* a folded day does not know any more */
	json_put_str(head, "method", v->day ? NULL : main_method(m));
	json_put_time(head, "measuredAt", m->at_wall_ns);
	json_put_bool(head, "pooled", v->pooled);
	json_put_int(head, "rounds", m->rounds ? m->rounds : 1);
	json_put_time(head, "oldestAt",
	    m->from_wall_ns ? m->from_wall_ns : m->at_wall_ns);
	json_put_bool(head, "foldedDay", v->day != 0);
	json_put(head, "vms", json_incref(v->vms));
	text = json_text(head, false);
	json_decref(head);
	return text;
}

static uint32_t
age_s(const struct matrix_cell *c, int64_t now)
{
	int64_t s = (now - c->at_wall_ns) / NS_PER_S;

	return s < 0 ? 0 : s < UINT32_MAX ? (uint32_t)s : UINT32_MAX - 1;
}

static uint32_t
larger(uint32_t x, uint32_t y)
{
	if (x == GATE_UNKNOWN || y == GATE_UNKNOWN)
		return x == GATE_UNKNOWN ? y : x;
	return x > y ? x : y;
}

static void
judge(const struct mesh_view *v, struct judged *j)
{
	size_t n = v->m->n, cells = n * n;

	memset(j, 0, sizeof *j);
	j->us = xcalloc(cells + 1, sizeof *j->us);
	j->samples = xcalloc(cells + 1, sizeof *j->samples);
	j->rounds = xcalloc(cells + 1, sizeof *j->rounds);
	j->age = xcalloc(cells + 1, sizeof *j->age);
	j->pair = xcalloc(cells + 1, sizeof *j->pair);
	j->flags = xcalloc(cells + 1, sizeof *j->flags);
	for (size_t i = 0; i < cells; i++) {
		const struct matrix_cell *c = &v->m->cells[i];

		j->us[i] = c->why == MATRIX_KNOWN ? c->p50_us : GATE_UNKNOWN;
		j->samples[i] = c->n;
		j->rounds[i] = c->rounds ? c->rounds : 1;
		j->age[i] = age_s(c, v->now);
	}
	for (size_t a = 0; a < n; a++)
		for (size_t b = 0; b < n; b++)
			j->pair[a * n + b] =
			    larger(j->us[a * n + b], j->us[b * n + a]);
	j->g = (struct gate){ .n = n,
		.us = j->us,
		.samples = j->samples,
		.rounds = j->rounds,
		.age_s = j->age,
		.lat = v->lat,
		.lon = v->lon,
		.names = (const char *const *)v->m->names,
		.intra_us = GATE_UNKNOWN,
		.pair_us = j->pair };
	for (size_t a = 0; a < n; a++)
		for (size_t b = a + 1; b < n; b++)
			j->flags[a * n + b] = j->flags[b * n + a] =
			    gate_pair(&j->g, a, b);
}

static void
judged_free(struct judged *j)
{
	free(j->us);
	free(j->samples);
	free(j->rounds);
	free(j->age);
	free(j->pair);
	free(j->flags);
}

static void
add_finding(struct str *s, const struct judged *j, unsigned bit, size_t a,
    size_t b)
{
	struct str why = STR_INIT;
	json_t *f = json_object();
	char *text;

	gate_reason(&j->g, a, b, bit, &why);
	json_put_str(f, "flag", gate_name(bit));
	json_put_str(f, "a", j->g.names[a]);
	json_put_str(f, "b", j->g.names[b]);
	json_put_int(f, "pairs", 1);
	json_put_str(f, "reason", str_cstr(&why));
	text = json_text(f, false);
	str_add(s, text);
	free(text);
	json_decref(f);
	str_free(&why);
}

/* One line for all pairs that have the flag (or those not told yet). */
static void
add_sum(struct str *s, const struct judged *j, unsigned bit, size_t count)
{
	static const char *const words[GATE_COUNT] = {
		[4] = "only one direction is known",
		[5] = "one value; nobody says of how many samples",
		[6] = "fewer than 20 samples or 3 rounds",
		[7] = "measured more than a day ago",
		[9] = "neither direction is known",
	};
	size_t all = j->g.n * (j->g.n - 1) / 2;

	str_addf(s,
	    "{\"a\":null,\"b\":null,\"flag\":\"%s\",\"pairs\":%zu,"
	    "\"reason\":\"%zu of %zu pairs: %s\"}",
	    gate_name(bit), count, count, all,
	    words[bit] ? words[bit] : "more than are listed here");
}

/* The gravest first: what cannot be, what is odd, what is thin. */
static void
add_findings(struct str *s, const struct judged *j)
{
	static const unsigned order[] = { 11, 10, 0, 2, 3, 1, 4, 9, 7, 6, 5,
		8 };
	size_t n = j->g.n, counts[GATE_COUNT] = { 0 };
	bool any = false;

	static_assert(ARRAY_LEN(order) == GATE_COUNT, "each flag once");
	for (size_t a = 0; a < n; a++)
		for (size_t b = a + 1; b < n; b++)
			for (unsigned k = 0; k < GATE_COUNT; k++)
				counts[k] += j->flags[a * n + b] >> k & 1;
	for (size_t i = 0; i < GATE_COUNT; i++) {
		unsigned bit = order[i];
		bool plain = 1u << bit & PLAIN;
		size_t list = counts[bit];

		if (list > (plain ? PLAIN_MAX : LIST_MAX))
			list = plain ? 0 : LIST_MAX;
		list_pairs(s, j, bit, list, &any);
		if (counts[bit] == list)
			continue;
		str_add(s, any ? "," : "");
		any = true;
		add_sum(s, j, bit, counts[bit] - list);
	}
}

/* The first of the pairs that have the flag. */
static void
list_pairs(struct str *s, const struct judged *j, unsigned bit, size_t count,
    bool *any)
{
	for (size_t a = 0; a < j->g.n && count > 0; a++)
		for (size_t b = a + 1; b < j->g.n && count > 0; b++) {
			if (!(j->flags[a * j->g.n + b] >> bit & 1))
				continue;
			str_add(s, *any ? "," : "");
			*any = true;
			add_finding(s, j, bit, a, b);
			count--;
		}
}

/* Cells -------------------------------------------------------------------- */

static void
add_word(struct str *s, const char *word, bool *any)
{
	str_addf(s, "%s\"%s\"", *any ? "," : "", word);
	*any = true;
}

static void
add_quality(struct str *s, unsigned flags, unsigned gate_flags)
{
	bool any = false;

	str_add(s, "\"quality\":[");
	for (unsigned bit = 1; bit <= flags; bit <<= 1)
		if (flags & bit && matrix_flag_name(bit))
			add_word(s, matrix_flag_name(bit), &any);
	for (unsigned k = 0; k < GATE_COUNT; k++)
		if (gate_flags >> k & 1)
			add_word(s, gate_name(k), &any);
	str_add(s, "],");
}

static void
add_ms(struct str *s, const char *key, uint32_t us)
{
	if (us == MATRIX_NO_US)
		str_addf(s, "\"%s\":null,", key);
	else
		str_addf(s, "\"%s\":%u.%03u,", key, us / 1000, us % 1000);
}

void
mesh_json_cell(struct str *s, const struct matrix_cell *c, int64_t now,
    unsigned gate_flags)
{
	unsigned sent = (unsigned)c->n + c->lost;

	if (c->why != MATRIX_KNOWN) {
		str_addf(s,
		    "\"n\":0,\"lost\":%u,\"rounds\":0,\"ageS\":null,"
		    "\"rttMinMs\":null,\"rttAvgMs\":null,"
		    "\"rttMedianMs\":null,\"rttP95Ms\":null,\"jitterMs\":null,"
		    "\"lossPct\":%s,\"method\":null,",
		    c->lost, c->lost ? "100" : "null");
		add_quality(s, 0, gate_flags & ~(unsigned)GATE_MISSING);
		str_addf(s, "\"reason\":\"%s\"",
		    matrix_why_name((enum matrix_why)c->why));
		return;
	}
	str_addf(s, "\"n\":%u,\"lost\":%u,\"rounds\":%u,\"ageS\":%u,", c->n,
	    c->lost, c->rounds ? c->rounds : 1u, age_s(c, now));
	add_ms(s, "rttMinMs", c->min_us);
	add_ms(s, "rttAvgMs", c->avg_us);
	add_ms(s, "rttMedianMs", c->p50_us);
	add_ms(s, "rttP95Ms", c->p95_us);
	add_ms(s, "jitterMs", c->jitter_us);
	str_addf(s, "\"lossPct\":%.1f,\"method\":\"%s\",",
	    sent ? 100.0 * c->lost / sent : 0.0,
	    matrix_method_name((enum matrix_method)c->method));
	add_quality(s, c->flags, gate_flags);
	str_add(s, "\"reason\":null");
}

void
mesh_json_day(struct str *s, int64_t day, const struct matrix_day *d)
{
	json_t *j = json_object();
	char *text;

	json_put_time(j, "from", day * DAY_NS);
	json_put_int(j, "n", d->n);
	json_put_int(j, "lost", d->lost);
	json_put_int(j, "rounds", d->rounds);
	text = json_text(j, false);
	str_addn(s, text, strlen(text) - 1);
	str_addc(s, ',');
	add_ms(s, "rttMinMs", d->rounds ? d->min_us : MATRIX_NO_US);
	add_ms(s, "rttMedianMs", d->rounds ? d->p50_us : MATRIX_NO_US);
	add_ms(s, "rttP95Ms", d->rounds ? d->p95_us : MATRIX_NO_US);
	add_ms(s, "rttMaxMs", d->rounds ? d->max_us : MATRIX_NO_US);
	s->len--; /* the last comma */
	str_addc(s, '}');
	free(text);
	json_decref(j);
}
