/*
 * alibaba.c - Alibaba Cloud: ACS3-HMAC-SHA256 and the older RPC signature.
 */
#include "drivers/sign/sign_int.h"

#include <openssl/crypto.h>
#include <string.h>

void
sign_acs3(struct arena *a, const struct sign_req *r, const struct sign_key *key,
    int64_t unix_s, const char *nonce, struct sign_out *out)
{
	char hash[DIGEST_HEX_LEN], mac[DIGEST_HEX_LEN];
	struct sign_headers h;
	const char *names, *text;

	out->nheaders = 0;
	digest_sha256_hex(r->body, r->body_len, hash);
	sign_out_add(out, "x-acs-date", sign_stamp(a, unix_s, true));
	sign_out_add(out, "x-acs-signature-nonce", nonce);
	sign_out_add(out, "x-acs-content-sha256", arena_strdup(a, hash));
	if (key->token)
		sign_out_add(out, "x-acs-security-token", key->token);
	sign_headers_init(&h, r);
	for (size_t i = 0; i < out->nheaders; i++)
		sign_headers_add(&h, out->headers[i].name,
		    out->headers[i].value);
	names = sign_canonical(a, r, &h, hash, out);
	text = arena_printf(a, "ACS3-HMAC-SHA256\n%s", out->canonical_sha256);
	sign_hmac_hex(key->secret, strlen(key->secret), text, mac);
	sign_out_add(out, "authorization",
	    arena_printf(a,
		"ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s",
		key->id, names, mac));
}

const char *
sign_alirpc(struct arena *a, const char *method, const struct sign_pair *params,
    size_t n, const struct sign_key *key)
{
	struct str query = STR_INIT, text = STR_INIT, secret = STR_INIT;
	struct str out = STR_INIT;
	uint8_t mac[DIGEST_SHA1_LEN];
	const char *made;

	sign_add_query(&query, params, n);
	str_addf(&text, "%s&%%2F&", method);
	sign_add_encoded(&text, str_cstr(&query), false);
	str_addf(&secret, "%s&", key->secret);
	digest_hmac_sha1(secret.p, secret.len, text.p, text.len, mac);
	digest_add_base64(&out, mac, sizeof mac);
	made = arena_strdup(a, str_cstr(&out));
	OPENSSL_cleanse(secret.p, secret.len);
	str_free(&out);
	str_free(&secret);
	str_free(&text);
	str_free(&query);
	return made;
}
