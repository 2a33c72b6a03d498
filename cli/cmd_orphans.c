/*
 * cmd_orphans.c - VMs that nobody explains: what the coordinator's sweep
 * found and what becomes of it; and, without coordinator or database, every VM
 * with a tag of Milkyway in the clouds of a file.
 */
#include "cli/brake.h"
#include "cli/cli.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/when.h"
#include "drivers/cred.h"

#include <stdlib.h>
#include <string.h>

/* ---- of the coordinator -------------------------------------------------- */

static int
orphans_online(struct cli *c)
{
	static const char *const heads[] = { "ID", "CONNECTION", "VM", "STATE",
		"DECISION", "BY", "FIRST SEEN", "LAST SEEN", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *o;
	bool open = false;
	size_t i;

	if (!cli_call(c, "GET", "/v1/orphans", NULL, &a, &err)) {
		if (err.code == MW_UNREACHABLE)
			err_hint(&err,
			    "without a coordinator: milkyway "
			    "orphans --offline --connections FILE");
		return cli_fail(&err);
	}
	json_array_foreach(ja(a, "items"), i, o) open |=
	    str_eq(js(o, "decision"), "quarantine");
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return open ? EXIT_NO : 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, o)
	{
		table_add(t, "%s", js(o, "cspResourceId"));
		table_add(t, "%s", js(o, "connection"));
		table_add(t, "%s", js(o, "vm"));
		table_add(t, "%s", js(o, "nativeStatus"));
		table_color(t,
		    str_eq(js(o, "decision"), "quarantine") ? 31 : 0);
		table_add(t, "%s", js(o, "decision"));
		table_add(t, "%s", js(o, "decidedBy"));
		table_add(t, "%.19s", js(o, "firstSeenAt"));
		table_add(t, "%.19s", js(o, "lastSeenAt"));
	}
	table_print(t, c);
	if (*js(a, "warning"))
		fprintf(stderr, "%s\n", js(a, "warning"));
	json_array_foreach(ja(a, "notListed"), i, o)
	    fprintf(stderr, "milkyway: %s could not be listed: %s\n",
		js(o, "connection"), js(o, "error"));
	if (open)
		fprintf(stderr,
		    "quarantine: billed, and this database did not make them "
		    "(was a backup restored?)\n"
		    "  milkyway orphans adopt|terminate|ignore ID\n");
	json_decref(a);
	return open ? EXIT_NO : 0;
}

static int
decide(struct cli *c, int argc, char **argv, const char *name)
{
	const char *conn = NULL, *decision = name + strlen("orphans ");
	const struct cli_opt opts[] = { { "connection", 0, OPT_STR, &conn } };
	const struct cli_cmd *cmd = cli_cmd(cmds_orphans, name);
	struct mw_err err = MW_ERR_INIT;
	json_t *body;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (!cli_confirm(c, "%s %s?", decision, argv[1]))
		return 2;
	body = json_object();
	json_put_str(body, "cspResourceId", argv[1]);
	json_put_str(body, "decision", decision);
	if (conn)
		json_put_str(body, "connection", conn);
	if (!cli_call(c, "POST", "/v1/orphans/decide", body, NULL, &err))
		return cli_fail(&err);
	fprintf(stderr, "%s: %s\n", argv[1], decision);
	return 0;
}

static int
run_adopt(struct cli *c, int argc, char **argv)
{
	return decide(c, argc, argv, "orphans adopt");
}

static int
run_terminate(struct cli *c, int argc, char **argv)
{
	return decide(c, argc, argv, "orphans terminate");
}

static int
run_ignore(struct cli *c, int argc, char **argv)
{
	return decide(c, argc, argv, "orphans ignore");
}

/* ---- from credentials alone ---------------------------------------------- */

static int
by_deployment(const void *pa, const void *pb)
{
	const struct brake_vm *a = *(struct brake_vm *const *)pa;
	const struct brake_vm *b = *(struct brake_vm *const *)pb;
	int d = strcmp(a->deployment, b->deployment);

	if (!d)
		d = strcmp(a->conn->id, b->conn->id);
	return d ? d : strcmp(a->id, b->id);
}

static void
age_text(int64_t created_at, char out[24])
{
	int64_t s = (clock_wall_ns() - created_at) / NS_PER_S;

	if (created_at == 0 || s < 0)
		out[0] = 0;
	else if (s < 120)
		snprintf(out, 24, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", (long long)(s / 60));
	else if (s < 48 * 3600)
		snprintf(out, 24, "%lld h", (long long)(s / 3600));
	else
		snprintf(out, 24, "%lld d", (long long)(s / 86400));
}

static json_t *
vm_json(const struct brake_vm *v)
{
	json_t *j = json_object();

	json_put_str(j, "deployment", v->deployment);
	json_put_str(j, "connection", v->conn->id);
	json_put_str(j, "csp", v->conn->csp);
	json_put_str(j, "region", v->conn->region);
	json_put_str(j, "cspResourceId", v->id);
	json_put_str(j, "vm", *v->name ? v->name : NULL);
	json_put_str(j, "nativeStatus", v->native);
	json_put_str(j, "class", lc_class_name(v->cls));
	json_put_bool(j, "gone", v->gone);
	json_put_time(j, "createdAt", v->created_at);
	json_put(j, "tags", json_incref(v->tags));
	return j;
}

static json_t *
parts_json(const struct brake *b)
{
	json_t *a = json_array();

	for (size_t i = 0; i < b->nparts; i++) {
		const struct brake_part *p = b->parts[i];
		json_t *j = json_object();

		json_put_str(j, "deployment",
		    *p->deployment ? p->deployment : NULL);
		json_put_str(j, "connection", p->conn->id);
		json_put_str(j, "kind", brake_part_kind(p));
		json_put_str(j, "id", p->id);
		json_put_str(j, "key", p->key);
		json_array_append_new(a, j);
	}
	return a;
}

/* What drivers say may hold the way out in it. */
static void
blind_words(const struct brake_conn *c, struct str *why, const char **way)
{
	const char *msg = c->err.msg, *at = NULL;

	for (const char *p = msg; (p = strstr(p, CRED_WAY)); p++)
		at = p;
	str_addn(why, msg, at ? (size_t)(at - msg) : strlen(msg));
	*way = at            ? at + strlen(CRED_WAY)
	    : c->err.hint[0] ? c->err.hint
			     : "does its cloud answer? milkyway connection "
			       "check NAME, where a coordinator runs";
}

void
cmds_say_blind(const struct brake *b)
{
	for (size_t i = 0; i < b->nconns; i++) {
		struct str why = STR_INIT;
		const char *way;

		if (b->conns[i]->err.code == MW_OK)
			continue;
		blind_words(b->conns[i], &why, &way);
		fprintf(stderr,
		    "milkyway: %s could not be listed: %s\n  way out: %s\n",
		    b->conns[i]->id, str_cstr(&why), way);
		str_free(&why);
	}
}

static json_t *
blind_json(const struct brake *b)
{
	json_t *a = json_array(), *j;

	for (size_t i = 0; i < b->nconns; i++) {
		const struct brake_conn *c = b->conns[i];
		struct str why = STR_INIT;
		const char *way;

		if (c->err.code == MW_OK)
			continue;
		j = json_object();
		json_put_str(j, "connection", c->id);
		blind_words(c, &why, &way);
		json_put_str(j, "error", str_cstr(&why));
		json_put_str(j, "hint", way);
		str_free(&why);
		json_array_append_new(a, j);
	}
	return a;
}

static void
vms_table(struct cli *c, const struct brake *b)
{
	static const char *const heads[] = { "DEPLOYMENT", "CONNECTION", "ID",
		"VM", "SLOT", "GEN", "STATE", ">AGE", NULL };
	struct cli_table *t = table_new(heads);
	char age[24];

	for (size_t i = 0; i < b->nvms; i++) {
		const struct brake_vm *v = b->vms[i];

		if (v->gone)
			continue;
		age_text(v->created_at, age);
		table_add(t, "%s", v->deployment);
		table_add(t, "%s", v->conn->id);
		table_add(t, "%s", v->id);
		table_add(t, "%s", v->name);
		table_add(t, "%s", js(v->tags, "mw-slot"));
		table_add(t, "%s", js(v->tags, "mw-gen"));
		table_add(t, "%s", v->native);
		table_add(t, "%s", age);
	}
	for (size_t i = 0; i < b->nparts; i++) {
		const struct brake_part *p = b->parts[i];

		table_add(t, "%s", p->deployment);
		table_add(t, "%s", p->conn->id);
		table_add(t, "%s", p->id);
		for (int k = 0; k < 3; k++)
			table_add(t, "%s", "");
		table_add(t, "%s", brake_part_kind(p));
		table_add(t, "%s", "");
	}
	table_print(t, c);
}

static int
orphans_offline(struct cli *c, const char *file, const char *deployment)
{
	struct mw_err err = MW_ERR_INIT;
	struct brake *b = brake_open(file, &err);
	size_t n = 0, blind;
	json_t *out, *items;

	if (!b)
		return cli_fail(&err);
	brake_list(b, deployment);
	brake_parts(b, deployment);
	if (b->nvms)
		qsort(b->vms, b->nvms, sizeof(struct brake_vm *),
		    by_deployment);
	for (size_t i = 0; i < b->nvms; i++)
		n += !b->vms[i]->gone;
	if (c->out == OUT_JSON) {
		out = json_object();
		items = json_array();
		for (size_t i = 0; i < b->nvms; i++)
			json_array_append_new(items, vm_json(b->vms[i]));
		json_put(out, "items", items);
		json_put(out, "parts", parts_json(b));
		json_put(out, "notListed", blind_json(b));
		cli_print_json(out);
		json_decref(out);
	} else {
		vms_table(c, b);
	}
	cmds_say_blind(b);
	blind = brake_blind(b);
	fprintf(stderr,
	    "%zu VMs and %zu networks, groups and keys of Milkyway in %zu of "
	    "%zu connections\n",
	    n, b->nparts, b->nconns - blind, b->nconns);
	if (n || b->nparts)
		fprintf(stderr,
		    "  to end all of one deployment: milkyway destroy "
		    "--deployment ID --connections %s\n",
		    file);
	brake_free(b);
	if (cli_interrupted())
		return EXIT_INTERRUPTED;
	return blind ? err_exit_status(MW_REMOTE) : 0;
}

static int
run_orphans(struct cli *c, int argc, char **argv)
{
	const char *file = NULL, *deployment = NULL;
	bool offline = false;
	const struct cli_opt opts[] = {
		{ "offline", 0, OPT_FLAG, &offline },
		{ "connections", 0, OPT_STR, &file },
		{ "deployment", 0, OPT_STR, &deployment },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_orphans, "orphans");

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	if (!offline) {
		if (file || deployment)
			return cli_usage(cmd,
			    "--connections and --deployment "
			    "go with --offline");
		return orphans_online(c);
	}
	if (!file)
		return cli_usage(cmd, "--offline needs --connections FILE");
	return orphans_offline(c, file, deployment);
}

const struct cli_cmd cmds_orphans[] = {
	{ "orphans", "[--offline --connections FILE]",
	    "VMs that are billed and that no record explains", run_orphans,
	    "What the coordinator's sweep found, and what was decided; exit\n"
	    "status 4 if something waits for a decision. Without a coordinator:\n\n"
	    "  --offline            ask the clouds directly; no database needed; also\n"
	    "                       networks, groups and keys that were made for VMs\n"
	    "  --connections FILE   which clouds (DIR/connections.json, or\n"
	    "                       docs/backup.md)\n"
	    "  --deployment ID      only this one\n\n"
	    "  milkyway orphans\n"
	    "  milkyway orphans --offline --connections connections.json\n" },
	{ "orphans adopt", "ID", "give it to the VM's place, if that lacks one",
	    run_adopt,
	    "  --connection NAME   where the same id is in several\n" },
	{ "orphans terminate", "ID", "end it", run_terminate,
	    "  --connection NAME   where the same id is in several\n" },
	{ "orphans ignore", "ID", "leave it alone, and be silent about it",
	    run_ignore,
	    "  --connection NAME   where the same id is in several\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
