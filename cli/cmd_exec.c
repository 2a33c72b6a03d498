/*
 * cmd_exec.c - one command on all VMs of a group, over SSH.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <string.h>

static void
print_output(struct cli *c, const json_t *vm)
{
	int64_t code = ji(vm, "exitCode", -1);
	const char *error = js(vm, "error");

	if (c->color)
		printf("\033[%dm", code ? 31 : 32);
	printf("%s: ", js(vm, "vmId"));
	if (error[0] || code < 0)
		printf("%s", error[0] ? error : "no exit status");
	else if (code)
		printf("exit status %lld", (long long)code);
	else
		printf("ok");
	puts(c->color ? "\033[0m" : "");
	fputs(js(vm, "stdout"), stdout);
	fflush(stdout); /* keep the order of both streams */
	fputs(js(vm, "stderr"), stderr);
}

static void
print_csv(struct cli *c, const json_t *cmd)
{
	static const char *const heads[] = { "VM", "EXIT CODE", "STDOUT",
		"STDERR", "ERROR", NULL };
	struct cli_table *t = table_new(heads);
	json_t *vm;
	size_t i;

	json_array_foreach(ja(cmd, "items"), i, vm)
	{
		const json_t *code = json_object_get(vm, "exitCode");

		table_add(t, "%s", js(vm, "vmId"));
		if (json_is_integer(code))
			table_add(t, "%lld",
			    (long long)json_integer_value(code));
		else
			table_add(t, "%s", "");
		table_add(t, "%s", js(vm, "stdout"));
		table_add(t, "%s", js(vm, "stderr"));
		table_add(t, "%s", js(vm, "error"));
	}
	table_print(t, c);
}

static int
print_outputs(struct cli *c, const json_t *cmd)
{
	size_t i, bad = 0, n = json_array_size(ja(cmd, "items"));
	json_t *vm;

	if (c->out == OUT_JSON)
		cli_print_json(cmd);
	if (c->out == OUT_CSV)
		print_csv(c, cmd);
	json_array_foreach(ja(cmd, "items"), i, vm)
	{
		bad += ji(vm, "exitCode", -1) != 0;
		if (c->out == OUT_TABLE)
			print_output(c, vm);
	}
	return !bad ? 0 : bad < n ? EXIT_PARTIAL : EXIT_NO;
}

/* {"key":"value"} of "key=value"; NULL without "=". */
static json_t *
selector_of(const char *label)
{
	const char *value = strchr(label, '=');
	json_t *sel;
	char *key;

	if (!value)
		return NULL;
	sel = json_object();
	key = xstrndup(label, (size_t)(value - label));
	json_put_str(sel, key, value + 1);
	free(key);
	return sel;
}

/* One word is a shell line, like ssh's; several are an argument list. */
static json_t *
body_of(int n, char **words, int64_t timeout)
{
	json_t *body = json_object(), *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	if (n == 1)
		json_put_str(body, "command", words[0]);
	else
		json_put(body, "argv", json_incref(list));
	json_decref(list);
	json_put_int(body, "timeoutS", timeout);
	return body;
}

/* The outputs of a command that has ended. */
static int
show(struct cli *c, const char *mcis, const char *id)
{
	char *rest = xasprintf("/commands/%s", id);
	char *path = cli_mcis_path(c, mcis, rest);
	json_t *out = NULL;
	int rc;

	free(rest);
	rc = cli_get(c, path, &out);
	if (rc)
		return rc;
	rc = print_outputs(c, out);
	json_decref(out);
	return rc;
}

static int
run_exec(struct cli *c, int argc, char **argv)
{
	const char *label = NULL;
	int64_t timeout = 60;
	const struct cli_opt opts[] = {
		{ "label", 'l', OPT_STR, &label },
		{ "command-timeout", 0, OPT_INT, &timeout },
	};
	json_t *body, *end = NULL, *sel = NULL;
	int split = 0, rc, shown;
	char *path;

	while (split < argc && !str_eq(argv[split], "--"))
		split++;
	if (cli_opts(c, cmds_exec, split, argv, opts, ARRAY_LEN(opts), 1, 1) <
	    0)
		return 2;
	if (split >= argc - 1)
		return cli_usage(cmds_exec, "no command after --");
	if (label && !(sel = selector_of(label)))
		return cli_usage(cmds_exec, "--label: KEY=VALUE, not %s",
		    label);
	path = cli_mcis_path(c, argv[1], "/commands");
	if (!path) {
		json_decref(sel);
		return 2;
	}
	body = body_of(argc - split - 1, argv + split + 1, timeout);
	if (sel)
		json_put(body, "selector", sel);
	rc = cli_act(c, "POST", path, body, &end);
	free(path);
	if (end && js(end, "state")[0]) { /* a command is its action */
		shown = show(c, argv[1], js(end, "actionId"));
		/* a command that failed everywhere is no bug of ours */
		rc = rc == 0 || rc == 1 ? shown : rc;
	}
	json_decref(end);
	return rc;
}

const struct cli_cmd cmds_exec[] = {
	{ "exec", "NAME -- COMMAND [ARG...]",
	    "run a command on all VMs, with output and exit code", run_exec,
	    "One word is a shell line; several words are an argument list.\n"
	    "{{publicIp}} {{region}} {{index}} {{vmId}} are filled in per VM.\n\n"
	    "  -l, --label KEY=VALUE only VMs with this label\n"
	    "  --command-timeout S   per VM (60)\n\n"
	    "Exit status 12 when it failed on some VMs, 4 on all.\n\n"
	    "  milkyway exec demo17 -- uname -r\n"
	    "  milkyway exec demo17 -- 'echo {{region}} >/tmp/where'\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
