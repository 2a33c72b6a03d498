/*
 * err.c - the error type and the one table of its codes. Messages are cut to
 * their buffers, never allocated: an error can be set when nothing else works.
 */
#include "common/pure/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct code_info {
	const char *name;
	int http, exit;
} codes[MW_CODE_COUNT] = {
	[MW_OK] = { "OK", 200, 0 },
	[MW_INVALID] = { "INVALID", 400, 2 },
	[MW_NOT_FOUND] = { "NOT_FOUND", 404, 3 },
	[MW_CONFLICT] = { "CONFLICT", 409, 5 },
	[MW_EXISTS] = { "EXISTS", 409, 5 },
	[MW_DENIED] = { "DENIED", 403, 6 },
	[MW_CANCELED] = { "CANCELED", 409, 130 },
	[MW_UNREACHABLE] = { "UNREACHABLE", 503, 7 },
	[MW_TIMEOUT] = { "TIMEOUT", 504, 8 },
	[MW_REMOTE] = { "REMOTE", 502, 9 },
	[MW_UNSUPPORTED] = { "UNSUPPORTED", 501, 10 },
	[MW_LIMIT] = { "LIMIT", 429, 11 },
	[MW_FULL] = { "FULL", 507, 11 },
	[MW_PROTO] = { "PROTO", 500, 1 },
	[MW_INTERNAL] = { "INTERNAL", 500, 1 },
};

static const struct code_info *
info_of(enum mw_code code)
{
	if ((unsigned)code >= MW_CODE_COUNT)
		code = MW_INTERNAL;
	return &codes[code];
}

bool
err_set(struct mw_err *err, enum mw_code code, int sys, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->sys = sys;
	err->pointer[0] = '\0';
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	return false;
}

bool
err_wrap(struct mw_err *err, const char *fmt, ...)
{
	char old[sizeof err->msg];
	va_list ap;
	size_t n, room;

	memcpy(old, err->msg, sizeof old);
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	room = sizeof err->msg - n;
	snprintf(err->msg + n, room, ": %s", old);
	return false;
}

bool
err_hint(struct mw_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof err->hint, fmt, ap);
	va_end(ap);
	return false;
}

bool
err_pointer(struct mw_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->pointer, sizeof err->pointer, fmt, ap);
	va_end(ap);
	return false;
}

const char *
err_code_name(enum mw_code code)
{
	return info_of(code)->name;
}

enum mw_code
err_code_parse(const char *name)
{
	for (unsigned i = 0; i < MW_CODE_COUNT; i++)
		if (name != NULL && strcmp(name, codes[i].name) == 0)
			return (enum mw_code)i;
	return MW_INTERNAL;
}

int
err_http_status(enum mw_code code)
{
	return info_of(code)->http;
}

int
err_exit_status(enum mw_code code)
{
	return info_of(code)->exit;
}
