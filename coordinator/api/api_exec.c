/*
 * api_exec.c - commands on VMs, and the agent's installation, over HTTP.
 */
#include "coordinator/remote/agent_run.h"
#include "coordinator/api/api.h"
#include "coordinator/remote/exec_run.h"
#include "coordinator/remote/remote.h"

#include "common/pure/str.h"

#include <string.h>

#define ARGV_MAX 1000
#define TIMEOUT_MAX_S 86400

static void post_command(struct httpd_req *req, void *ctx);
static void get_command(struct httpd_req *req, void *ctx);
static void post_agents(struct httpd_req *req, void *ctx);

#define M "/v1/ns/{ns}/mcis/{mcis}"
static const struct httpd_route routes[] = {
	{ "POST", M "/commands", post_command, ROLE_OPERATOR },
	{ "GET", M "/commands/{id}", get_command, ROLE_OPERATOR },
	{ "POST", M "/agents", post_agents, ROLE_OPERATOR },
};
const struct api_routes api_exec_routes = { routes, ARRAY_LEN(routes) };

/* Words of a command, each a string; in all no longer than a text may be. */
static bool
check_argv(const struct json_at *at, json_t *argv, struct mw_err *err)
{
	size_t sum = 0, i;
	json_t *word;

	json_array_foreach(argv, i, word)
	{
		if (!json_is_string(word)) {
			err_set(err, MW_INVALID, 0, "argv: not a string");
			return err_pointer(err, "%s/argv/%zu", at->pointer, i);
		}
		sum += json_string_length(word);
	}
	if (sum > REMOTE_COMMAND_MAX)
		return err_set(err, MW_LIMIT, 0, "argv: more than %d bytes",
		    REMOTE_COMMAND_MAX);
	return true;
}

static bool
read_command(struct httpd_req *req, struct exec_ask *ask, struct mw_err *err)
{
	static const char *const known[] = { "argv", "command", "selector",
		"timeoutS", NULL };
	struct json_at at, sel;
	int64_t timeout_s;
	json_t *body;

	if (!httpd_json(req, &body, err) || !json_at_root(&at, body, err) ||
	    !json_no_others(&at, known, err) ||
	    !json_get_str(&at, "command", false, REMOTE_COMMAND_MAX,
		&ask->command, err) ||
	    !json_get_array(&at, "argv", false, 1, ARGV_MAX, &ask->argv, err) ||
	    !json_at_key(&sel, &at, "selector", false, err) ||
	    !json_get_int(&at, "timeoutS", true, 60, 1, TIMEOUT_MAX_S,
		&timeout_s, err))
		return false;
	if (!ask->command == !ask->argv)
		return err_set(err, MW_INVALID, 0,
		    "give either a command or an argv");
	if (ask->argv && !check_argv(&at, ask->argv, err))
		return false;
	ask->selector = sel.obj;
	ask->timeout_ms = timeout_s * 1000;
	return true;
}

static void
post_command(struct httpd_req *req, void *ctx)
{
	struct coord *c = ctx;
	struct exec_ask ask = { .ns = httpd_param(req, "ns"),
		.mcis = httpd_param(req, "mcis") };
	struct mw_err err = MW_ERR_INIT;
	char id[ACTION_ID_LEN];
	json_t *extra;

	if (!read_command(req, &ask, &err) ||
	    !exec_run_start(c, &ask, id, &err)) {
		httpd_reply_err(req, &err);
		return;
	}
	extra = json_object();
	json_put_str(extra, "commandId", id);
	actions_reply_with(c->actions, req, id, extra);
}

static void
get_command(struct httpd_req *req, void *ctx)
{
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;
	json_t *j = exec_run_json(ctx, httpd_param(req, "ns"),
	    httpd_param(req, "mcis"), id);

	if (j) {
		httpd_reply_json(req, 200, j);
		return;
	}
	err_set(&err, MW_NOT_FOUND, 0,
	    "no such command, or its output is gone");
	httpd_reply_err(req, &err);
}

static void
post_agents(struct httpd_req *req, void *ctx)
{
	static const char *const known[] = { "action", "installTools",
		"removeTools", NULL };
	static const char *const verbs[] = { "install", "upgrade",
		"uninstall" };
	struct coord *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	char id[ACTION_ID_LEN];
	const char *action;
	struct json_at at;
	json_t *body;
	bool tools, remove;
	size_t i = 0;

	if (!httpd_json(req, &body, &err) || !json_at_root(&at, body, &err) ||
	    !json_no_others(&at, known, &err) ||
	    !json_get_str(&at, "action", true, 32, &action, &err) ||
	    !json_get_bool(&at, "installTools", true, false, &tools, &err) ||
	    !json_get_bool(&at, "removeTools", true, false, &remove, &err))
		goto fail;
	while (i < ARRAY_LEN(verbs) && !str_eq(verbs[i], action))
		i++;
	if (i == ARRAY_LEN(verbs)) {
		err_set(&err, MW_INVALID, 0,
		    "action: install, upgrade or uninstall");
		err_pointer(&err, "/action");
		goto fail;
	}
	if (str_eq(action, "uninstall") ? tools : remove) {
		err_set(&err, MW_INVALID, 0,
		    "installTools goes with install and upgrade, removeTools "
		    "with uninstall");
		err_pointer(&err, tools ? "/installTools" : "/removeTools");
		goto fail;
	}
	if (!agent_run_start(c, httpd_param(req, "ns"),
		httpd_param(req, "mcis"), verbs[i], tools || remove, id, &err))
		goto fail;
	actions_reply(c->actions, req, id);
	return;
fail:
	httpd_reply_err(req, &err);
}
