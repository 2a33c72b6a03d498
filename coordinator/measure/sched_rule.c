/*
 * sched_rule.c - reading a schedule, and whether it could ever run.
 */
#include "coordinator/measure/sched_rule.h"

#include "common/pure/lane.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "coordinator/measure/bench_int.h"
#include "coordinator/measure/mesh.h"

#include <string.h>

#define DAY_S 86400
#define EVERY_MAX_S (366 * DAY_S)
#define RUN_MAX_S (7 * DAY_S)
#define LOOKS_MAX 400000 /* due times looked at, of one year */

static bool read_kinds(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err);
static bool read_times(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err);
static bool read_limits(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err);
static bool read_round(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err);
static bool read_blackouts(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err);
static bool read_days(const struct json_at *at, uint8_t *days,
    struct mw_err *err);
static bool read_clock(const struct json_at *at, const char *key, int max,
    int *min, struct mw_err *err);
static void darken(struct sched_rule *r, const struct sched_blackout *b);
static bool ever_runs(const struct sched_rule *r, int64_t now,
    struct mw_err *err);

static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu",
	"fri", "sat" };

bool
sched_rule_parse(const char *id, json_t *obj, int64_t now,
    struct sched_rule *out, struct mw_err *err)
{
	static const char *const known[] = { "id", "kinds", "profile", "cron",
		"everyS", "tz", "jitterPct", "blackout", "maxLoad1PerCpu",
		"maxPsiCpuPct", "maxRunS", "enabled", "k", "windowMs", "fast",
		NULL };
	struct sched_rule *r = out;
	struct json_at at;
	const char *own;

	memset(r, 0, sizeof *r);
	if (!id_valid(id)) {
		err_set(err, MW_INVALID, 0,
		    "the name of a schedule is small letters, digits and '-'");
		return err_hint(err, "such as nightly or cpu-daily");
	}
	str_copy(r->id, sizeof r->id, id);
	if (!json_at_root(&at, obj, err) || !json_no_others(&at, known, err) ||
	    !json_get_str(&at, "id", false, ID_MAX, &own, err))
		return false;
	if (own && !str_eq(own, id)) {
		err_set(err, MW_INVALID, 0, "the address says %s", id);
		return err_pointer(err, "/id");
	}
	return read_kinds(&at, r, err) && read_times(&at, r, err) &&
	    read_blackouts(&at, r, err) && read_round(&at, r, err) &&
	    read_limits(&at, r, err) && ever_runs(r, now, err);
}

static bool
read_kinds(const struct json_at *at, struct sched_rule *r, struct mw_err *err)
{
	const char *profile;
	json_t *list;

	if (!json_get_array(at, "kinds", true, 1, LANE_COUNT, &list, err) ||
	    !json_get_str(at, "profile", false, 15, &profile, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		r->mrtt |=
		    str_eq(json_string_value(json_array_get(list, i)), "mrtt");
	if (!r->mrtt) {
		str_copy(r->profile, sizeof r->profile,
		    profile ? profile : "quick");
		return bench_read_kinds(at, &r->lanes, err) &&
		    bench_check_kinds(profile ? profile : "quick", r->lanes,
			err);
	}
	if (json_array_size(list) > 1) {
		err_set(err, MW_INVALID, 0,
		    "mrtt waits for benchmarks: it cannot be one of them");
		err_hint(err, "make a schedule of its own for mrtt");
		return err_pointer(err, "/kinds");
	}
	if (!profile)
		return true;
	err_set(err, MW_INVALID, 0, "a matrix round has no profile");
	return err_pointer(err, "/profile");
}

static bool
read_times(const struct json_at *at, struct sched_rule *r, struct mw_err *err)
{
	int64_t min = r->mrtt ? 10 : 60;
	const char *cron, *tz;

	if (!json_get_str(at, "cron", false, CRON_TEXT_MAX, &cron, err) ||
	    !json_get_str(at, "tz", false, 63, &tz, err) ||
	    !json_get_int(at, "everyS", true, 0, min, EVERY_MAX_S, &r->every_s,
		err) ||
	    !json_get_int(at, "jitterPct", true, 10, 0, 50, &r->jitter_pct,
		err))
		return false;
	if ((cron != NULL) == (r->every_s != 0)) {
		err_set(err, MW_INVALID, 0,
		    cron ? "cron and everyS exclude each other"
			 : "when? cron or everyS is missing");
		err_hint(err, "\"everyS\": 3600 or \"cron\": \"0 3 * * *\"");
		return err_pointer(err, "/cron");
	}
	if (tz && !cron_offset_parse(tz, &r->offset_s, err))
		return err_pointer(err, "/tz");
	str_copy(r->tz, sizeof r->tz, r->offset_s ? tz : "UTC");
	if (!cron)
		return true;
	str_copy(r->cron, sizeof r->cron, cron);
	return cron_parse(cron, &r->expr, err) || err_pointer(err, "/cron");
}

static bool
read_round(const struct json_at *at, struct sched_rule *r, struct mw_err *err)
{
	if (!json_get_int(at, "k", true, 0, 1, MESH_K_MAX, &r->k, err) ||
	    !json_get_int(at, "windowMs", true, 0, 100, 60000, &r->window_ms,
		err) ||
	    !json_get_bool(at, "fast", true, false, &r->fast, err))
		return false;
	if (!r->mrtt && (r->k || r->window_ms || r->fast)) {
		err_set(err, MW_INVALID, 0,
		    "only matrix rounds have k, windowMs and fast");
		return err_pointer(err, "%s",
		    r->k               ? "/k"
			: r->window_ms ? "/windowMs"
				       : "/fast");
	}
	if (r->fast && (r->k || r->window_ms)) {
		err_set(err, MW_INVALID, 0, "fast chooses k and windowMs");
		return err_pointer(err, "/fast");
	}
	return true;
}

static bool
read_limits(const struct json_at *at, struct sched_rule *r, struct mw_err *err)
{
	int64_t min = r->mrtt ? 10 : 60;

	if (!json_get_num(at, "maxLoad1PerCpu", true, r->mrtt ? 0 : 0.5, 0,
		1000, &r->max_load1_per_cpu, err) ||
	    !json_get_num(at, "maxPsiCpuPct", true, r->mrtt ? 0 : 5, 0, 100,
		&r->max_psi_cpu_pct, err) ||
	    !json_get_bool(at, "enabled", true, true, &r->enabled, err))
		return false;
	if (json_get_int(at, "maxRunS", true, 0, min, RUN_MAX_S, &r->max_run_s,
		err)) {
		if (!r->max_run_s || r->window_ms < r->max_run_s * 1000)
			return true;
		err_set(err, MW_INVALID, 0,
		    "a round of %lld ms never ends within maxRunS",
		    (long long)r->window_ms);
		return err_pointer(err, "/maxRunS");
	}
	return err_hint(err, "no %s ends in less than %d s",
	    r->mrtt ? "round" : "benchmark", (int)min);
}

static bool
read_blackouts(const struct json_at *at, struct sched_rule *r,
    struct mw_err *err)
{
	static const char *const known[] = { "from", "to", "days", NULL };
	json_t *list;

	if (!json_get_array(at, "blackout", false, 0, SCHED_BLACKOUTS_MAX,
		&list, err))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct sched_blackout *b = &r->blackouts[i];
		struct json_at w;

		if (!json_at_index(&w, at, "blackout", i, err) ||
		    !json_no_others(&w, known, err) ||
		    !read_clock(&w, "from", 1439, &b->from_min, err) ||
		    !read_clock(&w, "to", 1440, &b->to_min, err) ||
		    !read_days(&w, &b->days, err))
			return false;
		if (b->from_min == b->to_min) {
			err_set(err, MW_INVALID, 0,
			    "a blackout ends when it begins");
			err_hint(err, "a whole day is 00:00 to 24:00");
			return err_pointer(err, "/blackout/%zu/to", i);
		}
		darken(r, b);
		r->nblackouts++;
	}
	return true;
}

static bool
read_days(const struct json_at *at, uint8_t *days, struct mw_err *err)
{
	json_t *list;
	int day;

	*days = 0x7f;
	if (!json_get_array(at, "days", false, 1, 7, &list, err))
		return false;
	if (list)
		*days = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (!s || !cron_weekday_parse(s, &day)) {
			err_set(err, MW_INVALID, 0,
			    "a day is sun mon tue wed thu fri sat");
			return err_pointer(err, "%s/days/%zu", at->pointer, i);
		}
		*days |= (uint8_t)(1u << day);
	}
	return true;
}

/* "08:30" to minutes of the day, at most max. */
static bool
read_clock(const struct json_at *at, const char *key, int max, int *min,
    struct mw_err *err)
{
	const char *s;
	int64_t h, m;

	if (!json_get_str(at, key, true, 5, &s, err))
		return false;
	if (strlen(s) == 5 && s[2] == ':' && num_parse_i64(s, 2, 0, 24, &h) &&
	    num_parse_i64(s + 3, 2, 0, 59, &m) && h * 60 + m <= max) {
		*min = (int)(h * 60 + m);
		return true;
	}
	err_set(err, MW_INVALID, 0, "a time of day is written 08:30");
	return err_pointer(err, "%s/%s", at->pointer, key);
}

static void
darken(struct sched_rule *r, const struct sched_blackout *b)
{
	int len = (b->to_min - b->from_min + 1440) % 1440;

	if (len == 0) /* 00:00 to 24:00 */
		len = 1440;
	for (int day = 0; day < 7; day++) {
		if (!(b->days >> day & 1))
			continue;
		for (int i = 0; i < len; i++) {
			int m = (day * 1440 + b->from_min + i) % SCHED_WEEK_MIN;

			r->dark[m / 64] |= UINT64_C(1) << (m % 64);
		}
	}
}

/* Due times that all lie in blackouts are a mistake, not a wish. */
static bool
ever_runs(const struct sched_rule *r, int64_t now, struct mw_err *err)
{
	int64_t t = now;

	if (!r->nblackouts)
		return true;
	for (int i = 0; i < LOOKS_MAX; i++) {
		t = sched_rule_due(r, now, t);
		if (t - now > 366 * DAY_S * NS_PER_S && i > 0)
			break;
		if (!sched_rule_dark(r, t))
			return true;
	}
	err_set(err, MW_INVALID, 0,
	    "it would never run: every time that it is due within a year "
	    "lies in a blackout");
	err_hint(err, "make the blackout shorter or choose another time");
	return err_pointer(err, "/blackout");
}

static json_t *
blackout_json(const struct sched_blackout *b)
{
	json_t *j = json_object(), *days = json_array();
	char text[16];

	snprintf(text, sizeof text, "%02d:%02d", b->from_min / 60,
	    b->from_min % 60);
	json_put_str(j, "from", text);
	snprintf(text, sizeof text, "%02d:%02d", b->to_min / 60,
	    b->to_min % 60);
	json_put_str(j, "to", text);
	for (int d = 0; d < 7; d++)
		if (b->days >> d & 1)
			json_array_append_new(days, json_string(weekdays[d]));
	json_put(j, "days", days);
	return j;
}

/* null where nothing was asked for, which reads as such again. */
json_t *
sched_rule_json(const struct sched_rule *r)
{
	json_t *j = json_object(), *list = json_array();

	json_put_str(j, "id", r->id);
	if (r->mrtt)
		json_put(j, "kinds", json_pack("[s]", "mrtt"));
	else
		json_put(j, "kinds", kinds_json(r->lanes));
	json_put_str(j, "profile", r->mrtt ? NULL : r->profile);
	json_put_str(j, "cron", *r->cron ? r->cron : NULL);
	json_put(j, "everyS", r->every_s ? json_integer(r->every_s) : NULL);
	json_put_str(j, "tz", r->tz);
	json_put_int(j, "jitterPct", r->jitter_pct);
	for (size_t i = 0; i < r->nblackouts; i++)
		json_array_append_new(list, blackout_json(&r->blackouts[i]));
	json_put(j, "blackout", list);
	json_put_num(j, "maxLoad1PerCpu", r->max_load1_per_cpu);
	json_put_num(j, "maxPsiCpuPct", r->max_psi_cpu_pct);
	json_put(j, "maxRunS",
	    r->max_run_s ? json_integer(r->max_run_s) : NULL);
	json_put_bool(j, "enabled", r->enabled);
	json_put(j, "k", r->k ? json_integer(r->k) : NULL);
	json_put(j, "windowMs",
	    r->window_ms ? json_integer(r->window_ms) : NULL);
	json_put_bool(j, "fast", r->fast);
	return j;
}
