/*
 * digest.c - see digest.h. The one file that asks OpenSSL for digests on
 * behalf of the signers; holds no state.
 */
#include "common/digest.h"

#include "common/pure/alloc.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

static void add_base64(struct str *out, const void *p, size_t n,
    const char *alphabet, bool pad);
static void hmac(const EVP_MD *md, const void *key, size_t key_len,
    const void *p, size_t n, uint8_t *out);

/* Idempotent and thread-safe. No configuration file of OpenSSL is read. */
static void
init(void)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		abort();
}

void
digest_sha256(const void *p, size_t n, uint8_t out[DIGEST_LEN])
{
	init();
	if (EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void
digest_hex(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

void
digest_sha256_hex(const void *p, size_t n, char out[DIGEST_HEX_LEN])
{
	uint8_t raw[DIGEST_LEN];

	digest_sha256(p, n, raw);
	digest_hex(raw, sizeof raw, out);
}

void
digest_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
    uint8_t out[DIGEST_LEN])
{
	hmac(EVP_sha256(), key, key_len, p, n, out);
}

void
digest_hmac_sha1(const void *key, size_t key_len, const void *p, size_t n,
    uint8_t out[DIGEST_SHA1_LEN])
{
	hmac(EVP_sha1(), key, key_len, p, n, out);
}

static void
hmac(const EVP_MD *md, const void *key, size_t key_len, const void *p, size_t n,
    uint8_t *out)
{
	init();
	/* A NULL key means "the same as last time" to HMAC(). */
	if (!HMAC(md, key ? key : "", (int)key_len, p, n, out, NULL))
		abort();
}

void
digest_add_base64(struct str *out, const void *p, size_t n)
{
	add_base64(out, p, n,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789+/",
	    true);
}

void
digest_add_base64url(struct str *out, const void *p, size_t n)
{
	add_base64(out, p, n,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-_",
	    false);
}

static void
add_base64(struct str *out, const void *p, size_t n, const char *alphabet,
    bool pad)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)b[i] << 16;

		if (have > 1)
			v |= (uint32_t)b[i + 1] << 8;
		if (have > 2)
			v |= b[i + 2];
		for (size_t k = 0; k < 4; k++) {
			if (k <= have)
				str_addc(out, alphabet[v >> (18 - 6 * k) & 63]);
			else if (pad)
				str_addc(out, '=');
		}
	}
}

bool
digest_rs256(const char *key_pem, const void *p, size_t n, struct str *out,
    struct mw_err *err)
{
	static char no_passphrase[] = ""; /* or OpenSSL asks the terminal */
	BIO *bio = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = bio
	    ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase)
	    : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[1024]; /* RSA of up to 8,192 bits */
	size_t len = sizeof sig;
	bool ok = key && ctx && EVP_PKEY_is_a(key, "RSA") &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, sig, &len, p, n) == 1;

	if (ok)
		str_addn(out, sig, len);
	else
		err_set(err, MW_INVALID, 0,
		    "the private key is not an RSA key in PEM form");
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}
