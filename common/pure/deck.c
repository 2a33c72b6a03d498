/*
 * deck.c - reads tables of numbers and says what is odd about them.
 */
#include "common/pure/deck.h"

#include "common/pure/alloc.h"
#include "common/pure/arena.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <math.h>
#include <string.h>

#define FLOOR_MS 3.0 /* differences below are no finding: jitter of a LAN */
#define VALUE_MAX 1e15
#define REPEATED 3 /* others with the same value */

/* What is left to read; a line is looked at in one piece. */
struct reader {
	const char *p, *end;
	size_t line;
};

static bool
next_line(struct reader *r, const char **s, size_t *n)
{
	const char *e;

	if (r->p == r->end)
		return false;
	e = memchr(r->p, '\n', (size_t)(r->end - r->p));
	*s = r->p;
	*n = (size_t)((e ? e : r->end) - r->p);
	r->p = e ? e + 1 : r->end;
	r->line++;
	if (*n && (*s)[*n - 1] == '\r')
		--*n;
	return true;
}

static bool
plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '"')
			return false;
	return true;
}

/* The cells of a line; at most max. False: too many or too long. */
static bool
split(struct arena *a, const char *s, size_t n, const char **out, size_t max,
    size_t *count)
{
	const char *end = s + n;

	*count = 0;
	for (;;) {
		const char *e = memchr(s, ',', (size_t)(end - s));
		size_t len = (size_t)((e ? e : end) - s);

		if (*count == max || len > DECK_MAX_CELL)
			return false;
		out[(*count)++] = arena_strndup(a, s, len);
		if (!e)
			return true;
		s = e + 1;
	}
}

static bool
wrong(const struct reader *r, const char *what, struct mw_err *err)
{
	return err_set(err, MW_INVALID, 0, "line %zu: %s", r->line, what);
}

/* One line into buf: 1 + cols cells; the first line says how many. */
static bool
read_line(struct reader *r, struct deck_table *t, const char **buf, bool *any,
    struct mw_err *err)
{
	const char *s;
	size_t n, count;

	*any = next_line(r, &s, &n);
	if (!*any)
		return true;
	if (!plain(s, n))
		return wrong(r,
		    "quotes and control characters have no place here", err);
	if (!split(t->arena, s, n, buf, DECK_MAX_COLS + 1, &count))
		return wrong(r, "too many cells, or one that is too long", err);
	if (r->line == 1 && count < 2)
		return wrong(r, "a heading has at least two cells", err);
	if (r->line == 1)
		t->cols = count - 1;
	if (count != t->cols + 1)
		return wrong(r, "another number of cells than the heading",
		    err);
	if (!buf[0][0])
		return wrong(r, "the first cell is empty", err);
	return true;
}

static void
take_row(struct deck_table *t, const char *const *buf, size_t *names_cap,
    size_t *cells_cap)
{
	size_t have = t->rows * t->cols;

	VEC_GROW(t->names, t->rows, *names_cap);
	while (have + t->cols > *cells_cap) {
		*cells_cap = *cells_cap ? 2 * *cells_cap : 64;
		t->cells =
		    xreallocarray(t->cells, *cells_cap, sizeof *t->cells);
	}
	t->names[t->rows++] = buf[0];
	for (size_t i = 0; i < t->cols; i++) {
		struct deck_cell *c = &t->cells[have + i];

		c->text = buf[i + 1];
		if (!num_parse_f64(c->text, strlen(c->text), -VALUE_MAX,
			VALUE_MAX, &c->v))
			c->v = NAN;
	}
}

struct deck_table *
deck_parse(const char *bytes, size_t n, struct mw_err *err)
{
	struct reader r = { .p = bytes, .end = bytes + n };
	struct deck_table *t = xcalloc(1, sizeof *t);
	const char **buf = xcalloc(DECK_MAX_COLS + 1, sizeof *buf);
	size_t names_cap = 0, cells_cap = 0;
	bool any, ok;

	t->arena = arena_new();
	ok = n <= DECK_MAX_BYTES ||
	    err_set(err, MW_LIMIT, 0, "more than %u bytes", DECK_MAX_BYTES);
	ok = ok && read_line(&r, t, buf, &any, err);
	if (ok && !any)
		ok = err_set(err, MW_INVALID, 0, "the table is empty");
	if (ok) {
		t->key = buf[0];
		t->heads = xmemdup(buf + 1, t->cols * sizeof *buf);
	}
	while (ok && (ok = read_line(&r, t, buf, &any, err)) && any) {
		if (t->rows == DECK_MAX_ROWS)
			ok = wrong(&r, "too many rows", err);
		else
			take_row(t, buf, &names_cap, &cells_cap);
	}
	free(buf);
	if (ok)
		return t;
	deck_free(t);
	return NULL;
}

void
deck_free(struct deck_table *t)
{
	if (!t)
		return;
	arena_free(t->arena);
	free(t->heads);
	free(t->names);
	free(t->cells);
	free(t);
}

const struct deck_cell *
deck_at(const struct deck_table *t, size_t row, size_t col)
{
	return &t->cells[row * t->cols + col];
}

size_t
deck_row(const struct deck_table *t, const char *name)
{
	for (size_t i = 0; i < t->rows; i++)
		if (str_eq(t->names[i], name))
			return i;
	return SIZE_MAX;
}

double
deck_mean(const struct deck_table *t, size_t col, size_t *n)
{
	double sum = 0;

	*n = 0;
	for (size_t i = 0; i < t->rows; i++) {
		double v = deck_at(t, i, col)->v;

		if (!isnan(v)) {
			sum += v;
			++*n;
		}
	}
	return *n ? sum / (double)*n : NAN;
}

static void
found(struct deck_findings *f, enum deck_what what, size_t a, size_t b)
{
	VEC_GROW(f->v, f->n, f->cap);
	f->v[f->n++] = (struct deck_finding){ what, a, b };
}

void
deck_check(const struct deck_table *t, const struct deck_table *all,
    struct deck_findings *out)
{
	for (size_t i = 0; i < t->rows; i++) {
		size_t first = deck_row(t, t->names[i]);

		for (size_t j = 0; j < t->cols; j++) {
			const struct deck_cell *c = deck_at(t, i, j);

			if (c->text[0] && isnan(c->v))
				found(out, DECK_BAD_CELL, i, j);
		}
		if (first != i)
			found(out, DECK_DUPLICATE, first, i);
	}
	for (size_t i = 0; all && i < all->rows; i++)
		if (deck_row(all, all->names[i]) == i &&
		    deck_row(t, all->names[i]) == SIZE_MAX)
			found(out, DECK_MISSING, i, 0);
}

static bool
repeated(const struct deck_table *t, size_t a, size_t b)
{
	double v = deck_at(t, a, b)->v;
	size_t row = 0, col = 0;

	if (!(v > FLOOR_MS) || a == b)
		return false;
	for (size_t x = 0; x < t->rows; x++) {
		row += x != b && deck_at(t, a, x)->v == v;
		col += x != a && deck_at(t, x, b)->v == v;
	}
	return row >= REPEATED || col >= REPEATED;
}

static void
pair(const struct deck_table *t, size_t a, size_t b, struct deck_findings *out)
{
	double x = deck_at(t, a, b)->v, y = deck_at(t, b, a)->v;
	double max = fmax(x, y), diff = fabs(x - y);

	if (isnan(x) || isnan(y) || diff <= FLOOR_MS)
		return;
	if (diff > 0.2 * max)
		found(out, DECK_ASYMMETRIC, a, b);
	else if (diff > 0.05 * max)
		found(out, DECK_ASYMMETRIC_MINOR, a, b);
}

void
deck_check_matrix(const struct deck_table *t, struct deck_findings *out)
{
	size_t n = t->rows;

	if (t->cols != n) {
		found(out, DECK_NOT_SQUARE, n < t->cols ? n : t->cols, 0);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!str_eq(t->heads[i], t->names[i]))
			found(out, DECK_NOT_SQUARE, i, 0);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			pair(t, i, j, out);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (repeated(t, i, j))
				found(out, DECK_REPEATED, i, j);
}

void
deck_findings_free(struct deck_findings *f)
{
	free(f->v);
	memset(f, 0, sizeof *f);
}

const char *
deck_what_name(enum deck_what what)
{
	static const char *const names[DECK_WHAT_COUNT] = { "badCell",
		"duplicate", "missing", "notSquare", "asymmetric",
		"asymmetricMinor", "repeatedValue" };

	return names[what];
}
