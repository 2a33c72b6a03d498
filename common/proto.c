/*
 * proto.c - results and matrix rows as JSON, both ways. Decoders are strict:
 * an unknown field, a wrong type or a number out of range refuses the whole.
 */
#include "common/proto.h"

#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 1000000
#define CELL_FIELDS 10

/* The figures of struct quant by name. */
static const struct quant_field {
	const char *name;
	size_t offset;
} quant_fields[] = {
	{ "median", offsetof(struct quant, median) },
	{ "mean", offsetof(struct quant, mean) },
	{ "stddev", offsetof(struct quant, stddev) },
	{ "mad", offsetof(struct quant, mad) },
	{ "cv", offsetof(struct quant, cv) },
	{ "madCv", offsetof(struct quant, mad_cv) },
	{ "p05", offsetof(struct quant, p05) },
	{ "p95", offsetof(struct quant, p95) },
	{ "min", offsetof(struct quant, min) },
	{ "max", offsetof(struct quant, max) },
	{ "ciLow", offsetof(struct quant, ci_lo) },
	{ "ciHigh", offsetof(struct quant, ci_hi) },
	{ "ciLevel", offsetof(struct quant, ci_level) },
};

static const struct sample_field {
	const char *name;
	size_t offset;
} sample_fields[] = {
	{ "value", offsetof(struct result_sample, value) },
	{ "wallS", offsetof(struct result_sample, wall_s) },
	{ "cpuS", offsetof(struct result_sample, cpu_s) },
	{ "share", offsetof(struct result_sample, share) },
	{ "stealPct", offsetof(struct result_sample, steal_pct) },
	{ "otherBusyPct", offsetof(struct result_sample, other_busy_pct) },
};

static double *
double_at(void *base, size_t offset)
{
	return (double *)(void *)((char *)base + offset);
}

static double
double_of(const void *base, size_t offset)
{
	double v;

	memcpy(&v, (const char *)base + offset, sizeof v);
	return v;
}

static void
put_text(json_t *j, const char *key, const char *s)
{
	json_put_str(j, key, s[0] != '\0' ? s : NULL);
}

static json_t *
sample_encode(const struct result_sample *s)
{
	json_t *j = json_object(), *flags = json_array();

	json_put_time(j, "at", s->at_wall_ns);
	for (size_t i = 0; i < ARRAY_LEN(sample_fields); i++)
		json_put_num(j, sample_fields[i].name,
		    double_of(s, sample_fields[i].offset));
	if (s->warmup)
		json_array_append_new(flags, json_string("warmup"));
	if (s->contended)
		json_array_append_new(flags, json_string("contended"));
	json_put(j, "flags", flags);
	return j;
}

json_t *
proto_result_encode(const struct result *r)
{
	const struct kind_info *info = kind_info(r->kind);
	json_t *j = json_object(), *samples = json_array();

	json_put_str(j, "kind", info->name);
	put_text(j, "runId", r->run_id);
	put_text(j, "variant", r->variant);
	put_text(j, "profile", r->profile);
	json_put_num(j, "value", r->has_value ? r->value : NAN);
	put_text(j, "valueReason", r->has_value ? "" : r->why);
	json_put_str(j, "unit", info->unit);
	json_put_str(j, "direction",
	    info->higher_is_better ? "higher" : "lower");
	json_put_int(j, "n", (int64_t)r->n);
	json_put_int(j, "nValid", (int64_t)r->n_valid);
	json_put_int(j, "nContended", (int64_t)r->n_contended);
	for (size_t i = 0; i < ARRAY_LEN(quant_fields); i++)
		json_put_num(j, quant_fields[i].name,
		    r->q.n > 0 ? double_of(&r->q, quant_fields[i].offset)
			       : NAN);
	json_put_str(j, "validity", result_validity_name(r->validity));
	put_text(j, "substatus", r->why);
	put_text(j, "detail", r->detail);
	for (size_t i = 0; i < r->nsamples; i++)
		json_array_append_new(samples, sample_encode(&r->samples[i]));
	json_put(j, "samples", samples);
	put_text(j, "tool", r->tool);
	put_text(j, "toolVersion", r->tool_version);
	json_put_num(j, "elapsedS", r->elapsed_s);
	json_put_time(j, "measuredAt", r->at_wall_ns);
	json_put_str(j, "provenance", r->replay ? "replay" : "measured");
	return j;
}

static bool
get_text(const struct json_at *at, const char *key, char *dst, size_t size,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, false, size - 1, &s, err))
		return false;
	str_copy(dst, size, s != NULL ? s : "");
	return true;
}

static bool
get_time(const struct json_at *at, const char *key, int64_t *wall_ns,
    struct mw_err *err)
{
	const char *s;

	*wall_ns = 0;
	if (!json_get_str(at, key, false, 40, &s, err))
		return false;
	if (s != NULL && !when_parse(s, wall_ns)) {
		err_set(err, MW_INVALID, 0, "%s is not an RFC 3339 time", key);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	return true;
}

static bool
get_count(const struct json_at *at, const char *key, size_t *out,
    struct mw_err *err)
{
	int64_t v;

	if (!json_get_int(at, key, false, 0, 0, COUNT_MAX, &v, err))
		return false;
	*out = (size_t)v;
	return true;
}

/* A word that must be the expected one: what follows from the kind. */
static bool
expect(const struct json_at *at, const char *key, const char *want,
    struct mw_err *err)
{
	const char *s;

	if (!json_get_str(at, key, false, 32, &s, err))
		return false;
	if (s != NULL && strcmp(s, want) != 0) {
		err_set(err, MW_INVALID, 0, "%s must be %s", key, want);
		return err_pointer(err, "%s/%s", at->pointer, key);
	}
	return true;
}

static bool
sample_decode(const struct json_at *at, struct result_sample *s,
    struct mw_err *err)
{
	static const char *const known[] = { "at", "value", "wallS", "cpuS",
		"share", "stealPct", "otherBusyPct", "flags", NULL };
	json_t *flags, *flag;
	size_t i;

	if (!json_no_others(at, known, err) ||
	    !get_time(at, "at", &s->at_wall_ns, err) ||
	    !json_get_array(at, "flags", false, 0, 2, &flags, err))
		return false;
	for (i = 0; i < ARRAY_LEN(sample_fields); i++)
		if (!json_get_num(at, sample_fields[i].name, i > 0, 0, 0, 1e12,
			double_at(s, sample_fields[i].offset), err))
			return false;
	json_array_foreach(flags, i, flag)
	{
		const char *name = json_string_value(flag);

		if (str_eq(name, "warmup")) {
			s->warmup = true;
		} else if (str_eq(name, "contended")) {
			s->contended = true;
		} else {
			err_set(err, MW_INVALID, 0, "unknown sample flag");
			return err_pointer(err, "%s/flags/%zu", at->pointer, i);
		}
	}
	return true;
}

static bool
samples_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	struct json_at sample;
	json_t *list;

	if (!json_get_array(at, "samples", false, 0, RESULT_MAX_SAMPLES, &list,
		err))
		return false;
	r->nsamples = list != NULL ? json_array_size(list) : 0;
	for (size_t i = 0; i < r->nsamples; i++)
		if (!json_at_index(&sample, at, "samples", i, err) ||
		    !sample_decode(&sample, &r->samples[i], err))
			return false;
	return true;
}

static bool
quant_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(quant_fields); i++)
		if (!json_get_num(at, quant_fields[i].name, true, NAN, 0, 1e12,
			double_at(&r->q, quant_fields[i].offset), err))
			return false;
	r->q.has_ci = !isnan(r->q.ci_lo) || !isnan(r->q.ci_hi);
	if (!isnan(r->q.median))
		r->q.n = r->validity == RESULT_TOO_FEW ? r->n : r->n_valid;
	return true;
}

/* The words that name kind, validity and provenance. */
static bool
words_decode(const struct json_at *at, struct result *r, struct mw_err *err)
{
	const char *kind, *validity, *provenance;

	if (!json_get_str(at, "kind", true, 16, &kind, err) ||
	    !json_get_str(at, "validity", true, 16, &validity, err) ||
	    !json_get_str(at, "provenance", true, 16, &provenance, err))
		return false;
	if (!kind_parse(kind, &r->kind)) {
		err_set(err, MW_INVALID, 0, "unknown benchmark kind");
		return err_pointer(err, "%s/kind", at->pointer);
	}
	if (!result_validity_parse(validity, &r->validity)) {
		err_set(err, MW_INVALID, 0, "unknown validity");
		return err_pointer(err, "%s/validity", at->pointer);
	}
	r->replay = strcmp(provenance, "replay") == 0;
	if (!r->replay && strcmp(provenance, "measured") != 0) {
		err_set(err, MW_INVALID, 0, "unknown provenance");
		return err_pointer(err, "%s/provenance", at->pointer);
	}
	return expect(at, "unit", kind_info(r->kind)->unit, err) &&
	    expect(at, "direction",
		kind_info(r->kind)->higher_is_better ? "higher" : "lower", err);
}

bool
proto_result_decode(json_t *j, struct result *r, struct mw_err *err)
{
	static const char *const known[] = { "kind", "runId", "variant",
		"profile", "value", "valueReason", "unit", "direction", "n",
		"nValid", "nContended", "median", "mean", "stddev", "mad", "cv",
		"madCv", "p05", "p95", "min", "max", "ciLow", "ciHigh",
		"ciLevel", "validity", "substatus", "detail", "samples", "tool",
		"toolVersion", "elapsedS", "measuredAt", "provenance", NULL };
	struct json_at at;
	const char *reason;

	*r = (struct result){ 0 };
	if (!json_at_root(&at, j, err) || !json_no_others(&at, known, err) ||
	    !words_decode(&at, r, err) ||
	    !get_text(&at, "runId", r->run_id, sizeof r->run_id, err) ||
	    !get_text(&at, "variant", r->variant, sizeof r->variant, err) ||
	    !get_text(&at, "profile", r->profile, sizeof r->profile, err) ||
	    !get_text(&at, "substatus", r->why, sizeof r->why, err) ||
	    !json_get_str(&at, "valueReason", false, sizeof r->why - 1, &reason,
		err) ||
	    !get_text(&at, "detail", r->detail, sizeof r->detail, err) ||
	    !get_text(&at, "tool", r->tool, sizeof r->tool, err) ||
	    !get_text(&at, "toolVersion", r->tool_version,
		sizeof r->tool_version, err) ||
	    !json_get_num(&at, "value", true, NAN, 0, 1e12, &r->value, err) ||
	    !get_count(&at, "n", &r->n, err) ||
	    !get_count(&at, "nValid", &r->n_valid, err) ||
	    !get_count(&at, "nContended", &r->n_contended, err) ||
	    !json_get_num(&at, "elapsedS", false, 0, 0, 1e9, &r->elapsed_s,
		err) ||
	    !get_time(&at, "measuredAt", &r->at_wall_ns, err) ||
	    !quant_decode(&at, r, err) || !samples_decode(&at, r, err))
		return false;
	r->has_value = !isnan(r->value);
	if (!r->has_value)
		r->value = 0;
	return result_validate(r, err);
}

static json_t *
cell_encode(const struct matrix_cell *c)
{
	json_t *j;

	if (c->why != MATRIX_KNOWN) {
		j = json_object();
		json_put_str(j, "why", matrix_why_name(c->why));
		json_put_int(j, "lost", c->lost);
		return j;
	}
	j = json_array();
	json_array_append_new(j, json_integer(c->n));
	json_array_append_new(j, json_integer(c->lost));
	json_array_append_new(j, json_integer(c->min_us));
	json_array_append_new(j, json_integer(c->avg_us));
	json_array_append_new(j, json_integer(c->p50_us));
	json_array_append_new(j, json_integer(c->p95_us));
	json_array_append_new(j, json_integer(c->jitter_us));
	json_array_append_new(j, json_string(matrix_method_name(c->method)));
	json_array_append_new(j, json_integer(c->flags));
	json_array_append_new(j, json_integer(c->at_wall_ns / NS_PER_MS));
	return j;
}

json_t *
proto_row_encode(const struct proto_row *row)
{
	json_t *j = json_object(), *cells = json_array();

	json_put_str(j, "roundId", row->round_id);
	json_put_int(j, "src", row->src);
	json_put_int(j, "n", (int64_t)row->n);
	for (size_t i = 0; i < row->n; i++)
		json_array_append_new(cells,
		    i == row->src ? json_null() : cell_encode(&row->cells[i]));
	json_put(j, "cells", cells);
	return j;
}

static bool
int_in(const json_t *cell, size_t i, int64_t max, int64_t *out)
{
	json_t *v = json_array_get(cell, i);

	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0 && *out <= max;
}

static bool
method_of(const json_t *v, uint8_t *method)
{
	for (unsigned i = 0; i < MATRIX_METHOD_COUNT; i++)
		if (str_eq(json_string_value(v),
			matrix_method_name((enum matrix_method)i))) {
			*method = (uint8_t)i;
			return true;
		}
	return false;
}

static bool
known_cell_decode(const json_t *j, struct matrix_cell *c)
{
	int64_t n, lost, min, avg, p50, p95, jitter, flags, at_ms;

	if (json_array_size(j) != CELL_FIELDS ||
	    !int_in(j, 0, UINT16_MAX, &n) || !int_in(j, 1, UINT16_MAX, &lost) ||
	    !int_in(j, 2, UINT32_MAX, &min) ||
	    !int_in(j, 3, UINT32_MAX, &avg) ||
	    !int_in(j, 4, UINT32_MAX, &p50) ||
	    !int_in(j, 5, UINT32_MAX, &p95) ||
	    !int_in(j, 6, UINT32_MAX, &jitter) ||
	    !method_of(json_array_get(j, 7), &c->method) ||
	    !int_in(j, 8, UINT8_MAX, &flags) ||
	    !int_in(j, 9, INT64_MAX / NS_PER_MS, &at_ms))
		return false;
	if (n == 0 || min > avg || min > p50 || p50 > p95)
		return false;
	c->why = MATRIX_KNOWN;
	c->n = (uint16_t)n;
	c->lost = (uint16_t)lost;
	c->min_us = (uint32_t)min;
	c->avg_us = (uint32_t)avg;
	c->p50_us = (uint32_t)p50;
	c->p95_us = (uint32_t)p95;
	c->jitter_us = (uint32_t)jitter;
	c->flags = (uint8_t)flags;
	c->at_wall_ns = at_ms * NS_PER_MS;
	return true;
}

static bool
hole_decode(json_t *j, struct matrix_cell *c)
{
	const char *why = json_string_value(json_object_get(j, "why"));
	json_t *lost = json_object_get(j, "lost");
	enum matrix_why w;

	if (json_object_size(j) != 2 || why == NULL || !json_is_integer(lost) ||
	    json_integer_value(lost) < 0 ||
	    json_integer_value(lost) > UINT16_MAX)
		return false;
	w = matrix_why_parse(why);
	if (w == MATRIX_KNOWN || strcmp(matrix_why_name(w), why) != 0)
		return false;
	c->why = (uint8_t)w;
	c->lost = (uint16_t)json_integer_value(lost);
	return true;
}

static bool
cell_decode(json_t *j, bool self, struct matrix_cell *c)
{
	c->why = MATRIX_NEVER;
	if (self)
		return json_is_null(j);
	return json_is_array(j) ? known_cell_decode(j, c) : hole_decode(j, c);
}

bool
proto_row_decode(json_t *j, struct proto_row *row, struct mw_err *err)
{
	static const char *const known[] = { "roundId", "src", "n", "cells",
		NULL };
	struct json_at at;
	int64_t src, n;
	const char *round;
	json_t *cells;

	*row = (struct proto_row){ 0 };
	if (!json_at_root(&at, j, err) || !json_no_others(&at, known, err) ||
	    !json_get_str(&at, "roundId", true, sizeof row->round_id - 1,
		&round, err) ||
	    !json_get_int(&at, "n", false, 0, 1, PROTO_MAX_MEMBERS, &n, err) ||
	    !json_get_int(&at, "src", false, 0, 0, n - 1, &src, err) ||
	    !json_get_array(&at, "cells", true, (size_t)n, (size_t)n, &cells,
		err))
		return false;
	if (!id_word_valid(round, sizeof row->round_id)) {
		err_set(err, MW_INVALID, 0, "roundId is not a plain word");
		return err_pointer(err, "/roundId");
	}
	str_copy(row->round_id, sizeof row->round_id, round);
	row->src = (uint32_t)src;
	row->n = (size_t)n;
	row->cells = xcalloc(row->n, sizeof *row->cells);
	for (size_t i = 0; i < row->n; i++)
		if (!cell_decode(json_array_get(cells, i), i == row->src,
			&row->cells[i])) {
			free(row->cells);
			row->cells = NULL;
			err_set(err, MW_INVALID, 0, "cell %zu is broken", i);
			return err_pointer(err, "/cells/%zu", i);
		}
	return true;
}

/* The next part of a path, up to '/' or the end; NULL if it is too long. */
static const char *
take_part(const char *p, char out[64])
{
	size_t n = strcspn(p, "/");

	if (n == 0 || n > 63)
		return NULL;
	memcpy(out, p, n);
	out[n] = '\0';
	return p + n + (p[n] == '/' && p[n + 1] != '\0');
}

bool
proto_uri_parse(const char *uri, char deployment[64], int64_t *slot,
    int64_t *gen, struct mw_err *err)
{
	char part[5][64];
	const char *p = uri;
	size_t n = 0;

	if (!str_starts(uri, "mw://"))
		goto broken;
	p += strlen("mw://");
	while (*p != '\0' && n < ARRAY_LEN(part)) {
		p = take_part(p, part[n]);
		if (p == NULL)
			goto broken;
		n++;
		if (*p == '/')
			goto broken;
	}
	if (*p != '\0' || n < 2 || !id_valid(part[0]))
		goto broken;
	if (n == 2 && strcmp(part[1], "coordinator") == 0) {
		*slot = *gen = -1;
	} else if (n != 5 || !id_valid(part[1]) || !id_valid(part[2]) ||
	    !num_parse_i64(part[3], strlen(part[3]), 0, INT64_MAX, slot) ||
	    !num_parse_i64(part[4], strlen(part[4]), 0, INT64_MAX, gen)) {
		goto broken;
	}
	str_copy(deployment, 64, part[0]);
	return true;
broken:
	return err_set(err, MW_INVALID, 0, "not an identity of this protocol");
}
