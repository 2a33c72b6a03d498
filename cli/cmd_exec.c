/*
 * cmd_exec.c - one command on all VMs of a group, over SSH.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <string.h>

static int
print_outputs(struct cli *c, const json_t *cmd)
{
	int worst = 0;
	json_t *vm;
	size_t i;

	if (c->out == OUT_JSON)
		cli_print_json(cmd);
	json_array_foreach(ja(cmd, "items"), i, vm)
	{
		int64_t code = ji(vm, "exitCode", -1);

		if (code != 0)
			worst = EXIT_PARTIAL;
		if (c->out == OUT_JSON)
			continue;
		printf("%s%s: %s%s\n",
		    c->color ? (code ? "\033[31m" : "\033[32m") : "",
		    js(vm, "vmId"),
		    js(vm, "error")[0] ? js(vm, "error")
			: code == 0    ? "ok"
				       : "exit status ",
		    c->color ? "\033[0m" : "");
		if (code > 0 && !js(vm, "error")[0])
			printf("  exit status %lld\n", (long long)code);
		fputs(js(vm, "stdout"), stdout);
		if (js(vm, "stderr")[0])
			fprintf(stderr, "%s", js(vm, "stderr"));
	}
	return worst;
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
	struct mw_err err = MW_ERR_INIT;
	json_t *body, *list, *end = NULL, *out = NULL, *sel;
	int split = argc, rc;
	char *path, *rest;

	for (int i = 1; i < argc; i++)
		if (str_eq(argv[i], "--")) {
			split = i;
			break;
		}
	if (split >= argc - 1) {
		fprintf(stderr,
		    "usage: milkyway exec NAME [OPTIONS] -- COMMAND [ARG...]\n");
		return 2;
	}
	if (cli_opts(c, cmds_exec, split, argv, opts, 2, 1, 1) < 0)
		return 2;
	body = json_object();
	list = json_array();
	for (int i = split + 1; i < argc; i++)
		json_array_append_new(list, json_string(argv[i]));
	if (json_array_size(list) == 1)
		/* one word is a shell line, like ssh's */
		json_put(body, "command", json_incref(json_array_get(list, 0)));
	else
		json_put(body, "argv", json_incref(list));
	json_decref(list);
	json_put_int(body, "timeoutS", timeout);
	if (label && strchr(label, '=')) {
		char *key =
		    xstrndup(label, (size_t)(strchr(label, '=') - label));

		sel = json_object();
		json_put_str(sel, key, strchr(label, '=') + 1);
		json_put(body, "selector", sel);
		free(key);
	}
	path = cli_mcis_path(c, argv[1], "/commands");
	if (!path) {
		json_decref(body);
		return 2;
	}
	rc = cli_act(c, "POST", path, body, &end);
	free(path);
	if (end && js(end, "commandId")[0]) {
		rest = xasprintf("/commands/%s", js(end, "commandId"));
		path = cli_mcis_path(c, argv[1], rest);
		if (cli_call(c, "GET", path, NULL, &out, &err)) {
			int worst = print_outputs(c, out);

			rc = rc ? rc : worst;
		} else {
			rc = cli_fail(&err);
		}
		free(rest);
		free(path);
	}
	json_decref(out);
	json_decref(end);
	return rc;
}

const struct cli_cmd cmds_exec[] = {
	{ "exec", "NAME -- COMMAND [ARG...]",
	    "run a command on all VMs, with output and exit code", run_exec,
	    "One word is a shell line; several words are an argument list.\n"
	    "{{publicIp}} {{region}} {{index}} {{vmId}} are filled in per VM.\n\n"
	    "  -l KEY=VALUE          only VMs with this label\n"
	    "  --command-timeout S   per VM (60)\n\n"
	    "  milkyway exec demo17 -- uname -r\n"
	    "  milkyway exec demo17 -- 'echo {{region}} >/tmp/where'\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
