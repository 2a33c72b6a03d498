/*
 * jwt.c - JSON Web Tokens with RS256, as Google's token endpoint wants them.
 */
#include "drivers/sign/sign_int.h"

#include <openssl/crypto.h>
#include <string.h>

/* Keys come out of JSON and of environments with "\n" spelled out. */
static char *
real_lines(struct arena *a, const char *pem)
{
	char *out = arena_strdup(a, pem), *to = out;

	for (const char *p = out; *p; p++) {
		if (p[0] == '\\' && p[1] == 'n') {
			*to++ = '\n';
			p++;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return out;
}

bool
sign_jwt(struct arena *a, const char *header_json, const char *claims_json,
    const char *key_pem, const char **out, struct mw_err *err)
{
	struct str text = STR_INIT, sig = STR_INIT;
	char *pem = real_lines(a, key_pem);
	bool ok;

	digest_add_base64url(&text, header_json, strlen(header_json));
	str_addc(&text, '.');
	digest_add_base64url(&text, claims_json, strlen(claims_json));
	ok = digest_rs256(pem, text.p, text.len, &sig, err);
	OPENSSL_cleanse(pem, strlen(pem));
	if (ok) {
		str_addc(&text, '.');
		digest_add_base64url(&text, sig.p, sig.len);
		*out = arena_strdup(a, str_cstr(&text));
	}
	str_free(&sig);
	str_free(&text);
	return ok;
}
