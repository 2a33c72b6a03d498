/*
 * conf.h - configuration from one table of keys: it drives parsing, the check
 * of ranges, --print-config and the documentation. File format: INI (inih).
 * An unknown key is an error with file and line.
 */
#ifndef MW_COMMON_CONF_H
#define MW_COMMON_CONF_H

#include "common/pure/err.h"

enum conf_type {
	CONF_STR,
	CONF_INT,
	CONF_BOOL
};

struct conf_key {
	const char *name; /* "section.key" */
	enum conf_type type;
	size_t offset; /* in the program's struct; char * / int64_t / bool */
	int64_t min, max; /* CONF_INT */
	const char *def; /* default, as text */
	const char *text; /* one line of explanation */
};

/* Fills conf with defaults; strings are allocated. */
void conf_defaults(const struct conf_key *keys, size_t n, void *conf);
bool conf_load(const struct conf_key *keys, size_t n, void *conf,
    const char *path, struct mw_err *err) mw_must_check;
/* Sets one key from "section.key=value". */
bool conf_set(const struct conf_key *keys, size_t n, void *conf,
    const char *assignment, struct mw_err *err) mw_must_check;
void conf_print(const struct conf_key *keys, size_t n, const void *conf);
void conf_free(const struct conf_key *keys, size_t n, void *conf);

#endif
