/*
 * cron.h - points of time as cron writes them: "minute hour day month weekday",
 * with lists, ranges, steps and names, or @hourly @daily @weekly @monthly
 * @yearly. Pure arithmetic on the Gregorian calendar at a fixed offset from
 * UTC: no time zone database, no daylight saving.
 *
 * As everywhere, a day matches by its date OR its weekday if both are limited,
 * else by the one that is.
 */
#ifndef MW_COMMON_PURE_CRON_H
#define MW_COMMON_PURE_CRON_H

#include "common/pure/err.h"

#define CRON_TEXT_MAX 120 /* bytes of an expression */
#define CRON_OFFSET_MAX (14 * 3600) /* seconds east or west */

/* Bit n: value n matches. */
struct cron {
	uint64_t minutes; /* 0..59 */
	uint32_t hours; /* 0..23 */
	uint32_t days; /* 1..31 */
	uint16_t months; /* 1..12 */
	uint8_t weekdays; /* 0..6, 0 = Sunday */
	bool any_day, any_weekday; /* all of them: not limited */
};

/* MW_INVALID, with the field that is wrong and a hint. Also refuses what can
 * never come, such as "0 0 30 2 *". */
bool cron_parse(const char *text, struct cron *out,
    struct mw_err *err) mw_must_check;
/* The first matching minute after after_s, both in seconds since 1970 UTC; the
 * fields are read at offset_s east of UTC. A parsed expression always has one
 * within nine years. */
int64_t cron_next(const struct cron *c, int64_t after_s, int32_t offset_s);
/* "+09:00", "-03:30", "UTC", "Z" to seconds east. */
bool cron_offset_parse(const char *text, int32_t *offset_s,
    struct mw_err *err) mw_must_check;
/* 0..6 of "sun", "mon", ... in any case. */
bool cron_weekday_parse(const char *text, int *weekday) mw_must_check;

#endif
