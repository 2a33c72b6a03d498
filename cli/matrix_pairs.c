/*
 * matrix_pairs.c - findings and histories of pairs.
 */
#include "cli/matrix_pairs.h"

#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

static json_t *
cell_named(const json_t *m, const char *a, const char *b)
{
	json_t *vms = ja(m, "vms");
	size_t row = SIZE_MAX, col = SIZE_MAX, i;
	json_t *vm;

	json_array_foreach(vms, i, vm)
	{
		if (str_eq(js(vm, "vmId"), a))
			row = i;
		if (str_eq(js(vm, "vmId"), b))
			col = i;
	}
	return json_array_get(json_array_get(ja(m, "cells"), row), col);
}

void
matrix_title(const json_t *m, const char *stat, const char *unit)
{
	int64_t rounds = ji(m, "rounds", 1);

	printf("RTT %s, %s, ", stat, unit);
	if (jb(m, "foldedDay"))
		printf("the %lld rounds of a day to %s", (long long)rounds,
		    js(m, "measuredAt"));
	else if (jb(m, "pooled") && rounds > 1)
		printf("%lld rounds of %s to %s", (long long)rounds,
		    js(m, "oldestAt"), js(m, "measuredAt"));
	else
		printf("round %s of %s", js(m, "roundId"), js(m, "measuredAt"));
	if (js(m, "method")[0])
		printf(", by %s", js(m, "method"));
	puts(" (row = source)");
}

/* "12 s", "3 h": of the older direction. */
static void
add_age(struct cli_table *t, const json_t *x, const json_t *y)
{
	int64_t a = ji(x, "ageS", -1), b = ji(y, "ageS", -1);
	char text[WHEN_LEN];

	if (b > a)
		a = b;
	if (a < 0) {
		table_add(t, "%s", "");
		return;
	}
	when_age(a * INT64_C(1000000000), text);
	table_add(t, "%s", text);
}

void
matrix_findings(struct cli *c, const json_t *m)
{
	static const char *const heads[] = { "FLAG", "PAIR", ">N", ">AGE",
		"WHY", NULL };
	const json_t *all = ja(m, "findings");
	struct cli_table *t;
	json_t *f;
	size_t i;

	if (!json_array_size(all)) {
		puts("quality: nothing odd");
		return;
	}
	puts("quality:");
	t = table_new(heads);
	json_array_foreach(all, i, f)
	{
		const char *a = js(f, "a"), *b = js(f, "b");
		json_t *x = cell_named(m, a, b), *y = cell_named(m, b, a);
		int64_t n = ji(x, "n", 0), back = ji(y, "n", 0);

		table_add(t, "%s", js(f, "flag"));
		if (a[0]) {
			table_add(t, "%s / %s", a, b);
			table_add(t, "%lld", (long long)(n < back ? n : back));
			add_age(t, x, y);
		} else {
			table_add(t, "%lld pairs",
			    (long long)ji(f, "pairs", 0));
			table_add(t, "%s", "");
			table_add(t, "%s", "");
		}
		table_add(t, "%s", js(f, "reason"));
	}
	table_print(t, c);
}

static void
add_values(struct cli_table *t, const json_t *x)
{
	static const char *const keys[] = { "rttMinMs", "rttMedianMs",
		"rttP95Ms" };

	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		double v = jnum(x, keys[k], NAN);

		if (isnan(v))
			table_add(t, "%s", "");
		else
			table_add(t, "%.3f", v);
	}
	table_add_int(t, x, "n");
	table_add_int(t, x, "lost");
}

void
matrix_history(struct cli *c, const json_t *h)
{
	static const char *const heads[] = { "WHEN", "ROUND", ">MIN MS",
		">P50 MS", ">P95 MS", ">N", ">LOST", "WHY", NULL };
	struct cli_table *t = table_new(heads);
	json_t *x;
	size_t i;

	json_array_foreach(ja(h, "days"), i, x)
	{
		table_add(t, "%.10s", js(x, "from"));
		table_add(t, "%lld of the day", (long long)ji(x, "rounds", 0));
		add_values(t, x);
		table_add(t, "%s", "");
	}
	json_array_foreach(ja(h, "items"), i, x)
	{
		table_add(t, "%s", js(x, "measuredAt"));
		table_add(t, "%s", js(x, "roundId"));
		add_values(t, x);
		table_add(t, "%s", js(x, "reason"));
	}
	if (c->out != OUT_CSV)
		printf("RTT from %s to %s\n", js(h, "srcVmId"),
		    js(h, "dstVmId"));
	table_print(t, c);
}

static bool
add_time(struct str *s, const struct cli_cmd *cmd, char sep, const char *key,
    const char *option, const char *text)
{
	char utc[WHEN_LEN];

	if (!cli_time(cmd, option, text, utc))
		return false;
	str_addf(s, "%c%s=%s", sep, key, utc);
	return true;
}

/* "vm-1,vm-2" */
static bool
add_pair(struct str *s, const struct cli_cmd *cmd, const char *pair)
{
	const char *comma = strchr(pair, ',');
	char *src;
	bool ok;

	if (!comma) {
		cli_usage(cmd, "--pair FROM,TO: two VMs");
		return false;
	}
	src = xasprintf("%.*s", (int)(comma - pair), pair);
	ok = id_valid(src) && id_valid(comma + 1);
	if (ok)
		str_addf(s, "/history?src=%s&dst=%s", src, comma + 1);
	else
		cli_usage(cmd, "--pair FROM,TO: names of VMs, e.g. vm-1,vm-2");
	free(src);
	return ok;
}

char *
matrix_rest(const struct cli_cmd *cmd, const char *round, const char *at,
    const char *pair, const char *since)
{
	struct str s = STR_INIT;
	bool ok = true;

	str_add(&s, "/matrix");
	if (pair) {
		ok = add_pair(&s, cmd, pair) &&
		    (!at || add_time(&s, cmd, '&', "until", "at", at)) &&
		    (!since || add_time(&s, cmd, '&', "since", "since", since));
	} else if (round && (at || !id_valid(round))) {
		cli_usage(cmd,
		    at ? "--round or --at, not both"
		       : "--round newest, or an id like m-12");
		ok = false;
	} else if (round) {
		str_addf(&s, "?round=%s", round);
	} else if (at) {
		ok = add_time(&s, cmd, '?', "at", "at", at);
	}
	if (ok)
		return str_take(&s);
	str_free(&s);
	return NULL;
}
