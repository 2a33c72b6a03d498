/*
 * cmd_mcis.c - groups of VMs: list, show, the lifecycle verbs.
 */
#include "cli/mcis.h"

#include "common/pure/alloc.h"

#include <string.h>

static int act_simple(struct cli *c, int argc, char **argv, const char *verb,
    bool ask);
static void mcis_print(struct cli *c, const json_t *m);

void
mcis_show_after(struct cli *c, const char *name)
{
	char *path = cli_mcis_path(c, name, "");
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL;

	if (path && cli_call(c, "GET", path, NULL, &m, &err))
		mcis_print(c, m);
	json_decref(m);
	free(path);
}

/* What an hour is billed now; "?" behind it if not all of it is known. */
static void
billed_text(const json_t *m, char out[32])
{
	const json_t *b = json_object_get(m, "billed");
	int64_t micros = ji(b, "costPerHourMicros", -1);
	bool all = micros >= 0 && ji(b, "unknownVms", 0) == 0;
	char money[32];

	if (micros < 0)
		micros = ji(b, "costKnownPerHourMicros", -1);
	cli_money(micros, money);
	snprintf(out, 32, "%.29s%s", money, all || micros < 0 ? "" : " ?");
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "NAME", "STATUS", ">VMS", ">USD/H",
		">BILLED", "CREATED", NULL };
	const char *style = NULL;
	const struct cli_opt opts[] = { { "style", 0, OPT_STR, &style } };
	struct cli_table *t;
	json_t *a = NULL, *m;
	struct str path = STR_INIT;
	char *base, money[32];
	size_t i;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis list"), argc, argv, opts, 1, 0,
		0) < 0)
		return 2;
	base = cli_ns_path(c, "/mcis");
	if (!base)
		return 2;
	str_add(&path, base);
	free(base);
	cli_query(&path, "statusStyle", style);
	rc = cli_get(c, str_take(&path), &a);
	if (rc)
		return rc;
	if (c->out == OUT_JSON) {
		cli_print_json(a);
	} else {
		t = table_new(heads);
		json_array_foreach(ja(a, "items"), i, m)
		{
			cli_money(ji(m, "costPerHourMicros", -1), money);
			table_add(t, "%s", js(m, "name"));
			table_add(t, "%s", js(m, "status"));
			table_add_int(t, json_object_get(m, "statusCounts"),
			    "total");
			table_add(t, "%s", money);
			billed_text(m, money);
			table_add(t, "%s", money);
			table_add_at(t, c, m, "createdAt");
		}
		table_print(t, c);
	}
	json_decref(a);
	return 0;
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	const char *style = NULL;
	const struct cli_opt opts[] = { { "style", 0, OPT_STR, &style } };
	json_t *m = NULL;
	struct str rest = STR_INIT;
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis show"), argc, argv, opts, 1, 1,
		1) < 0)
		return 2;
	cli_query(&rest, "statusStyle", style);
	path = cli_mcis_path(c, argv[1], str_cstr(&rest));
	str_free(&rest);
	rc = cli_get(c, path, &m);
	if (rc)
		return rc;
	mcis_print(c, m);
	json_decref(m);
	return 0;
}

static int
status_color(const char *status)
{
	return str_eq(status, "Running")      ? 32
	    : str_eq(status, "Failed")        ? 31
	    : str_eq(status, "Undefined")     ? 31
	    : str_eq(status, "Terminated")    ? 90
	    : str_starts(status, "Suspended") ? 36
					      : 33;
}

/* "Suspended (still billed: compute)" */
static void
status_text(const json_t *vm, struct str *out)
{
	const char *status = js(vm, "status");
	const json_t *compute =
	    json_object_get(json_object_get(vm, "billed"), "compute");

	str_reset(out);
	str_add(out, status);
	if (str_eq(status, "Suspended") && json_is_true(compute))
		str_add(out, " (still billed: compute)");
	else if (str_eq(status, "Suspended") && json_is_null(compute))
		str_addf(out, " (compute billed? %s)", js(vm, "billedReason"));
}

static void
head_print(const json_t *m)
{
	const json_t *b = json_object_get(m, "billed");
	char money[32], billed[32];

	cli_money(ji(m, "costPerHourMicros", -1), money);
	billed_text(m, billed);
	printf("%s  %s  %s USD/h", js(m, "name"), js(m, "status"), money);
	if (ji(m, "costUnknownVms", 0) > 0)
		printf(" (%lld VMs without a price: %s)",
		    (long long)ji(m, "costUnknownVms", 0), js(m, "costReason"));
	printf("; billed now: %lld VM%s, %s USD/h\n",
	    (long long)ji(b, "vms", 0), ji(b, "vms", 0) == 1 ? "" : "s",
	    billed);
}

/* The MCIS as its commands show it. */
static void
mcis_print(struct cli *c, const json_t *m)
{
	static const char *const heads[] = { "VM", "CONNECTION", "SPEC",
		">VCPU", ">USD/H", "STATUS", "ADDRESS", "AGENT", "NOTE", NULL };
	struct str status = STR_INIT;
	struct cli_table *t;
	char money[32];
	json_t *vm;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(m);
		return;
	}
	if (c->out == OUT_TABLE)
		head_print(m);
	t = table_new(heads);
	json_array_foreach(ja(m, "vms"), i, vm)
	{
		const char *why = js(vm, "installError");
		bool over = str_eq(js(vm, "status"), "Terminated");

		cli_money(ji(vm, "costPerHourMicros", -1), money);
		table_add(t, "%s", js(vm, "vmId"));
		table_add(t, "%s", js(vm, "connection"));
		table_add(t, "%s", js(vm, "spec"));
		table_add_int(t, vm, "vcpu");
		table_add(t, "%s", money);
		table_color(t, status_color(js(vm, "status")));
		status_text(vm, &status);
		table_add(t, "%s", str_cstr(&status));
		table_add(t, "%s", over ? "" : js(vm, "publicIp"));
		table_add(t, "%s", over ? "" : js(vm, "agentState"));
		if (!why[0])
			why = js(vm, "statusReason");
		if (!why[0] && str_eq(js(vm, "installState"), "running"))
			table_add(t, "agent: %s", js(vm, "installStep"));
		else
			table_add(t, "%s", why);
	}
	str_free(&status);
	table_print(t, c);
}

/* Tells which members of a verb had to be left out. */
static void
mcis_print_refused(const json_t *end)
{
	json_t *r;
	size_t i;

	json_array_foreach(ja(end, "refused"), i, r) fprintf(stderr,
	    "  left out: %s, it is %s\n", js(r, "vmId"), js(r, "status"));
}

static int
act_simple(struct cli *c, int argc, char **argv, const char *verb, bool ask)
{
	const char *vm = NULL, *group = NULL;
	const struct cli_opt opts[] = { { "vm", 0, OPT_STR, &vm },
		{ "group", 0, OPT_STR, &group } };
	const struct cli_cmd *cmd;
	json_t *body, *end = NULL;
	char name[32], *path, *rest;
	const char *part = "";
	int rc;

	snprintf(name, sizeof name, "mcis %s", verb);
	cmd = cli_cmd(cmds_mcis, name);
	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (vm && group)
		return cli_usage(cmd, "give --vm or --group, not both");
	part = vm ? vm : group ? group : "";
	if (!cli_id(argv[1]) || ((vm || group) && !cli_id(part)))
		return 2;
	if (ask &&
	    !cli_confirm(c, "%s %s%s%s: its VMs will be gone. Go on?", verb,
		argv[1], *part ? " " : "", part))
		return EXIT_INTERRUPTED;
	rest = xasprintf("%s%s/actions",
	    vm          ? "/vms/"
		: group ? "/groups/"
			: "",
	    part);
	path = cli_mcis_path(c, argv[1], rest);
	free(rest);
	if (!path)
		return 2;
	body = json_object();
	json_put_str(body, "action", verb);
	rc = cli_act(c, "POST", path, body, &end);
	mcis_print_refused(end);
	if (end && c->out == OUT_JSON)
		cli_print_json(end);
	else if (end && !js(end, "state")[0])
		fprintf(stderr, "nothing to do\n");
	json_decref(end);
	free(path);
	return rc;
}

/* The end of what runs is what was asked for: no failure. */
static int
run_abort(struct cli *c, int argc, char **argv)
{
	json_t *body, *end = NULL;
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis abort"), argc, argv, NULL, 0,
		1, 1) < 0)
		return 2;
	path = cli_mcis_path(c, argv[1], "/actions");
	if (!path)
		return 2;
	body = json_object();
	json_put_str(body, "action", "abort");
	rc = cli_act(c, "POST", path, body, &end);
	if (end && str_eq(js(end, "state"), "canceled"))
		rc = 0;
	if (end && c->out == OUT_JSON)
		cli_print_json(end);
	json_decref(end);
	free(path);
	return rc;
}

#define VERB(verb, ask)                                             \
	static int run_##verb(struct cli *c, int argc, char **argv) \
	{                                                           \
		return act_simple(c, argc, argv, #verb, ask);       \
	}
VERB(suspend, false)
VERB(resume, false)
VERB(reboot, false)
VERB(terminate, true)
VERB(reconcile, false)
VERB(refine, false)

static int
run_delete(struct cli *c, int argc, char **argv)
{
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis delete"), argc, argv, NULL, 0,
		1, 1) < 0)
		return 2;
	if (!cli_confirm(c, "delete %s: its VMs and its record. Go on?",
		argv[1]))
		return EXIT_INTERRUPTED;
	path = cli_mcis_path(c, argv[1], "");
	if (!path)
		return 2;
	rc = cli_verb(c, "DELETE", path, NULL);
	free(path);
	return rc;
}

#define VERB_HELP(verb)                                                    \
	"The call returns when every VM is there; Ctrl-C stops waiting,\n" \
	"not the action. VMs whose state does not allow it are left out\n" \
	"and named.\n\n"                                                   \
	"  --group G   only the VMs of this group\n"                       \
	"  --vm VM     only this one\n"                                    \
	"  --no-wait   print the action id at once\n\n"                    \
	"  milkyway mcis " verb " demo17 --group web\n"
#define WISH_HELP                                                                     \
	"  -f, --file FILE        the wish as JSON, - is stdin (docs/api.md, \"MCIS " \
	"file\")\n"                                                                   \
	"  --from-placement ID    the members of a placement's answer\n"              \
	"  --rank N               which ranked group of it (1)\n"                     \
	"  --name NAME            name of the group\n"                                \
	"  --allow-remove         a smaller count may terminate VMs\n"                \
	"  --allow-replace        a changed spec may replace VMs\n"                   \
	"  --allow-unknown-prices  VMs without a price pass a money limit\n"
#define STYLE_HELP "  --style deck|tumblebug   form of the status text\n"

const struct cli_cmd cmds_mcis[] = {
	{ "mcis create", "-f FILE | --from-placement ID --name N",
	    "create or change a group of VMs", mcis_create,
	    "The same file again changes nothing; a larger count adds VMs.\n\n" WISH_HELP
	    "  --plan HASH            only if it still is this plan\n"
	    "  --dry-run              print the plan, change nothing\n\n"
	    "A file, with names of `connection list` and `spec list`:\n\n"
	    "  {\"name\": \"shop\", \"groups\": [\n"
	    "    {\"name\": \"web\", \"count\": 3, \"connection\": "
	    "\"aws-us-east-1\",\n"
	    "     \"spec\": \"t3.small\", \"image\": \"debian-12\"}]}\n\n"
	    "  milkyway mcis create -f bench-data/mcis/demo17.json\n"
	    "  milkyway mcis create --from-placement pl-1 --name best\n" },
	{ "mcis plan", "-f FILE | --from-placement ID --name N",
	    "what would be created, kept, removed, and its price", mcis_plan,
	    "Changes nothing. The hash at its end names the plan: `mcis create"
	    " --plan`\ncarries out this plan or refuses.\n\n" WISH_HELP "\n"
	    "  milkyway mcis plan -f bench-data/mcis/demo17.json\n" },
	{ "mcis scale", "NAME GROUP=N...", "more or fewer VMs of a group",
	    mcis_scale,
	    "New VMs are like those that are there; the highest numbers go\n"
	    "first, after a question on a terminal. A group of 0 is forgotten.\n\n"
	    "  --dry-run                print the plan, change nothing\n"
	    "  --allow-unknown-prices   VMs without a price pass a money "
	    "limit\n\n"
	    "  milkyway mcis scale demo17 web=5\n" },
	{ "mcis list", "", "all groups", run_list, STYLE_HELP },
	{ "mcis show", "NAME", "one group and its VMs", run_show, STYLE_HELP },
	{ "mcis history", "NAME [VM]", "who did what, and what came of it",
	    mcis_history,
	    "  --limit N   the newest N entries (100)\n\n"
	    "  milkyway mcis history demo17 web-1\n"
	    "  milkyway mcis history demo17 -o csv --limit 10000\n" },
	{ "mcis suspend", "NAME", "suspend all VMs", run_suspend,
	    VERB_HELP("suspend") },
	{ "mcis resume", "NAME", "resume all VMs", run_resume,
	    VERB_HELP("resume") },
	{ "mcis reboot", "NAME", "reboot all VMs", run_reboot,
	    VERB_HELP("reboot") },
	{ "mcis terminate", "NAME", "terminate all VMs, keep the record",
	    run_terminate, VERB_HELP("terminate") },
	{ "mcis reconcile", "NAME", "observe now, try failed VMs again",
	    run_reconcile, VERB_HELP("reconcile") },
	{ "mcis refine", "NAME", "drop VMs that failed or are gone", run_refine,
	    VERB_HELP("refine") },
	{ "mcis abort", "NAME", "stop what is under way", run_abort,
	    "A create takes back the VMs it added; other verbs send nothing\n"
	    "more.\n\n  milkyway mcis abort demo17\n" },
	{ "mcis delete", "NAME", "terminate all VMs, forget the group",
	    run_delete, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
