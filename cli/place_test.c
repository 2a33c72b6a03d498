/*
 * place_test.c - `milkyway place test FILE`: questions with the answers that a
 * user's own CI expects of them, over a world file or over measurements.
 *
 * The file: {"world": path beside it | object, or "from": {...}; "tests":
 * [{"name", "query", "expect": {...}}]}. What is not expected is not looked at.
 */
#include "cli/place_test.h"

#include "common/pure/alloc.h"
#include "placement/io/place_io.h"

#include <libgen.h>
#include <math.h>
#include <string.h>

#define TESTS_MAX 1000

/* One expectation: true if the answer meets it, else why says what it is. */
struct expect {
	const char *key;
	bool (*met)(const json_t *answer, const json_t *want, struct str *why);
};

static const json_t *
best(const json_t *a)
{
	return json_array_get(ja(a, "ranking"), 0);
}

static bool
no_group(const json_t *a, struct str *why)
{
	if (best(a))
		return false;
	str_addf(why, "no group (%s)", js(a, "status"));
	return true;
}

static bool
has_status(const json_t *a, const json_t *want, struct str *why)
{
	str_addf(why, "status is %s", js(a, "status"));
	return str_eq(js(a, "status"), json_string_value(want));
}

static size_t
count_of(const json_t *list, const char *word)
{
	size_t n = 0, i;
	json_t *x;

	json_array_foreach(list, i, x) n += str_eq(json_string_value(x), word);
	return n;
}

/* The sites of the best group, each as often as it has VMs, in any order. */
static bool
has_sites(const json_t *a, const json_t *want, struct str *why)
{
	json_t *members = ja(best(a), "members"), *sites, *m;
	bool same;
	size_t i;

	if (no_group(a, why))
		return false;
	sites = json_array();
	json_array_foreach(members, i, m)
	{
		str_addf(why, "%s%s", i ? ", " : "sites are ", js(m, "site"));
		json_array_append_new(sites, json_string(js(m, "site")));
	}
	same = json_array_size(sites) == json_array_size(want);
	for (i = 0; same && i < json_array_size(sites); i++) {
		const char *s = json_string_value(json_array_get(sites, i));

		same = count_of(sites, s) == count_of(want, s);
	}
	json_decref(sites);
	return same;
}

static bool
lacks_sites(const json_t *a, const json_t *want, struct str *why)
{
	json_t *m;
	size_t i;

	if (no_group(a, why))
		return false;
	json_array_foreach(ja(best(a), "members"), i, m)
	{
		if (!count_of(want, js(m, "site")))
			continue;
		str_addf(why, "%s is in %s", js(m, "vm"), js(m, "site"));
		return false;
	}
	return true;
}

static bool
at_most(const json_t *a, const char *key, const json_t *want, struct str *why)
{
	double v = jnum(best(a), key, NAN);

	if (no_group(a, why))
		return false;
	if (isnan(v))
		str_addf(why, "%s is not known", key);
	else
		str_addf(why, "%s is %.12g", key, v);
	return v <= json_number_value(want);
}

static bool
worst_at_most(const json_t *a, const json_t *want, struct str *why)
{
	return at_most(a, "worstRttMs", want, why);
}

static bool
cost_at_most(const json_t *a, const json_t *want, struct str *why)
{
	return at_most(a, "costPerHourMicros", want, why);
}

static bool
has_csps(const json_t *a, const json_t *want, struct str *why)
{
	if (no_group(a, why))
		return false;
	str_addf(why, "%lld CSPs", (long long)ji(best(a), "csps", 0));
	return ji(best(a), "csps", 0) >= json_integer_value(want);
}

/* Exactly these, in any order. */
static bool
has_conflicts(const json_t *a, const json_t *want, struct str *why)
{
	const json_t *have = ja(a, "conflicts");
	bool same = json_array_size(have) == json_array_size(want);
	json_t *x;
	size_t i;

	json_array_foreach(have, i, x)
	{
		str_addf(why, "%s%s", i ? ", " : "conflicts are ",
		    json_string_value(x));
		same = same && count_of(want, json_string_value(x)) == 1;
	}
	if (!why->len)
		str_add(why, "there are no conflicts");
	return same;
}

static bool
smallest_limit(const json_t *a, const json_t *want, struct str *why)
{
	double v = jnum(a, "minFeasibleRttMs", NAN);

	str_addf(why, "minFeasibleRttMs is %.3f", v);
	return fabs(v - json_number_value(want)) < 0.0005;
}

static const struct expect expects[] = {
	{ "status", has_status },
	{ "sites", has_sites },
	{ "notSites", lacks_sites },
	{ "maxWorstRttMs", worst_at_most },
	{ "maxCostPerHourMicros", cost_at_most },
	{ "minCsps", has_csps },
	{ "conflicts", has_conflicts },
	{ "minFeasibleRttMs", smallest_limit },
};

/* Every expectation must be one that is known: a typo would never fail. */
static bool
check_expect(const json_t *want, size_t test, struct mw_err *err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(want) || json_object_size(want) == 0) {
		err_set(err, MW_INVALID, 0, "a test expects something");
		return err_pointer(err, "/tests/%zu/expect", test);
	}
	json_object_foreach((json_t *)(uintptr_t)want, key, v)
	{
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(expects); i++)
			known = known || str_eq(expects[i].key, key);
		if (!known) {
			err_set(err, MW_INVALID, 0,
			    "nothing that can be expected");
			err_hint(err,
			    "status sites notSites maxWorstRttMs "
			    "maxCostPerHourMicros minCsps conflicts "
			    "minFeasibleRttMs");
			return err_pointer(err, "/tests/%zu/expect/%.40s", test,
			    key);
		}
	}
	return true;
}

static bool
judge(const json_t *answer, const json_t *want, struct str *why)
{
	for (size_t i = 0; i < ARRAY_LEN(expects); i++) {
		const json_t *v = json_object_get(want, expects[i].key);

		str_reset(why);
		if (v && !expects[i].met(answer, v, why))
			return false;
	}
	str_reset(why);
	return true;
}

/* The path of a world is told from where the file lies. */
static char *
beside(const char *file, const char *path)
{
	char *copy = xstrdup(file);
	char *out = path[0] == '/' ? xstrdup(path)
				   : xasprintf("%s/%s", dirname(copy), path);

	free(copy);
	return out;
}

struct suite {
	struct cli *c;
	const char *file;
	json_t *world; /* or NULL: the coordinator's measurements */
	json_t *from;
	size_t passed, failed;
};

static json_t *
ask(struct suite *s, const json_t *test, struct mw_err *err)
{
	json_t *query = json_deep_copy(json_object_get(test, "query")), *a;
	struct question q = QUESTION_INIT;

	if (s->from)
		json_put(query, "from", json_incref(s->from));
	a = question_ask_with(s->c, &q, s->world, query, err);
	json_decref(query);
	return a;
}

static bool
run_one(struct suite *s, size_t i, const json_t *test, struct mw_err *err)
{
	const json_t *want = json_object_get(test, "expect");
	struct str why = STR_INIT;
	char place[32];
	json_t *a;
	bool ok;

	if (!json_is_object(json_object_get(test, "query"))) {
		err_set(err, MW_INVALID, 0, "a test needs a query");
		return err_pointer(err, "/tests/%zu/query", i);
	}
	if (!check_expect(want, i, err))
		return false;
	a = ask(s, test, err);
	if (!a) {
		snprintf(place, sizeof place, "test %zu", i + 1);
		return err_wrap(err, "%s", place);
	}
	ok = judge(a, want, &why);
	*(ok ? &s->passed : &s->failed) += 1;
	printf("%s  %s%s%s\n", ok ? "PASS" : "FAIL", js(test, "name"),
	    ok ? "" : ": ", ok ? "" : str_cstr(&why));
	str_free(&why);
	json_decref(a);
	return true;
}

/* The world that the file names or holds, or where it says from. */
static bool
open_world(struct suite *s, const json_t *file, struct mw_err *err)
{
	json_t *world = json_object_get(file, "world");
	char *path;

	s->from = json_object_get(file, "from");
	if (!world == !s->from)
		return err_set(err, MW_INVALID, 0,
		    "%s needs \"world\" or \"from\"", s->file);
	if (!json_is_string(world)) {
		s->world = json_incref(world);
		return true;
	}
	path = beside(s->file, json_string_value(world));
	s->world = cli_load(path, FILE_WORLD, PLACE_IO_FILE_MAX, err);
	free(path);
	return s->world != NULL;
}

int
place_test(struct cli *c, const char *path)
{
	struct suite s = { .c = c, .file = path };
	struct mw_err err = MW_ERR_INIT;
	json_t *file = json_load_path(path, PLACE_IO_FILE_MAX, &err);
	size_t n = json_array_size(ja(file, "tests"));
	bool ok = file && open_world(&s, file, &err);

	if (ok && (n < 1 || n > TESTS_MAX))
		ok = err_set(&err, MW_INVALID, 0, "%s: \"tests\" is 1 to %d",
		    path, TESTS_MAX);
	for (size_t i = 0; ok && i < n; i++)
		ok = run_one(&s, i, json_array_get(ja(file, "tests"), i), &err);
	json_decref(s.world);
	json_decref(file);
	if (!ok)
		return cli_fail(&err);
	printf("%zu passed, %zu failed\n", s.passed, s.failed);
	return s.failed ? EXIT_NO : 0;
}
