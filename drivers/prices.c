/*
 * prices.c - see prices.h.
 */
#include "drivers/prices.h"

#include <math.h>

#define FILE_MAX (4 * 1024 * 1024)

json_t *
prices_load(const char *file, const char **why)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;

	*why = "noPriceFile";
	if (!file || !file[0])
		return NULL;
	j = json_load_path(file, FILE_MAX, &err);
	*why = j ? "notInPriceFile" : "priceFileUnreadable";
	return j;
}

void
prices_set(struct csp_spec *s, const json_t *prices, const char *why)
{
	const json_t *p = json_object_get(prices, s->name);
	double usd = json_number_value(p);

	s->currency = "USD";
	s->cost_per_hour_micros = -1;
	s->cost_reason = why;
	if (json_is_number(p) && usd >= 0 && usd < 1e6) {
		s->cost_per_hour_micros = llround(usd * 1e6);
		s->cost_reason = NULL;
	}
}
