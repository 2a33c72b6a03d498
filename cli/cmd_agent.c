/*
 * cmd_agent.c - agents on the VMs: list, install, uninstall, upgrade.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "MCIS", "VM", "STATE", "VERSION",
		"LAST SEEN", "INSTALL", "MISSING TOOLS", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *g;
	size_t i;

	if (cli_opts(c, cli_cmd(cmds_agent, "agent list"), argc, argv, NULL, 0,
		0, 1) < 0)
		return 2;
	if (!cli_call(c, "GET", "/v1/agents", NULL, &a, &err))
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, g)
	{
		const json_t *in = json_object_get(g, "install");
		struct str miss = STR_INIT;
		json_t *m;
		size_t k;

		if (argv[1] && argc > 1 && !str_eq(argv[1], js(g, "mcisId")))
			continue;
		json_array_foreach(ja(g, "missingTools"), k, m)
		    str_addf(&miss, "%s%s", k ? " " : "", json_string_value(m));
		table_add(t, "%s", js(g, "mcisId"));
		table_add(t, "%s", js(g, "vmId"));
		table_color(t, str_eq(js(g, "state"), "up") ? 32 : 31);
		table_add(t, "%s", js(g, "state"));
		table_add(t, "%s", js(g, "version"));
		table_add(t, "%s", js(g, "lastSeenAt"));
		table_add(t, "%s %s", js(in, "state"), js(in, "error"));
		table_add(t, "%s", str_cstr(&miss));
		str_free(&miss);
	}
	table_print(t, c);
	json_decref(a);
	return 0;
}

/* What was added or stays, a line for each VM that has something to say;
 * failures have been told already. */
static void
print_end(struct cli *c, const json_t *end)
{
	json_t *s;
	size_t i;

	if (c->out == OUT_JSON) {
		cli_print_json(end);
		return;
	}
	if (!js(end, "state")[0])
		fprintf(stderr, "nothing to do\n");
	json_array_foreach(ja(end, "steps"), i, s)
	{
		if (str_eq(js(s, "state"), "done") && js(s, "message")[0])
			printf("%s: %s\n", js(s, "target"), js(s, "message"));
	}
}

/* flag: a field of the request, or NULL. */
static int
act(struct cli *c, int argc, char **argv, const char *cmd, const char *verb,
    const char *option, const char *flag)
{
	bool tools = false;
	const struct cli_opt opts[] = { { option, 0, OPT_FLAG, &tools } };
	json_t *body, *end = NULL;
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_agent, cmd), argc, argv, opts, 1, 1, 1) <
	    0)
		return 2;
	path = cli_mcis_path(c, argv[1], "/agents");
	if (!path)
		return 2;
	body = json_object();
	json_put_str(body, "action", verb);
	if (tools)
		json_put_bool(body, flag, true);
	rc = cli_act(c, "POST", path, body, &end);
	if (end)
		print_end(c, end);
	json_decref(end);
	free(path);
	return rc;
}

static int
run_install(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent install", "install", "install-tools",
	    "installTools");
}

static int
run_uninstall(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent uninstall", "uninstall",
	    "remove-tools", "removeTools");
}

static int
run_upgrade(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent upgrade", "upgrade", "install-tools",
	    "installTools");
}

const struct cli_cmd cmds_agent[] = {
	{ "agent list", "[NAME]", "agents and how their installation went",
	    run_list, "" },
	{ "agent install", "NAME", "install again where it is missing",
	    run_install,
	    "  --install-tools  also sysbench and a MariaDB server, with the VM's own\n"
	    "                   package manager; what was added is listed\n\n"
	    "The same binary again changes nothing on a VM.\n\n"
	    "  milkyway agent install demo17 --install-tools\n" },
	{ "agent upgrade", "NAME", "push this version to all VMs", run_upgrade,
	    "  --install-tools  as with: milkyway agent install\n" },
	{ "agent uninstall", "NAME", "remove it; no file is left on the VMs",
	    run_uninstall,
	    "  --remove-tools   also the packages that --install-tools added\n\n"
	    "Without it those packages stay, and are listed.\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
