/*
 * hostjson.h - a minute of host metrics as JSON: in beats (docs/link.md) and in
 * the API (docs/metrics.md).
 */
#ifndef MW_COMMON_HOSTJSON_H
#define MW_COMMON_HOSTJSON_H

#include "common/json.h"
#include "common/pure/hostrec.h"

#define HOSTJSON_MAX 5 /* minutes in one beat */

/* Adds coveredS, benchS, scope, cgroupOf and all figures (unknown: null) to an
 * object. */
void hostjson_put(json_t *obj, const struct host_rec *r);
/* For a beat: the same with `minute`, without scope and what is unknown. */
json_t *hostjson_encode(const struct host_rec *r);
/* Of a beat. Fields that we do not know are ignored; a value out of range is
 * an error. */
bool hostjson_decode(const struct json_at *at, struct host_rec *r,
    struct mw_err *err) mw_must_check;

#endif
