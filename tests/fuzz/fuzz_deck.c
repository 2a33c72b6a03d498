/*
 * fuzz_deck.c - any bytes as a table of numbers. What is accepted keeps its
 * limits and its texts, and can be checked.
 */
#include "common/pure/deck.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Written down again it is the same table. */
static void
round_trip(const struct deck_table *t)
{
	struct str s = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	struct deck_table *u;

	str_add(&s, t->key);
	for (size_t j = 0; j < t->cols; j++)
		str_addf(&s, ",%s", t->heads[j]);
	for (size_t i = 0; i < t->rows; i++) {
		str_addf(&s, "\n%s", t->names[i]);
		for (size_t j = 0; j < t->cols; j++)
			str_addf(&s, ",%s", deck_at(t, i, j)->text);
	}
	u = deck_parse(s.p, s.len, &err);
	if (!u || u->rows != t->rows || u->cols != t->cols)
		abort();
	for (size_t i = 0; i < t->rows * t->cols; i++)
		if (strcmp(t->cells[i].text, u->cells[i].text) != 0 ||
		    isnan(t->cells[i].v) != isnan(u->cells[i].v))
			abort();
	deck_free(u);
	str_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct deck_findings f = { 0 };
	struct deck_table *t = deck_parse((const char *)data, size, &err);
	size_t n;

	if (!t) {
		if (err.code == MW_OK || !err.msg[0])
			abort();
		return 0;
	}
	if (t->rows > DECK_MAX_ROWS || t->cols > DECK_MAX_COLS || t->cols < 1)
		abort();
	deck_check(t, t, &f);
	deck_check_matrix(t, &f);
	for (size_t i = 0; i < f.n; i++)
		if (f.v[i].what == DECK_MISSING || !deck_what_name(f.v[i].what))
			abort();
	for (size_t j = 0; j < t->cols; j++)
		if (isnan(deck_mean(t, j, &n)) != (n == 0))
			abort();
	round_trip(t);
	deck_findings_free(&f);
	deck_free(t);
	return 0;
}
