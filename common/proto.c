/*
 * proto.c - matrix rows as JSON, both ways, and identities. Decoders are
 * strict: an unknown field, a wrong type or a number out of range refuses the
 * whole. Results are in proto_result.c.
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

#define CELL_FIELDS 10

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
