/*
 * os_ip.c - floating addresses: one for each server of ours that runs, found
 * by its description, so that a cut plan goes on and nothing is left behind.
 *
 * Nova gives no floating address itself, and the port it needs is there only
 * once the server is built; so a read that sees a server of ours without one
 * starts this in the background. The address ends before its server does.
 */
#include "drivers/openstack/os_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define IP_MS 60000
#define ASKED "asked"
#define ENDING "ending"

static const int gone[] = { 404, 0 };

static void delete_next(struct os_call *c, json_t *root);

const char *
os_ip_mark(struct os_call *c, const char *key)
{
	return arena_printf(c->arena, "mw-key=%s", key);
}

/* ---- giving -------------------------------------------------------------- */

static bool
is_ending(const struct os_call *c)
{
	const char *state = os_name_get(c->conn->floating, c->req->csp_id);

	return state && str_eq(state, ENDING);
}

/* The server gets its next chance when it is seen again. */
void
os_float_end(struct os_call *c)
{
	if (c->answer->cls != CSP_OK && !c->conn->closed)
		log_warn("drivers", c->conn->id,
		    "no floating address yet\tserver=%s why=\"%s\"",
		    c->req->csp_id, c->answer->message);
	if (!is_ending(c))
		os_name_drop(&c->conn->floating, c->req->csp_id);
}

static void
given(struct os_call *c, json_t *root)
{
	(void)root;
	os_ok(c);
}

/* Its server was terminated meanwhile, after looking for addresses: this one
 * would stay. */
static void
on_given(struct os_call *c, json_t *root)
{
	const char *id = os_text(c, json_object_get(root, "floatingip"), "id");

	if (id && is_ending(c))
		os_send_fine(c, "DELETE", OS_NETWORK,
		    os_path(c, "/floatingips/", id), NULL, gone, given);
	else
		given(c, NULL);
}

static void
on_floats(struct os_call *c, json_t *root)
{
	const char *id = os_first_id(c, root, "floatingips");
	json_t *ip;

	if (id || is_ending(c)) { /* Nova does not show it yet */
		given(c, NULL);
		return;
	}
	ip = json_object();
	json_object_set_new(ip, "floating_network_id",
	    json_string(c->external));
	json_object_set_new(ip, "port_id", json_string(c->port));
	json_object_set_new(ip, "description",
	    json_string(arena_printf(c->arena, "%s server=%s",
		os_ip_mark(c, c->req->key_name), c->req->csp_id)));
	os_send(c, "POST", OS_NETWORK, "/floatingips",
	    json_pack("{s:o}", "floatingip", ip), on_given);
}

static void
on_port(struct os_call *c, json_t *root)
{
	c->port = os_first_id(c, root, "ports");
	if (!c->port)
		given(c, NULL);
	else
		os_get(c, OS_NETWORK,
		    os_path(c, "/floatingips?port_id=", c->port), on_floats);
}

static void
on_external(struct os_call *c, json_t *root)
{
	c->external = os_first_id(c, root, "networks");
	c->conn->external_known = true;
	c->conn->has_external = c->external != NULL;
	if (!c->external)
		given(c, NULL);
	else
		os_get(c, OS_NETWORK,
		    os_path(c, "/ports?device_id=", c->req->csp_id), on_port);
}

static void
give(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, "/networks?router:external=true", on_external);
}

void
os_float(struct drv_conn *conn, const struct csp_vm *vm, const char *key)
{
	struct csp_req *q;

	if (conn->closed || os_name_get(conn->floating, vm->csp_id))
		return;
	os_name_put(&conn->floating, vm->csp_id, ASKED);
	q = csp_req_new(CSP_NET_ENSURE, conn->id);
	q->csp_id = arena_strdup(q->arena, vm->csp_id);
	q->key_name = arena_strdup(q->arena, key);
	q->deadline_ms = IP_MS;
	os_background(conn, q, give);
}

/* ---- terminate: its address first ---------------------------------------- */

static void
terminated(struct os_call *c, json_t *root)
{
	(void)root;
	c->answer->csp_id = arena_strdup(c->arena, c->req->csp_id);
	if (c->answer->http_status == 404)
		os_fail(c, CSP_NOT_FOUND, CSP_R_NONE,
		    "there is no such server");
	else
		os_ok(c);
}

static void
delete_server(struct os_call *c)
{
	os_send_fine(c, "DELETE", OS_COMPUTE,
	    os_path(c, "/servers/", c->req->csp_id), NULL, gone, terminated);
}

static void
on_ours(struct os_call *c, json_t *root)
{
	const char *mine = arena_printf(c->arena, " server=%s", c->req->csp_id);
	size_t i;
	json_t *ip;

	json_array_foreach(json_object_get(root, "floatingips"), i, ip)
	{
		const char *text = os_text(c, ip, "description");
		const char *id = os_text(c, ip, "id");

		if (!id || !text || !str_starts(text, "mw-key=") ||
		    !strstr(text, mine))
			continue;
		os_send_fine(c, "DELETE", OS_NETWORK,
		    os_path(c, "/floatingips/", id), NULL, gone, delete_next);
		return;
	}
	delete_server(c);
}

static void
delete_next(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, "/floatingips", on_ours);
}

void
os_vm_terminate(struct os_call *c, json_t *root)
{
	if (!c->req->csp_id)
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID, "no server id");
	else {
		os_name_put(&c->conn->floating, c->req->csp_id, ENDING);
		c->conn->ended_ns = clock_mono_ns();
		delete_next(c, root);
	}
}
