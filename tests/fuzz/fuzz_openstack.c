/*
 * Answers of an OpenStack, any bytes: the plans of the driver without their
 * requests. The first byte picks the operation; then one JSON text per line,
 * each the answer to the next request. Every plan must end once, and within
 * its answers. One number more is Keystone's answer: a token and a catalogue.
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const os_step_fn plans[] = { os_verify, os_regions, os_specs, os_images,
	os_net_ensure, os_sg_ensure, os_key_ensure, os_vm_create, os_vm_get,
	os_vm_list, os_console, os_net_delete, os_sg_delete, os_key_delete,
	os_vm_terminate, os_part_list };

static unsigned ends, ready;
static os_step_fn pending;

/* ---- what os.c gives, without a network ---------------------------------- */

void
os_send_fine(struct os_call *c, const char *method, enum os_service service,
    const char *path, json_t *take_body, const int *fine, os_step_fn next)
{
	(void)service;
	if (pending || ends || !method[0] || path[0] != '/')
		__builtin_trap();
	c->fine = fine;
	json_decref(take_body);
	pending = next;
}

void
os_send(struct os_call *c, const char *method, enum os_service service,
    const char *path, json_t *take_body, os_step_fn next)
{
	os_send_fine(c, method, service, path, take_body, NULL, next);
}

void
os_get(struct os_call *c, enum os_service service, const char *path,
    os_step_fn next)
{
	os_send(c, "GET", service, path, NULL, next);
}

void
os_ok(struct os_call *c)
{
	(void)c;
	ends++;
}

void
os_fail(struct os_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message)
{
	(void)c;
	if (cls == CSP_OK || reason >= CSP_REASON_COUNT || !message)
		__builtin_trap();
	ends++;
}

void
os_unreadable(struct os_call *c, const char *what)
{
	os_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE, what);
}

void
os_rearm(struct drv_conn *conn)
{
	(void)conn;
}

void
os_background(struct drv_conn *conn, struct csp_req *take_req, os_step_fn start)
{
	(void)conn;
	(void)start;
	csp_req_free(take_req);
}

const char *
os_text(struct os_call *c, const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && strlen(s) < 4096 ? arena_strdup(c->arena, s) : NULL;
}

const char *
os_first_id(struct os_call *c, json_t *root, const char *key)
{
	return os_text(c, json_array_get(json_object_get(root, key), 0), "id");
}

const char *
os_path(struct os_call *c, const char *prefix, const char *name)
{
	return arena_printf(c->arena, "%s%s", prefix, name ? name : "");
}

void
os_ready(struct drv_conn *conn, const struct mw_err *err,
    enum csp_reason reason)
{
	if (!conn->token && (err->code == MW_OK || reason == CSP_R_NONE))
		__builtin_trap();
	ready++;
}

/* ---- one plan ------------------------------------------------------------ */

static void
go(struct os_call *c, os_step_fn start, const char *text, size_t n)
{
	struct mw_err err = MW_ERR_INIT;

	start(c, NULL);
	while (pending && n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		os_step_fn next = pending;
		json_t *j = len ? json_parse(text, len, 65536, &err) : NULL;

		pending = NULL;
		/* no answer is NULL only where an error may be fine */
		if (j || !len)
			next(c, j);
		else
			ends++;
		json_decref(j);
		n -= len + (end != NULL);
		text += len + (end != NULL);
	}
}

static void
log_in(struct drv_conn *conn, const char *text, size_t n)
{
	char *body = xcalloc(n + 1, 1);
	struct http_answer h = { .end = HTTP_ANSWERED,
		.status = 201,
		.header = "T",
		.body = body,
		.body_len = n };

	memcpy(body, text, n);
	ready = 0;
	os_auth_answer(&h, conn);
	if (ready != 1)
		__builtin_trap();
	for (size_t i = 0; i < conn->nregions; i++) {
		if (!conn->regions[i].id || !conn->regions[i].display)
			__builtin_trap();
	}
	if (conn->token && conn->token_until_ns >= conn->token_end_ns)
		__builtin_trap();
	free(body);
}

static void
look(const struct csp_answer *a)
{
	for (size_t i = 0; i < a->nvms; i++) {
		if (!a->vms[i].csp_id || !a->vms[i].native)
			__builtin_trap();
	}
	for (size_t i = 0; i < a->nspecs; i++) {
		if (!a->specs[i].name || a->specs[i].vcpu < 1 ||
		    a->specs[i].vcpu > 4096 || a->specs[i].memory_mib < 1)
			__builtin_trap();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct csp_rule rule = { "tcp", 22, 22, "0.0.0.0/0" };
	char id[] = "conn", region[] = "r";
	struct drv_conn conn = { .id = id, .region = region, .auth_url = id };
	struct os_call c = { .conn = &conn };
	size_t plan;

	if (size < 1)
		return 0;
	conn.seen = os_seen_new();
	plan = data[0] % (ARRAY_LEN(plans) + 1);
	c.req = csp_req_new(CSP_VM_LIST, "conn");
	c.req->name = "mw-x";
	c.req->csp_id = "i";
	c.req->spec = c.req->image = "s";
	c.req->key_name = "k";
	c.req->public_key = "ssh-ed25519 AAAA";
	c.req->rules = &rule;
	c.req->nrules = 1;
	c.answer = csp_answer_new(c.req);
	c.arena = c.answer->arena;
	ends = 0;
	pending = NULL;
	if (plan == ARRAY_LEN(plans))
		log_in(&conn, (const char *)data + 1, size - 1);
	else
		go(&c, plans[plan], (const char *)data + 1, size - 1);
	if (ends > 1 || (ends && pending))
		__builtin_trap();
	look(c.answer);
	csp_answer_free(c.answer);
	csp_req_free(c.req);
	os_names_free(&conn.flavors);
	os_names_free(&conn.images);
	os_names_free(&conn.floating);
	os_auth_forget(&conn);
	for (int i = 0; i < OS_SERVICES; i++)
		free(conn.url[i]);
	os_seen_free(conn.seen);
	arena_free(conn.catalog);
	return 0;
}
