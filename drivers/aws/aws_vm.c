/*
 * aws_vm.c - instances: create, read, verbs, boot log.
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define CONSOLE_MAX 65536
#define VMS_MAX 100000
#define PAGE "1000"

/* ---- reading ------------------------------------------------------------- */

static void
take_tags(struct aws_call *c, const struct xml_node *item, struct csp_vm *vm)
{
	const struct xml_node *t = xml_get(item, "tagSet/item");
	struct csp_tag *tags;
	size_t n = 0;

	for (const struct xml_node *x = t; x; x = xml_next(x))
		n++;
	tags = arena_array(c->arena, n + 1, sizeof *tags);
	for (n = 0; t; t = xml_next(t), n++) {
		const char *key = xml_text(t, "key");
		const char *value = xml_text(t, "value");

		tags[n].key = key ? key : "";
		tags[n].value = value ? value : "";
	}
	vm->tags = tags;
	vm->ntags = n;
	vm->name = csp_tag_get(tags, n, "Name");
}

/* False: not an instance at all. */
static bool
take_vm(struct aws_call *c, const struct xml_node *item, struct csp_vm *vm)
{
	memset(vm, 0, sizeof *vm);
	vm->csp_id = xml_text(item, "instanceId");
	vm->native = xml_text(item, "instanceState/name");
	if (!vm->csp_id || !vm->native)
		return false;
	vm->public_ip = xml_text(item, "ipAddress");
	vm->private_ip = xml_text(item, "privateIpAddress");
	vm->zone = xml_text(item, "placement/availabilityZone");
	vm->token = xml_text(item, "clientToken");
	vm->fault = xml_text(item, "stateReason/message");
	take_tags(c, item, vm);
	return true;
}

static int
by_id(const void *a, const void *b)
{
	const struct csp_vm *x = a, *y = b;

	return strcmp(x->csp_id, y->csp_id);
}

/* Pages that move while we walk may name an instance twice. */
static void
drop_duplicates(struct csp_answer *a)
{
	struct csp_vm *v = (struct csp_vm *)(uintptr_t)a->vms;
	size_t n = 0;

	qsort(v, a->nvms, sizeof *v, by_id);
	for (size_t i = 0; i < a->nvms; i++) {
		if (n == 0 || !str_eq(v[n - 1].csp_id, v[i].csp_id))
			v[n++] = v[i];
	}
	a->nvms = n;
}

/* Adds the instances of a page. False: unreadable. */
static bool
take_page(struct aws_call *c, const struct xml_node *root)
{
	struct csp_answer *a = c->answer;
	const struct xml_node *set = xml_get(root, "reservationSet");
	struct csp_vm *all;
	size_t n = a->nvms;

	if (!set)
		return false;
	for (const struct xml_node *r = xml_get(set, "item"); r;
	     r = xml_next(r))
		for (const struct xml_node *i = xml_get(r, "instancesSet/item");
		     i; i = xml_next(i))
			n++;
	if (n > VMS_MAX)
		return false;
	all = arena_array(c->arena, n + 1, sizeof *all);
	if (a->nvms)
		memcpy(all, a->vms, a->nvms * sizeof *all);
	a->vms = all;
	for (const struct xml_node *r = xml_get(set, "item"); r;
	     r = xml_next(r)) {
		for (const struct xml_node *i = xml_get(r, "instancesSet/item");
		     i; i = xml_next(i)) {
			if (!take_vm(c, i, &all[a->nvms]))
				return false;
			a->nvms++;
		}
	}
	return true;
}

static void
unreadable(struct aws_call *c, const char *what)
{
	aws_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE, what);
}

static void
on_page(struct aws_call *c, const struct xml_node *root)
{
	if (!take_page(c, root)) {
		unreadable(c, "the cloud's list has no reservationSet");
	} else if (!aws_more(c, root, aws_vm_list)) {
		drop_duplicates(c->answer);
		aws_ok(c);
	}
}

void
aws_vm_list(struct aws_call *c, const struct xml_node *root)
{
	int n = aws_filter_tags((aws_begin(c, "DescribeInstances"), c), 1);

	(void)root;
	if (c->req->token)
		aws_filter(c, n, "client-token", c->req->token);
	aws_add(c, "MaxResults", PAGE);
	aws_add(c, "NextToken", c->page);
	aws_send(c, on_page);
}

static void
on_vm(struct aws_call *c, const struct xml_node *root)
{
	if (!take_page(c, root)) {
		unreadable(c, "the cloud's answer has no reservationSet");
		return;
	}
	if (c->answer->nvms == 0) {
		aws_fail(c, CSP_NOT_FOUND, CSP_R_NONE,
		    "the instance is not listed");
		return;
	}
	c->answer->csp_id = c->answer->vms[0].csp_id;
	aws_ok(c);
}

void
aws_vm_get(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DescribeInstances");
	aws_add(c, "InstanceId.1", c->req->csp_id);
	aws_send(c, on_vm);
}

/* ---- create -------------------------------------------------------------- */

static void
on_created(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *item = xml_get(root, "instancesSet/item");
	struct csp_vm *vm = arena_alloc(c->arena, sizeof *vm);

	if (!item || !take_vm(c, item, vm)) {
		unreadable(c, "RunInstances names no instance");
		return;
	}
	c->answer->csp_id = vm->csp_id;
	c->answer->vms = vm;
	c->answer->nvms = 1;
	aws_ok(c);
}

static void
add_user_data(struct aws_call *c)
{
	size_t n = c->req->user_data ? strlen(c->req->user_data) : 0;
	unsigned char *b64;

	if (n == 0)
		return;
	b64 = xcalloc(n * 2 + 16, 1);
	EVP_EncodeBlock(b64, (const unsigned char *)c->req->user_data, (int)n);
	aws_add(c, "UserData", (const char *)b64);
	free(b64);
}

static void
run(struct aws_call *c, const struct xml_node *root)
{
	const struct csp_req *q = c->req;
	const char *subnet = q->network ? strchr(q->network, '/') : NULL;

	(void)root;
	aws_begin(c, "RunInstances");
	aws_add(c, "ImageId", c->image);
	aws_add(c, "InstanceType", q->spec);
	aws_add(c, "MinCount", "1");
	aws_add(c, "MaxCount", "1");
	aws_add(c, "ClientToken", q->token);
	aws_add(c, "KeyName", q->key_name);
	aws_add(c, "SubnetId", subnet ? subnet + 1 : NULL);
	aws_add(c, "SecurityGroupId.1", q->security_group);
	if (!subnet && q->zone && q->zone[0])
		aws_add(c, "Placement.AvailabilityZone", q->zone);
	add_user_data(c);
	aws_tag_spec(c, "instance");
	aws_send(c, on_created);
}

void
aws_vm_create(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	if (!c->req->token || !c->req->spec || !c->req->image) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a create needs token, spec and image");
		return;
	}
	aws_find_image(c, run);
}

/* ---- verbs --------------------------------------------------------------- */

static void
accepted(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	c->answer->csp_id =
	    c->req->csp_id ? arena_strdup(c->arena, c->req->csp_id) : NULL;
	aws_ok(c);
}

static void
verb(struct aws_call *c, const char *action)
{
	if (!c->req->csp_id) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID, "no instance id");
		return;
	}
	aws_begin(c, action);
	aws_add(c, "InstanceId.1", c->req->csp_id);
	aws_send(c, accepted);
}

void
aws_vm_suspend(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	verb(c, "StopInstances");
}

void
aws_vm_resume(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	verb(c, "StartInstances");
}

void
aws_vm_reboot(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	verb(c, "RebootInstances");
}

void
aws_vm_terminate(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	verb(c, "TerminateInstances");
}

static void
on_console(struct aws_call *c, const struct xml_node *root)
{
	const char *b64 = xml_text(root, "output");
	size_t n = b64 ? strlen(b64) : 0, k = 0;
	char *in, *out;
	int len;

	if (n > CONSOLE_MAX * 2) {
		unreadable(c, "the boot log is too large");
		return;
	}
	in = arena_alloc(c->arena, n + 4);
	for (size_t i = 0; i < n; i++) {
		if (!strchr(" \t\r\n", b64[i]))
			in[k++] = b64[i];
	}
	out = arena_alloc(c->arena, k + 4);
	len =
	    EVP_DecodeBlock((unsigned char *)out, (unsigned char *)in, (int)k);
	if (len < 0) {
		unreadable(c, "the boot log is not base64");
		return;
	}
	out[len] = '\0';
	c->answer->text = out;
	aws_ok(c);
}

void
aws_console(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "GetConsoleOutput");
	aws_add(c, "InstanceId", c->req->csp_id);
	aws_send(c, on_console);
}
