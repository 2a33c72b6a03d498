/*
 * sigv4.c - AWS Signature Version 4.
 */
#include "drivers/sign/sign_int.h"

#include <openssl/crypto.h>

void
sign_sigv4(struct arena *a, const struct sign_req *r,
    const struct sign_key *key, const char *region, const char *service,
    int64_t unix_s, struct sign_out *out)
{
	const char *date = sign_date(a, unix_s, false);
	const char *at = sign_stamp(a, unix_s, false);
	const char *const steps[] = { date, region, service, "aws4_request" };
	const char *scope =
	    arena_printf(a, "%s/%s/%s/aws4_request", date, region, service);
	char hash[DIGEST_HEX_LEN], mac[DIGEST_HEX_LEN];
	uint8_t derived[DIGEST_LEN];
	struct sign_headers h;
	const char *names, *text;

	out->nheaders = 0;
	sign_headers_init(&h, r);
	sign_headers_add(&h, "x-amz-date", at);
	sign_out_add(out, "x-amz-date", at);
	if (key->token) {
		sign_headers_add(&h, "x-amz-security-token", key->token);
		sign_out_add(out, "x-amz-security-token", key->token);
	}
	digest_sha256_hex(r->body, r->body_len, hash);
	names = sign_canonical(a, r, &h, hash, out);
	text = arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", at, scope,
	    out->canonical_sha256);
	sign_chain("AWS4", key->secret, steps, 4, derived);
	sign_hmac_hex(derived, sizeof derived, text, mac);
	OPENSSL_cleanse(derived, sizeof derived);
	sign_out_add(out, "authorization",
	    arena_printf(a,
		"AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, "
		"Signature=%s",
		key->id, scope, names, mac));
}
