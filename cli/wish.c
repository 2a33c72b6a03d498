/*
 * wish.c - a placement query's wishes in words, for conflicts and ways out.
 */
#include "cli/wish.h"

#include "cli/cli.h"

#include "common/pure/num.h"

#include <string.h>

/* A limit in words around its value; the unit of prices is USD. */
static const struct phrase {
	const char *pointer, *before;
	const char *noun; /* counted, with an s unless it is one; or NULL */
	const char *after;
	const char *name; /* of a limit that must exceed something */
} phrases[] = {
	{ "/constraints/maxRttMs", "every pair under ", NULL, " ms",
	    "the limit" },
	{ "/constraints/maxRttToUserMs", "every user under ", NULL, " ms",
	    "the limit to users" },
	{ "/constraints/maxPerSite", "at most ", " VM", " per site", NULL },
	{ "/constraints/maxPerZone", "at most ", " VM", " per zone", NULL },
	{ "/constraints/maxPerRegion", "at most ", " VM", " per region", NULL },
	{ "/constraints/maxPerCsp", "at most ", " VM", " per CSP", NULL },
	{ "/constraints/minCsps", "at least ", " CSP", "", NULL },
	{ "/constraints/minRegions", "at least ", " region", "", NULL },
	{ "/constraints/budgetPerHourMicros", "at most ", NULL, " USD per hour",
	    NULL },
};

static const struct phrase *
phrase_of(const char *pointer)
{
	static const struct phrase count = { "count", "", " VM", "", NULL };
	const char *last = strrchr(pointer, '/');

	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (str_eq(pointer, phrases[i].pointer))
			return &phrases[i];
	return last && str_starts(pointer, "/groups/") && str_eq(last, "/count")
	    ? &count
	    : NULL;
}

void
wish_number(const char *pointer, const json_t *v, struct str *out)
{
	char money[32];

	if (str_eq(pointer, "/constraints/budgetPerHourMicros")) {
		cli_money(json_integer_value(v), money);
		str_add(out, money);
	} else if (json_is_integer(v)) {
		str_addf(out, "%lld", (long long)json_integer_value(v));
	} else {
		str_addf(out, "%.12g", json_number_value(v));
	}
}

/* What a JSON pointer without escapes names; NULL if nothing. */
const json_t *
wish_value(const json_t *root, const char *pointer)
{
	const json_t *v = root;
	char word[64];

	while (v && *pointer == '/') {
		size_t n = strcspn(++pointer, "/");
		int64_t index;

		if (n >= sizeof word)
			return NULL;
		str_copy(word, n + 1, pointer);
		pointer += n;
		if (!json_is_array(v))
			v = json_object_get(v, word);
		else if (num_parse_i64(word, n, 0, 1000000, &index))
			v = json_array_get(v, (size_t)index);
		else
			v = NULL;
	}
	return v;
}

const char *
wish_name(const char *pointer)
{
	const struct phrase *p = phrase_of(pointer);

	return p && p->name ? p->name : pointer;
}

/* Name of the group that the pointer goes through. */
static const char *
group_of(const json_t *query, const char *pointer)
{
	char head[32];
	size_t n = strlen("/groups/");

	n += strcspn(pointer + n, "/");
	if (n >= sizeof head)
		return "";
	str_copy(head, n + 1, pointer);
	return js(wish_value(query, head), "name");
}

static void
add_vms(int64_t n, struct str *out)
{
	str_addf(out, "%lld VM%s", (long long)n, n == 1 ? "" : "s");
}

static void
pin_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	static const char *const places[] = { "site", "region", "csp" };

	str_add(out, "at least ");
	add_vms(ji(v, "count", 1), out);
	str_addf(out, " of %s in ", group_of(query, pointer));
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (json_object_get(v, places[i]))
			str_add(out, js(v, places[i]));
	if (json_object_get(v, "specId"))
		str_addf(out, " as %s", js(v, "specId"));
}

static void
quota_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	static const char *const scopes[] = { "connection", "region",
		"family" };
	const char *sep = " of ";

	(void)query;
	(void)pointer;
	str_add(out, "at most ");
	if (json_is_integer(json_object_get(v, "vms")))
		add_vms(ji(v, "vms", 0), out);
	if (json_is_integer(json_object_get(v, "vcpus")))
		str_addf(out, "%s%lld vCPUs",
		    json_is_integer(json_object_get(v, "vms")) ? ", " : "",
		    (long long)ji(v, "vcpus", 0));
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (!json_is_string(json_object_get(v, scopes[i])))
			continue;
		str_addf(out, "%s%s %s", sep, scopes[i], js(v, scopes[i]));
		sep = ", ";
	}
}

static void
apart_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	const char *a = json_string_value(json_array_get(ja(v, "between"), 0));
	const char *b = json_string_value(json_array_get(ja(v, "between"), 1));
	const char *level =
	    json_object_get(v, "level") ? js(v, "level") : "site";

	(void)query;
	(void)pointer;
	if (str_eq(a, b))
		str_addf(out, "no two VMs of %s in one %s", a, level);
	else
		str_addf(out, "no VM of %s in one %s with one of %s", a, level,
		    b);
}

static void
filter_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	const char *group = group_of(query, pointer);

	str_addf(out, "filter %s%s%s",
	    strstr(pointer, "/filter/") + strlen("/filter/"),
	    group[0] ? " of group " : "", group);
	if (text)
		str_addf(out, " %s", text);
	free(text);
}

/* A term stands in the way where no offer has what it needs. */
static void
term_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	(void)query;
	(void)pointer;
	str_add(out, js(v, "term"));
	if (js(v, "metric")[0])
		str_addf(out, " of %s", js(v, "metric"));
	str_add(out, " in the objective");
}

/* What is an object, or a group's. */
static const struct {
	const char *head, *inside;
	void (*tell)(const json_t *query, const char *pointer, const json_t *v,
	    struct str *out);
} things[] = {
	{ "/groups/", "/pins/", pin_text },
	{ "/groups/", "/filter/", filter_text },
	{ "/constraints/quota/", "/quota/", quota_text },
	{ "/constraints/antiAffinity/", "/", apart_text },
	{ "/objective/terms/", "/terms/", term_text },
	{ "/groups/", "/terms/", term_text },
};

void
wish_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out)
{
	const struct phrase *p = phrase_of(pointer);

	for (size_t i = 0; i < ARRAY_LEN(things); i++)
		if (str_starts(pointer, things[i].head) &&
		    strstr(pointer, things[i].inside) && json_is_object(v)) {
			things[i].tell(query, pointer, v, out);
			return;
		}
	if (!json_is_number(v)) {
		if (strstr(pointer, "/filter/"))
			filter_text(query, pointer, v, out);
		else
			str_add(out, pointer);
		return;
	}
	if (p)
		str_add(out, p->before);
	else
		str_addf(out, "%s ", pointer);
	wish_number(pointer, v, out);
	if (p && p->noun)
		str_addf(out, "%s%s", p->noun,
		    json_integer_value(v) == 1 ? "" : "s");
	if (p)
		str_add(out, p->after);
}
