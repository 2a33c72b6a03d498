/*
 * tc3.c - Tencent Cloud API signature version 3. A signature is good for five
 * minutes.
 */
#include "drivers/sign/sign_int.h"

#include <openssl/crypto.h>

void
sign_tc3(struct arena *a, const struct sign_req *r, const struct sign_key *key,
    const char *service, int64_t unix_s, struct sign_out *out)
{
	const char *date = sign_date(a, unix_s, true);
	const char *at = arena_printf(a, "%lld", (long long)unix_s);
	const char *const steps[] = { date, service, "tc3_request" };
	const char *scope = arena_printf(a, "%s/%s/tc3_request", date, service);
	char hash[DIGEST_HEX_LEN], mac[DIGEST_HEX_LEN];
	uint8_t derived[DIGEST_LEN];
	struct sign_headers h;
	const char *names, *text;

	out->nheaders = 0;
	sign_headers_init(&h, r);
	digest_sha256_hex(r->body, r->body_len, hash);
	names = sign_canonical(a, r, &h, hash, out);
	text = arena_printf(a, "TC3-HMAC-SHA256\n%s\n%s\n%s", at, scope,
	    out->canonical_sha256);
	sign_chain("TC3", key->secret, steps, 3, derived);
	sign_hmac_hex(derived, sizeof derived, text, mac);
	OPENSSL_cleanse(derived, sizeof derived);
	sign_out_add(out, "x-tc-timestamp", at);
	if (key->token)
		sign_out_add(out, "x-tc-token", key->token);
	sign_out_add(out, "authorization",
	    arena_printf(a,
		"TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, "
		"Signature=%s",
		key->id, scope, names, mac));
}
