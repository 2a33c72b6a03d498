/*
 * deck.h - tables of numbers as comma separated text: a name and numbers in
 * each row, a heading first. Made for the published tables in bench-data/deck
 * and for tables that this program writes.
 *
 * Nothing is repaired: a cell keeps its text as it stands; a cell that is no
 * number has no value and is reported; a name that stands twice stays twice
 * and is reported. An empty cell is not measured, never 0.
 */
#ifndef MW_COMMON_PURE_DECK_H
#define MW_COMMON_PURE_DECK_H

#include "common/pure/err.h"
#include "common/pure/mw.h"

#define DECK_MAX_BYTES (8u << 20)
#define DECK_MAX_ROWS 1000
#define DECK_MAX_COLS 1000
#define DECK_MAX_CELL 127

struct deck_cell {
	const char *text; /* as printed; "" if empty */
	double v; /* NAN: empty or no number */
};

struct deck_table {
	struct arena *arena; /* owns all texts */
	size_t rows, cols; /* cols: of numbers, without the name's */
	const char *key; /* heading of the names */
	const char **heads; /* cols */
	const char **names; /* rows */
	struct deck_cell *cells; /* rows * cols */
};

enum deck_what {
	DECK_BAD_CELL, /* (a, b): the text is no number */
	DECK_DUPLICATE, /* row b has the name of row a */
	DECK_MISSING, /* row a of the other table has no row here */
	DECK_NOT_SQUARE, /* heading a is not the name of row a */
	DECK_ASYMMETRIC, /* (a, b) and (b, a): > 20 % and > 3 ms apart */
	DECK_ASYMMETRIC_MINOR, /* > 5 % and > 3 ms */
	DECK_REPEATED, /* (a, b): its value stands 3 times more in its row or
			* column and is more than 3 ms: copied */
	DECK_WHAT_COUNT
};

struct deck_finding {
	enum deck_what what;
	size_t a, b;
};

struct deck_findings {
	struct deck_finding *v;
	size_t n, cap;
};

/* NULL: it is no such table; err says the line. */
struct deck_table *deck_parse(const char *bytes, size_t n,
    struct mw_err *err) mw_must_check;
void deck_free(struct deck_table *t); /* NULL is fine */
const struct deck_cell *deck_at(const struct deck_table *t, size_t row,
    size_t col);
/* The first row of that name, or SIZE_MAX. */
size_t deck_row(const struct deck_table *t, const char *name);
/* Of the known values of a column; NAN and *n = 0 if there are none. */
double deck_mean(const struct deck_table *t, size_t col, size_t *n);
/* Adds bad cells, duplicate names, and what `all` (may be NULL) has and t has
 * not, in the order of the rows. */
void deck_check(const struct deck_table *t, const struct deck_table *all,
    struct deck_findings *out);
/* Adds what is odd about a table of round-trip times in ms, row = source. */
void deck_check_matrix(const struct deck_table *t, struct deck_findings *out);
void deck_findings_free(struct deck_findings *f);
const char *deck_what_name(enum deck_what what); /* "duplicate" */

#endif
