/*
 * prices.h - prices from a file, for clouds that tell none: a JSON object
 * {"t3.micro": 0.0104}, USD an hour.
 */
#ifndef MW_DRIVERS_PRICES_H
#define MW_DRIVERS_PRICES_H

#include "common/json.h"
#include "common/pure/csp.h"

/* Is it such a file, whole? *n: its prices. The error tells line or member, and
 * quotes nothing else: it may be another file altogether. */
bool prices_check(const char *file, size_t *n,
    struct mw_err *err) mw_must_check;
/* NULL: no prices. *why (static): what to say of a spec without one. The
 * caller gives the reference back. */
json_t *prices_load(const char *file, const char **why);
/* The price of s->name, or -1 with why. */
void prices_set(struct csp_spec *s, const json_t *prices, const char *why);

#endif
