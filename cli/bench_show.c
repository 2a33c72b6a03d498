/*
 * bench_show.c - results of benchmarks for people: a grid of VMs and kinds, or
 * a row per result.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/lane.h"
#include "common/pure/when.h"

#include <math.h>
#include <string.h>

static bool
is_ok(const json_t *r)
{
	return str_eq(js(r, "validity"), "ok");
}

static const char *
variant_of(const json_t *r)
{
	const char *v = js(r, "variant");

	return v[0] ? v : "std"; /* of an older agent */
}

/* "cacheSuspect quota" */
static void
flags_text(const json_t *r, char *out, size_t size)
{
	size_t used = 0, i;
	json_t *f;

	out[0] = 0;
	json_array_foreach(ja(r, "flags"), i, f)
	{
		const char *s = json_string_value(f);

		if (s && used + strlen(s) + 2 < size)
			used += (size_t)snprintf(out + used, size - used,
			    "%s%s", used ? " " : "", s);
	}
}

static void
add_age(struct cli_table *t, const struct cli *c, const json_t *r)
{
	char age[WHEN_LEN];
	int64_t at;

	if (c->out == OUT_CSV || !when_parse(js(r, "measuredAt"), &at)) {
		table_add(t, "%s", js(r, "measuredAt"));
		return;
	}
	when_age(clock_wall_ns() - at, age);
	table_add(t, "%s", age);
}

static void
add_number(struct cli_table *t, const json_t *r, const char *key)
{
	char num[32];

	cli_short(jnum(r, key, NAN), num);
	table_add(t, "%s", num);
}

static void
print_rows(struct cli *c, const json_t *results)
{
	static const char *const heads[] = { "RESULT", "VM", "SPEC", "KIND",
		"VARIANT", ">VALUE", "UNIT", ">CI LOW", ">CI HIGH", ">VALID",
		">N", "VALIDITY", "FLAGS", "CONVERGENCE", "AGE", "WHY", NULL };
	static const char *const csv_heads[] = { "RESULT", "VM", "SPEC", "KIND",
		"VARIANT", ">VALUE", "UNIT", ">CI LOW", ">CI HIGH", ">VALID",
		">N", "VALIDITY", "FLAGS", "CONVERGENCE", "MEASURED AT", "WHY",
		NULL };
	struct cli_table *t = table_new(c->out == OUT_CSV ? csv_heads : heads);
	char flags[128];
	json_t *r;
	size_t i;

	json_array_foreach(results, i, r)
	{
		table_add(t, "%s", js(r, "resultId"));
		table_add(t, "%s", js(r, "vmId"));
		table_add(t, "%s", js(r, "specId"));
		table_add(t, "%s", js(r, "kind"));
		table_add(t, "%s", variant_of(r));
		add_number(t, r, "value");
		table_add(t, "%s", js(r, "unit"));
		add_number(t, r, "ciLow");
		add_number(t, r, "ciHigh");
		table_add_int(t, r, "nValid");
		table_add_int(t, r, "n");
		if (!is_ok(r))
			table_color(t,
			    str_eq(js(r, "validity"), "failed") ? 31 : 33);
		table_add(t, "%s", js(r, "validity"));
		flags_text(r, flags, sizeof flags);
		table_add(t, "%s", flags);
		table_add(t, "%s", js(r, "convergence"));
		add_age(t, c, r);
		table_add(t, "%s%s%s",
		    js(r, "valueReason")[0] ? js(r, "valueReason")
					    : js(r, "substatus"),
		    js(r, "detail")[0] ? ": " : "", js(r, "detail"));
	}
	table_print(t, c);
}

static bool
of_lane(const json_t *r, unsigned lane)
{
	const struct lane_info *l = lane_info(lane);

	return str_eq(js(r, "kind"), kind_info(l->kind)->name) &&
	    str_eq(variant_of(r), l->variant);
}

static const json_t *
find(const json_t *results, const char *vm, unsigned lane)
{
	json_t *r;
	size_t i;

	json_array_foreach(results, i,
	    r) if (str_eq(js(r, "vmId"), vm) && of_lane(r, lane)) return r;
	return NULL;
}

static void
add_value(struct cli_table *t, const json_t *r)
{
	char num[32];

	if (!r) {
		table_add(t, "%s", "");
		return;
	}
	if (!json_is_number(json_object_get(r, "value"))) {
		table_color(t, 31);
		table_add(t, "%s",
		    js(r, "substatus")[0] ? js(r, "substatus") : "failed");
		return;
	}
	cli_short(jnum(r, "value", NAN), num);
	if (!is_ok(r))
		table_color(t, 33);
	table_add(t, "%s%s", num, is_ok(r) ? "" : "*");
}

/* The lanes that have a result, those of a kind together: ">FIOR.SEQ MiB/s". */
static size_t
columns_of(const json_t *results, unsigned lanes[LANE_COUNT],
    char heads[LANE_COUNT][64])
{
	size_t n = 0, i;
	json_t *r;

	for (unsigned k = 0; k < KIND_RTT * LANE_COUNT; k++) {
		unsigned lane = k % LANE_COUNT;
		const char *unit = kind_info(lane_info(lane)->kind)->unit;
		bool any = false;
		char name[LANE_NAME_MAX];

		if (lane_info(lane)->kind != (enum kind)(k / LANE_COUNT))
			continue;
		json_array_foreach(results, i, r) any |= of_lane(r, lane);
		if (!any)
			continue;
		lane_name(lane, name);
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		lanes[n] = lane;
		snprintf(heads[n++], 64, ">%s %s", name,
		    str_eq(unit, "events/s")             ? "ev/s"
			: str_eq(unit, "transactions/s") ? "tx/s"
							 : unit);
	}
	return n;
}

/* What the stars of this table mean. */
static void
print_legend(const json_t *results, const char *mcis)
{
	static const struct {
		const char *validity, *text;
	} words[] = {
		{ "contended", "others used the machine" },
		{ "stolen", "the host took CPU time away" },
		{ "throttled", "it got slower by itself: burst credits" },
		{ "tooFew", "fewer than 6 valid repetitions" },
	};
	bool any = false, all = false;
	json_t *r;
	size_t i;

	for (size_t w = 0; w < ARRAY_LEN(words); w++) {
		size_t n = 0;

		json_array_foreach(results, i, r) n +=
		    str_eq(js(r, "validity"), words[w].validity);
		if (n == 0)
			continue;
		printf("%s%s (%zu): %s", any ? "; " : "* ", words[w].validity,
		    n, words[w].text);
		any = true;
		all |= !str_eq(words[w].validity, "throttled");
	}
	if (any)
		printf("\n  %sDetails: milkyway bench results %s\n",
		    all ? "Too few quiet repetitions: the value is the median "
			  "of all. "
			: "",
		    mcis);
}

/* Why there is no value, and what helps: each reason once. */
static void
print_reasons(const json_t *results)
{
	json_t *r;
	size_t i, j;

	json_array_foreach(results, i, r)
	{
		const char *why = js(r, "detail");
		size_t n = 0;

		for (j = 0; j < json_array_size(results); j++) {
			bool same = str_eq(why,
			    js(json_array_get(results, j), "detail"));

			if (same && j < i)
				break;
			n += same;
		}
		if (why[0] && j == json_array_size(results))
			printf("%s (%zu): %s\n", js(r, "substatus"), n, why);
	}
}

/* People: a row per VM, a column per kind. */
static void
print_grid(struct cli *c, const json_t *results)
{
	const char *heads[LANE_COUNT + 3] = { "VM", "SPEC" };
	char text[LANE_COUNT][64];
	unsigned lanes[LANE_COUNT];
	size_t n = columns_of(results, lanes, text), i, j;
	struct cli_table *t;
	json_t *r;

	for (i = 0; i < n; i++)
		heads[2 + i] = text[i];
	heads[2 + n] = NULL;
	t = table_new(heads);
	json_array_foreach(results, i, r)
	{
		const char *vm = js(r, "vmId");

		for (j = 0; j < i; j++)
			if (str_eq(js(json_array_get(results, j), "vmId"), vm))
				break;
		if (j < i || str_eq(js(r, "kind"), "rtt"))
			continue;
		table_add(t, "%s", vm);
		table_add(t, "%s", js(r, "specId"));
		for (j = 0; j < n; j++)
			add_value(t, find(results, vm, lanes[j]));
	}
	table_print(t, c);
	r = json_array_get(results, 0);
	print_legend(results, js(r, "mcisId")[0] ? js(r, "mcisId") : "NAME");
	print_reasons(results);
}

void
bench_print(struct cli *c, const json_t *run, bool rows)
{
	const json_t *results = ja(run, "results");
	json_t *vm;
	size_t i;

	if (!results)
		results = ja(run, "items");
	if (c->out == OUT_JSON) {
		cli_print_json(run);
		return;
	}
	if (c->out == OUT_TABLE && !json_array_size(results))
		fprintf(stderr, "no results\n");
	else if (rows || c->out == OUT_CSV)
		print_rows(c, results);
	else
		print_grid(c, results);
	if (c->out == OUT_CSV)
		return;
	json_array_foreach(ja(run, "vms"), i, vm) if (js(vm, "error")[0])
	    printf("%s: %s\n", js(vm, "vmId"), js(vm, "error"));
}
