/*
 * vm_key.c - see vm_key.h. The format is PROTOCOL.key of OpenSSH. Used by
 * vm.c.
 */
#include "twin/vm_key.h"

#include "common/clock.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define HEAD "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define TAIL "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* and its NUL */
#define TYPE "ssh-ed25519"

enum {
	LINE = 70, /* base64 characters per line */
	BLOCK = 8, /* padding of the private part without a cipher */
	PEM_MAX = 4096,
	PUB_BLOB = 4 + sizeof TYPE - 1 + 4 + 32
};

struct reader {
	const uint8_t *p;
	size_t n;
};

static void put_u32(struct str *s, uint32_t v);
static void put_string(struct str *s, const void *p, size_t n);
static void put_blob(struct str *s, const uint8_t pub[32]);
static void base64(const void *p, size_t n, struct str *out);
static bool get_string(struct reader *r, struct reader *out);
static bool is_text(struct reader r, const char *text);
static bool parse_blob(const uint8_t *p, size_t n, uint8_t pub[32]);

void
vm_key_format(const uint8_t seed[32], const uint8_t pub[32], uint32_t check,
    const char *comment, struct str *out)
{
	struct str all = STR_INIT, priv = STR_INIT, blob = STR_INIT;
	struct str text = STR_INIT;
	uint8_t both[64];
	size_t i, n;

	memcpy(both, seed, 32);
	memcpy(both + 32, pub, 32);
	put_u32(&priv, check);
	put_u32(&priv, check);
	put_string(&priv, TYPE, sizeof TYPE - 1);
	put_string(&priv, pub, 32);
	put_string(&priv, both, sizeof both);
	put_string(&priv, comment, strlen(comment));
	for (i = 1; priv.len % BLOCK != 0; i++)
		str_addc(&priv, (char)i);
	put_blob(&blob, pub);
	str_addn(&all, MAGIC, sizeof MAGIC);
	put_string(&all, "none", 4); /* cipher */
	put_string(&all, "none", 4); /* key derivation */
	put_string(&all, "", 0);
	put_u32(&all, 1); /* keys */
	put_string(&all, blob.p, blob.len);
	put_string(&all, priv.p, priv.len);
	base64(all.p, all.len, &text);
	str_add(out, HEAD);
	for (i = 0; i < text.len; i += n) {
		n = text.len - i < LINE ? text.len - i : LINE;
		str_addn(out, text.p + i, n);
		str_addc(out, '\n');
	}
	str_add(out, TAIL "\n");
	OPENSSL_cleanse(both, sizeof both);
	OPENSSL_cleanse(priv.p, priv.len);
	str_free(&all);
	str_free(&priv);
	str_free(&blob);
	str_free(&text);
}

void
vm_key_public(const uint8_t pub[32], const char *comment, struct str *out)
{
	struct str blob = STR_INIT;

	put_blob(&blob, pub);
	str_add(out, TYPE " ");
	base64(blob.p, blob.len, out);
	str_addf(out, " %s", comment);
	str_free(&blob);
}

bool
vm_key_parse(const char *pem, uint8_t pub[32], struct mw_err *err)
{
	const char *end, *p;
	struct str b64 = STR_INIT;
	uint8_t raw[PEM_MAX];
	struct reader r, s;
	bool ok = false;
	int n;

	p = str_starts(pem, HEAD) ? pem + strlen(HEAD) : NULL;
	end = p ? strstr(p, TAIL) : NULL;
	if (!end || end - p > PEM_MAX)
		goto out;
	for (; p < end; p++)
		if (*p != '\n' && *p != '\r')
			str_addc(&b64, *p);
	if (b64.len == 0 || b64.len % 4 != 0)
		goto out;
	n = EVP_DecodeBlock(raw, (const uint8_t *)b64.p, (int)b64.len);
	if (n < (int)sizeof MAGIC || memcmp(raw, MAGIC, sizeof MAGIC) != 0)
		goto out;
	r.p = raw + sizeof MAGIC;
	r.n = (size_t)n - sizeof MAGIC;
	if (!get_string(&r, &s) || !is_text(s, "none") || !get_string(&r, &s) ||
	    !is_text(s, "none") || !get_string(&r, &s) || s.n != 0 || r.n < 4 ||
	    memcmp(r.p, "\0\0\0\1", 4) != 0)
		goto out;
	r.p += 4;
	r.n -= 4;
	ok = get_string(&r, &s) && parse_blob(s.p, s.n, pub);
out:
	str_free(&b64);
	OPENSSL_cleanse(raw, sizeof raw);
	return ok ||
	    err_set(err, MW_INVALID, 0,
		"not an unencrypted ed25519 key in OpenSSH format");
}

bool
vm_key_new(const char *comment, struct str *private_out, uint8_t pub[32],
    struct mw_err *err)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t nseed = 32, npub = 32;
	uint8_t seed[32];
	bool ok;

	ok = key && EVP_PKEY_get_raw_private_key(key, seed, &nseed) == 1 &&
	    EVP_PKEY_get_raw_public_key(key, pub, &npub) == 1;
	if (ok)
		vm_key_format(seed, pub, (uint32_t)clock_random_u64(), comment,
		    private_out);
	else
		err_set(err, MW_INTERNAL, 0, "ed25519 key: %s",
		    ERR_reason_error_string(ERR_get_error()));
	OPENSSL_cleanse(seed, sizeof seed);
	EVP_PKEY_free(key);
	return ok;
}

void
vm_key_fingerprint(const uint8_t pub[32], struct str *out)
{
	struct str blob = STR_INIT;
	uint8_t hash[32];
	size_t n;

	put_blob(&blob, pub);
	EVP_Q_digest(NULL, "SHA256", NULL, blob.p, blob.len, hash, &n);
	str_add(out, "SHA256:");
	base64(hash, sizeof hash, out);
	/* ssh-keygen leaves the padding out */
	while (out->len > 0 && out->p[out->len - 1] == '=')
		out->p[--out->len] = '\0';
	str_free(&blob);
}

static void
put_u32(struct str *s, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };

	str_addn(s, b, sizeof b);
}

static void
put_string(struct str *s, const void *p, size_t n)
{
	put_u32(s, (uint32_t)n);
	str_addn(s, p, n);
}

static void
put_blob(struct str *s, const uint8_t pub[32])
{
	put_string(s, TYPE, sizeof TYPE - 1);
	put_string(s, pub, 32);
}

static void
base64(const void *p, size_t n, struct str *out)
{
	uint8_t text[65];
	const uint8_t *b = p;
	size_t k;

	for (; n > 0; n -= k, b += k) {
		k = n < 48 ? n : 48;
		str_addn(out, text, (size_t)EVP_EncodeBlock(text, b, (int)k));
	}
}

static bool
get_string(struct reader *r, struct reader *out)
{
	size_t n;

	if (r->n < 4)
		return false;
	n = (size_t)r->p[0] << 24 | (size_t)r->p[1] << 16 |
	    (size_t)r->p[2] << 8 | r->p[3];
	if (n > r->n - 4)
		return false;
	out->p = r->p + 4;
	out->n = n;
	r->p += 4 + n;
	r->n -= 4 + n;
	return true;
}

static bool
is_text(struct reader r, const char *text)
{
	return r.n == strlen(text) && memcmp(r.p, text, r.n) == 0;
}

static bool
parse_blob(const uint8_t *p, size_t n, uint8_t pub[32])
{
	struct reader r = { p, n }, s;

	if (n != PUB_BLOB || !get_string(&r, &s) || !is_text(s, TYPE) ||
	    !get_string(&r, &s) || s.n != 32)
		return false;
	memcpy(pub, s.p, 32);
	return true;
}
