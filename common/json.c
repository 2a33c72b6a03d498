/*
 * json.c - jansson behind limits, and getters that name the wrong field.
 * Promises: no more work than max bytes, 32 levels and the number of values
 * that goes with them allow.
 */
#include "common/json.h"

#include "common/file.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MIN 100000
#define VALUE_BYTES 8 /* a value of a dense table, with its comma */
#define DIGITS 12
#define NAME_MAX_SHOWN 48

/*
 * Counts before parsing: 12 MB with a million keys cost 0.76 s in the parser.
 * Every value but the first of a container follows a comma, so brackets and
 * commas outside of strings bound the number of values.
 */
static bool
check_limits(const char *p, size_t n, size_t values_max, struct mw_err *err)
{
	size_t depth = 0, values = 1;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if (c == '[' || c == '{')
			depth++, values++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		else if (c == ',')
			values++;
		if (depth > JSON_MAX_DEPTH_MW)
			return err_set(err, MW_INVALID, 0,
			    "JSON is nested deeper than %d", JSON_MAX_DEPTH_MW);
		if (values > values_max)
			return err_set(err, MW_LIMIT, 0,
			    "JSON holds more than %zu values", values_max);
	}
	return true;
}

json_t *
json_parse(const char *bytes, size_t n, size_t max, struct mw_err *err)
{
	size_t values = max / VALUE_BYTES;
	struct str text = STR_INIT;
	json_error_t e;
	json_t *j;

	/* A caller that takes large files takes large tables; a request body
	 * stays at the minimum. */
	if (values < VALUES_MIN || max <= JSON_BODY_MAX)
		values = VALUES_MIN;
	if (n > max) {
		err_set(err, MW_LIMIT, 0, "JSON is larger than %zu bytes", max);
		return NULL;
	}
	if (!check_limits(bytes, n, values, err))
		return NULL;
	j = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
	if (j == NULL) {
		str_add_escaped(&text, e.text, strlen(e.text), 120);
		err_set(err, MW_INVALID, 0, "not JSON: line %d column %d: %s",
		    e.line, e.column, str_cstr(&text));
		str_free(&text);
	}
	return j;
}

json_t *
json_load_path(const char *path, size_t max, struct mw_err *err)
{
	struct str text = STR_INIT;
	json_t *j = NULL;

	if (file_read(path, max, &text, err)) {
		j = json_parse(str_cstr(&text), text.len, max, err);
		if (j == NULL)
			err_wrap(err, "%s", path);
	}
	str_free(&text);
	return j;
}

static char *
dump(const json_t *j, size_t flags)
{
	char *p = json_dumps(j,
	    flags | JSON_SORT_KEYS | JSON_ENCODE_ANY |
		JSON_REAL_PRECISION(DIGITS));

	if (p == NULL)
		abort();
	return p;
}

char *
json_text(const json_t *j, bool nl)
{
	char *p = dump(j, JSON_COMPACT);

	if (nl) {
		size_t n = strlen(p);
		char *q = realloc(p, n + 2);

		if (q == NULL)
			abort();
		p = q;
		p[n] = '\n';
		p[n + 1] = '\0';
	}
	return p;
}

char *
json_pretty(const json_t *j)
{
	return dump(j, JSON_INDENT(2));
}

/* The JSON pointer of a key below at (RFC 6901: ~ is ~0, / is ~1). */
static void
pointer_of(const struct json_at *at, const char *key, char out[128])
{
	struct str s = STR_INIT;

	str_add(&s, at->pointer);
	str_addc(&s, '/');
	for (; *key != '\0'; key++) {
		if (*key == '~')
			str_add(&s, "~0");
		else if (*key == '/')
			str_add(&s, "~1");
		else
			str_add_escaped(&s, key, 1, 1);
	}
	str_copy(out, 128, str_cstr(&s));
	str_free(&s);
}

static bool
wrong(struct mw_err *err, const struct json_at *at, const char *key,
    const char *what)
{
	struct str shown = STR_INIT;
	char pointer[128];

	str_add_escaped(&shown, key, strlen(key), NAME_MAX_SHOWN);
	pointer_of(at, key, pointer);
	err_set(err, MW_INVALID, 0, "%s %s", str_cstr(&shown), what);
	str_free(&shown);
	return err_pointer(err, "%s", pointer);
}

bool
json_at_root(struct json_at *at, json_t *j, struct mw_err *err)
{
	at->obj = j;
	at->pointer[0] = '\0';
	if (!json_is_object(j))
		return err_set(err, MW_INVALID, 0,
		    "the document must be a JSON object");
	return true;
}

/* The field, or NULL if it is missing or null; then ok says if it may be. */
static json_t *
field(const struct json_at *at, const char *key, bool required, bool *ok,
    struct mw_err *err)
{
	json_t *v = json_object_get(at->obj, key);

	*ok = true;
	if (v != NULL && !json_is_null(v))
		return v;
	if (required)
		*ok = wrong(err, at, key, "is missing");
	return NULL;
}

bool
json_at_key(struct json_at *out, const struct json_at *at, const char *key,
    bool required, struct mw_err *err)
{
	struct json_at child;
	bool ok;

	child.obj = field(at, key, required, &ok, err);
	if (child.obj != NULL && !json_is_object(child.obj))
		return wrong(err, at, key, "must be an object");
	pointer_of(at, key, child.pointer);
	*out = child;
	return ok;
}

bool
json_at_index(struct json_at *out, const struct json_at *at, const char *key,
    size_t i, struct mw_err *err)
{
	json_t *v = json_array_get(json_object_get(at->obj, key), i);
	struct json_at child;
	char base[128];
	size_t n;

	pointer_of(at, key, base);
	n = strlen(base);
	str_copy(child.pointer, sizeof child.pointer, base);
	snprintf(child.pointer + n, sizeof child.pointer - n, "/%zu", i);
	child.obj = v;
	if (!json_is_object(v)) {
		err_set(err, MW_INVALID, 0, "%s[%zu] must be an object", key,
		    i);
		return err_pointer(err, "%s", child.pointer);
	}
	*out = child;
	return true;
}

bool
json_get_str(const struct json_at *at, const char *key, bool required,
    size_t max_len, const char **out, struct mw_err *err)
{
	json_t *v;
	bool ok;

	*out = NULL;
	v = field(at, key, required, &ok, err);
	if (v == NULL)
		return ok;
	if (!json_is_string(v))
		return wrong(err, at, key, "must be a string");
	if (json_string_length(v) > max_len) {
		char what[64];

		snprintf(what, sizeof what, "is longer than %zu bytes",
		    max_len);
		return wrong(err, at, key, what);
	}
	*out = json_string_value(v);
	return true;
}

bool
json_get_id(const struct json_at *at, const char *key, bool required,
    const char **out, struct mw_err *err)
{
	if (!json_get_str(at, key, required, ID_MAX, out, err))
		return false;
	if (*out != NULL && !id_valid(*out)) {
		*out = NULL;
		return wrong(err, at, key,
		    "must match [a-z]([-a-z0-9]{0,61}[a-z0-9])?");
	}
	return true;
}

bool
json_get_int(const struct json_at *at, const char *key, bool has_def,
    int64_t def, int64_t min, int64_t max, int64_t *out, struct mw_err *err)
{
	char what[96];
	json_t *v;
	bool ok;

	v = field(at, key, !has_def, &ok, err);
	if (v == NULL) {
		*out = def;
		return ok;
	}
	if (!json_is_integer(v))
		return wrong(err, at, key, "must be an integer");
	if (json_integer_value(v) < min || json_integer_value(v) > max) {
		snprintf(what, sizeof what, "must be in %lld..%lld",
		    (long long)min, (long long)max);
		return wrong(err, at, key, what);
	}
	*out = json_integer_value(v);
	return true;
}

bool
json_get_num(const struct json_at *at, const char *key, bool has_def,
    double def, double min, double max, double *out, struct mw_err *err)
{
	char what[96];
	json_t *v;
	double d;
	bool ok;

	v = field(at, key, !has_def, &ok, err);
	if (v == NULL) {
		*out = def;
		return ok;
	}
	if (!json_is_number(v))
		return wrong(err, at, key, "must be a number");
	d = json_number_value(v);
	if (!(d >= min && d <= max)) {
		snprintf(what, sizeof what, "must be in %g..%g", min, max);
		return wrong(err, at, key, what);
	}
	*out = d;
	return true;
}

bool
json_get_bool(const struct json_at *at, const char *key, bool has_def, bool def,
    bool *out, struct mw_err *err)
{
	json_t *v;
	bool ok;

	v = field(at, key, !has_def, &ok, err);
	if (v == NULL) {
		*out = def;
		return ok;
	}
	if (!json_is_boolean(v))
		return wrong(err, at, key, "must be true or false");
	*out = json_is_true(v);
	return true;
}

bool
json_get_array(const struct json_at *at, const char *key, bool required,
    size_t min, size_t max, json_t **out, struct mw_err *err)
{
	char what[96];
	json_t *v;
	bool ok;

	*out = NULL;
	v = field(at, key, required, &ok, err);
	if (v == NULL)
		return ok;
	if (!json_is_array(v))
		return wrong(err, at, key, "must be an array");
	if (json_array_size(v) < min || json_array_size(v) > max) {
		snprintf(what, sizeof what, "must have %zu..%zu elements", min,
		    max);
		return wrong(err, at, key, what);
	}
	*out = v;
	return true;
}

/* As many as fit. */
static void
say_known(const char *const *known, struct mw_err *err)
{
	struct str t = STR_INIT;

	for (; *known && t.len + strlen(*known) < sizeof err->hint - 32;
	     known++)
		str_addf(&t, "%s%s", t.len ? ", " : "it takes ", *known);
	err_hint(err, "%s%s", str_cstr(&t), *known ? ", ..." : "");
	str_free(&t);
}

bool
json_no_others(const struct json_at *at, const char *const *known,
    struct mw_err *err)
{
	const char *key;
	json_t *v;

	json_object_foreach(at->obj, key, v)
	{
		const char *const *k = known;

		while (*k != NULL && strcmp(*k, key) != 0)
			k++;
		if (*k != NULL)
			continue;
		wrong(err, at, key, "is not a known field");
		say_known(known, err);
		return false;
	}
	return true;
}

void
json_put(json_t *obj, const char *key, json_t *take_val)
{
	/* NULL is also what jansson gives for bytes that are not UTF-8. */
	if (take_val == NULL)
		take_val = json_null();
	if (json_object_set_new(obj, key, take_val) != 0)
		abort();
}

/* Text that is not UTF-8 is kept readable, not dropped. */
static json_t *
string_of(const char *s)
{
	struct str escaped = STR_INIT;
	json_t *j = json_string(s);

	if (j == NULL) {
		str_add_escaped(&escaped, s, strlen(s), SIZE_MAX);
		j = json_string(str_cstr(&escaped));
		str_free(&escaped);
	}
	return j;
}

void
json_add_str(struct str *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	json_t *j;
	char *text;

	if (s == NULL) {
		str_add(out, "null");
		return;
	}
	while (*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	if (*p == '\0') {
		str_addc(out, '"');
		str_add(out, s);
		str_addc(out, '"');
		return;
	}
	j = string_of(s);
	text = dump(j, JSON_COMPACT | JSON_ENCODE_ANY);
	str_add(out, text);
	free(text);
	json_decref(j);
}

void
json_add_time(struct str *out, int64_t wall_ns)
{
	char text[WHEN_LEN];

	if (wall_ns != 0)
		when_format(wall_ns, text);
	json_add_str(out, wall_ns != 0 ? text : NULL);
}

void
json_put_str(json_t *obj, const char *key, const char *s)
{
	json_put(obj, key, s != NULL ? string_of(s) : NULL);
}

void
json_put_int(json_t *obj, const char *key, int64_t v)
{
	json_put(obj, key, json_integer(v));
}

void
json_put_num(json_t *obj, const char *key, double v)
{
	char text[40];

	if (!isfinite(v)) {
		json_put(obj, key, NULL);
		return;
	}
	snprintf(text, sizeof text, "%.*g", DIGITS, v);
	json_put(obj, key, json_real(strtod(text, NULL)));
}

void
json_put_bool(json_t *obj, const char *key, bool v)
{
	json_put(obj, key, json_boolean(v));
}

void
json_put_time(json_t *obj, const char *key, int64_t wall_ns)
{
	char text[WHEN_LEN];

	if (wall_ns == 0) {
		json_put(obj, key, NULL);
		return;
	}
	when_format(wall_ns, text);
	json_put_str(obj, key, text);
}
