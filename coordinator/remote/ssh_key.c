/*
 * ssh_key.c - see ssh_key.h. Key generation and digests by OpenSSL; the
 * formats are RFC 4253 section 6.6, RFC 8709 and OpenSSH's PROTOCOL.key.
 */
#include "coordinator/remote/ssh_key.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/tls.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define ED25519_LEN 32

static void
add_u32(struct str *s, size_t v)
{
	unsigned char b[4] = { (unsigned char)(v >> 24),
		(unsigned char)(v >> 16), (unsigned char)(v >> 8),
		(unsigned char)v };

	str_addn(s, b, sizeof b);
}

static void
add_string(struct str *s, const void *p, size_t n)
{
	add_u32(s, n);
	str_addn(s, p, n);
}

/* In lines of width; 0: one line. */
static void
add_base64(struct str *out, const void *p, size_t n, size_t width)
{
	unsigned char quad[5];
	const unsigned char *b = p;
	size_t col = 0;

	for (size_t i = 0; i < n; i += 3) {
		EVP_EncodeBlock(quad, b + i, (int)(n - i < 3 ? n - i : 3));
		for (size_t k = 0; k < 4; k++) {
			if (width && col == width) {
				str_addc(out, '\n');
				col = 0;
			}
			str_addc(out, (char)quad[k]);
			col++;
		}
	}
	OPENSSL_cleanse(quad, sizeof quad);
}

static bool
base64_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

static void
public_blob(struct str *out, const unsigned char pub[ED25519_LEN])
{
	static const char type[] = "ssh-ed25519";

	add_string(out, type, sizeof type - 1);
	add_string(out, pub, ED25519_LEN);
}

/* The part that a passphrase would encrypt. */
static void
private_part(struct str *out, const unsigned char pub[ED25519_LEN],
    const unsigned char seed[ED25519_LEN], const char *comment)
{
	uint32_t check = (uint32_t)clock_random_u64();

	add_u32(out, check);
	add_u32(out, check);
	public_blob(out, pub);
	add_u32(out, 2 * ED25519_LEN);
	str_addn(out, seed, ED25519_LEN);
	str_addn(out, pub, ED25519_LEN);
	add_string(out, comment, strlen(comment));
	for (unsigned char pad = 1; out->len % 8; pad++)
		str_addn(out, &pad, 1);
}

static void
private_text(struct str *pem, const unsigned char pub[ED25519_LEN],
    const unsigned char seed[ED25519_LEN], const char *comment)
{
	struct str blob = STR_INIT, key = STR_INIT, part = STR_INIT;

	public_blob(&key, pub);
	private_part(&part, pub, seed, comment);
	str_addn(&blob, "openssh-key-v1", 15);
	add_string(&blob, "none", 4);
	add_string(&blob, "none", 4);
	add_string(&blob, "", 0);
	add_u32(&blob, 1);
	add_string(&blob, key.p, key.len);
	add_string(&blob, part.p, part.len);
	str_add(pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	add_base64(pem, blob.p, blob.len, 70);
	str_add(pem, "\n-----END OPENSSH PRIVATE KEY-----\n");
	OPENSSL_cleanse(blob.p, blob.len);
	OPENSSL_cleanse(part.p, part.len);
	str_free(&blob);
	str_free(&key);
	str_free(&part);
}

bool
ssh_key_new(const char *comment, struct str *private_pem,
    struct str *public_line, struct mw_err *err)
{
	unsigned char pub[ED25519_LEN], seed[ED25519_LEN];
	size_t npub = sizeof pub, nseed = sizeof seed;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct str blob = STR_INIT;
	bool ok = false;

	if (!key || EVP_PKEY_get_raw_public_key(key, pub, &npub) != 1 ||
	    EVP_PKEY_get_raw_private_key(key, seed, &nseed) != 1 ||
	    npub != ED25519_LEN || nseed != ED25519_LEN) {
		tls_err(err, MW_INTERNAL, "ed25519 key");
		goto out;
	}
	private_text(private_pem, pub, seed, comment);
	public_blob(&blob, pub);
	str_add(public_line, "ssh-ed25519 ");
	add_base64(public_line, blob.p, blob.len, 0);
	str_addf(public_line, " %s", comment);
	ok = true;
out:
	OPENSSL_cleanse(seed, sizeof seed);
	str_free(&blob);
	EVP_PKEY_free(key);
	return ok;
}

bool
ssh_key_line(const void *blob, size_t n, char line[SSH_HOST_KEY_MAX],
    struct mw_err *err)
{
	const unsigned char *b = blob;
	struct str s = STR_INIT;
	size_t type;
	bool ok;

	if (n < 4)
		return err_set(err, MW_PROTO, 0, "host key too short");
	type =
	    (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
	if (type == 0 || type > 64 || type > n - 4)
		return err_set(err, MW_PROTO, 0, "host key without type");
	for (size_t i = 4; i < 4 + type; i++) {
		if (b[i] <= ' ' || b[i] > '~')
			return err_set(err, MW_PROTO, 0, "bad host key type");
	}
	str_addn(&s, b + 4, type);
	str_addc(&s, ' ');
	add_base64(&s, b, n, 0);
	ok = s.len < SSH_HOST_KEY_MAX;
	if (ok)
		str_copy(line, SSH_HOST_KEY_MAX, str_cstr(&s));
	else
		err_set(err, MW_PROTO, 0, "host key too long");
	str_free(&s);
	return ok;
}

/* "type base64[ comment]": where the base64 is; false if it is not such. */
static bool
key_part(const char *line, const char **b64, size_t *n)
{
	const char *sp = strchr(line, ' ');

	if (!sp || sp == line)
		return false;
	*b64 = sp + 1;
	*n = 0;
	while (base64_char((*b64)[*n]))
		(*n)++;
	return *n > 0 && *n % 4 == 0 && *n < SSH_HOST_KEY_MAX &&
	    ((*b64)[*n] == '\0' || (*b64)[*n] == ' ' || (*b64)[*n] == '\n');
}

bool
ssh_key_fingerprint(const char *line, char out[SSH_FINGERPRINT_LEN],
    struct mw_err *err)
{
	unsigned char blob[SSH_HOST_KEY_MAX], sum[32];
	struct str s = STR_INIT;
	const char *b64;
	size_t n;
	int len;

	if (!key_part(line, &b64, &n))
		return err_set(err, MW_INVALID, 0, "not a public key line");
	len = EVP_DecodeBlock(blob, (const unsigned char *)b64, (int)n);
	for (size_t i = n; len > 0 && b64[i - 1] == '=' && i > n - 2; i--)
		len--; /* EVP_DecodeBlock counts the padding */
	if (len <= 0)
		return err_set(err, MW_INVALID, 0, "not a public key line");
	digest_sha256(blob, (size_t)len, sum);
	str_add(&s, "SHA256:");
	add_base64(&s, sum, sizeof sum, 0);
	str_copy(out, SSH_FINGERPRINT_LEN - 1, str_cstr(&s)); /* without '=' */
	str_free(&s);
	return true;
}

bool
ssh_key_equal(const char *line_a, const char *line_b)
{
	const char *a, *b;
	size_t na, nb, type;

	if (!line_a || !line_b || !key_part(line_a, &a, &na) ||
	    !key_part(line_b, &b, &nb))
		return false;
	type = (size_t)(a - line_a);
	return type == (size_t)(b - line_b) && na == nb &&
	    memcmp(line_a, line_b, type) == 0 && memcmp(a, b, na) == 0;
}

/* The line at p, if it is a key of that type. */
static bool
take_line(const char *p, size_t n, const char *type,
    char line[SSH_HOST_KEY_MAX])
{
	char buf[SSH_HOST_KEY_MAX];
	size_t k = strlen(type);
	const char *b64;
	size_t nb;

	while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == ' '))
		n--;
	if (n <= k || n >= sizeof buf || memcmp(p, type, k) != 0 ||
	    memchr(p, '\0', n))
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	if (!key_part(buf, &b64, &nb))
		return false;
	buf[(size_t)(b64 - buf) + nb] = '\0'; /* no comment: peer text */
	str_copy(line, SSH_HOST_KEY_MAX, buf);
	return true;
}

bool
ssh_key_from_console(const char *text, size_t n, char line[SSH_HOST_KEY_MAX])
{
	static const char begin[] = "-----BEGIN SSH HOST KEY KEYS-----";
	static const char end[] = "-----END SSH HOST KEY KEYS-----";
	const char *p = memmem(text, n, begin, sizeof begin - 1), *stop, *nl;
	bool found = false;

	if (!p)
		return false;
	p += sizeof begin - 1;
	stop = memmem(p, n - (size_t)(p - text), end, sizeof end - 1);
	if (!stop)
		return false;
	for (; p < stop; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(stop - p));
		if (!nl)
			nl = stop;
		if (take_line(p, (size_t)(nl - p), "ssh-ed25519 ", line))
			return true;
		if (!found)
			found = take_line(p, (size_t)(nl - p),
			    "ecdsa-sha2-nistp256 ", line);
	}
	return found;
}
