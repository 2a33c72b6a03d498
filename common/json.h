/*
 * json.h - limits before parsing, and typed getters with exact error places.
 *
 * json_parse refuses more than max bytes, depth over 32, more than 100,000
 * values (or max / 8, where max is more than JSON_BODY_MAX), duplicate keys,
 * invalid UTF-8, trailing bytes: all before or while jansson parses. A getter that fails sets MW_INVALID, err->pointer and a
 * message; unknown fields are errors (json_no_others).
 */
#ifndef MW_COMMON_JSON_H
#define MW_COMMON_JSON_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#include <jansson.h>

#define JSON_MAX_DEPTH_MW 32
#define JSON_BODY_MAX (1024 * 1024)

/* A place in a document: the object and its JSON pointer. */
struct json_at {
	json_t *obj; /* borrowed */
	char pointer[128];
};

/* New reference, or NULL with err set. */
json_t *json_parse(const char *bytes, size_t n, size_t max,
    struct mw_err *err) mw_must_check;
json_t *json_load_path(const char *path, size_t max,
    struct mw_err *err) mw_must_check;
/* Compact text with a trailing newline if nl; sorted keys; the caller frees. */
char *json_text(const json_t *j, bool nl);
/* Same, indented by 2: for people and files. */
char *json_pretty(const json_t *j);

bool json_at_root(struct json_at *at, json_t *j,
    struct mw_err *err) mw_must_check; /* must be an object */
/* Child object /key. Missing: at->obj = NULL if !required. */
bool json_at_key(struct json_at *out, const struct json_at *at, const char *key,
    bool required, struct mw_err *err) mw_must_check;
/* Element i of the array /key; it must be an object. */
bool json_at_index(struct json_at *out, const struct json_at *at,
    const char *key, size_t i, struct mw_err *err) mw_must_check;

/* Required unless has_def: then a missing or null field gives def. Ranges are
 * inclusive. Strings are borrowed from the document. */
bool json_get_str(const struct json_at *at, const char *key, bool required,
    size_t max_len, const char **out, struct mw_err *err) mw_must_check;
/* A string that obeys id_valid(). */
bool json_get_id(const struct json_at *at, const char *key, bool required,
    const char **out, struct mw_err *err) mw_must_check;
bool json_get_int(const struct json_at *at, const char *key, bool has_def,
    int64_t def, int64_t min, int64_t max, int64_t *out,
    struct mw_err *err) mw_must_check;
bool json_get_num(const struct json_at *at, const char *key, bool has_def,
    double def, double min, double max, double *out,
    struct mw_err *err) mw_must_check;
bool json_get_bool(const struct json_at *at, const char *key, bool has_def,
    bool def, bool *out, struct mw_err *err) mw_must_check;
/* Array /key with min..max elements; missing and !required: *out = NULL. */
bool json_get_array(const struct json_at *at, const char *key, bool required,
    size_t min, size_t max, json_t **out, struct mw_err *err) mw_must_check;
/* Refuses any key of at->obj that is not in the NULL-terminated list. */
bool json_no_others(const struct json_at *at, const char *const *known,
    struct mw_err *err) mw_must_check;

/* Text of a JSON string, with its quotes, at the end of out; NULL: null. For
 * what is written often; the rest is made with json_put_str(). */
void json_add_str(struct str *out, const char *s);
void json_add_time(struct str *out, int64_t wall_ns); /* 0: null */

/* json_object_set_new with abort on failure; val is taken. NULL val = null. */
void json_put(json_t *obj, const char *key, json_t *take_val);
void json_put_str(json_t *obj, const char *key, const char *s); /* NULL: null */
void json_put_int(json_t *obj, const char *key, int64_t v);
/* Finite numbers only, rounded to 12 significant digits; else null. */
void json_put_num(json_t *obj, const char *key, double v);
void json_put_bool(json_t *obj, const char *key, bool v);
void json_put_time(json_t *obj, const char *key, int64_t wall_ns); /* 0: null */

#endif
