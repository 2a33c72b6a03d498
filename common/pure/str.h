/*
 * str.h - a growing byte buffer that is always NUL-terminated.
 */
#ifndef MW_COMMON_PURE_STR_H
#define MW_COMMON_PURE_STR_H

#include "common/pure/mw.h"

#include <stdarg.h>

struct str {
	char *p; /* NULL while empty and never written to */
	size_t len, cap;
};

#define STR_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *bytes, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) mw_printf(2, 3);
void str_vaddf(struct str *s, const char *fmt, va_list ap) mw_printf(2, 0);
/* Adds text from a peer, at most max bytes of it: control and non-ASCII bytes
 * as \xNN, quotes and backslashes escaped. For logs and messages. */
void str_add_escaped(struct str *s, const char *bytes, size_t n, size_t max);
void str_add_html(struct str *s, const char *text);
void str_add_hex(struct str *s, const void *bytes, size_t n);
void str_consume(struct str *s, size_t n); /* drops the first n bytes */
void str_reset(struct str *s); /* empty, keeps the memory */
void str_free(struct str *s);
const char *str_cstr(const struct str *s); /* "" if never written to */
char *str_take(struct str *s); /* the caller frees; s is empty after it */

bool str_starts(const char *s, const char *prefix);
bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
/* Copies with truncation, always terminates; dst has size bytes. */
void str_copy(char *dst, size_t size, const char *src);
/* Decodes exactly 2 * n hex digits into out. */
bool str_unhex(const char *hex, void *out, size_t n) mw_must_check;

#endif
