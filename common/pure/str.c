/*
 * str.c - a growing byte buffer that is always NUL-terminated, and the small
 * string helpers that replace strcpy and friends.
 */
#include "common/pure/str.h"

#include "common/pure/alloc.h"

#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* Makes room for n more bytes and the NUL. */
static void
str_reserve(struct str *s, size_t n)
{
	size_t need, cap;

	if (n >= SIZE_MAX / 2 - s->len)
		abort();
	need = s->len + n + 1;
	if (need <= s->cap)
		return;
	cap = s->cap > 0 ? s->cap : 32;
	while (cap < need)
		cap *= 2;
	s->p = xreallocarray(s->p, cap, 1);
	s->cap = cap;
}

void
str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void
str_addn(struct str *s, const void *bytes, size_t n)
{
	str_reserve(s, n);
	if (n > 0)
		memcpy(s->p + s->len, bytes, n);
	s->len += n;
	s->p[s->len] = '\0';
}

void
str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void
str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(s, fmt, ap);
	va_end(ap);
}

void
str_vaddf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	str_reserve(s, (size_t)n);
	vsnprintf(s->p + s->len, (size_t)n + 1, fmt, ap);
	s->len += (size_t)n;
}

void
str_add_escaped(struct str *s, const char *bytes, size_t n, size_t max)
{
	bool cut = n > max;

	if (cut)
		n = max;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\') {
			str_addc(s, '\\');
			str_addc(s, (char)c);
		} else if (c >= 0x20 && c < 0x7f) {
			str_addc(s, (char)c);
		} else {
			str_add(s, "\\x");
			str_add_hex(s, &c, 1);
		}
	}
	if (cut)
		str_add(s, "...");
	else
		str_addn(s, "", 0);
}

void
str_add_html(struct str *s, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} map[] = {
		{ '&', "&amp;" },
		{ '<', "&lt;" },
		{ '>', "&gt;" },
		{ '"', "&quot;" },
		{ '\'', "&#39;" },
	};

	for (; *text != '\0'; text++) {
		size_t i = 0;

		while (i < ARRAY_LEN(map) && map[i].c != *text)
			i++;
		if (i < ARRAY_LEN(map))
			str_add(s, map[i].entity);
		else
			str_addc(s, *text);
	}
}

void
str_add_hex(struct str *s, const void *bytes, size_t n)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < n; i++) {
		str_addc(s, hex_digits[b[i] >> 4]);
		str_addc(s, hex_digits[b[i] & 15]);
	}
}

void
str_consume(struct str *s, size_t n)
{
	if (n == 0 || s->len == 0)
		return;
	if (n > s->len)
		n = s->len;
	memmove(s->p, s->p + n, s->len - n);
	s->len -= n;
	s->p[s->len] = '\0';
}

void
str_reset(struct str *s)
{
	s->len = 0;
	if (s->p != NULL)
		s->p[0] = '\0';
}

void
str_free(struct str *s)
{
	free(s->p);
	s->p = NULL;
	s->len = s->cap = 0;
}

const char *
str_cstr(const struct str *s)
{
	return s->p != NULL ? s->p : "";
}

char *
str_take(struct str *s)
{
	char *p = s->p != NULL ? s->p : xstrdup("");

	s->p = NULL;
	s->len = s->cap = 0;
	return p;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_eq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

void
str_copy(char *dst, size_t size, const char *src)
{
	size_t n;

	if (size == 0)
		return;
	n = strnlen(src, size - 1);
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
str_unhex(const char *hex, void *out, size_t n)
{
	unsigned char *b = out;

	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(hex[2 * i]);
		int lo = hi < 0 ? -1 : hex_value(hex[2 * i + 1]);

		if (lo < 0)
			return false;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return hex[2 * n] == '\0';
}
