/*
 * bundle.h - the file that holds what was measured: mw.bundle/1, docs/bundles.md.
 *
 * Canonical: what json_text() writes (sorted keys, compact, numbers of 12
 * digits) with arrays in a fixed order. sha256 is of that text without the
 * member "sha256" itself, so that it survives any other layout of the file.
 */
#ifndef MW_COMMON_BUNDLE_H
#define MW_COMMON_BUNDLE_H

#include "common/json.h"

#define BUNDLE_SCHEMA "mw.bundle/1"
#define BUNDLE_MAX (48 * 1024 * 1024) /* bytes, unpacked */
#define BUNDLE_RESULTS_MAX 20000
#define BUNDLE_VMS_MAX 100000
#define BUNDLE_MATRIX_MAX 1000 /* rows */
#define BUNDLE_HASH_LEN 72 /* "sha256:", 64 digits, the NUL */

/* Is that a bundle, whatever is in it? */
bool bundle_is(const json_t *j);
/* The name of bytes. */
void bundle_hash(const void *bytes, size_t n, char out[BUNDLE_HASH_LEN]);
/* What "sha256" should be. The document is not changed. */
void bundle_hash_json(const json_t *bundle, char out[BUNDLE_HASH_LEN]);
/* Its form: what readers take for granted. */
bool bundle_check_form(const json_t *j, struct mw_err *err) mw_must_check;
/* Its form and its hash. */
bool bundle_check(const json_t *j, struct mw_err *err) mw_must_check;

#endif
