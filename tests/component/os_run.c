/*
 * os_run.c - calls of the OpenStack driver through one connection; the answer
 * of the last one is told as JSON.
 *
 *   os_run ENDPOINT REGION OP [NAME=VALUE...] [then OP [NAME=VALUE...]]...
 *
 * Names are those of struct csp_req; tag.KEY=VALUE adds a tag, rule=PROTO,
 * FROM,TO,CIDR a rule. The credential is that of the environment (OS_*), as is
 * the CA file (OS_CACERT).
 */
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "drivers/driver.h"
#include "drivers/http.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 16

struct run {
	struct loop *loop;
	struct csp_answer *answer;
};

static const struct {
	const char *name;
	size_t at;
} texts[] = {
	{ "csp_id", offsetof(struct csp_req, csp_id) },
	{ "name", offsetof(struct csp_req, name) },
	{ "token", offsetof(struct csp_req, token) },
	{ "spec", offsetof(struct csp_req, spec) },
	{ "image", offsetof(struct csp_req, image) },
	{ "zone", offsetof(struct csp_req, zone) },
	{ "key_name", offsetof(struct csp_req, key_name) },
	{ "public_key", offsetof(struct csp_req, public_key) },
	{ "network", offsetof(struct csp_req, network) },
	{ "security_group", offsetof(struct csp_req, security_group) },
	{ "user_data", offsetof(struct csp_req, user_data) },
};

static bool
set_rule(struct csp_req *q, struct csp_rule *rules, char *text)
{
	char *save = NULL, *part[4];
	struct csp_rule *r = &rules[q->nrules];

	for (int i = 0; i < 4; i++) {
		part[i] = strtok_r(i ? NULL : text, ",", &save);
		if (!part[i] || q->nrules == MANY)
			return false;
	}
	r->proto = part[0];
	r->cidr = part[3];
	if (!num_parse_i64(part[1], strlen(part[1]), 0, 65535, &r->from) ||
	    !num_parse_i64(part[2], strlen(part[2]), 0, 65535, &r->to))
		return false;
	q->rules = rules;
	q->nrules++;
	return true;
}

static bool
set(struct csp_req *q, struct csp_tag *tags, struct csp_rule *rules, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (str_eq(text, "rule"))
		return set_rule(q, rules, value);
	if (str_starts(text, "tag.") && q->ntags < MANY) {
		tags[q->ntags++] = (struct csp_tag){ text + 4, value };
		q->tags = tags;
		return true;
	}
	if (str_eq(text, "deadline_ms"))
		return num_parse_i64(value, strlen(value), 1, 90000,
		    &q->deadline_ms);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char **at =
		    (const char **)(void *)((char *)q + texts[i].at);

		if (str_eq(text, texts[i].name)) {
			*at = arena_strdup(q->arena, value);
			return true;
		}
	}
	return false;
}

static void
on_answer(struct csp_answer *a, void *arg)
{
	struct run *r = arg;

	r->answer = a;
	loop_stop(r->loop);
}

static json_t *
vm_json(const struct csp_vm *v)
{
	json_t *j = json_object(), *tags = json_object();

	json_put_str(j, "id", v->csp_id);
	json_put_str(j, "native", v->native);
	json_put_str(j, "name", v->name);
	json_put_str(j, "publicIp", v->public_ip);
	json_put_str(j, "privateIp", v->private_ip);
	json_put_str(j, "zone", v->zone);
	json_put_str(j, "fault", v->fault);
	for (size_t i = 0; i < v->ntags; i++)
		json_put_str(tags, v->tags[i].key, v->tags[i].value);
	json_put(j, "tags", tags);
	return j;
}

static json_t *
lists_json(const struct csp_answer *a)
{
	json_t *j = json_array(), *one;

	for (size_t i = 0; i < a->nvms; i++)
		json_array_append_new(j, vm_json(&a->vms[i]));
	for (size_t i = 0; i < a->nspecs; i++) {
		one = json_object();
		json_put_str(one, "spec", a->specs[i].name);
		json_put_int(one, "vcpu", a->specs[i].vcpu);
		json_put_int(one, "memoryMiB", a->specs[i].memory_mib);
		json_array_append_new(j, one);
	}
	for (size_t i = 0; i < a->nimages; i++) {
		one = json_object();
		json_put_str(one, "image", a->images[i].id);
		json_array_append_new(j, one);
	}
	for (size_t i = 0; i < a->nregions; i++) {
		one = json_object();
		json_put_str(one, "region", a->regions[i].id);
		json_put_int(one, "zones", (int64_t)a->regions[i].nzones);
		json_array_append_new(j, one);
	}
	for (size_t i = 0; i < a->nparts; i++) {
		one = json_object();
		json_put_str(one, "part", a->parts[i].id);
		json_put_str(one, "key", a->parts[i].key);
		json_put_str(one, "remove", csp_op_name(a->parts[i].remove));
		json_array_append_new(j, one);
	}
	return j;
}

static void
tell(const struct csp_answer *a)
{
	json_t *j = json_object();
	char *text;

	json_put_str(j, "class", csp_class_name(a->cls));
	json_put_str(j, "reason", csp_reason_name(a->reason));
	json_put(j, "sent", json_boolean(a->sent));
	json_put_str(j, "code", a->code);
	json_put_str(j, "message", a->message);
	json_put_str(j, "cspId", a->csp_id);
	json_put_str(j, "text", a->text);
	json_put(j, "items", lists_json(a));
	text = json_text(j, false);
	puts(text);
	free(text);
	json_decref(j);
}

/* One OP with its values; the answer is r's. False: what was asked is wrong. */
static bool
one(struct run *r, const struct driver *d, struct drv_conn *conn, int argc,
    char **argv)
{
	struct csp_tag tags[MANY];
	struct csp_rule rules[MANY];
	struct csp_req *q;
	enum csp_op op = 0;

	while (op < CSP_OP_COUNT && !str_eq(csp_op_name(op), argv[0]))
		op++;
	if (op == CSP_OP_COUNT)
		return false;
	q = csp_req_new(op, "conn");
	for (int i = 1; i < argc; i++) {
		if (!set(q, tags, rules, argv[i])) {
			csp_req_free(q);
			return false;
		}
	}
	csp_answer_free(r->answer);
	r->answer = NULL;
	d->submit(conn, q, on_answer, r);
	loop_run(r->loop);
	return true;
}

static bool
all(struct run *r, const struct driver *d, struct drv_conn *conn, int argc,
    char **argv)
{
	for (int from = 0, to; from < argc; from = to + 1) {
		to = from;
		while (to < argc && !str_eq(argv[to], "then"))
			to++;
		if (to == from || !one(r, d, conn, to - from, argv + from))
			return false;
	}
	return r->answer != NULL;
}

int
main(int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	struct drv_conf conf = { .id = "conn",
		.driver = "openstack",
		.csp = "openstack",
		.credential = "env:" };
	const struct driver *d = driver_find("openstack");
	struct run r = { 0 };
	struct drv_conn *conn;
	struct drv_env env;
	bool done;

	if (argc < 4)
		return 2;
	log_init("os_run", LOG_ERROR);
	conf.endpoint = argv[1];
	conf.region = argv[2];
	conf.ca_file = getenv("OS_CACERT");
	r.loop = loop_new();
	env =
	    (struct drv_env){ .loop = r.loop, .http = http_new(r.loop, &err) };
	if (!env.http || !d->open(&env, &conf, &conn, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	done = all(&r, d, conn, argc - 3, argv + 3);
	if (done)
		tell(r.answer);
	csp_answer_free(r.answer);
	d->close(conn);
	http_free(env.http);
	loop_free(r.loop);
	return done ? 0 : 2;
}
