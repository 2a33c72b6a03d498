/*
 * sign_int.h - what the signers share: canonical forms and signing keys.
 */
#ifndef MW_DRIVERS_SIGN_SIGN_INT_H
#define MW_DRIVERS_SIGN_SIGN_INT_H

#include "common/digest.h"
#include "drivers/sign/sign.h"

#define SIGN_HEADERS_MAX 64

/* The headers of a request and those the signer adds, to be signed. */
struct sign_headers {
	struct sign_pair v[SIGN_HEADERS_MAX];
	size_t n;
};

/* Host and the request's own ones. */
void sign_headers_init(struct sign_headers *h, const struct sign_req *r);
void sign_headers_add(struct sign_headers *h, const char *name,
    const char *value);
/*
 * METHOD LF path LF query LF headers LF LF names LF body hash: hashes it into
 * out->canonical_sha256 and returns the names "content-type;host;...".
 * body_sha256: hex.
 */
const char *sign_canonical(struct arena *a, const struct sign_req *r,
    const struct sign_headers *h, const char *body_sha256,
    struct sign_out *out);
void sign_out_add(struct sign_out *out, const char *name, const char *value);
/* HMAC(HMAC(HMAC(prefix + secret, step 0), step 1), ...). */
void sign_chain(const char *prefix, const char *secret,
    const char *const *steps, size_t n, uint8_t key[DIGEST_LEN]);
/* Lower-case hex of the HMAC-SHA256 of text. */
void sign_hmac_hex(const void *key, size_t key_len, const char *text,
    char out[DIGEST_HEX_LEN]);
/* UTC: "20150830" or "2015-08-30"; "20150830T123600Z" or
 * "2015-08-30T12:36:00Z". Seconds since 1970, not before. */
const char *sign_date(struct arena *a, int64_t unix_s, bool dashes);
const char *sign_stamp(struct arena *a, int64_t unix_s, bool dashes);

#endif
