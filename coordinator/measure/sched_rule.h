/*
 * sched_rule.h - one schedule: what it asks for, and the arithmetic of its
 * times. Reads no clock; all times are wall-clock nanoseconds since 1970.
 *
 * sched_rule is what a user put; sched_state is where it stands. The functions
 * below are the only ones that change a state, so that a simulation of years
 * runs the very code of the coordinator (tests/prop/prop_sched.c).
 */
#ifndef MW_COORDINATOR_SCHED_RULE_H
#define MW_COORDINATOR_SCHED_RULE_H

#include "common/json.h"
#include "common/pure/cron.h"
#include "common/pure/ids.h"

#define SCHED_WEEK_MIN (7 * 24 * 60)
#define SCHED_BLACKOUTS_MAX 16
#define SCHED_TRIES 3 /* of a busy VM: after 1, 5 and 15 min */
#define SCHED_JITTER_MAX_S 600

struct sched_blackout {
	int from_min, to_min; /* of the day; to < from: over midnight */
	uint8_t days; /* of its beginning: bit 0 = Sunday */
};

struct sched_rule {
	char id[ID_MAX + 1];
	bool mrtt; /* a matrix round; else a benchmark run of lanes */
	unsigned lanes; /* as asked for; 0: what the profile has */
	char profile[16];
	char cron[CRON_TEXT_MAX + 1]; /* "": every_s */
	struct cron expr;
	int64_t every_s;
	char tz[8]; /* "UTC" or "+09:00": of cron and blackouts */
	int32_t offset_s;
	int64_t jitter_pct;
	struct sched_blackout blackouts[SCHED_BLACKOUTS_MAX];
	size_t nblackouts;
	uint64_t dark[(SCHED_WEEK_MIN + 63) / 64]; /* minutes of the week */
	double max_load1_per_cpu, max_psi_cpu_pct; /* 0: no limit */
	int64_t max_run_s; /* 0: no limit */
	bool enabled;
	int64_t k, window_ms; /* 0: the coordinator's */
	bool fast;
};

struct sched_state {
	uint64_t seed; /* of the jitter */
	int64_t created, anchor; /* everyS counts from anchor */
	int64_t due; /* next due time that no run stands for; 0: paused */
	int64_t at; /* when it is to start: due, jittered, put off */
	int64_t tries;
	bool running;
	int64_t last, last_end; /* 0: never */
	int64_t last_missed, missed; /* due times without an own run */
	int64_t runs, skipped; /* skipped: in a row */
};

/* now: only for the check that it would ever run. */
bool sched_rule_parse(const char *id, json_t *obj, int64_t now,
    struct sched_rule *out, struct mw_err *err) mw_must_check;
json_t *sched_rule_json(const struct sched_rule *r); /* as it was put */
/* Both are due at the same times. */
bool sched_rule_same_times(const struct sched_rule *a,
    const struct sched_rule *b);
/* First due time after that time. */
int64_t sched_rule_due(const struct sched_rule *r, int64_t anchor,
    int64_t after);
bool sched_rule_dark(const struct sched_rule *r, int64_t at);
/* How much later than due it starts. */
int64_t sched_rule_jitter(const struct sched_rule *r, int64_t anchor,
    uint64_t seed, int64_t due);

/* Forgets what is due, and plans from now on (new, resumed, changed). */
void sched_plan(const struct sched_rule *r, struct sched_state *s, int64_t now);
/* True: start it now. Puts it off when a blackout covers now. */
bool sched_due(const struct sched_rule *r, struct sched_state *s, int64_t now);
/* The run stands for all that is due; counts what was missed. A run that a
 * user asked for (by_hand) leaves the plan alone. */
void sched_started(const struct sched_rule *r, struct sched_state *s,
    int64_t now, bool by_hand);
void sched_ended(const struct sched_rule *r, struct sched_state *s,
    int64_t now);
/* A VM is busy. True: it is tried again later; false: it was given up. */
bool sched_busy(const struct sched_rule *r, struct sched_state *s, int64_t now);
/* It cannot run this time: what is due is dropped. */
void sched_skip(const struct sched_rule *r, struct sched_state *s, int64_t now);

#endif
