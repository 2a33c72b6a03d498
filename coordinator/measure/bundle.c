/*
 * bundle.c - see bundle.h. Called by api_bundle.c.
 *
 * The parts are written one by one and joined in the order of their keys: a
 * tree of tens of thousands of results with samples would take ten times the
 * memory of its text.
 */
#include "coordinator/measure/bundle.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct part {
	const char *key;
	char *text;
};

struct build {
	const struct bundle_in *in;
	struct bundle_eval *eval;
	json_t *targets; /* name -> "target-1" */
	struct part *parts;
	size_t n, cap;
	size_t bytes;
};

static bool add_results(struct build *b, struct mw_err *err);
static bool add_one(struct build *b, const char *line, size_t n,
    struct str *out, struct mw_err *err);
static void hide(struct build *b, json_t *result);
static bool add_matrix(struct build *b, struct mw_err *err);
static void add_head(struct build *b);
static char *join(struct build *b, struct mw_err *err);
static size_t ip_at(const char *s, bool inside);
static void bundle_scrub(const char *text, struct str *out);

bool
bundle_too_large(struct mw_err *err)
{
	err_set(err, MW_LIMIT, 0,
	    "a bundle holds at most %d results and %d MiB", BUNDLE_RESULTS_MAX,
	    BUNDLE_MAX / 1024 / 1024);
	return err_hint(err,
	    "take less: --since 7d, --kind cpum, without --raw (in HTTP: "
	    "?since=, ?kind=, raw=0)");
}

static void
part_add(struct build *b, const char *key, char *take_text)
{
	VEC_GROW(b->parts, b->n, b->cap);
	b->parts[b->n++] = (struct part){ key, take_text };
	b->bytes += strlen(take_text);
}

static void
part_json(struct build *b, const char *key, json_t *take_j)
{
	part_add(b, key, json_text(take_j, false));
	json_decref(take_j);
}

char *
bundle_build(const struct bundle_in *in, struct mw_err *err)
{
	struct build b = { .in = in, .targets = json_object() };
	char *text = NULL;

	b.eval = bundle_eval_new(json_object_get(in->head, "vms"));
	if (!add_results(&b, err) || !add_matrix(&b, err))
		goto out;
	part_json(&b, "evaluations",
	    bundle_eval_end(b.eval, in->since, in->until));
	b.eval = NULL;
	if (in->raw)
		part_json(&b, "raw", json_incref(in->raw));
	add_head(&b);
	text = join(&b, err);
out:
	bundle_eval_free(b.eval);
	for (size_t i = 0; i < b.n; i++)
		free(b.parts[i].text);
	free(b.parts);
	json_decref(b.targets);
	return text;
}

static bool
add_results(struct build *b, struct mw_err *err)
{
	struct str out = STR_INIT;
	bool ok = true;

	str_addc(&out, '[');
	for (const char *p = b->in->results; ok && *p;) {
		size_t n = strcspn(p, "\n");

		ok = add_one(b, p, n, &out, err);
		p += n + (p[n] == '\n');
	}
	str_addc(&out, ']');
	if (ok)
		part_add(b, "results", str_take(&out));
	str_free(&out);
	return ok;
}

static bool
add_one(struct build *b, const char *line, size_t n, struct str *out,
    struct mw_err *err)
{
	json_t *j = json_parse(line, n, JSON_BODY_MAX, err);
	char *text;

	if (!j)
		return err_wrap(err, "a stored result");
	hide(b, j);
	bundle_eval_add(b->eval, j);
	text = json_text(j, false);
	if (out->len > 1)
		str_addc(out, ',');
	str_add(out, text);
	free(text);
	json_decref(j);
	return out->len <= BUNDLE_MAX || bundle_too_large(err);
}

/* Bundles are made to be given away: whom somebody pinged is not. */
static void
hide(struct build *b, json_t *result)
{
	const char *target =
	    json_string_value(json_object_get(result, "target"));
	const char *detail =
	    json_string_value(json_object_get(result, "detail"));
	struct str s = STR_INIT;
	char name[32];

	if (b->in->addresses)
		return;
	if (target) {
		if (!json_object_get(b->targets, target)) {
			snprintf(name, sizeof name, "target-%zu",
			    json_object_size(b->targets) + 1);
			json_put_str(b->targets, target, name);
		}
		json_put(result, "target",
		    json_incref(json_object_get(b->targets, target)));
	}
	if (detail) {
		bundle_scrub(detail, &s);
		json_put_str(result, "detail", str_cstr(&s));
		str_free(&s);
	}
}

static bool
add_matrix(struct build *b, struct mw_err *err)
{
	char *text;
	json_t *j;

	if (!b->in->matrix) {
		part_add(b, "matrix", xstrdup("null"));
		return true;
	}
	text = mesh_json(b->in->matrix);
	j = json_parse(text, strlen(text), SIZE_MAX / 16, err);
	free(text);
	if (!j)
		return err_wrap(err, "the matrix");
	part_json(b, "matrix", j);
	return true;
}

static void
add_head(struct build *b)
{
	const char *key;
	json_t *v;

	json_object_foreach(b->in->head, key, v)
	    part_json(b, key, json_incref(v));
	part_add(b, "schema", xstrdup("\"" BUNDLE_SCHEMA "\""));
	part_add(b, "addresses", xstrdup(b->in->addresses ? "true" : "false"));
	part_add(b, "milkywayVersion", xstrdup("\"" MW_VERSION "\""));
}

static int
part_cmp(const void *x, const void *y)
{
	const struct part *a = x, *b = y;

	return strcmp(a->key, b->key);
}

static void
join_into(const struct build *b, struct str *out)
{
	for (size_t i = 0; i < b->n; i++) {
		str_addf(out, "%s\"%s\":", i ? "," : "{", b->parts[i].key);
		str_add(out, b->parts[i].text);
	}
	str_addc(out, '}');
}

static char *
join(struct build *b, struct mw_err *err)
{
	char hash[BUNDLE_HASH_LEN];
	struct str out = STR_INIT;

	if (b->bytes > BUNDLE_MAX) {
		(void)bundle_too_large(err);
		return NULL;
	}
	qsort(b->parts, b->n, sizeof *b->parts, part_cmp);
	join_into(b, &out);
	bundle_hash(out.p, out.len, hash);
	str_reset(&out);
	part_add(b, "sha256", xasprintf("\"%s\"", hash));
	qsort(b->parts, b->n, sizeof *b->parts, part_cmp);
	join_into(b, &out);
	str_addc(&out, '\n');
	return str_take(&out);
}

/* Addresses ---------------------------------------------------------------- */

/* The length of the address that begins here; inside: it is part of a longer
 * word. */
static size_t
ip_at(const char *s, bool inside)
{
	const char *p = s;

	if (inside)
		return 0;
	for (int i = 0; i < 4; i++) {
		size_t n = strspn(p, "0123456789");

		if (n < 1 || n > 3)
			return 0;
		p += n;
		if (i < 3 && *p++ != '.')
			return 0;
	}
	if (isalnum((unsigned char)*p) ||
	    (*p == '.' && isdigit((unsigned char)p[1])))
		return 0;
	return (size_t)(p - s);
}

static bool
word(char c)
{
	return isalnum((unsigned char)c) || c == '.';
}

bool
bundle_has_ip(const char *text)
{
	for (const char *p = text; *p; p++)
		if (ip_at(p, p > text && word(p[-1])))
			return true;
	return false;
}

/* The text with each of them as x.x.x.x. */
static void
bundle_scrub(const char *text, struct str *out)
{
	for (const char *p = text; *p;) {
		size_t n = ip_at(p, p > text && word(p[-1]));

		if (n)
			str_add(out, "x.x.x.x");
		else
			str_addn(out, p, n = 1);
		p += n;
	}
}
