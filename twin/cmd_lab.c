/*
 * cmd_lab.c - commands of the lab: rtt partition fault ssh and the verbs that
 * hurt a VM.
 */
#include "twin/cmd.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
cmd_vm_verb(struct cmd *c, const char *verb)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *vm, *j = NULL;
	char *path;
	bool ok;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 1) {
		fprintf(stderr, "usage: milkyway-twin %s VM\n", verb);
		return 2;
	}
	vm = cmd_find_vm(c, c->argv[0], &err);
	if (!vm)
		return cmd_fail(&err);
	path = xasprintf("/v1/lab/vms/%s/%s", cmd_field(vm, "id"), verb);
	json_decref(vm);
	ok = cmd_call(c, "POST", path, NULL, &j, &err);
	free(path);
	if (!ok)
		return cmd_fail(&err);
	if (c->json)
		cmd_print_json(j);
	json_decref(j);
	return 0;
}

/* A site, coordinator and * stay; anything else that is a VM becomes its id. */
static char *
end_name(const struct cmd *c, const json_t *sites, const char *name)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *s, *vm;
	size_t i;
	char *id;

	json_array_foreach(sites, i, s)
	{
		if (str_eq(json_string_value(s), name))
			return xstrdup(name);
	}
	if (strcmp(name, "*") == 0 || strcmp(name, "coordinator") == 0)
		return xstrdup(name);
	vm = cmd_find_vm(c, name, &err);
	if (!vm)
		return xstrdup(name); /* the twin says what is wrong */
	id = xstrdup(cmd_field(vm, "id"));
	json_decref(vm);
	return id;
}

/* The row of a site, or of the site of a VM. */
static bool
site_row(const struct cmd *c, const json_t *sites, const char *name,
    size_t *row, struct mw_err *err)
{
	json_t *vm, *s;
	const char *site = name;
	bool found = false;
	size_t i;

	vm = cmd_find_vm(c, name, err);
	if (vm)
		site = cmd_field(vm, "site");
	json_array_foreach(sites, i, s)
	{
		if (str_eq(json_string_value(s), site)) {
			*row = i;
			found = true;
		}
	}
	json_decref(vm);
	if (!found)
		return err_set(err, MW_NOT_FOUND, 0,
		    "%.100s is neither a site nor a living VM", name);
	return true;
}

static int
print_pair(const struct cmd *c, const json_t *wan, struct mw_err *err)
{
	const json_t *sites = json_object_get(wan, "sites"), *v;
	size_t a, b;

	if (!site_row(c, sites, c->argv[0], &a, err) ||
	    !site_row(c, sites, c->argv[1], &b, err))
		return cmd_fail(err);
	v = json_array_get(json_array_get(json_object_get(wan, "rttMs"), a), b);
	if (json_is_number(v))
		printf("%.3f ms\n", json_number_value(v));
	else
		printf("unreachable\n");
	return 0;
}

static void
print_dump(const json_t *wan)
{
	const json_t *sites = json_object_get(wan, "sites");
	json_t *row, *v;
	size_t i, k;

	printf("from");
	json_array_foreach(sites, i, v) printf(",%s", json_string_value(v));
	putchar('\n');
	json_array_foreach(json_object_get(wan, "rttMs"), i, row)
	{
		printf("%s", json_string_value(json_array_get(sites, i)));
		json_array_foreach(row, k, v)
		{
			if (json_is_number(v))
				printf(",%.3f", json_number_value(v));
			else
				putchar(',');
		}
		putchar('\n');
	}
}

static bool
put_number(json_t *j, const char *key, const char *text, struct mw_err *err)
{
	double v;

	if (!text)
		return true;
	if (!num_parse_f64(text, strlen(text), 0, 1e9, &v))
		return err_set(err, MW_INVALID, 0, "%.40s is not a number",
		    text);
	json_put_num(j, key, v);
	return true;
}

static int
put_link(const struct cmd *c, const json_t *wan, json_t *body,
    struct mw_err *err)
{
	const json_t *sites = json_object_get(wan, "sites");
	json_t *out = NULL;
	char *a = end_name(c, sites, c->argv[0]);
	char *b = end_name(c, sites, c->argc > 1 ? c->argv[1] : "*");
	bool ok;

	json_put_str(body, "a", a);
	json_put_str(body, "b", b);
	free(a);
	free(b);
	ok = cmd_call(c, "PUT", "/v1/lab/links", json_incref(body), &out, err);
	if (ok && c->json)
		cmd_print_json(out);
	json_decref(out);
	return ok ? 0 : cmd_fail(err);
}

struct rtt_args {
	const char *jitter, *loss, *rate, *for_s;
	bool dump, reset;
};

static int
rtt(struct cmd *c, const struct rtt_args *r, const json_t *wan, json_t *body,
    struct mw_err *err)
{
	static const char *const fields[] = { "rttMs", "jitterMs", "lossPct",
		"rateMbps" };
	bool change = c->argc == 3 || r->jitter || r->loss || r->rate;

	if (r->dump) {
		if (c->json)
			cmd_print_json(wan);
		else
			print_dump(wan);
		return 0;
	}
	if (!change && !r->reset)
		return print_pair(c, wan, err);
	if (r->reset) {
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			json_put(body, fields[i], NULL);
	} else if (!put_number(body, "rttMs", c->argc == 3 ? c->argv[2] : NULL,
		       err) ||
	    !put_number(body, "jitterMs", r->jitter, err) ||
	    !put_number(body, "lossPct", r->loss, err) ||
	    !put_number(body, "rateMbps", r->rate, err) ||
	    !put_number(body, "forS", r->for_s, err)) {
		return cmd_fail(err);
	}
	return put_link(c, wan, body, err);
}

int
cmd_rtt(struct cmd *c)
{
	struct rtt_args r = { 0 };
	const struct cmd_opt opts[] = {
		{ "--jitter", &r.jitter, NULL },
		{ "--loss", &r.loss, NULL },
		{ "--rate", &r.rate, NULL },
		{ "--for", &r.for_s, NULL },
		{ "--dump", NULL, &r.dump },
		{ "--reset", NULL, &r.reset },
	};
	struct mw_err err = MW_ERR_INIT;
	json_t *wan, *body;
	int status;

	if (!cmd_options(c, opts, ARRAY_LEN(opts), false) ||
	    (r.dump ? c->argc != 0 : c->argc < 2 || c->argc > 3))
		return cmd_usage("rtt A B [MS] [--jitter MS] [--loss PCT] "
				 "[--rate MBPS] [--for S] [--reset] | "
				 "rtt --dump");
	if (!cmd_call(c, "GET", "/v1/lab/wan", NULL, &wan, &err))
		return cmd_fail(&err);
	body = json_object();
	status = rtt(c, &r, wan, body, &err);
	json_decref(body);
	json_decref(wan);
	return status;
}

int
cmd_partition(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *wan, *body;
	bool off;
	int status;

	if (!cmd_options(c, NULL, 0, false) || c->argc < 1 || c->argc > 3)
		return cmd_usage("partition X [Y] [off]");
	off = c->argc > 1 && strcmp(c->argv[c->argc - 1], "off") == 0;
	if (off)
		c->argc--;
	if (c->argc > 2)
		return cmd_usage("partition X [Y] [off]");
	if (!cmd_call(c, "GET", "/v1/lab/wan", NULL, &wan, &err))
		return cmd_fail(&err);
	body = json_object();
	json_put_bool(body, "partitioned", !off);
	status = put_link(c, wan, body, &err);
	json_decref(body);
	json_decref(wan);
	return status;
}

/* cloud=aws p=0.5 forS=3: fields of a fault, or of its params. */
static bool
put_field(json_t *j, json_t *params, const char *arg, struct mw_err *err)
{
	static const char *const own[] = { "cloud", "region", "spec", "op", "p",
		"count", "fromS", "toS" };
	const char *eq = strchr(arg, '=');
	json_t *into = params, *v;
	char key[40];
	double d;

	if (!eq || eq == arg || (size_t)(eq - arg) >= sizeof key)
		return err_set(err, MW_INVALID, 0, "%.60s is not KEY=VALUE",
		    arg);
	str_copy(key, (size_t)(eq - arg) + 1, arg);
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (strcmp(own[i], key) == 0)
			into = j;
	}
	if (!num_parse_f64(eq + 1, strlen(eq + 1), 0, 1e12, &d))
		v = json_string(eq + 1);
	else
		v = d == floor(d) ? json_integer((json_int_t)d) : json_real(d);
	json_put(into, key, v);
	return true;
}

static int
fault_add(const struct cmd *c, struct mw_err *err)
{
	json_t *j = json_object(), *params = json_object(), *out = NULL;
	bool ok = true;

	json_put_str(j, "kind", c->argv[1]);
	for (int i = 2; ok && i < c->argc; i++)
		ok = put_field(j, params, c->argv[i], err);
	json_put(j, "params", params);
	ok = ok &&
	    cmd_call(c, "POST", "/v1/lab/faults", json_incref(j), &out, err);
	json_decref(j);
	if (!ok)
		return cmd_fail(err);
	if (c->json)
		cmd_print_json(out);
	else
		printf("%lld\n",
		    (long long)json_integer_value(json_object_get(out, "id")));
	json_decref(out);
	return 0;
}

static int
fault_ls(const struct cmd *c, struct mw_err *err)
{
	json_t *j, *v;
	size_t i;

	if (!cmd_call(c, "GET", "/v1/lab/faults", NULL, &j, err))
		return cmd_fail(err);
	if (c->json)
		cmd_print_json(json_object_get(j, "items"));
	else
		json_array_foreach(json_object_get(j, "items"), i, v)
		{
			printf("%4lld %-20s cloud=%s op=%s hits=%lld%s\n",
			    (long long)json_integer_value(
				json_object_get(v, "id")),
			    cmd_field(v, "kind"), cmd_field(v, "cloud"),
			    cmd_field(v, "op"),
			    (long long)json_integer_value(
				json_object_get(v, "hits")),
			    json_is_true(json_object_get(v, "spent")) ? " spent"
								      : "");
		}
	json_decref(j);
	return 0;
}

int
cmd_fault(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *out = NULL;
	char *path;
	bool ok;

	if (!cmd_options(c, NULL, 0, false) || c->argc < 1)
		return cmd_usage("fault add KIND [KEY=VALUE...] | ls | rm ID");
	if (strcmp(c->argv[0], "add") == 0 && c->argc >= 2)
		return fault_add(c, &err);
	if (strcmp(c->argv[0], "ls") == 0 && c->argc == 1)
		return fault_ls(c, &err);
	if (strcmp(c->argv[0], "rm") != 0 || c->argc != 2)
		return cmd_usage("fault add KIND [KEY=VALUE...] | ls | rm ID");
	path = xasprintf("/v1/lab/faults/%.20s", c->argv[1]);
	ok = cmd_call(c, "DELETE", path, NULL, &out, &err);
	free(path);
	json_decref(out);
	return ok ? 0 : cmd_fail(&err);
}

/* Becomes ssh. VMs come and go under the same addresses on this machine, so
 * their keys are not remembered. */
int
cmd_ssh(struct cmd *c)
{
	const char *identity = NULL;
	const struct cmd_opt opts[] = { { "-i", &identity, NULL } };
	struct mw_err err = MW_ERR_INIT;
	const char **argv;
	char *target;
	json_t *vm;
	int n = 0;

	if (!cmd_options(c, opts, ARRAY_LEN(opts), true) || c->argc < 1)
		return cmd_usage("ssh [-i KEY] VM [COMMAND...]");
	vm = cmd_find_vm(c, c->argv[0], &err);
	if (!vm)
		return cmd_fail(&err);
	argv = xcalloc((size_t)c->argc + 16, sizeof *argv);
	target = xasprintf("%s@%s", cmd_field(vm, "sshUser"),
	    cmd_field(vm, "publicIp"));
	argv[n++] = "ssh";
	argv[n++] = "-oStrictHostKeyChecking=no";
	argv[n++] = "-oUserKnownHostsFile=/dev/null";
	argv[n++] = "-oLogLevel=ERROR";
	if (identity) {
		argv[n++] = "-i";
		argv[n++] = identity;
		argv[n++] = "-oIdentitiesOnly=yes";
	}
	argv[n++] = target;
	for (int i = 1; i < c->argc; i++)
		argv[n++] = c->argv[i];
	execvp("ssh", (char *const *)(uintptr_t)argv);
	err_set(&err, MW_NOT_FOUND, errno, "cannot run ssh");
	err_hint(&err, "apt-get install openssh-client");
	free(argv);
	free(target);
	json_decref(vm);
	return cmd_fail(&err);
}
