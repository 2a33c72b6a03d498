/*
 * cmd_conn.c - connections to clouds: added, checked, shown, removed; how their
 * drivers' calls go.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"

#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX 65536
#define EXIT_REMOTE 9

/* ---- a secret from standard input ---------------------------------------- */

static bool
read_stdin(struct str *text, struct mw_err *err)
{
	char buf[4096];
	ssize_t n;

	if (isatty(STDIN_FILENO))
		fprintf(stderr,
		    "the fields as JSON {\"ClientId\":...} or lines "
		    "ClientId=..., then Ctrl-D\n");
	while ((n = read(STDIN_FILENO, buf, sizeof buf)) > 0 &&
	    text->len <= SECRET_MAX)
		str_addn(text, buf, (size_t)n);
	OPENSSL_cleanse(buf, sizeof buf);
	if (n == 0 && text->len > 0)
		return true;
	return err_set(err, MW_INVALID, 0,
	    text->len ? "the secret is too large"
		      : "there is no secret on standard input");
}

/* Lines NAME=VALUE; blank lines and # are left out. NULL: something else. */
static json_t *
lines_json(char *text)
{
	json_t *j = json_object();
	char *save = NULL;

	for (char *line = strtok_r(text, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		char *eq = strchr(line, '=');

		if (line[0] == '#')
			continue;
		if (!eq || eq == line || !eq[1]) {
			json_decref(j);
			return NULL;
		}
		*eq = '\0';
		json_put_str(j, line, eq + 1);
	}
	return j;
}

/* No message quotes what was read. */
static json_t *
read_secret(struct mw_err *err)
{
	struct mw_err quiet = MW_ERR_INIT;
	struct str text = STR_INIT;
	json_t *j = NULL;
	const char *p;

	if (read_stdin(&text, err)) {
		p = str_cstr(&text);
		p += strspn(p, " \t\r\n");
		j = *p == '{' ? json_parse(p, strlen(p), SECRET_MAX, &quiet)
			      : lines_json(text.p);
		if (!json_is_object(j)) {
			json_decref(j);
			j = NULL;
			err_set(err, MW_INVALID, 0,
			    "standard input is neither a JSON object nor lines "
			    "NAME=VALUE");
			err_hint(err, "docs/connections.md, \"Credentials\"");
		}
	}
	if (text.p)
		OPENSSL_cleanse(text.p, text.cap);
	str_free(&text);
	return j;
}

/* ---- add ----------------------------------------------------------------- */

struct add {
	const char *driver, *region, *endpoint, *csp, *credential, *prices,
	    *ca_file, *ssh_from;
	bool from_stdin, all;
};

/* A path that exists becomes a whole one: the coordinator has another working
 * directory. */
static void
put_path(json_t *body, const char *key, const char *value)
{
	char *path = value ? realpath(value, NULL) : NULL;

	if (value)
		json_put_str(body, key, path ? path : value);
	free(path);
}

static json_t *
add_body(const struct add *a, const char *name, struct mw_err *err)
{
	json_t *body = json_object(), *secret;

	json_put_str(body, "driver", a->driver);
	if (!a->all) {
		json_put_str(body, "csp", a->csp ? a->csp : a->driver);
		json_put_str(body, "region", a->region);
	}
	put_path(body, "endpoint", a->endpoint);
	put_path(body, "prices", a->prices);
	put_path(body, "caFile", a->ca_file);
	if (a->ssh_from)
		json_put_str(body, "sshFrom", a->ssh_from);
	if (a->credential)
		json_put_str(body, "credential", a->credential);
	if (!a->from_stdin)
		return body;
	secret = read_secret(err);
	if (!secret) {
		json_decref(body);
		return NULL;
	}
	json_put(body, "secret", secret);
	if (a->all)
		json_put_str(body, "name", name);
	return body;
}

static int
run_add(struct cli *c, int argc, char **argv)
{
	struct add a = { 0 };
	const struct cli_opt opts[] = {
		{ "driver", 0, OPT_STR, &a.driver },
		{ "region", 0, OPT_STR, &a.region },
		{ "endpoint", 0, OPT_STR, &a.endpoint },
		{ "csp", 0, OPT_STR, &a.csp },
		{ "credential", 0, OPT_STR, &a.credential },
		{ "credential-stdin", 0, OPT_FLAG, &a.from_stdin },
		{ "prices", 0, OPT_STR, &a.prices },
		{ "ca-file", 0, OPT_STR, &a.ca_file },
		{ "ssh-from", 0, OPT_STR, &a.ssh_from },
		{ "all-regions", 0, OPT_FLAG, &a.all },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_conn, "connection add");
	struct mw_err err = MW_ERR_INIT;
	json_t *body;
	char *path;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 1, 1) < 0)
		return 2;
	if (!a.driver)
		return cli_usage(cmd, "--driver aws, openstack, twin, static");
	if (a.all == (a.region != NULL))
		return cli_usage(cmd, "either --region R or --all-regions");
	if (a.credential && a.from_stdin)
		return cli_usage(cmd,
		    "either --credential or --credential-stdin");
	if (!cli_id(argv[1]))
		return 2;
	body = add_body(&a, argv[1], &err);
	if (!body)
		return cli_fail(&err);
	path = a.all ? xstrdup("/v1/connections/discover")
		     : cli_path("/v1/connections/", argv[1], "");
	rc = cli_verb(c, a.all ? "POST" : "PUT", path, body);
	free(path);
	return rc;
}

static int
run_discover(struct cli *c, int argc, char **argv)
{
	json_t *body;

	if (cli_opts(c, cli_cmd(cmds_conn, "connection discover"), argc, argv,
		NULL, 0, 2, 2) < 0)
		return 2;
	body = json_object();
	json_put_str(body, "driver", argv[1]);
	put_path(body, "endpoint", argv[2]);
	return cli_verb(c, "POST", "/v1/connections/discover", body);
}

/* ---- list, show, check, remove ------------------------------------------- */

static void
add_coordinates(struct cli_table *t, const json_t *x)
{
	if (json_is_number(json_object_get(x, "lat")))
		table_add(t, "%.1f, %.1f", jnum(x, "lat", 0),
		    jnum(x, "lon", 0));
	else
		table_add(t, "%s", "");
}

static int
run_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "CONNECTION", "DRIVER", "CSP",
		"REGION", "PLACE", "LAT, LON", "VERIFIED", "REASON", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL, *x;
	size_t i;

	if (cli_opts(c, cli_cmd(cmds_conn, "connection list"), argc, argv, NULL,
		0, 0, 0) < 0)
		return 2;
	if (!cli_call(c, "GET", "/v1/connections?limit=1000", NULL, &a, &err))
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	json_array_foreach(ja(a, "items"), i, x)
	{
		table_add(t, "%s", js(x, "id"));
		table_add(t, "%s", js(x, "driver"));
		table_add(t, "%s", js(x, "csp"));
		table_add(t, "%s", js(x, "region"));
		table_add(t, "%s", js(x, "display"));
		add_coordinates(t, x);
		table_color(t, jb(x, "verified") ? 0 : 31);
		table_add(t, "%s", jb(x, "verified") ? "yes" : "no");
		table_add(t, "%s", js(x, "verifiedReason"));
	}
	table_print(t, c);
	json_decref(a);
	return 0;
}

static void
row(struct cli_table *t, const char *name, const char *value)
{
	table_add(t, "%s", name);
	table_add(t, "%s", value);
}

static void
add_zones(struct cli_table *t, const json_t *a)
{
	struct str s = STR_INIT;
	const json_t *z;
	size_t i;

	json_array_foreach(json_object_get(a, "zones"), i, z)
	{
		str_addf(&s, "%s%s", i ? " " : "", json_string_value(z));
	}
	row(t, "zones", str_cstr(&s));
	str_free(&s);
}

static int
run_show(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "FIELD", "VALUE", NULL };
	static const char *const fields[] = { "id", "driver", "csp", "region",
		"display", "endpoint", "credential", "prices", "caFile",
		"sshFrom", "verifiedReason", NULL };
	struct mw_err err = MW_ERR_INIT;
	struct cli_table *t;
	json_t *a = NULL;
	char *path;
	bool ok;

	if (cli_opts(c, cli_cmd(cmds_conn, "connection show"), argc, argv, NULL,
		0, 1, 1) < 0)
		return 2;
	path = cli_path("/v1/connections/", argv[1], "");
	if (!path)
		return 2;
	ok = cli_call(c, "GET", path, NULL, &a, &err);
	free(path);
	if (!ok)
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	t = table_new(heads);
	for (size_t i = 0; fields[i]; i++)
		row(t, fields[i], js(a, fields[i]));
	table_add(t, "%s", "lat, lon");
	add_coordinates(t, a);
	add_zones(t, a);
	row(t, "verified", jb(a, "verified") ? "yes" : "no");
	table_add(t, "%s", "specs");
	table_add_int(t, a, "specs");
	table_add(t, "%s", "images");
	table_add_int(t, a, "images");
	table_print(t, c);
	json_decref(a);
	return 0;
}

static int
run_check(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL;
	char *path;
	bool ok;

	if (cli_opts(c, cli_cmd(cmds_conn, "connection check"), argc, argv,
		NULL, 0, 1, 1) < 0)
		return 2;
	path = cli_path("/v1/connections/", argv[1], "/check");
	if (!path)
		return 2;
	ok = cli_call(c, "POST", path, json_object(), &a, &err);
	free(path);
	if (!ok)
		return cli_fail(&err);
	ok = jb(a, "ok");
	if (c->out == OUT_JSON) {
		cli_print_json(a);
	} else if (ok) {
		printf("%s works: the cloud took the credential in %lld ms\n",
		    js(a, "connection"), (long long)ji(a, "tookMs", 0));
		if (js(a, "sshFrom")[0])
			printf("its VMs let SSH in from %s\n",
			    str_eq(js(a, "sshFrom"), "0.0.0.0/0")
				? "anywhere"
				: js(a, "sshFrom"));
	} else {
		fprintf(stderr, "milkyway: %s does not work: %s\n",
		    js(a, "connection"), js(a, "detail"));
		if (js(a, "requestId")[0])
			fprintf(stderr, "  request id: %s\n",
			    js(a, "requestId"));
		if (js(a, "hint")[0])
			fprintf(stderr, "  way out: %s\n", js(a, "hint"));
	}
	json_decref(a);
	return ok ? 0 : EXIT_REMOTE;
}

static int
run_remove(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	char *path;
	int rc = 0;

	if (cli_opts(c, cli_cmd(cmds_conn, "connection remove"), argc, argv,
		NULL, 0, 1, 1) < 0)
		return 2;
	path = cli_path("/v1/connections/", argv[1], "");
	if (!path)
		return 2;
	if (!cli_call(c, "DELETE", path, NULL, NULL, &err))
		rc = cli_fail(&err);
	free(path);
	return rc;
}

/* ---- health -------------------------------------------------------------- */

static void
add_num(struct cli_table *t, const json_t *x, const char *key)
{
	if (json_is_number(json_object_get(x, key)))
		table_add(t, "%.6g", jnum(x, key, 0));
	else
		table_add(t, "%s", "");
}

static void
add_failure(struct cli_table *t, const json_t *f)
{
	const char *text = js(f, "message");

	table_add(t, "%s", js(f, "at"));
	if (!js(f, "op")[0])
		table_add(t, "%s", "");
	else
		table_add(t, "%s: %s %s%s%s%s%s", js(f, "op"), js(f, "class"),
		    js(f, "reason"), text[0] ? ": " : "", text,
		    js(f, "requestId")[0] ? ", request id " : "",
		    js(f, "requestId"));
}

static int
run_health(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "CONNECTION", "DRIVER", ">CALLS",
		">FAILED", ">THROTTLED", ">OPEN", ">QUEUED", ">RATE/S",
		">P50 MS", ">P95 MS", "LAST FAILURE", "WHAT", NULL };
	static const char *const counts[] = { "calls", "failed", "throttled",
		"open", "queued", "ratePerS", "p50Ms", "p95Ms" };
	struct mw_err err = MW_ERR_INIT;
	json_t *a = NULL, *items, *x;
	struct cli_table *t;
	char *path;
	size_t i;
	int n;
	bool ok;

	n = cli_opts(c, cli_cmd(cmds_conn, "driver health"), argc, argv, NULL,
	    0, 0, 1);
	if (n < 0)
		return 2;
	path = n ? cli_path("/v1/connections/", argv[1], "/health")
		 : xstrdup("/v1/drivers/health");
	if (!path)
		return 2;
	ok = cli_call(c, "GET", path, NULL, &a, &err);
	free(path);
	if (!ok)
		return cli_fail(&err);
	if (c->out == OUT_JSON) {
		cli_print_json(a);
		json_decref(a);
		return 0;
	}
	items = json_array();
	if (n)
		json_array_append(items, a);
	else
		json_array_extend(items, ja(a, "items"));
	t = table_new(heads);
	json_array_foreach(items, i, x)
	{
		table_add(t, "%s", js(x, "connection"));
		table_add(t, "%s", js(x, "driver"));
		for (size_t k = 0; k < ARRAY_LEN(counts); k++)
			add_num(t, x, counts[k]);
		add_failure(t, json_object_get(x, "lastFailure"));
	}
	table_print(t, c);
	json_decref(items);
	json_decref(a);
	return 0;
}

const struct cli_cmd cmds_conn[] = {
	{ "connection add", "NAME",
	    "add or change one, check it, read its catalogue", run_add,
	    "  --driver D          aws, openstack, twin, static\n"
	    "  --region R          e.g. us-east-1; or\n"
	    "  --all-regions       every region that the account may use, as aws-REGION\n"
	    "  --endpoint URL      aws: none needed; openstack: the identity service\n"
	    "  --csp C             name of the cloud (the driver's)\n"
	    "  --credential-stdin  the secret, from standard input; kept sealed\n"
	    "  --credential REF    or where it is: env:, file:PATH, exec:PROGRAM\n"
	    "  --prices FILE       {\"t3.micro\": 0.0104}: USD an hour\n"
	    "  --ca-file FILE      PEM to trust instead of the machine's: a private CA\n"
	    "  --ssh-from CIDR     from where its VMs let SSH in, e.g. 203.0.113.7/32; auto\n"
	    "                      (from the address that reaches the cloud), or any\n\n"
	    "  milkyway connection add aws-us --driver aws --region us-east-1 \\\n"
	    "      --credential-stdin <keys.json\n"
	    "  milkyway connection add lab --driver openstack --region RegionOne \\\n"
	    "      --endpoint https://keystone.example:5000/v3 --credential env:\n\n"
	    "keys.json: {\"ClientId\":\"AKIA...\",\"ClientSecret\":\"...\"}; or lines\n"
	    "ClientId=AKIA... All fields: docs/connections.md\n" },
	{ "connection check", "NAME", "does it work now? if not, why",
	    run_check,
	    "Reads the credential anew and asks the cloud. Says from where its VMs would let\n"
	    "SSH in. Exit status 9 if it fails.\n\n"
	    "  milkyway connection check aws-us\n" },
	{ "connection list", "", "clouds and regions that can be used",
	    run_list, "" },
	{ "connection show", "NAME", "one, with its credential's reference",
	    run_show, "The secret itself is never shown.\n" },
	{ "connection remove", "NAME", "forget one, and its sealed secret",
	    run_remove,
	    "Refused while it has VMs, networks, groups or keys.\n" },
	{ "connection discover", "DRIVER ENDPOINT",
	    "add every region of a twin or a hosts file", run_discover,
	    "  milkyway connection discover twin /var/lib/milkyway/twin.sock\n"
	    "  milkyway connection discover static hosts.json   (docs/static.md)\n" },
	{ "driver health", "[CONNECTION]",
	    "calls to the clouds: how many, how long, what failed", run_health,
	    "Since the start of the coordinator.\n\n"
	    "  milkyway driver health\n"
	    "  milkyway driver health aws-us -o json\n" },
	{ NULL, NULL, NULL, NULL, NULL },
};
