/*
 * cmd_history.c - who did what to which VM; and the limits of what may be
 * spent.
 */
#include "cli/mcis.h"

#include "common/pure/alloc.h"

#include <string.h>

int
mcis_history(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "TIME", "VM", "EVENT", "WHO",
		"ACTION", "TARGET", "FROM", "TO", "NATIVE", "REASON", NULL };
	static const char *const keys[] = { "at", "vmId", "event", "who",
		"action", "targetAction", "from", "to", "nativeStatus",
		"reason" };
	int64_t limit = 100;
	const struct cli_opt opts[] = { { "limit", 0, OPT_INT, &limit } };
	struct cli_table *t;
	json_t *a = NULL, *e;
	struct str rest = STR_INIT;
	char *path;
	size_t i;
	int n, rc;

	n = cli_opts(c, cli_cmd(cmds_mcis, "mcis history"), argc, argv, opts, 1,
	    1, 2);
	if (n < 0)
		return 2;
	if (n == 2 && !cli_id(argv[2]))
		return 2;
	str_addf(&rest, "/history?limit=%lld", (long long)limit);
	cli_query(&rest, "vm", n == 2 ? argv[2] : NULL);
	path = cli_mcis_path(c, argv[1], rest.p);
	str_free(&rest);
	rc = cli_get(c, path, &a);
	if (rc)
		return rc;
	if (c->out == OUT_JSON) {
		cli_print_json(a);
	} else {
		t = table_new(heads);
		json_array_foreach(ja(a, "items"), i, e)
		{
			table_add_at(t, c, e, keys[0]);
			for (size_t k = 1; k < ARRAY_LEN(keys); k++)
				table_add(t, "%s", js(e, keys[k]));
		}
		table_print(t, c);
	}
	json_decref(a);
	return 0;
}

/* ---- quotas -------------------------------------------------------------- */

static void
quota_print(struct cli *c, const json_t *q)
{
	static const char *const heads[] = { "SCOPE", ">VMS", ">MAX VMS",
		">USD/H", ">MAX USD/H", "UNKNOWN PRICES", NULL };
	const json_t *used = json_object_get(q, "used");
	struct cli_table *t;
	char money[32], max[32];
	double usd = jnum(q, "maxUsdPerHour", -1);

	if (c->out == OUT_JSON) {
		cli_print_json(q);
		return;
	}
	cli_money(ji(used, "costPerHourMicros",
		      ji(used, "costKnownPerHourMicros", -1)),
	    money);
	cli_money(usd < 0 ? -1 : (int64_t)(usd * 1e6 + 0.5), max);
	t = table_new(heads);
	table_add(t, "%s", js(q, "ns")[0] ? js(q, "ns") : "deployment");
	table_add_int(t, used, "vms");
	table_add_int(t, q, "maxVms");
	table_add(t, "%s%s", money,
	    ji(used, "costUnknownVms", 0) > 0 ? " ?" : "");
	table_add(t, "%s", max);
	table_add(t, "%s", jb(q, "allowUnknownPrices") ? "allowed" : "refused");
	table_print(t, c);
}

static int
quota_call(struct cli *c, bool all, const char *method, json_t *take_body)
{
	struct mw_err err = MW_ERR_INIT;
	char *path = all ? xstrdup("/v1/quota") : cli_ns_path(c, "/quota");
	json_t *q = NULL;
	bool ok;

	if (!path) {
		json_decref(take_body);
		return 2;
	}
	ok = cli_call(c, method, path, take_body, &q, &err);
	free(path);
	if (!ok)
		return cli_fail(&err);
	quota_print(c, q);
	json_decref(q);
	return 0;
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	bool all = false;
	const struct cli_opt opts[] = { { "deployment", 0, OPT_FLAG, &all } };

	if (cli_opts(c, cli_cmd(cmds_quota, "quota show"), argc, argv, opts, 1,
		0, 0) < 0)
		return 2;
	return quota_call(c, all, "GET", NULL);
}

static int
run_set(struct cli *c, int argc, char **argv)
{
	bool all = false, unknown = false;
	int64_t vms = -1;
	double usd = -1;
	const struct cli_opt opts[] = {
		{ "deployment", 0, OPT_FLAG, &all },
		{ "max-vms", 0, OPT_INT, &vms },
		{ "max-usd-per-hour", 0, OPT_NUM, &usd },
		{ "allow-unknown-prices", 0, OPT_FLAG, &unknown },
	};
	json_t *body;

	if (cli_opts(c, cli_cmd(cmds_quota, "quota set"), argc, argv, opts,
		ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	body = json_object();
	json_put(body, "maxVms", vms >= 0 ? json_integer(vms) : NULL);
	json_put(body, "maxUsdPerHour", usd >= 0 ? json_real(usd) : NULL);
	json_put_bool(body, "allowUnknownPrices", unknown);
	return quota_call(c, all, "PUT", body);
}

const struct cli_cmd cmds_quota[] = {
	{ "quota show", "", "what a namespace may have, and has", run_show,
	    "  --deployment   all namespaces together\n\n"
	    "  milkyway quota show --ns team1\n" },
	{ "quota set", "", "limits on VMs and on money an hour", run_set,
	    "A create or scale that would pass a limit is refused before it\n"
	    "spends anything; what is there stays. A limit that is not given\n"
	    "is none.\n\n"
	    "  --max-vms N               VMs at most\n"
	    "  --max-usd-per-hour X      their prices together at most\n"
	    "  --allow-unknown-prices    VMs without a price count as free\n"
	    "  --deployment              of all namespaces together\n\n"
	    "  milkyway quota set --max-vms 20 --max-usd-per-hour 2.5\n"
	    "  milkyway quota set        (no limits)\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
