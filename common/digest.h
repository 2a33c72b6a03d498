/*
 * digest.h - digests, keyed digests, signatures and base64, by OpenSSL.
 *
 * Nothing here fails for good input; a library that cannot do SHA-256 ends the
 * process. Secrets are borrowed for the call and not kept.
 */
#ifndef MW_COMMON_DIGEST_H
#define MW_COMMON_DIGEST_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#define DIGEST_LEN 32 /* bytes of SHA-256 */
#define DIGEST_SHA1_LEN 20
#define DIGEST_HEX_LEN (2 * DIGEST_LEN + 1) /* with the NUL */

void digest_sha256(const void *p, size_t n, uint8_t out[DIGEST_LEN]);
void digest_sha256_hex(const void *p, size_t n, char out[DIGEST_HEX_LEN]);
void digest_hex(const uint8_t *p, size_t n, char *out); /* 2 * n + 1 bytes */
/* RFC 2104. */
void digest_hmac_sha256(const void *key, size_t key_len, const void *p,
    size_t n, uint8_t out[DIGEST_LEN]);
void digest_hmac_sha1(const void *key, size_t key_len, const void *p, size_t n,
    uint8_t out[DIGEST_SHA1_LEN]);
/* RFC 4648 section 4, and section 5 (for URLs) without padding. */
void digest_add_base64(struct str *out, const void *p, size_t n);
void digest_add_base64url(struct str *out, const void *p, size_t n);
/*
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2), key as PEM of PKCS#8 or
 * PKCS#1. Adds the signature to out. False: no such key (MW_INVALID; the
 * message holds nothing of it).
 */
bool digest_rs256(const char *key_pem, const void *p, size_t n, struct str *out,
    struct mw_err *err) mw_must_check;

#endif
