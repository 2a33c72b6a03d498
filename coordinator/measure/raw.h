/*
 * raw.h - what a tool printed, as agents send it (zlib) and as people read it.
 * The name of a text is "sha256:" and the digest of its bytes.
 */
#ifndef MW_COORDINATOR_RAW_H
#define MW_COORDINATOR_RAW_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#define RAW_NAME_LEN 72

/* "sha256:..." of bytes. */
void raw_name(const void *bytes, size_t n, char name[RAW_NAME_LEN]);
bool raw_name_valid(const char *name);
/* base64 of at most RESULT_RAW_PACKED_MAX bytes; the caller frees *out. */
bool raw_decode(const char *base64, void **out, size_t *n,
    struct mw_err *err) mw_must_check;
/* Adds the text, at most RESULT_RAW_MAX bytes of it. False: it is no zlib
 * stream, or a larger one. */
bool raw_inflate(const void *packed, size_t n, struct str *text,
    struct mw_err *err) mw_must_check;
/* Is that the text of that name? */
bool raw_check(const void *packed, size_t n, const char *name,
    struct mw_err *err) mw_must_check;

#endif
