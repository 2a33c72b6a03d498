/*
 * when.h - wall-clock nanoseconds since 1970 as RFC 3339 UTC text, and back.
 */
#ifndef MW_COMMON_PURE_WHEN_H
#define MW_COMMON_PURE_WHEN_H

#include "common/pure/mw.h"

#define WHEN_LEN 32 /* "2026-01-05T03:00:01.260Z" and the NUL */

void when_format(int64_t wall_ns, char out[WHEN_LEN]); /* milliseconds */
bool when_parse(const char *s, int64_t *wall_ns) mw_must_check;
/* "3 s", "5 min", "2 h", "4 d": an age for people. */
void when_age(int64_t ns, char out[WHEN_LEN]);

#endif
