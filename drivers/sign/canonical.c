/*
 * canonical.c - the canonical forms that SigV4, TC3 and ACS3 have in common.
 */
#include "common/pure/alloc.h"
#include "drivers/sign/sign_int.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789-._~";

void
sign_add_encoded(struct str *out, const char *s, bool path)
{
	for (; *s; s++) {
		if (strchr(unreserved, *s) || (path && *s == '/'))
			str_addc(out, *s);
		else
			str_addf(out, "%%%02X", (unsigned)(unsigned char)*s);
	}
}

static int
pair_cmp(const void *a, const void *b)
{
	const struct sign_pair *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : strcmp(x->value, y->value);
}

void
sign_add_query(struct str *out, const struct sign_pair *v, size_t n)
{
	struct sign_pair *enc = xcalloc(n + 1, sizeof *enc);
	struct arena *a = arena_new();

	for (size_t i = 0; i < n; i++) {
		struct str name = STR_INIT, value = STR_INIT;

		sign_add_encoded(&name, v[i].name, false);
		sign_add_encoded(&value, v[i].value, false);
		enc[i].name = arena_strdup(a, str_cstr(&name));
		enc[i].value = arena_strdup(a, str_cstr(&value));
		str_free(&name);
		str_free(&value);
	}
	qsort(enc, n, sizeof *enc, pair_cmp);
	for (size_t i = 0; i < n; i++)
		str_addf(out, "%s%s=%s", i ? "&" : "", enc[i].name,
		    enc[i].value);
	arena_free(a);
	free(enc);
}

void
sign_headers_add(struct sign_headers *h, const char *name, const char *value)
{
	if (h->n == SIGN_HEADERS_MAX)
		abort(); /* our drivers send a handful */
	h->v[h->n++] = (struct sign_pair){ name, value };
}

void
sign_headers_init(struct sign_headers *h, const struct sign_req *r)
{
	h->n = 0;
	sign_headers_add(h, "host", r->host);
	for (size_t i = 0; i < r->nheaders; i++)
		sign_headers_add(h, r->headers[i].name, r->headers[i].value);
}

/* Lower-case names; values without outer spaces and with inner runs as one. */
static char *
lower(struct arena *a, const char *s)
{
	char *out = arena_strdup(a, s);

	for (char *p = out; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return out;
}

static char *
squeeze(struct arena *a, const char *s)
{
	char *out = arena_strdup(a, s), *to = out;

	for (const char *p = out; *p; p++) {
		if (*p != ' ' || (to > out && to[-1] != ' '))
			*to++ = *p;
	}
	if (to > out && to[-1] == ' ')
		to--;
	*to = '\0';
	return out;
}

/* Sorts by name and keeps the order of equal ones: insertion. */
static void
sort_headers(struct sign_pair *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct sign_pair x = v[i];
		size_t k = i;

		for (; k > 0 && strcmp(v[k - 1].name, x.name) > 0; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

static void
add_headers(struct arena *a, const struct sign_headers *h, struct str *text,
    struct str *names)
{
	struct sign_pair v[SIGN_HEADERS_MAX];

	for (size_t i = 0; i < h->n; i++) {
		v[i].name = lower(a, h->v[i].name);
		v[i].value = squeeze(a, h->v[i].value);
	}
	sort_headers(v, h->n);
	for (size_t i = 0; i < h->n; i++) {
		if (i > 0 && strcmp(v[i].name, v[i - 1].name) == 0) {
			str_addf(text, ",%s", v[i].value);
			continue;
		}
		str_addf(text, "%s%s:%s", i ? "\n" : "", v[i].name, v[i].value);
		str_addf(names, "%s%s", i ? ";" : "", v[i].name);
	}
	str_addc(text, '\n');
}

const char *
sign_canonical(struct arena *a, const struct sign_req *r,
    const struct sign_headers *h, const char *body_sha256, struct sign_out *out)
{
	struct str text = STR_INIT, names = STR_INIT;
	const char *made;

	str_addf(&text, "%s\n", r->method);
	sign_add_encoded(&text, r->path, true);
	str_addc(&text, '\n');
	sign_add_query(&text, r->query, r->nquery);
	str_addc(&text, '\n');
	add_headers(a, h, &text, &names);
	str_addf(&text, "\n%s\n%s", str_cstr(&names), body_sha256);
	digest_sha256_hex(text.p, text.len, out->canonical_sha256);
	made = arena_strdup(a, str_cstr(&names));
	str_free(&names);
	str_free(&text);
	return made;
}

void
sign_out_add(struct sign_out *out, const char *name, const char *value)
{
	out->headers[out->nheaders++] = (struct sign_pair){ name, value };
}

void
sign_chain(const char *prefix, const char *secret, const char *const *steps,
    size_t n, uint8_t key[DIGEST_LEN])
{
	struct str first = STR_INIT;
	uint8_t next[DIGEST_LEN];

	str_add(&first, prefix);
	str_add(&first, secret);
	digest_hmac_sha256(first.p, first.len, steps[0], strlen(steps[0]), key);
	for (size_t i = 1; i < n; i++) {
		digest_hmac_sha256(key, DIGEST_LEN, steps[i], strlen(steps[i]),
		    next);
		memcpy(key, next, DIGEST_LEN);
	}
	OPENSSL_cleanse(first.p, first.len);
	OPENSSL_cleanse(next, sizeof next);
	str_free(&first);
}

void
sign_hmac_hex(const void *key, size_t key_len, const char *text,
    char out[DIGEST_HEX_LEN])
{
	uint8_t mac[DIGEST_LEN];

	digest_hmac_sha256(key, key_len, text, strlen(text), mac);
	digest_hex(mac, sizeof mac, out);
}

const char *
sign_date(struct arena *a, int64_t unix_s, bool dashes)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	return arena_printf(a, dashes ? "%04d-%02d-%02d" : "%04d%02d%02d",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

const char *
sign_stamp(struct arena *a, int64_t unix_s, bool dashes)
{
	int s = (int)(unix_s % 86400);

	return arena_printf(a,
	    dashes ? "%sT%02d:%02d:%02dZ" : "%sT%02d%02d%02dZ",
	    sign_date(a, unix_s, dashes), s / 3600, s / 60 % 60, s % 60);
}
