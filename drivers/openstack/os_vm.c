/*
 * os_vm.c - servers: create, read, verbs, boot log.
 */
#include "drivers/openstack/os_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000
#define PAGES_MAX 1000
#define VMS_MAX 100000
#define ENDED_NS (900 * NS_PER_S) /* so long deleted servers are told */

static void look_up_flavor(struct os_call *c);
static void look_up_image(struct os_call *c);
static void post_server(struct os_call *c);
static void on_page(struct os_call *c, json_t *root);
static void ask_ended(struct os_call *c);

/* ---- reading ------------------------------------------------------------- */

static void
take_tags(struct os_call *c, const json_t *meta, struct csp_vm *vm)
{
	struct csp_tag *tags =
	    arena_array(c->arena, json_object_size(meta) + 1, sizeof *tags);
	size_t n = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)meta, key, v)
	{
		if (!json_is_string(v))
			continue;
		tags[n].key = arena_strdup(c->arena, key);
		tags[n++].value = arena_strdup(c->arena, json_string_value(v));
	}
	vm->tags = tags;
	vm->ntags = n;
}

/* The floating address is the public one; without any, the fixed one: a
 * provider network. */
static void
take_addresses(struct os_call *c, const json_t *nets, struct csp_vm *vm)
{
	bool floats = c->conn->external_known && c->conn->has_external;
	const char *key;
	json_t *list, *a;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)nets, key, list)
	{
		json_array_foreach(list, i, a)
		{
			const char *type = os_text(c, a, "OS-EXT-IPS:type");
			const char *addr = os_text(c, a, "addr");
			json_int_t v =
			    json_integer_value(json_object_get(a, "version"));

			if (!addr || v == 6)
				continue;
			if (type && str_eq(type, "floating"))
				vm->public_ip = addr;
			else
				vm->private_ip = addr;
		}
	}
	if (!vm->public_ip && c->conn->external_known && !floats)
		vm->public_ip = vm->private_ip;
}

static bool
take_vm(struct os_call *c, const json_t *s, struct csp_vm *vm)
{
	const char *task = os_text(c, s, "OS-EXT-STS:task_state");
	const char *status = os_text(c, s, "status");
	const json_t *fault = json_object_get(s, "fault");

	memset(vm, 0, sizeof *vm);
	vm->csp_id = os_text(c, s, "id");
	if (!vm->csp_id || !status)
		return false;
	/* of two deletes at once the later one's task stays for ever */
	vm->native = task && task[0] && !str_eq(status, "DELETED")
	    ? arena_printf(c->arena, "%s/%s", status, task)
	    : status;
	vm->name = os_text(c, s, "name");
	vm->zone = os_text(c, s, "OS-EXT-AZ:availability_zone");
	vm->fault = os_text(c, fault, "message");
	take_tags(c, json_object_get(s, "metadata"), vm);
	take_addresses(c, json_object_get(s, "addresses"), vm);
	return true;
}

/* A server of ours that runs without an address it should have. */
static void
float_if_needed(struct os_call *c, const struct csp_vm *vm)
{
	const char *key = csp_tag_get(vm->tags, vm->ntags, "mw-key");

	if (key && !vm->public_ip && str_eq(vm->native, "ACTIVE") &&
	    !(c->conn->external_known && !c->conn->has_external))
		os_float(c->conn, vm, key);
}

static bool
has_tags(const struct csp_req *q, const struct csp_vm *vm)
{
	for (size_t i = 0; i < q->ntags; i++) {
		const char *v =
		    csp_tag_get(vm->tags, vm->ntags, q->tags[i].key);

		if (!v || !str_eq(v, q->tags[i].value))
			return false;
	}
	return true;
}

static void
note_seen(struct os_call *c, const struct csp_vm *vm)
{
	const char *of = csp_tag_get(vm->tags, vm->ntags, "mw-deployment");

	if (of)
		os_seen_put(c->conn->seen, vm->csp_id, of);
}

static bool
listed(const struct csp_answer *a, const char *id)
{
	for (size_t i = 0; i < a->nvms; i++) {
		if (str_eq(a->vms[i].csp_id, id))
			return true;
	}
	return false;
}

static void
next_page(struct os_call *c, const char *marker)
{
	const char *path = marker
	    ? os_path(c,
		  arena_printf(c->arena,
		      "/servers/detail?limit=%d&marker=", PAGE),
		  marker)
	    : arena_printf(c->arena, "/servers/detail?limit=%d", PAGE);
	os_get(c, OS_COMPUTE, path, on_page);
}

static bool
has_next(const json_t *root)
{
	size_t i;
	json_t *l;

	json_array_foreach(json_object_get(root, "servers_links"), i, l)
	{
		const char *rel = json_string_value(json_object_get(l, "rel"));

		if (rel && strcmp(rel, "next") == 0)
			return true;
	}
	return false;
}

/* Nova's pages are not stable while creates run, so a list of more than one is
 * walked twice and joined. */
static void
on_page(struct os_call *c, json_t *root)
{
	const json_t *list = json_object_get(root, "servers");
	struct csp_answer *a = c->answer;
	size_t i, n = a->nvms + json_array_size(list);
	struct csp_vm *all, vm = { 0 };
	json_t *s;

	if (!json_is_array(list) || n > VMS_MAX || ++c->pages > PAGES_MAX) {
		os_unreadable(c, "the list of servers cannot be read");
		return;
	}
	all = arena_array(c->arena, n + 1, sizeof *all);
	if (a->nvms)
		memcpy(all, a->vms, a->nvms * sizeof *all);
	a->vms = all;
	json_array_foreach(list, i, s)
	{
		if (!take_vm(c, s, &vm)) {
			os_unreadable(c, "a server has no id or status");
			return;
		}
		if (!has_tags(c->req, &vm) ||
		    (c->pages > 1 && listed(a, vm.csp_id)))
			continue;
		float_if_needed(c, &vm);
		note_seen(c, &vm);
		all[a->nvms++] = vm;
	}
	if (json_array_size(list) > 0 && has_next(root)) {
		s = json_array_get(list, json_array_size(list) - 1);
		next_page(c, os_text(c, s, "id"));
	} else if (c->pages > 1 && c->walks++ == 0) {
		next_page(c, NULL);
	} else {
		ask_ended(c);
	}
}

/* A list of what changed shows deleted servers, too: proof that they are gone,
 * which a server that is missing in a list is not. Their metadata is gone, so
 * only those are told, without tags, that were seen with the tag before, or
 * that this connection was asked to deal with. */
static void
on_changes(struct os_call *c, json_t *root)
{
	const json_t *list = json_object_get(root, "servers");
	const char *of =
	    csp_tag_get(c->req->tags, c->req->ntags, "mw-deployment");
	struct csp_answer *a = c->answer;
	struct csp_vm *all, vm = { 0 };
	size_t i;
	json_t *s;

	all = arena_array(c->arena, a->nvms + json_array_size(list) + 1,
	    sizeof *all);
	if (a->nvms)
		memcpy(all, a->vms, a->nvms * sizeof *all);
	a->vms = all;
	json_array_foreach(list, i, s)
	{
		if (!take_vm(c, s, &vm) || !str_eq(vm.native, "DELETED") ||
		    !os_seen_fits(c->conn->seen, vm.csp_id, of) ||
		    listed(a, vm.csp_id))
			continue;
		os_name_drop(&c->conn->floating, vm.csp_id);
		all[a->nvms++] = vm;
	}
	os_ok(c);
}

static void
ask_ended(struct os_call *c)
{
	static const int fine[] = { 400, 403, 404, 0 };
	char since[WHEN_LEN];

	if (clock_mono_ns() - c->conn->ended_ns > ENDED_NS) {
		os_ok(c);
		return;
	}
	when_format(clock_wall_ns() - 2 * ENDED_NS, since);
	os_send_fine(c, "GET", OS_COMPUTE,
	    arena_printf(c->arena, "/servers/detail?limit=%d&changes-since=%s",
		PAGE, since),
	    NULL, fine, on_changes);
}

void
os_vm_list(struct os_call *c, json_t *root)
{
	(void)root;
	c->pages = c->walks = 0;
	c->answer->nvms = 0;
	next_page(c, NULL);
}

static void
on_vm(struct os_call *c, json_t *root)
{
	struct csp_vm *vm = arena_alloc(c->arena, sizeof *vm);

	if (!take_vm(c, json_object_get(root, "server"), vm)) {
		os_unreadable(c, "the answer names no server");
		return;
	}
	float_if_needed(c, vm);
	note_seen(c, vm);
	c->answer->csp_id = vm->csp_id;
	c->answer->vms = vm;
	c->answer->nvms = 1;
	os_ok(c);
}

void
os_vm_get(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_COMPUTE, os_path(c, "/servers/", c->req->csp_id), on_vm);
}

/* ---- create -------------------------------------------------------------- */

/* A copy: other calls renew the table while this one waits. */
static const char *
known(struct os_call *c, struct os_name *list, const char *name)
{
	const char *id = os_name_get(list, name);

	return id ? arena_strdup(c->arena, id) : NULL;
}

static void
on_flavors(struct os_call *c, json_t *root)
{
	size_t i;
	json_t *f;

	json_array_foreach(json_object_get(root, "flavors"), i, f)
	{
		const char *name = os_text(c, f, "name");
		const char *id = os_text(c, f, "id");

		if (name && id)
			os_name_put(&c->conn->flavors, name, id);
	}
	c->flavor = known(c, c->conn->flavors, c->req->spec);
	if (c->flavor)
		look_up_image(c);
	else
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    arena_printf(c->arena, "there is no flavor %s",
			c->req->spec));
}

static void
look_up_flavor(struct os_call *c)
{
	c->flavor = known(c, c->conn->flavors, c->req->spec);
	if (c->flavor)
		look_up_image(c);
	else
		os_get(c, OS_COMPUTE, "/flavors/detail", on_flavors);
}

static void
on_image(struct os_call *c, json_t *root)
{
	c->image = os_first_id(c, root, "images");
	if (!c->image) {
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    arena_printf(c->arena, "there is no active image %s",
			c->req->image));
		return;
	}
	os_name_put(&c->conn->images, c->req->image, c->image);
	post_server(c);
}

static void
look_up_image(struct os_call *c)
{
	c->image = known(c, c->conn->images, c->req->image);
	if (c->image)
		post_server(c);
	else
		os_get(c, OS_IMAGE,
		    os_path(c, "/images?status=active&name=", c->req->image),
		    on_image);
}

static void
on_created(struct os_call *c, json_t *root)
{
	const char *id = os_text(c, json_object_get(root, "server"), "id");

	c->answer->csp_id = id;
	if (!id) {
		os_unreadable(c, "the answer names no server");
		return;
	}
	os_seen_put(c->conn->seen, id,
	    csp_tag_get(c->req->tags, c->req->ntags, "mw-deployment"));
	os_ok(c);
}

static void
add_user_data(const struct os_call *c, json_t *server)
{
	size_t n = c->req->user_data ? strlen(c->req->user_data) : 0;
	unsigned char *b64;

	if (n == 0)
		return;
	b64 = xcalloc(n * 2 + 16, 1);
	EVP_EncodeBlock(b64, (const unsigned char *)c->req->user_data, (int)n);
	json_object_set_new(server, "user_data",
	    json_string((const char *)b64));
	free(b64);
}

static void
post_server(struct os_call *c)
{
	const struct csp_req *q = c->req;
	json_t *s = json_object(), *meta = json_object();

	for (size_t i = 0; i < q->ntags; i++)
		json_object_set_new(meta, q->tags[i].key,
		    json_string(q->tags[i].value));
	json_object_set_new(s, "name", json_string(q->name));
	json_object_set_new(s, "imageRef", json_string(c->image));
	json_object_set_new(s, "flavorRef", json_string(c->flavor));
	if (q->key_name) {
		json_object_set_new(meta, "mw-key", json_string(q->key_name));
		json_object_set_new(s, "key_name", json_string(q->key_name));
	}
	json_object_set_new(s, "metadata", meta);
	if (q->network && q->network[0])
		json_object_set_new(s, "networks",
		    json_pack("[{s:s}]", "uuid", q->network));
	/* the id, not the name: two groups of one name are refused */
	if (q->security_group && q->security_group[0])
		json_object_set_new(s, "security_groups",
		    json_pack("[{s:s}]", "name", q->security_group));
	if (q->zone && q->zone[0])
		json_object_set_new(s, "availability_zone",
		    json_string(q->zone));
	add_user_data(c, s);
	os_send(c, "POST", OS_COMPUTE, "/servers",
	    json_pack("{s:o}", "server", s), on_created);
}

void
os_vm_create(struct os_call *c, json_t *root)
{
	(void)root;
	if (!c->req->name || !c->req->spec || !c->req->image)
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a create needs name, spec and image");
	else
		look_up_flavor(c);
}

/* ---- verbs --------------------------------------------------------------- */

static void
accepted(struct os_call *c, json_t *root)
{
	(void)root;
	c->answer->csp_id =
	    c->req->csp_id ? arena_strdup(c->arena, c->req->csp_id) : NULL;
	os_ok(c);
}

static void
action(struct os_call *c, json_t *take_body, os_step_fn next)
{
	os_send(c, "POST", OS_COMPUTE,
	    arena_printf(c->arena, "%s/action",
		os_path(c, "/servers/", c->req->csp_id)),
	    take_body, next);
}

void
os_vm_suspend(struct os_call *c, json_t *root)
{
	(void)root;
	action(c, json_pack("{s:n}", "os-stop"), accepted);
}

void
os_vm_resume(struct os_call *c, json_t *root)
{
	(void)root;
	action(c, json_pack("{s:n}", "os-start"), accepted);
}

void
os_vm_reboot(struct os_call *c, json_t *root)
{
	(void)root;
	action(c, json_pack("{s:{s:s}}", "reboot", "type", "SOFT"), accepted);
}

static void
on_console(struct os_call *c, json_t *root)
{
	c->answer->text = json_string_value(json_object_get(root, "output"))
	    ? arena_strdup(c->arena,
		  json_string_value(json_object_get(root, "output")))
	    : "";
	os_ok(c);
}

void
os_console(struct os_call *c, json_t *root)
{
	(void)root;
	action(c, json_pack("{s:{s:i}}", "os-getConsoleOutput", "length", 500),
	    on_console);
}
