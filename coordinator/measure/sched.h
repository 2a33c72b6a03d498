/*
 * sched.h - measurements by schedule: matrix rounds and benchmark runs that
 * start on their own (docs/schedules.md).
 *
 * A schedule never overlaps itself. What was due while it ran or while the
 * coordinator was down is made up by one run. Everything about it is in the
 * store before the world hears of it; schedules of an MCIS end with it.
 */
#ifndef MW_COORDINATOR_SCHED_H
#define MW_COORDINATOR_SCHED_H

#include "coordinator/measure/sched_rule.h"
#include "lifecycle/model.h"

#define SCHED_PER_MCIS 32
#define SCHED_ID_LEN (ID_MAX + 1)

struct coord;
struct sched;

/* After bench and mesh: continues what they continue. */
struct sched *sched_new(struct coord *c, struct mw_err *err) mw_must_check;
/* After actions_ready(): the first turn. */
void sched_resume(struct sched *s);
void sched_free(struct sched *s);

/* One schedule; all texts may be "". */
struct sched_item {
	struct sched *owner;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	struct sched_rule rule;
	struct sched_state state;
	char action[LC_ACTION_LEN], run[24]; /* of the newest run */
	char outcome[16], reason[120];
	char wait[120]; /* why next is put off */
	int64_t mcis_id;
	bool cut; /* the run is ended by maxRunS */
	struct sched_item *next; /* by ns, mcis, id */
};

/* NULL: there is none. */
struct sched_item *sched_find(const struct sched *s, const char *ns,
    const char *mcis, const char *id);
const struct sched_item *sched_first(const struct sched *s);
/* Makes or changes one. *changed is false if it is that already. The change
 * is submitted to the store when it returns. */
bool sched_put(struct sched *s, const char *ns, const char *mcis,
    const struct sched_rule *rule, bool *created, bool *changed,
    struct mw_err *err) mw_must_check;
/* Drops the schedules of MCIS that are gone; the tick does it, too. */
void sched_sweep(struct sched *s);
void sched_delete(struct sched *s, struct sched_item *it);
/* Pauses or goes on; nothing that was due meanwhile is made up. */
bool sched_enable(struct sched *s, struct sched_item *it, bool on);
/* Starts it now, whatever the time; joins its run if one is under way. */
bool sched_run_now(struct sched *s, struct sched_item *it,
    struct mw_err *err) mw_must_check;
/* The set of rules that `schedule defaults` offers; how many are there. */
size_t sched_defaults(struct sched_rule *out, size_t max);
json_t *sched_json(const struct sched_item *it);
/* Enabled, and yet it has not done its work lately. */
bool sched_late(const struct sched_item *it, int64_t now);

/* Between sched.c and sched_run.c. */
struct sched_watch;
struct sched {
	struct coord *c;
	struct sched_item *items;
	struct sched_watch *watches; /* of actions */
	int64_t seen; /* the newest MCIS that was offered schedules; -1 */
	int64_t quiet_ns; /* nothing starts before: monotonic */
	struct loop_timer *tick;
};
void sched_adopt(struct sched_item *it); /* at start */
void sched_fire(struct sched_item *it, int64_t now);
void sched_follow(struct sched_item *it); /* its action, to the end */
void sched_unwatch(struct sched *s);
void sched_cut(struct sched_item *it); /* the run takes too long */
void sched_save(const struct sched_item *it);
void sched_tell(const struct sched_item *it, const char *type,
    const char *reason);

#endif
