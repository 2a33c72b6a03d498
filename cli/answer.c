/*
 * answer.c - a placement's answer for people: the verdict in one sentence, the
 * ranked groups, what binds them; or which limits cannot hold together and
 * what would make it possible. What is not known is called unknown.
 */
#include "cli/cli.h"
#include "cli/wish.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define USERS_SHOWN 8

static void print_verdict(const json_t *a, bool groups);
static void print_ranking(struct cli *c, const json_t *a, bool groups);
static void print_worst(struct cli *c, const json_t *r, const json_t *query);
static void print_no(struct cli *c, const json_t *a, const json_t *query);
static void print_broken(struct cli *c, const json_t *a, const json_t *query);
static void print_notes(const json_t *a);

/* Without a group nothing is printed that Terraform could take for one. */
static int
print_tfvars(const json_t *a, int rc)
{
	struct str s = STR_INIT;

	if (rc == 0) {
		tfvars_text(a, &s);
		fputs(str_cstr(&s), stdout);
	} else {
		fprintf(stderr, "milkyway: no group to write (%s)\n",
		    js(a, "status"));
	}
	str_free(&s);
	return rc;
}

int
answer_print(struct cli *c, const json_t *a, const json_t *query)
{
	bool groups = str_eq(js(query, "mode"), "groups");
	bool some = json_array_size(ja(a, "ranking")) > 0;
	bool unverified = jb(json_array_get(ja(a, "ranking"), 0), "unverified");
	bool broken = json_array_size(ja(a, "violations")) > 0;
	int rc = some && !broken && !unverified ? 0 : EXIT_NO;

	if (c->out == OUT_JSON) {
		cli_print_json(a);
		return rc;
	}
	if (c->out == OUT_TFVARS)
		return print_tfvars(a, rc);
	if (c->out == OUT_TABLE)
		print_verdict(a, groups);
	if (some || c->out == OUT_CSV)
		print_ranking(c, a, groups);
	if (c->out == OUT_TABLE && some && !groups)
		print_worst(c, json_array_get(ja(a, "ranking"), 0), query);
	if (c->out == OUT_TABLE && broken)
		print_broken(c, a, query);
	else if (c->out == OUT_TABLE && !some)
		print_no(c, a, query);
	print_notes(a);
	if (rc == 0 && !groups && js(a, "placementId")[0] &&
	    c->out == OUT_TABLE)
		fprintf(stderr,
		    "create it: milkyway mcis create --from-placement %s "
		    "--name NAME\n",
		    js(a, "placementId"));
	return rc;
}

static void
print_verdict(const json_t *a, bool groups)
{
	static const char *const words[][2] = {
		{ "optimal", "optimal: proved, no group is better" },
		{ "feasible_gap", "feasible: not proved to be the best" },
		{ "infeasible", "infeasible: proved" },
		{ "undecided",
		    "undecided: cut before a group was found or excluded" },
		{ "no_data", "no data: what is needed to decide is unknown" },
	};
	const char *status = js(a, "status"), *text = status;
	const char *cut = js(json_object_get(a, "stats"), "cut");
	long long ranks = (long long)json_array_size(ja(a, "ranking")),
		  proved = ji(a, "provedRanks", 0);
	double gap = jnum(a, "gap", NAN);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(status, words[i][0]))
			text = words[i][1];
	if (js(a, "placementId")[0])
		printf("%s  ", js(a, "placementId"));
	if (groups && ranks)
		printf("%lld maximal sets of sites: all pairs of a set meet "
		       "the limits%s",
		    ranks, str_eq(status, "optimal") ? "" : "; there are more");
	else if (json_array_size(ja(a, "violations")))
		printf("the given group breaks limits");
	else
		printf("%s", text);
	if (str_eq(status, "feasible_gap") && !groups && !isnan(gap))
		printf("; the best is at most %.3g %% better", 100 * gap);
	if (ranks > proved && proved > 0 && !groups)
		printf("; ranks 1 to %lld are proved", proved);
	if (cut[0])
		printf(" (cut: %s)", cut);
	if (js(a, "noDataReason")[0])
		printf(" (%s)", js(a, "noDataReason"));
	putchar('\n');
}

/* "SITE", or "SITE spec" where the site does not say the spec. */
static char *
label_of(const json_t *m)
{
	const char *site = js(m, "site"), *spec = js(m, "specId");
	char *dashed = xstrdup(spec), *label;

	for (char *p = dashed; *p; p++)
		if (*p == '+')
			*p = '-';
	if (!spec[0] || str_eq(dashed, site))
		label = xstrdup(site);
	else
		label = xasprintf("%s %s", site,
		    strrchr(spec, '+') ? strrchr(spec, '+') + 1 : spec);
	free(dashed);
	return label;
}

/* Same VMs once, with their number; names of groups if there are several. */
static void
members_text(const json_t *members, struct str *out)
{
	size_t n = json_array_size(members);
	char **labels = xcalloc(n + 1, sizeof *labels);
	bool *done = xcalloc(n + 1, sizeof *done), roles = false;
	const char *role = NULL;

	for (size_t i = 0; i < n; i++) {
		labels[i] = label_of(json_array_get(members, i));
		roles |= !str_eq(js(json_array_get(members, i), "group"),
		    js(json_array_get(members, 0), "group"));
	}
	for (size_t i = 0; i < n; i++) {
		const char *mine = js(json_array_get(members, i), "group");
		size_t same = 0;

		if (done[i])
			continue;
		for (size_t k = i; k < n; k++) {
			if (!str_eq(labels[k], labels[i]) ||
			    !str_eq(js(json_array_get(members, k), "group"),
				mine))
				continue;
			done[k] = true;
			same++;
		}
		str_add(out, !i ? "" : str_eq(role, mine) ? ", " : "; ");
		if (roles && !str_eq(role, mine))
			str_addf(out, "%s: ", mine);
		str_add(out, labels[i]);
		if (same > 1)
			str_addf(out, " x%zu", same);
		role = mine;
	}
	for (size_t i = 0; i < n; i++)
		free(labels[i]);
	free(labels);
	free(done);
}

static void
add_ms(struct cli_table *t, const json_t *r, const char *key)
{
	double v = jnum(r, key, NAN);

	if (isnan(v))
		table_add(t, "%s", "");
	else
		table_add(t, "%.3f", v);
}

/* The score says more than the price only if something else is in it. */
static bool
only_price(const json_t *a)
{
	const json_t *parts =
	    json_object_get(json_array_get(ja(a, "ranking"), 0), "parts");

	return json_object_size(parts) == 0 ||
	    (json_object_size(parts) == 1 && json_object_get(parts, "price"));
}

static void
print_ranking(struct cli *c, const json_t *a, bool groups)
{
	static const char *const plain[] = { ">#", ">VMS", ">CSPS", ">USD/H",
		">WORST PAIR MS", ">SLACK MS", "GROUP", NULL };
	static const char *const scored[] = { ">#", ">VMS", ">CSPS", ">USD/H",
		">WORST PAIR MS", ">SLACK MS", ">SCORE", "GROUP", NULL };
	static const char *const sets[] = { ">#", ">SITES", ">CSPS",
		">WORST PAIR MS", ">SLACK MS", "SET", NULL };
	bool score = !groups && (c->out == OUT_CSV || !only_price(a));
	struct cli_table *t = table_new(groups ? sets : score ? scored : plain);
	char money[32];
	json_t *r;
	size_t i;

	json_array_foreach(ja(a, "ranking"), i, r)
	{
		struct str group = STR_INIT;

		table_add_int(t, r, "rank");
		table_add(t, "%zu", json_array_size(ja(r, "members")));
		table_add_int(t, r, "csps");
		cli_money(ji(r, "costPerHourMicros", -1), money);
		if (!groups)
			table_add(t, "%s", money);
		add_ms(t, r, "worstRttMs");
		add_ms(t, r, "slackMs");
		if (score)
			table_add(t, "%.0f", jnum(r, "score", NAN));
		members_text(ja(r, "members"), &group);
		table_add(t, "%s", str_cstr(&group));
		str_free(&group);
	}
	table_print(t, c);
}

/* "3 min"; ages are rough. */
static void
age_text(int64_t s, char out[32])
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} units[] = { { 120, 1, "s" }, { 7200, 60, "min" },
		{ 172800, 3600, "h" }, { INT64_MAX, 86400, "days" } };
	size_t i = 0;

	while (s >= units[i].below)
		i++;
	snprintf(out, 32, "%lld %s", (long long)(s / units[i].unit),
	    units[i].name);
}

static void
pair_facts(const json_t *w, struct str *s)
{
	int64_t n = ji(w, "n", -1), age = ji(w, "ageS", -1);
	double limit = jnum(w, "limitMs", NAN);
	char text[32];
	json_t *flag;
	size_t i;

	str_addf(s, "%s", js(w, "stat"));
	if (isnan(limit))
		str_add(s, ", no limit");
	else
		str_addf(s, ", limit %.3f ms", limit);
	if (n < 0)
		str_add(s, ", n unknown");
	else
		str_addf(s, ", n %lld", (long long)n);
	if (age < 0) {
		str_add(s, ", age unknown");
	} else {
		age_text(age, text);
		str_addf(s, ", %s old", text);
	}
	json_array_foreach(ja(w, "quality"), i, flag)
	    str_addf(s, ", %s", json_string_value(flag));
}

static void
user_text(const json_t *u, struct str *s)
{
	str_addf(s, "%s ", js(u, "name"));
	if (!js(u, "vm")[0])
		str_add(s, "by nobody");
	else
		str_addf(s, "by %s in %.3f ms", js(u, "vm"),
		    jnum(u, "rttMs", NAN));
	if (jb(u, "estimated"))
		str_addf(s, " (estimated, +-%.0f)", jnum(u, "errorMs", NAN));
}

static int
worst_first(const void *a, const void *b)
{
	const json_t *u = *(const json_t *const *)a;
	const json_t *v = *(const json_t *const *)b;
	double x = jnum(u, "rttMs", INFINITY), y = jnum(v, "rttMs", INFINITY);

	if (x > y || x < y)
		return x > y ? -1 : 1;
	return strcmp(js(u, "name"), js(v, "name"));
}

/* Who serves whom, the worst served first: of many only those. */
static void
print_users(struct cli *c, const json_t *users)
{
	size_t n = json_array_size(users), i;
	const json_t **v = xcalloc(n + 1, sizeof *v);
	struct str s = STR_INIT;
	json_t *u;

	json_array_foreach(users, i, u) v[i] = u;
	qsort(v, n, sizeof *v, worst_first);
	for (i = 0; i < n && i < USERS_SHOWN; i++) {
		str_add(&s,
		    i > 0       ? ", "
			: n > 1 ? "users of #1, worst first: "
				: "user of #1: ");
		user_text(v[i], &s);
	}
	if (n > USERS_SHOWN)
		str_addf(&s, " and %zu more (-o json)", n - USERS_SHOWN);
	if (s.len) {
		cli_wrap(str_cstr(&s), 0, c->width);
		putchar('\n');
	}
	str_free(&s);
	free(v);
}

/* The pair that decides rank 1, and the limits that leave it no room. */
static void
print_worst(struct cli *c, const json_t *r, const json_t *query)
{
	const json_t *w = json_object_get(r, "worstPair");
	struct str s = STR_INIT;
	json_t *b;
	size_t i;

	if (json_is_object(w)) {
		/* VMs of one site are told apart by their names */
		bool same = str_eq(js(w, "siteA"), js(w, "siteB"));

		str_addf(&s, "worst pair of #1: %s to %s, %.3f ms (",
		    js(w, same ? "a" : "siteA"), js(w, same ? "b" : "siteB"),
		    jnum(w, "rttMs", NAN));
		pair_facts(w, &s);
		str_addc(&s, ')');
		if (!isnan(jnum(r, "flipDistanceMs", NAN)))
			str_addf(&s,
			    "; another group ranks first once times or limit "
			    "move by %.3f ms",
			    jnum(r, "flipDistanceMs", NAN));
	} else if (json_array_size(ja(r, "members")) > 1) {
		str_add(&s, "worst pair of #1: unknown, no limit needs it");
	}
	if (s.len) {
		cli_wrap(str_cstr(&s), 0, c->width);
		putchar('\n');
	}
	str_reset(&s);
	print_users(c, ja(r, "users"));
	json_array_foreach(ja(r, "binding"), i, b)
	{
		const char *pointer = json_string_value(b);

		str_add(&s, i ? ", " : "limits without room: ");
		wish_text(query, pointer, wish_value(query, pointer), &s);
	}
	if (s.len) {
		cli_wrap(str_cstr(&s), 0, c->width);
		putchar('\n');
	}
	str_free(&s);
}

static void
print_conflicts(struct cli *c, const json_t *a, const json_t *query)
{
	struct str s = STR_INIT;
	json_t *x, *r;
	size_t i, k;

	if (!json_array_size(ja(a, "conflicts")))
		return;
	str_add(&s,
	    json_array_size(ja(a, "conflicts")) == 1
		? "this cannot be met: "
		: "these cannot hold together: ");
	json_array_foreach(ja(a, "conflicts"), i, x)
	{
		const char *pointer = json_string_value(x);
		const json_t *from = wish_value(query, pointer ? pointer : "");

		json_array_foreach(ja(a, "relaxations"), k, r)
		{
			if (str_eq(js(r, "pointer"), pointer) &&
			    json_is_number(json_object_get(r, "from")))
				from = json_object_get(r, "from");
		}
		str_add(&s, i ? ", " : "");
		wish_text(query, pointer ? pointer : "", from, &s);
	}
	if (!jb(a, "conflictsMinimal"))
		str_add(&s, " (perhaps fewer: the check was cut)");
	cli_wrap(str_cstr(&s), 0, c->width);
	putchar('\n');
	str_free(&s);
}

/* One way out in one sentence. */
static void
relaxation_text(const json_t *x, const json_t *query, bool le, struct str *s)
{
	const char *pointer = js(x, "pointer");
	const json_t *from = json_object_get(x, "from");
	const json_t *to = json_object_get(x, "to"),
		     *pair = json_object_get(x, "pair");

	if (json_is_number(json_object_get(x, "above"))) {
		str_addf(s, "%s must %s %.3f ms", wish_name(pointer),
		    le ? "reach" : "exceed", jnum(x, "above", NAN));
		if (json_is_number(from)) {
			str_add(s, " (now ");
			wish_number(pointer, from, s);
			str_addc(s, ')');
		}
		if (json_is_object(pair))
			str_addf(s, ", set by %s and %s", js(pair, "siteA"),
			    js(pair, "siteB"));
	} else if (json_is_number(to)) {
		wish_text(query, pointer, to, s);
		if (json_is_number(from)) {
			str_add(s, " instead of ");
			wish_number(pointer, from, s);
		}
	} else {
		str_add(s, "without: ");
		wish_text(query, pointer, wish_value(query, pointer), s);
	}
	if (!jb(x, "proved"))
		str_add(s, " (less may do: the search was cut)");
}

static void
print_no(struct cli *c, const json_t *a, const json_t *query)
{
	double least = jnum(a, "minFeasibleRttMs", NAN);
	double low = jnum(a, "minFeasibleRttLowMs", NAN);
	bool above = false,
	     le = str_eq(js(json_object_get(query, "constraints"), "rttOp"),
		 "le");
	json_t *x;
	size_t i;

	print_conflicts(c, a, query);
	if (json_array_size(ja(a, "relaxations")))
		printf("any one of these makes it possible:\n");
	json_array_foreach(ja(a, "relaxations"), i, x)
	{
		struct str s = STR_INIT;

		above |= json_is_number(json_object_get(x, "above"));
		relaxation_text(x, query, le, &s);
		printf("  - ");
		cli_wrap(str_cstr(&s), 4, c->width);
		str_reset(&s);
		members_text(ja(x, "members"), &s);
		if (s.len) {
			printf("\n      ");
			cli_wrap(str_cstr(&s), 6, c->width);
		}
		putchar('\n');
		str_free(&s);
	}
	if (!isnan(least) && (!above || low < least))
		printf("smallest possible worst pair: %s%.3f ms\n",
		    low < least ? "at most " : "", least);
}

static void
print_broken(struct cli *c, const json_t *a, const json_t *query)
{
	struct str s = STR_INIT;
	json_t *x;
	size_t i;

	json_array_foreach(ja(a, "violations"), i, x)
	{
		const char *pointer = json_string_value(x);

		str_add(&s, i ? ", " : "broken: ");
		wish_text(query, pointer, wish_value(query, pointer), &s);
	}
	cli_wrap(str_cstr(&s), 0, c->width);
	putchar('\n');
	str_free(&s);
}

/* Beside the answer, so that it can be piped: what was left out, and why. */
static void
print_notes(const json_t *a)
{
	const json_t *stats = json_object_get(a, "stats"), *v;
	const char *name;
	json_t *x;
	size_t i;

	json_array_foreach(ja(stats, "excluded"), i, x)
	{
		json_t *f = json_object_get(x, "filter");

		json_object_foreach(f, name, v) fprintf(stderr,
		    "note: filter %s of group %s drops %lld "
		    "offers\n",
		    name, js(x, "group"), (long long)json_integer_value(v));
		if (ji(x, "noPrice", 0) > 0)
			fprintf(stderr,
			    "note: %lld offers without a price were left "
			    "out\n",
			    (long long)ji(x, "noPrice", 0));
		if (ji(x, "noScore", 0) > 0)
			fprintf(stderr,
			    "note: %lld offers without a score were left "
			    "out (milkyway bench run measures it)\n",
			    (long long)ji(x, "noScore", 0));
	}
	if (jb(a, "moreTies"))
		fprintf(stderr,
		    "note: other groups are as good as the last rank\n");
	json_array_foreach(ja(a, "warnings"), i, x)
	    fprintf(stderr, "note: %s\n",
		json_is_string(x) ? json_string_value(x) : js(x, "detail"));
}
