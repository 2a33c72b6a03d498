/*
 * bundle.c - see bundle.h. Called by the coordinator, which makes bundles, and
 * by the client, which gets them from strangers.
 */
#include "common/bundle.h"

#include "common/digest.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <stdlib.h>
#include <string.h>

static bool strings(const json_t *j, const char *pointer,
    const char *const *names, struct mw_err *err);
static bool list(const json_t *j, const char *key, size_t max,
    const char *const *names, struct mw_err *err);
static bool matrix(const json_t *j, struct mw_err *err);

bool
bundle_is(const json_t *j)
{
	const char *schema = json_string_value(json_object_get(j, "schema"));

	return schema && str_starts(schema, "mw.bundle/");
}

void
bundle_hash(const void *bytes, size_t n, char out[BUNDLE_HASH_LEN])
{
	str_copy(out, BUNDLE_HASH_LEN, "sha256:");
	digest_sha256_hex(bytes, n, out + strlen(out));
}

void
bundle_hash_json(const json_t *bundle, char out[BUNDLE_HASH_LEN])
{
	json_t *copy = json_object();
	const char *key;
	char *text;
	json_t *v;

	/* one level deep: the parts themselves are shared */
	json_object_foreach((json_t *)(uintptr_t)bundle, key, v)
	    json_put(copy, key, json_incref(v));
	json_object_del(copy, "sha256");
	text = json_text(copy, false);
	bundle_hash(text, strlen(text), out);
	free(text);
	json_decref(copy);
}

static bool
wrong(struct mw_err *err, const char *pointer, const char *what)
{
	err_set(err, MW_INVALID, 0, "no bundle: %s %s",
	    *pointer ? pointer : "it", what);
	return err_pointer(err, "%s", pointer);
}

bool
bundle_check_form(const json_t *j, struct mw_err *err)
{
	static const char *const head[] = { "schema", "ns", "mcis",
		"milkywayVersion", "since", "until", "sha256", NULL };
	static const char *const vm[] = { "vmId", NULL };
	static const char *const result[] = { "resultId", "vmId", "kind",
		"validity", "measuredAt", NULL };
	static const char *const item[] = { "kind", "variant", NULL };
	const json_t *eval = json_object_get(j, "evaluations");
	int64_t t;

	if (!json_is_object(j) || !bundle_is(j))
		return wrong(err, "", "has no schema " BUNDLE_SCHEMA);
	if (!str_eq(json_string_value(json_object_get(j, "schema")),
		BUNDLE_SCHEMA)) {
		err_set(err, MW_UNSUPPORTED, 0,
		    "a bundle of another form than " BUNDLE_SCHEMA);
		return err_hint(err, "a newer milkyway reads it");
	}
	if (!strings(j, "", head, err))
		return false;
	if (!when_parse(json_string_value(json_object_get(j, "since")), &t) ||
	    !when_parse(json_string_value(json_object_get(j, "until")), &t))
		return wrong(err, "/until", "and /since are no times");
	if (!list(j, "vms", BUNDLE_VMS_MAX, vm, err) ||
	    !list(j, "results", BUNDLE_RESULTS_MAX, result, err))
		return false;
	if (!json_is_object(eval))
		return wrong(err, "/evaluations", "is no object");
	if (!list(eval, "items", BUNDLE_RESULTS_MAX, item, err))
		return err_wrap(err, "evaluations");
	return matrix(json_object_get(j, "matrix"), err);
}

bool
bundle_check(const json_t *j, struct mw_err *err)
{
	char is[BUNDLE_HASH_LEN];

	if (!bundle_check_form(j, err))
		return false;
	bundle_hash_json(j, is);
	if (str_eq(is, json_string_value(json_object_get(j, "sha256"))))
		return true;
	err_set(err, MW_INVALID, 0,
	    "the bundle was changed: its content is %.23s..., not what its "
	    "sha256 says",
	    is);
	return err_hint(err, "export it again, or ask who gave it to you");
}

static bool
strings(const json_t *j, const char *pointer, const char *const *names,
    struct mw_err *err)
{
	char at[128];

	for (; *names; names++)
		if (!json_is_string(json_object_get(j, *names))) {
			snprintf(at, sizeof at, "%s/%s", pointer, *names);
			return wrong(err, at, "is no text");
		}
	return true;
}

/* Array /key of objects that have those texts. */
static bool
list(const json_t *j, const char *key, size_t max, const char *const *names,
    struct mw_err *err)
{
	const json_t *a = json_object_get(j, key);
	char at[128];
	json_t *v;
	size_t i;

	snprintf(at, sizeof at, "/%s", key);
	if (!json_is_array(a))
		return wrong(err, at, "is no array");
	if (json_array_size(a) > max)
		return wrong(err, at, "is too long");
	json_array_foreach((json_t *)(uintptr_t)a, i, v)
	{
		snprintf(at, sizeof at, "/%s/%zu", key, i);
		if (!json_is_object(v))
			return wrong(err, at, "is no object");
		if (!strings(v, at, names, err))
			return false;
	}
	return true;
}

/* Null, or n rows with n cells each; a cell is an object, or null. */
static bool
matrix(const json_t *j, struct mw_err *err)
{
	static const char *const vm[] = { "vmId", NULL };
	const json_t *cells = json_object_get(j, "cells");
	size_t n = json_array_size(json_object_get(j, "vms"));
	json_t *row, *c;
	size_t i, k;

	if (json_is_null(j))
		return true;
	if (!json_is_object(j))
		return wrong(err, "/matrix", "is neither an object nor null");
	if (!list(j, "vms", BUNDLE_MATRIX_MAX, vm, err))
		return err_wrap(err, "matrix");
	if (!json_is_array(cells) || json_array_size(cells) != n)
		return wrong(err, "/matrix/cells", "has not a row per VM");
	json_array_foreach((json_t *)(uintptr_t)cells, i, row)
	{
		if (json_array_size(row) != n)
			return wrong(err, "/matrix/cells", "is not square");
		json_array_foreach(row, k, c)
		{
			if (!json_is_object(c) && !json_is_null(c))
				return wrong(err, "/matrix/cells",
				    "has a cell that is no object");
		}
	}
	return true;
}
