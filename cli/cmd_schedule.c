/*
 * cmd_schedule.c - measurements by schedule: list, set, show, pause, resume,
 * run, delete, defaults.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/when.h"

#include <string.h>

bool
cli_duration(const char *text, int64_t *seconds)
{
	static const struct {
		char letter;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	size_t n = strlen(text);
	int64_t unit = 1;

	for (size_t i = 0; n && i < ARRAY_LEN(units); i++)
		if (text[n - 1] == units[i].letter) {
			unit = units[i].s;
			n--;
			break;
		}
	if (!num_parse_i64(text, n, 1, 1000000000, seconds))
		return false;
	*seconds *= unit;
	return true;
}

/* "/schedules/ID/verb" of an MCIS; NULL after a message. */
static char *
path_of(struct cli *c, const char *mcis, const char *id, const char *verb)
{
	char *rest, *path;

	if (id && !cli_id(id))
		return NULL;
	rest = xasprintf("/schedules%s%s%s", id ? "/" : "", id ? id : "", verb);
	path = cli_mcis_path(c, mcis, rest);
	free(rest);
	return path;
}

/* "in 3 min", "5 min ago", "" */
static void
relative(const char *when, char out[48])
{
	char age[WHEN_LEN];
	int64_t at, now = clock_wall_ns();

	out[0] = 0;
	if (!when_parse(when, &at))
		return;
	when_age(at > now ? at - now : now - at, age);
	snprintf(out, 48, at > now ? "in %s" : "%s ago", age);
}

/* "2026-01-05 03:00" */
static void
short_time(const char *when, char out[WHEN_LEN])
{
	str_copy(out, WHEN_LEN, when);
	if (strlen(out) < 16)
		return;
	out[10] = ' ';
	out[16] = 0;
}

static void
add_when(struct str *s, const json_t *it)
{
	int64_t every = ji(it, "everyS", 0);

	if (!every)
		str_addf(s, "%s%s%s", js(it, "cron"),
		    str_eq(js(it, "tz"), "UTC") ? "" : " ",
		    str_eq(js(it, "tz"), "UTC") ? "" : js(it, "tz"));
	else if (every % 86400 == 0)
		str_addf(s, "every %lldd", (long long)every / 86400);
	else if (every % 3600 == 0)
		str_addf(s, "every %lldh", (long long)every / 3600);
	else if (every % 60 == 0)
		str_addf(s, "every %lldm", (long long)every / 60);
	else
		str_addf(s, "every %llds", (long long)every);
}

static void
add_kinds(struct str *s, const json_t *it)
{
	json_t *k;
	size_t i;

	json_array_foreach(ja(it, "kinds"), i, k)
	    str_addf(s, "%s%s", i ? "," : "", json_string_value(k));
}

static void
add_row(const struct cli *c, struct cli_table *t, const json_t *it)
{
	struct str s = STR_INIT;
	char at[WHEN_LEN], rel[48];
	const char *out = js(it, "lastOutcome");

	table_add(t, "%s", js(it, "id"));
	add_kinds(&s, it);
	table_add(t, "%s", str_cstr(&s));
	str_reset(&s);
	add_when(&s, it);
	table_add(t, "%s", str_cstr(&s));
	str_free(&s);
	short_time(js(it, "nextAt"), at);
	relative(js(it, "nextAt"), rel);
	if (c->out == OUT_CSV)
		table_add(t, "%s", js(it, "nextAt"));
	else if (jb(it, "running"))
		table_add(t, "runs now");
	else if (!jb(it, "enabled"))
		table_add(t, "paused");
	else
		table_add(t, "%s (%s)", at, rel);
	relative(js(it, "lastAt"), rel);
	table_add(t, "%s", c->out == OUT_CSV ? js(it, "lastAt") : rel);
	table_color(t, str_eq(out, "ok") ? 32 : str_eq(out, "") ? 0 : 33);
	table_add(t, "%s", out);
	table_add(t, "%s",
	    jb(it, "running")             ? ""
		: js(it, "lastReason")[0] ? js(it, "lastReason")
					  : js(it, "nextReason"));
	table_add_int(t, it, "runs");
	table_add_int(t, it, "missed");
}

static void
print_list(struct cli *c, const char *mcis, const json_t *answer)
{
	static const char *const heads[] = { "SCHEDULE", "KINDS", "WHEN (UTC)",
		"NEXT RUN", "LAST", "OUTCOME", "WHY", ">RUNS", ">MISSED",
		NULL };
	struct cli_table *t;
	json_t *it;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(answer);
		return;
	}
	if (!json_array_size(ja(answer, "items"))) {
		fprintf(stderr,
		    "%s has no schedules; milkyway schedule defaults %s "
		    "makes the usual ones\n",
		    mcis, mcis);
		return;
	}
	t = table_new(heads);
	json_array_foreach(ja(answer, "items"), i, it) add_row(c, t, it);
	table_print(t, c);
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	json_t *a = NULL;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_schedule, "schedule list"), argc, argv,
		NULL, 0, 1, 1) < 0)
		return 2;
	rc = cli_get(c, path_of(c, argv[1], NULL, ""), &a);
	if (rc)
		return rc;
	print_list(c, argv[1], a);
	json_decref(a);
	return 0;
}

static void
print_one(struct cli *c, const json_t *it)
{
	struct cli_table *t;
	static const char *const heads[] = { "FIELD", "VALUE", NULL };
	const char *key;
	json_t *v;

	if (c->out == OUT_JSON) {
		cli_print_json(it);
		return;
	}
	t = table_new(heads);
	json_object_foreach((json_t *)(uintptr_t)it, key, v)
	{
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		table_add(t, "%s", key);
		table_add(t, "%s",
		    json_is_string(v)     ? json_string_value(v)
			: json_is_null(v) ? ""
					  : text);
		free(text);
	}
	table_print(t, c);
}

/* One call that answers with a schedule. */
static int
call_one(struct cli *c, const char *method, const char *path, json_t *body,
    bool line)
{
	struct mw_err err = MW_ERR_INIT;
	char at[WHEN_LEN], rel[48];
	json_t *a = NULL;

	if (!cli_call(c, method, path, body, &a, &err))
		return cli_fail(&err);
	if (!line || c->out == OUT_JSON) {
		print_one(c, a);
	} else {
		short_time(js(a, "nextAt"), at);
		relative(js(a, "nextAt"), rel);
		if (jb(a, "deleted"))
			printf("%s: deleted\n", js(a, "id"));
		else if (!jb(a, "enabled"))
			printf("%s: paused\n", js(a, "id"));
		else
			printf("%s: next run %s UTC (%s)\n", js(a, "id"), at,
			    rel);
	}
	json_decref(a);
	return 0;
}

/* A verb of one schedule: method, and what follows its name. */
static int
verb(struct cli *c, int argc, char **argv, const char *name, const char *method,
    const char *suffix)
{
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_schedule, name), argc, argv, NULL, 0, 2,
		2) < 0)
		return 2;
	path = path_of(c, argv[1], argv[2], suffix);
	if (!path)
		return 2;
	rc = call_one(c, method, path,
	    str_eq(method, "POST") ? json_object() : NULL,
	    !str_eq(method, "GET"));
	free(path);
	return rc;
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	return verb(c, argc, argv, "schedule show", "GET", "");
}

static int
run_pause(struct cli *c, int argc, char **argv)
{
	return verb(c, argc, argv, "schedule pause", "POST", "/pause");
}

static int
run_resume(struct cli *c, int argc, char **argv)
{
	return verb(c, argc, argv, "schedule resume", "POST", "/resume");
}

static int
run_delete(struct cli *c, int argc, char **argv)
{
	return verb(c, argc, argv, "schedule delete", "DELETE", "");
}

static int
run_now(struct cli *c, int argc, char **argv)
{
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_schedule, "schedule run"), argc, argv,
		NULL, 0, 2, 2) < 0)
		return 2;
	path = path_of(c, argv[1], argv[2], "/run");
	if (!path)
		return 2;
	rc = cli_verb(c, "POST", path, json_object());
	free(path);
	return rc;
}

static int
run_defaults(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL, *body;
	char *path;
	int rc = 0;

	if (cli_opts(c, cli_cmd(cmds_schedule, "schedule defaults"), argc, argv,
		NULL, 0, 1, 1) < 0)
		return 2;
	path = path_of(c, argv[1], NULL, "");
	if (!path)
		return 2;
	body = json_object();
	json_put_bool(body, "defaults", true);
	if (cli_call(c, "POST", path, body, &a, &err))
		print_list(c, argv[1], a);
	else
		rc = cli_fail(&err);
	json_decref(a);
	free(path);
	return rc;
}

/* What `schedule set` was given. */
struct wish {
	const char *kinds, *every, *cron, *tz, *profile, *blackout, *days,
	    *max_run, *k, *window, *jitter, *load;
	bool fast, paused;
};

static json_t *
split(const char *list)
{
	json_t *a = json_array();

	for (const char *p = list;; p += strcspn(p, ",") + 1) {
		json_array_append_new(a, json_stringn(p, strcspn(p, ",")));
		if (!p[strcspn(p, ",")])
			return a;
	}
}

/* "08:00-18:00,22:00-06:00", the same days for all. */
static json_t *
blackouts(const struct wish *w)
{
	json_t *all = json_array(), *windows = split(w->blackout), *e;
	size_t i;

	json_array_foreach(windows, i, e)
	{
		const char *s = json_string_value(e);
		size_t n = strcspn(s, "-");
		json_t *b = json_object();

		json_put(b, "from", json_stringn(s, n));
		json_put_str(b, "to", s[n] ? s + n + 1 : "");
		if (w->days)
			json_put(b, "days", split(w->days));
		json_array_append_new(all, b);
	}
	json_decref(windows);
	return all;
}

static bool
put_seconds(const struct cli_cmd *cmd, json_t *body, const char *key,
    const char *option, const char *text)
{
	int64_t s;

	if (!text)
		return true;
	if (!cli_duration(text, &s)) {
		cli_usage(cmd, "--%s: a duration is 90s, 5m, 1h or 1d, not %s",
		    option, text);
		return false;
	}
	json_put_int(body, key, s);
	return true;
}

static bool
put_num(const struct cli_cmd *cmd, json_t *body, const char *key,
    const char *option, const char *text, bool whole)
{
	double v;
	int64_t i;

	if (!text)
		return true;
	if (whole && num_parse_i64(text, strlen(text), 0, 1000000, &i)) {
		json_put_int(body, key, i);
		return true;
	}
	if (!whole && num_parse_f64(text, strlen(text), 0, 1000000, &v)) {
		json_put_num(body, key, v);
		return true;
	}
	cli_usage(cmd, "--%s: not a number: %s", option, text);
	return false;
}

static int
set(struct cli *c, const struct cli_cmd *cmd, const char *mcis, const char *id,
    const struct wish *w)
{
	json_t *body = json_object();
	char *path = path_of(c, mcis, id, "");
	int rc = 2;

	json_put(body, "kinds", split(w->kinds));
	if (w->profile)
		json_put_str(body, "profile", w->profile);
	if (w->cron)
		json_put_str(body, "cron", w->cron);
	if (w->tz)
		json_put_str(body, "tz", w->tz);
	if (w->blackout)
		json_put(body, "blackout", blackouts(w));
	if (w->fast)
		json_put_bool(body, "fast", true);
	json_put_bool(body, "enabled", !w->paused);
	if (path && put_seconds(cmd, body, "everyS", "every", w->every) &&
	    put_seconds(cmd, body, "maxRunS", "max-run", w->max_run) &&
	    put_num(cmd, body, "jitterPct", "jitter", w->jitter, true) &&
	    put_num(cmd, body, "maxLoad1PerCpu", "max-load", w->load, false) &&
	    put_num(cmd, body, "k", "k", w->k, true) &&
	    put_num(cmd, body, "windowMs", "window", w->window, true))
		rc = call_one(c, "PUT", path, json_incref(body), true);
	json_decref(body);
	free(path);
	return rc;
}

static int
run_set(struct cli *c, int argc, char **argv)
{
	struct wish w = { .kinds = NULL };
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &w.kinds },
		{ "every", 'e', OPT_STR, &w.every },
		{ "cron", 'c', OPT_STR, &w.cron },
		{ "tz", 0, OPT_STR, &w.tz },
		{ "profile", 'p', OPT_STR, &w.profile },
		{ "jitter", 0, OPT_STR, &w.jitter },
		{ "blackout", 0, OPT_STR, &w.blackout },
		{ "days", 0, OPT_STR, &w.days },
		{ "max-load", 0, OPT_STR, &w.load },
		{ "max-run", 0, OPT_STR, &w.max_run },
		{ "k", 0, OPT_STR, &w.k },
		{ "window", 0, OPT_STR, &w.window },
		{ "fast", 0, OPT_FLAG, &w.fast },
		{ "paused", 0, OPT_FLAG, &w.paused },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_schedule, "schedule set");

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 2, 2) < 0)
		return 2;
	if (!w.kinds)
		return cli_usage(cmd, "--kind is missing: mrtt, or cpus,...");
	if (!w.every == !w.cron)
		return cli_usage(cmd,
		    "when? --every 1h or --cron \"0 3 * * *\"");
	if (w.days && !w.blackout)
		return cli_usage(cmd, "--days goes with --blackout");
	return set(c, cmd, argv[1], argv[2], &w);
}

/* The short form: benchmarks by cron, under a name of its own. */
static int
run_bench(struct cli *c, int argc, char **argv)
{
	struct wish w = { .kinds = "cpus,cpum,memR,memW,fioR,fioW" };
	const char *id = "bench";
	const struct cli_opt opts[] = {
		{ "kind", 'k', OPT_STR, &w.kinds },
		{ "profile", 'p', OPT_STR, &w.profile },
		{ "tz", 0, OPT_STR, &w.tz },
		{ "id", 0, OPT_STR, &id },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_schedule, "bench schedule");

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 2, 2) < 0)
		return 2;
	w.cron = argv[2];
	return set(c, cmd, argv[1], id, &w);
}

const struct cli_cmd cmds_schedule[] = {
	{ "schedule list", "NAME", "what is measured by itself, and when",
	    run_list,
	    "NEXT RUN is UTC. MISSED counts due times that had no run of their\n"
	    "own: one run made up for all of them.\n" },
	{ "schedule set", "NAME ID --kind K,.. (--every D | --cron C)",
	    "measure again and again", run_set,
	    "  -k, --kind K,..     mrtt (the latency matrix), or cpus cpum memR\n"
	    "                      memW fioR fioW dbR dbW and their variants\n"
	    "  -e, --every D       90s, 5m, 1h, 1d\n"
	    "  -c, --cron C        minute hour day month weekday, or @daily\n"
	    "  --tz OFFSET         of cron and blackout, e.g. +09:00 (UTC)\n"
	    "  -p, --profile P     quick, standard, deep or legacy (quick)\n"
	    "  --jitter PCT        start up to so much of the interval later\n"
	    "                      (10, at most 10 min)\n"
	    "  --blackout F-T,..   never in this time of day: 08:00-18:00\n"
	    "  --days D,..         of the blackout: mon,tue,... (all)\n"
	    "  --max-load L        not while a VM has more load per CPU (0.5;\n"
	    "                      0: no limit; it tries again after 1, 5, 15 min)\n"
	    "  --max-run D         end a run that takes longer\n"
	    "  --k N, --window MS  of a matrix round; or --fast\n"
	    "  --paused            do not start it yet\n\n"
	    "One benchmark at a time runs on a VM, and no matrix round meanwhile;\n"
	    "a schedule never overlaps itself. The same ID again changes it.\n\n"
	    "  milkyway schedule set demo17 matrix --kind mrtt --every 5m\n"
	    "  milkyway schedule set demo17 nightly --kind cpus,memR \\\n"
	    "      --cron \"0 3 * * *\" --tz +09:00 --blackout 08:00-18:00\n" },
	{ "schedule show", "NAME ID", "one schedule with its last run",
	    run_show, "" },
	{ "schedule pause", "NAME ID", "no runs until it is resumed", run_pause,
	    "A run under way goes on to its end.\n" },
	{ "schedule resume", "NAME ID", "go on; nothing is made up", run_resume,
	    "" },
	{ "schedule run", "NAME ID", "run it now, whatever the time", run_now,
	    "Blackouts and busy VMs do not keep it from running; a run under way\n"
	    "is joined.\n" },
	{ "schedule delete", "NAME ID", "forget it; its results stay",
	    run_delete, "" },
	{ "schedule defaults", "NAME", "make the usual schedules", run_defaults,
	    "  matrix   mrtt every 5 minutes (a new group has it already)\n"
	    "  cpu-mem  cpus cpum memR memW every day at 03:10 UTC\n"
	    "  fio-db   fioR fioW dbR dbW on Sundays at 04:10 UTC\n\n"
	    "A schedule that has one of these names stays as it is.\n" },
	{ "bench schedule", "NAME CRON", "benchmark again and again", run_bench,
	    "  -k, --kind K,..     (cpus,cpum,memR,memW,fioR,fioW)\n"
	    "  -p, --profile P     quick, standard, deep or legacy (quick)\n"
	    "  --tz OFFSET         e.g. +09:00 (UTC)\n"
	    "  --id ID             name of the schedule (bench)\n\n"
	    "Short for: milkyway schedule set NAME bench --kind ... --cron CRON\n\n"
	    "  milkyway bench schedule demo17 \"0 3 * * *\"\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
