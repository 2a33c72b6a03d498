/*
 * cmd_mcis.c - groups of VMs: create, list, show, the lifecycle verbs.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <string.h>

static void mcis_print(struct cli *c, const json_t *m);
static int act_simple(struct cli *c, int argc, char **argv, const char *verb,
    bool ask);

struct wish {
	const char *file, *placement, *name;
	bool dry, remove, replace;
	int64_t rank;
};

/* The request of a wish, to be freed; or an exit status after a message. */
static int
wish_request(struct cli *c, const struct wish *w, json_t **body, char **path,
    char **name)
{
	struct mw_err err = MW_ERR_INIT;
	char *rest;

	if (w->placement) {
		*body = json_object();
		json_put_str(*body, "name", w->name);
		json_put_str(*body, "fromPlacement", w->placement);
		json_put_int(*body, "rank", w->rank);
		*path = xasprintf("/v1/ns/%s/mcis%s", c->ns,
		    w->dry ? "?dryRun=1" : "");
		*name = xstrdup(w->name);
		return 0;
	}
	*body = cli_load(w->file, FILE_MCIS, JSON_BODY_MAX, &err);
	if (!*body)
		return cli_fail(&err);
	if (w->name)
		json_put_str(*body, "name", w->name);
	rest = xasprintf("?%s%s%s", w->dry ? "dryRun=1&" : "",
	    w->remove ? "allowRemove=1&" : "",
	    w->replace ? "allowReplace=1" : "");
	*name = xstrdup(js(*body, "name"));
	*path = cli_mcis_path(c, *name, rest);
	free(rest);
	if (*path)
		return 0;
	json_decref(*body);
	free(*name);
	return 2;
}

static void
plan_print(struct cli *c, const json_t *end)
{
	static const char *const heads[] = { "VM", "CHANGE", "ANSWER", "REASON",
		NULL };
	struct cli_table *t;
	json_t *p;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(end);
		return;
	}
	t = table_new(heads);
	json_array_foreach(ja(end, "plan"), i, p)
	{
		table_add(t, "%s", js(p, "vmId"));
		table_add(t, "%s", js(p, "change"));
		table_add(t, "%s", js(p, "answer"));
		table_add(t, "%s", js(p, "reason"));
	}
	table_print(t, c);
}

static void
show_after(struct cli *c, const char *name)
{
	char *path = cli_mcis_path(c, name, "");
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL;

	if (path && cli_call(c, "GET", path, NULL, &m, &err))
		mcis_print(c, m);
	json_decref(m);
	free(path);
}

static int
run_create(struct cli *c, int argc, char **argv)
{
	struct wish w = { .rank = 1 };
	const struct cli_opt opts[] = {
		{ "file", 'f', OPT_STR, &w.file },
		{ "from-placement", 0, OPT_STR, &w.placement },
		{ "rank", 0, OPT_INT, &w.rank },
		{ "name", 0, OPT_STR, &w.name },
		{ "dry-run", 0, OPT_FLAG, &w.dry },
		{ "allow-remove", 0, OPT_FLAG, &w.remove },
		{ "allow-replace", 0, OPT_FLAG, &w.replace },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_mcis, "mcis create");
	json_t *body, *end = NULL;
	char *path = NULL, *name = NULL;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	if (!w.file == !w.placement)
		return cli_usage(cmd, "give -f FILE or --from-placement ID");
	if (w.placement && !w.name)
		return cli_usage(cmd, "--from-placement needs --name");
	rc = wish_request(c, &w, &body, &path, &name);
	if (rc)
		return rc;
	rc = cli_act(c, w.placement ? "POST" : "PUT", path, body, &end);
	if (w.dry && end)
		plan_print(c, end);
	else if (end && json_is_false(json_object_get(end, "changed")))
		fprintf(stderr, "%s: nothing to change\n", name);
	if (!w.dry && end)
		show_after(c, name);
	json_decref(end);
	free(path);
	free(name);
	return rc;
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "NAME", "STATUS", ">VMS", ">USD/H",
		"CREATED", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *m;
	char *path, money[32];
	size_t i;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis list"), argc, argv, NULL, 0, 0,
		0) < 0)
		return 2;
	path = xasprintf("/v1/ns/%s/mcis", c->ns);
	if (!cli_call(c, "GET", path, NULL, &a, &err)) {
		free(path);
		return cli_fail(&err);
	}
	free(path);
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
			table_add(t, "%s", js(m, "createdAt"));
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
	struct mw_err err = MW_ERR_INIT;
	json_t *m = NULL;
	char *path, *rest;

	if (cli_opts(c, cli_cmd(cmds_mcis, "mcis show"), argc, argv, opts, 1, 1,
		1) < 0)
		return 2;
	rest =
	    xasprintf("%s%s", style ? "?statusStyle=" : "", style ? style : "");
	path = cli_mcis_path(c, argv[1], rest);
	free(rest);
	if (!path)
		return 2;
	if (!cli_call(c, "GET", path, NULL, &m, &err)) {
		free(path);
		return cli_fail(&err);
	}
	free(path);
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

static void
mcis_print(struct cli *c, const json_t *m)
{
	static const char *const heads[] = { "VM", "CONNECTION", "SPEC",
		">VCPU", ">USD/H", "STATUS", "ADDRESS", "AGENT", "NOTE", NULL };
	struct cli_table *t;
	char money[32];
	json_t *vm;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(m);
		return;
	}
	if (c->out == OUT_TABLE) {
		cli_money(ji(m, "costPerHourMicros", -1), money);
		printf("%s  %s  %s USD/h\n", js(m, "name"), js(m, "status"),
		    money);
	}
	t = table_new(heads);
	json_array_foreach(ja(m, "vms"), i, vm)
	{
		const json_t *billed = json_object_get(vm, "billed");
		const char *why = js(vm, "installError");

		cli_money(ji(vm, "costPerHourMicros", -1), money);
		table_add(t, "%s", js(vm, "vmId"));
		table_add(t, "%s", js(vm, "connection"));
		table_add(t, "%s", js(vm, "spec"));
		table_add_int(t, vm, "vcpu");
		table_add(t, "%s", money);
		table_color(t, status_color(js(vm, "status")));
		table_add(t, "%s", js(vm, "status"));
		table_add(t, "%s", js(vm, "publicIp"));
		table_add(t, "%s", js(vm, "agentState"));
		table_add(t, "%s%s",
		    str_eq(js(vm, "status"), "Suspended") &&
			    jb(billed, "compute")
			? "still billed: compute "
			: "",
		    why[0] ? why : js(vm, "statusReason"));
	}
	table_print(t, c);
}

static int
act_simple(struct cli *c, int argc, char **argv, const char *verb, bool ask)
{
	char name[32];
	json_t *body;
	char *path;
	const char *vm = NULL;
	const struct cli_opt opts[] = { { "vm", 0, OPT_STR, &vm } };
	char *rest;
	int rc;

	snprintf(name, sizeof name, "mcis %s", verb);
	if (cli_opts(c, cli_cmd(cmds_mcis, name), argc, argv, opts, 1, 1, 1) <
	    0)
		return 2;
	if (ask &&
	    !cli_confirm(c, "%s %s%s%s: its VMs will be gone. Go on?", verb,
		argv[1], vm ? " " : "", vm ? vm : ""))
		return EXIT_INTERRUPTED;
	rest = vm ? xasprintf("/vms/%s/actions", vm) : xstrdup("/actions");
	path = cli_mcis_path(c, argv[1], rest);
	free(rest);
	if (!path)
		return 2;
	body = json_object();
	json_put_str(body, "action", verb);
	rc = cli_verb(c, "POST", path, body);
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

#define VERB_HELP                                                          \
	"The call returns when every VM is there; Ctrl-C stops waiting,\n" \
	"not the action.\n\n  --vm VM     only this one\n"                 \
	"  --no-wait   print the action id at once\n"

const struct cli_cmd cmds_mcis[] = {
	{ "mcis create", "-f FILE | --from-placement ID --name N",
	    "create or change a group of VMs", run_create,
	    "The same file again changes nothing; a larger count adds VMs.\n\n"
	    "  -f, --file FILE        the wish as JSON (docs/api.md, \"MCIS file\")\n"
	    "  --from-placement ID    the members of a placement's answer\n"
	    "  --rank N               which ranked group of it (1)\n"
	    "  --name NAME            name of the group\n"
	    "  --dry-run              print the plan, change nothing\n"
	    "  --allow-remove         a smaller count may terminate VMs\n"
	    "  --allow-replace        a changed spec may replace VMs\n\n"
	    "  milkyway mcis create -f bench-data/mcis/demo17.json\n"
	    "  milkyway mcis create --from-placement pl-1 --name best\n" },
	{ "mcis list", "", "all groups", run_list, "" },
	{ "mcis show", "NAME", "one group and its VMs", run_show,
	    "  --style deck|tumblebug   form of the status text\n" },
	{ "mcis suspend", "NAME", "suspend all VMs", run_suspend, VERB_HELP },
	{ "mcis resume", "NAME", "resume all VMs", run_resume, VERB_HELP },
	{ "mcis reboot", "NAME", "reboot all VMs", run_reboot, VERB_HELP },
	{ "mcis terminate", "NAME", "terminate all VMs, keep the record",
	    run_terminate, VERB_HELP },
	{ "mcis reconcile", "NAME", "observe now, try failed VMs again",
	    run_reconcile, VERB_HELP },
	{ "mcis refine", "NAME", "drop VMs that failed or are gone", run_refine,
	    VERB_HELP },
	{ "mcis delete", "NAME", "terminate all VMs, forget the group",
	    run_delete, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
