/*
 * err.h - one error type for every fallible function, and the table that maps
 * its codes to HTTP and exit statuses (docs/api.md, "Errors").
 *
 * A function that can fail returns bool and takes a struct mw_err * as its
 * last parameter (never NULL). The error is set where it is known, wrapped
 * with context on the way up, and logged once at the top.
 */
#ifndef MW_COMMON_PURE_ERR_H
#define MW_COMMON_PURE_ERR_H

#include "common/pure/mw.h"

enum mw_code {
	MW_OK,
	MW_INVALID, /* the input is wrong; nothing changed */
	MW_NOT_FOUND,
	MW_CONFLICT, /* right request, wrong moment */
	MW_EXISTS,
	MW_DENIED,
	MW_CANCELED,
	MW_UNREACHABLE,
	MW_TIMEOUT,
	MW_REMOTE, /* a cloud or an SSH host said no */
	MW_UNSUPPORTED,
	MW_LIMIT,
	MW_FULL, /* the disk */
	MW_PROTO, /* a peer broke the protocol */
	MW_INTERNAL,
	MW_CODE_COUNT
};

struct mw_err {
	enum mw_code code;
	int sys; /* errno, or 0 */
	char pointer[128]; /* JSON pointer of the bad field, or "" */
	char hint[192]; /* the way out, or "" */
	char msg[320];
};

#define MW_ERR_INIT           \
	{                     \
		.code = MW_OK \
	}

/* Sets the error; always returns false, so "return err_set(...)" works. */
bool err_set(struct mw_err *err, enum mw_code code, int sys, const char *fmt,
    ...) mw_printf(4, 5);
/* Puts "context: " before the message. Always returns false. */
bool err_wrap(struct mw_err *err, const char *fmt, ...) mw_printf(2, 3);
/* Names the way out ("start it with ..."). Always returns false. */
bool err_hint(struct mw_err *err, const char *fmt, ...) mw_printf(2, 3);
/* Names the field that is wrong, as a JSON pointer. Always returns false. */
bool err_pointer(struct mw_err *err, const char *fmt, ...) mw_printf(2, 3);

const char *err_code_name(enum mw_code code); /* "NOT_FOUND" */
/* The code of that name; MW_INTERNAL if there is none. */
enum mw_code err_code_parse(const char *name);
int err_http_status(enum mw_code code); /* 404 */
int err_exit_status(enum mw_code code); /* 3 */

#endif
