/*
 * prices.c - see prices.h.
 */
#include "drivers/prices.h"

#include "common/file.h"

#include <math.h>
#include <string.h>

#define FILE_MAX (4 * 1024 * 1024)
#define USD_MAX 1e6

static bool
is_price(const json_t *p)
{
	double usd = json_number_value(p);

	return json_is_number(p) && usd >= 0 && usd < USD_MAX;
}

/* The parser's own words after the line and column quote the file. */
static void
without_quote(struct mw_err *err)
{
	char *p = strstr(err->msg, "column ");

	if (p)
		p[strcspn(p, ":")] = '\0';
}

static bool
check(const json_t *j, struct mw_err *err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return err_set(err, MW_INVALID, 0, "no JSON object");
	json_object_foreach((json_t *)(uintptr_t)j, key, v)
	{
		struct str name = STR_INIT;

		if (is_price(v))
			continue;
		str_add_escaped(&name, key, strlen(key), 80);
		err_set(err, MW_INVALID, 0,
		    "member \"%s\" is no number from 0 to %.0f",
		    str_cstr(&name), USD_MAX);
		str_free(&name);
		return false;
	}
	return json_object_size(j) > 0 ||
	    err_set(err, MW_INVALID, 0, "there is no price in it");
}

bool
prices_check(const char *file, size_t *n, struct mw_err *err)
{
	struct str text = STR_INIT;
	json_t *j = NULL;
	bool ok = false;

	*n = 0;
	if (file_read(file, FILE_MAX, &text, err)) {
		j = json_parse(str_cstr(&text), text.len, FILE_MAX, err);
		if (!j)
			without_quote(err);
		ok = j && check(j, err);
		if (!ok) {
			err_wrap(err, "%s", file);
			err_hint(err,
			    "{\"t3.micro\": 0.0104, ...}: USD an hour of each "
			    "machine type");
		}
	}
	*n = json_object_size(j);
	json_decref(j);
	str_free(&text);
	return ok;
}

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
	if (is_price(p)) {
		s->cost_per_hour_micros = llround(usd * 1e6);
		s->cost_reason = NULL;
	}
}
