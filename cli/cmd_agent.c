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

static int
act(struct cli *c, int argc, char **argv, const char *cmd, const char *verb)
{
	json_t *body;
	char *path;
	int rc;

	if (cli_opts(c, cli_cmd(cmds_agent, cmd), argc, argv, NULL, 0, 1, 1) <
	    0)
		return 2;
	path = cli_mcis_path(c, argv[1], "/agents");
	if (!path)
		return 2;
	body = json_object();
	json_put_str(body, "action", verb);
	rc = cli_verb(c, "POST", path, body);
	free(path);
	return rc;
}

static int
run_install(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent install", "install");
}

static int
run_uninstall(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent uninstall", "uninstall");
}

static int
run_upgrade(struct cli *c, int argc, char **argv)
{
	return act(c, argc, argv, "agent upgrade", "upgrade");
}

const struct cli_cmd cmds_agent[] = {
	{ "agent list", "[NAME]", "agents and how their installation went",
	    run_list, "" },
	{ "agent install", "NAME", "install again where it is missing",
	    run_install, "The same binary again changes nothing on a VM.\n" },
	{ "agent upgrade", "NAME", "push this version to all VMs", run_upgrade,
	    "" },
	{ "agent uninstall", "NAME", "remove it; no file is left on the VMs",
	    run_uninstall, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
