/*
 * cmd_sys.c - the coordinator itself: specs, actions, events, doctor.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <string.h>
#include <sys/stat.h>

/* GET path; JSON as it is, or a table of the items' fields. */
static int
list(struct cli *c, const char *path, const char *const *heads,
    const char *const *fields)
{
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *item;
	char money[32];
	size_t i;

	if (!cli_call(c, "GET", path, NULL, &a, &err))
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, item)
	{
		for (size_t k = 0; fields[k]; k++) {
			const json_t *v = json_object_get(item, fields[k]);

			if (str_eq(fields[k], "costPerHourMicros")) {
				cli_money(ji(item, fields[k], -1), money);
				table_add(t, "%s", money);
			} else if (json_is_integer(v)) {
				table_add(t, "%lld",
				    (long long)json_integer_value(v));
			} else if (json_is_boolean(v)) {
				table_add(t, "%s",
				    json_is_true(v) ? "yes" : "no");
			} else if (str_eq(fields[k], "startedAt")) {
				table_add_at(t, c, item, fields[k]);
			} else {
				table_add(t, "%s", js(item, fields[k]));
			}
		}
	}
	table_print(t, c);
	json_decref(a);
	return 0;
}

static int
run_specs(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "SPEC", ">VCPU", ">MIB", "ARCH",
		">USD/H", "CONNECTION", NULL };
	static const char *const fields[] = { "specId", "vcpu", "memoryMiB",
		"arch", "costPerHourMicros", "connection", NULL };

	if (cli_opts(c, cli_cmd(cmds_sys, "spec list"), argc, argv, NULL, 0, 0,
		0) < 0)
		return 2;
	return list(c, "/v1/specs?limit=1000", heads, fields);
}

static int
run_action_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "ACTION", "KIND", "TARGET",
		"STATE", "OUTCOME", "STARTED", NULL };
	static const char *const fields[] = { "actionId", "kind", "target",
		"state", "outcome", "startedAt", NULL };

	if (cli_opts(c, cli_cmd(cmds_sys, "action list"), argc, argv, NULL, 0,
		0, 0) < 0)
		return 2;
	return list(c, "/v1/actions", heads, fields);
}

static void action_print(struct cli *c, const json_t *a);

static int
action_call(struct cli *c, int argc, char **argv, const char *name,
    const char *method, bool wait)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL;
	char *path;
	int rc = 0;

	if (cli_opts(c, cli_cmd(cmds_sys, name), argc, argv, NULL, 0, 1, 1) < 0)
		return 2;
	path = cli_path("/v1/actions/", argv[1], "");
	if (!path)
		return 2;
	if (!cli_call(c, method, path, NULL, &a, &err))
		rc = cli_fail(&err);
	else if (wait)
		rc = cli_wait(c, a, NULL);
	else if (a && c->out == OUT_JSON)
		cli_print_json(a);
	else if (a)
		action_print(c, a);
	free(path);
	json_decref(a);
	return rc;
}

static void
action_print(struct cli *c, const json_t *a)
{
	static const char *const heads[] = { "TARGET", "STEP", "STATE",
		"MESSAGE", NULL };
	const json_t *e = json_object_get(a, "error");
	const json_t *p = json_object_get(a, "progress");
	struct cli_table *t = table_new(heads);
	json_t *s;
	size_t i;

	if (c->out == OUT_TABLE) {
		printf("%s  %s of %s: %s", js(a, "actionId"), js(a, "kind"),
		    js(a, "target"), js(a, "state"));
		if (js(a, "outcome")[0])
			printf(", %s", js(a, "outcome"));
		printf("; %lld of %lld\n%s  %s\n", (long long)ji(p, "done", 0),
		    (long long)ji(p, "total", 0), js(a, "startedAt"),
		    js(a, "endedAt"));
		if (js(e, "message")[0])
			printf("%s: %s\n", js(e, "code"), js(e, "message"));
	}
	json_array_foreach(ja(a, "steps"), i, s)
	{
		table_add(t, "%s", js(s, "target"));
		table_add(t, "%s", js(s, "step"));
		table_add(t, "%s", js(s, "state"));
		table_add(t, "%s", js(s, "message"));
	}
	table_print(t, c);
}

static int
run_action_show(struct cli *c, int argc, char **argv)
{
	return action_call(c, argc, argv, "action show", "GET", false);
}

static int
run_action_wait(struct cli *c, int argc, char **argv)
{
	return action_call(c, argc, argv, "action wait", "GET", true);
}

static int
run_action_cancel(struct cli *c, int argc, char **argv)
{
	return action_call(c, argc, argv, "action cancel", "DELETE", false);
}

static void
event_print(struct cli *c, const json_t *e)
{
	char *text;

	if (c->out == OUT_JSON) {
		text = json_text(e, true);
		fputs(text, stdout);
		free(text);
		return;
	}
	printf("%s  %-14s %s%s%s", js(e, "at"), js(e, "type"), js(e, "mcis"),
	    js(e, "mcis")[0] && js(e, "vmId")[0] ? "/" : "", js(e, "vmId"));
	if (js(e, "to")[0])
		printf("  %s -> %s", js(e, "from"), js(e, "to"));
	if (js(e, "reason")[0])
		printf("  (%s)", js(e, "reason"));
	putchar('\n');
	fflush(stdout);
}

static bool
on_event(const char *event, const char *data, void *arg)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *e = json_parse(data, strlen(data), JSON_BODY_MAX, &err);

	(void)event;
	if (e)
		event_print(arg, e);
	json_decref(e);
	return !cli_interrupted();
}

/* History page by page: all after the number, or the newest hundred. */
static bool
events_history(struct cli *c, const char *filter, int64_t after,
    struct mw_err *err)
{
	bool more = true;

	while (more && !cli_interrupted()) {
		char *path = after < 0
		    ? xasprintf("/v1/events?limit=100%s", filter)
		    : xasprintf("/v1/events?limit=1000&after=%lld%s",
			  (long long)after, filter);
		json_t *a = NULL, *e;
		size_t i;
		bool ok = cli_call(c, "GET", path, NULL, &a, err);

		free(path);
		if (!ok)
			return false;
		json_array_foreach(ja(a, "items"), i, e)
		{
			event_print(c, e);
			more = ji(e, "seq", 0) > after;
			after = after < 0 ? after : ji(e, "seq", 0);
		}
		more = more && after >= 0 && i > 0;
		json_decref(a);
	}
	return true;
}

static int
run_events(struct cli *c, int argc, char **argv)
{
	const char *mcis = NULL, *type = NULL;
	bool follow = false, all = false;
	int64_t after = -1;
	const struct cli_opt opts[] = {
		{ "follow", 'f', OPT_FLAG, &follow },
		{ "all", 'a', OPT_FLAG, &all },
		{ "mcis", 0, OPT_STR, &mcis },
		{ "type", 0, OPT_STR, &type },
		{ "after", 0, OPT_INT, &after },
	};
	struct mw_err err = MW_ERR_INIT;
	struct str filter = STR_INIT;
	char *path;
	bool ok;

	if (cli_opts(c, cli_cmd(cmds_sys, "events"), argc, argv, opts,
		ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	str_add(&filter, "?"); /* left out: another parameter comes first */
	cli_query(&filter, "mcis", mcis);
	cli_query(&filter, "type", type);
	if (follow) {
		path = after < 0
		    ? xasprintf("/v1/events?limit=100%s", filter.p + 1)
		    : xasprintf("/v1/events?after=%lld%s", (long long)after,
			  filter.p + 1);
		ok =
		    cli_stream(c, path, on_event, c, &err) || cli_interrupted();
		free(path);
	} else {
		ok = events_history(c, filter.p + 1,
		    all && after < 0 ? 0 : after, &err);
	}
	str_free(&filter);
	return ok ? 0 : cli_fail(&err);
}

/* The findings of both programs; true if something is wrong. */
static bool
doctor_rows(struct cli_table *t, json_t *const parts[2])
{
	bool faults = false;
	json_t *x;
	size_t i;

	for (int p = 0; p < 2; p++) {
		json_array_foreach(ja(parts[p], "items"), i, x)
		{
			bool ok = str_eq(js(x, "level"), "ok");

			faults |= !ok;
			table_color(t, ok ? 32 : 31);
			table_add(t, "%s", js(x, "level"));
			table_add(t, "%s", js(x, "check"));
			table_add(t, "%s", js(x, "text"));
			table_add(t, "%s", js(x, "fix"));
		}
	}
	return faults;
}

/* The twin's findings; NULL if there is none beside the coordinator. One that
 * is there and silent is a finding itself. */
static json_t *
twin_findings(struct cli *c)
{
	char *sock = xasprintf("%s/twin.sock", c->dir);
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL, *items, *x;
	struct stat st;

	if (stat(sock, &st) == 0 &&
	    !cli_call_unix(c, sock, "GET", "/v1/doctor", NULL, &a, &err)) {
		x = json_object();
		json_put_str(x, "check", "twin");
		json_put_str(x, "level", "fail");
		json_put_str(x, "text", err.msg);
		json_put_str(x, "fix", err.hint);
		items = json_array();
		json_array_append_new(items, x);
		a = json_object();
		json_put(a, "items", items);
	}
	free(sock);
	return a;
}

/* The coordinator's checks, and the twin's if there is one beside it. */
static int
run_doctor(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "", "CHECK", "FINDING", "WAY OUT",
		NULL };
	struct mw_err err = MW_ERR_INIT;
	json_t *parts[2] = { NULL, NULL }, *both;
	struct cli_table *t;
	bool faults;

	if (cli_opts(c, cli_cmd(cmds_sys, "doctor"), argc, argv, NULL, 0, 0,
		0) < 0)
		return 2;
	if (!cli_call(c, "GET", "/v1/doctor", NULL, &parts[0], &err)) {
		err_hint(&err,
		    "milkyway up; before it, milkyway-twin doctor "
		    "checks this machine");
		return cli_fail(&err);
	}
	parts[1] = twin_findings(c);
	t = table_new(heads);
	faults = doctor_rows(t, parts);
	if (c->out == OUT_JSON) {
		both = json_object();
		json_put(both, "coordinator", json_incref(parts[0]));
		json_put(both, "twin", parts[1] ? json_incref(parts[1]) : NULL);
		cli_print_json(both);
		json_decref(both);
		table_free(t);
	} else {
		table_print(t, c);
	}
	json_decref(parts[0]);
	json_decref(parts[1]);
	return faults ? EXIT_NO : 0;
}

const struct cli_cmd cmds_sys[] = {
	{ "spec list", "", "machine types with prices", run_specs, "" },
	{ "action list", "", "long work, newest first", run_action_list, "" },
	{ "action show", "ID", "one action with its steps", run_action_show,
	    "" },
	{ "action wait", "ID", "follow it to its end", run_action_wait, "" },
	{ "action cancel", "ID", "stop it", run_action_cancel, "" },
	{ "events", "", "what happened, and when", run_events,
	    "The newest hundred, unless:\n\n"
	    "  -f, --follow    as it happens\n"
	    "  -a, --all       from the beginning\n"
	    "  --mcis NAME, --type TYPE, --after SEQ\n" },
	{ "doctor", "", "check everything, name the way out", run_doctor,
	    "Exit status 4 if anything is wrong.\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
