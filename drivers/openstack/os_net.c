/*
 * os_net.c - the network of an MCIS: network, subnet, and a router if there is
 * a way out; and its end. Found by name, which is the MCIS's key and so ours
 * alone; every step is "find, else make".
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define CIDR "10.78.0.0/16"

static void find_subnet(struct os_call *c);
static void find_external(struct os_call *c);
static void delete_next_ip(struct os_call *c, json_t *root);
static void delete_next_router(struct os_call *c, json_t *root);
static void delete_next_net(struct os_call *c, json_t *root);

static const char *
made_id(struct os_call *c, json_t *root, const char *key)
{
	return os_text(c, json_object_get(root, key), "id");
}

/* ---- making: network, subnet --------------------------------------------- */

static void
on_net_made(struct os_call *c, json_t *root)
{
	c->net = made_id(c, root, "network");
	if (c->net)
		find_subnet(c);
	else
		os_unreadable(c, "the answer names no network");
}

static void
on_nets(struct os_call *c, json_t *root)
{
	c->net = os_first_id(c, root, "networks");
	if (c->net)
		find_subnet(c);
	else
		os_send(c, "POST", OS_NETWORK, "/networks",
		    json_pack("{s:{s:s,s:s}}", "network", "name", c->name,
			"description", "made by Milkyway"),
		    on_net_made);
}

/* Two connections may reach one project: each has networks of its own. */
static void
set_name(struct os_call *c)
{
	if (c->req->name)
		c->name =
		    arena_printf(c->arena, "%s.%s", c->req->name, c->conn->id);
}

void
os_net_ensure(struct os_call *c, json_t *root)
{
	(void)root;
	set_name(c);
	if (!c->name)
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a network needs a name");
	else
		os_get(c, OS_NETWORK, os_path(c, "/networks?name=", c->name),
		    on_nets);
}

static void
on_subnet_made(struct os_call *c, json_t *root)
{
	c->subnet = made_id(c, root, "subnet");
	if (c->subnet)
		find_external(c);
	else
		os_unreadable(c, "the answer names no subnet");
}

static void
on_subnets(struct os_call *c, json_t *root)
{
	c->subnet = os_first_id(c, root, "subnets");
	if (c->subnet)
		find_external(c);
	else
		os_send(c, "POST", OS_NETWORK, "/subnets",
		    json_pack("{s:{s:s,s:s,s:s,s:i}}", "subnet", "network_id",
			c->net, "name", c->name, "cidr", CIDR, "ip_version", 4),
		    on_subnet_made);
}

static void
find_subnet(struct os_call *c)
{
	os_get(c, OS_NETWORK, os_path(c, "/subnets?network_id=", c->net),
	    on_subnets);
}

/* ---- making: the way out ------------------------------------------------- */

static void
finish(struct os_call *c, json_t *root)
{
	(void)root;
	c->answer->csp_id = c->net;
	os_ok(c);
}

static void
on_interfaces(struct os_call *c, json_t *root)
{
	static const int already[] = { 400, 409, 0 };

	if (os_first_id(c, root, "ports")) {
		finish(c, NULL);
		return;
	}
	os_send_fine(c, "PUT", OS_NETWORK,
	    arena_printf(c->arena, "/routers/%s/add_router_interface",
		c->router),
	    json_pack("{s:s}", "subnet_id", c->subnet), already, finish);
}

static void
find_interface(struct os_call *c)
{
	os_get(c, OS_NETWORK,
	    arena_printf(c->arena, "/ports?device_id=%s&network_id=%s",
		c->router, c->net),
	    on_interfaces);
}

static void
on_router_made(struct os_call *c, json_t *root)
{
	c->router = made_id(c, root, "router");
	if (c->router)
		find_interface(c);
	else
		os_unreadable(c, "the answer names no router");
}

static void
on_routers(struct os_call *c, json_t *root)
{
	c->router = os_first_id(c, root, "routers");
	if (c->router)
		find_interface(c);
	else
		os_send(c, "POST", OS_NETWORK, "/routers",
		    json_pack("{s:{s:s,s:{s:s}}}", "router", "name", c->name,
			"external_gateway_info", "network_id", c->external),
		    on_router_made);
}

/* Without an external network VMs are reached by their own addresses. */
static void
on_external(struct os_call *c, json_t *root)
{
	c->external = os_first_id(c, root, "networks");
	c->conn->external_known = true;
	c->conn->has_external = c->external != NULL;
	if (c->external)
		os_get(c, OS_NETWORK, os_path(c, "/routers?name=", c->name),
		    on_routers);
	else
		finish(c, NULL);
}

static void
find_external(struct os_call *c)
{
	os_get(c, OS_NETWORK, "/networks?router:external=true", on_external);
}

/* ---- the end ------------------------------------------------------------- */

static const int gone[] = { 404, 0 };

/* Addresses, interfaces, routers, ports, networks: one thing, then look
 * again. Not the VMs: a port of one makes the network busy. */
static void
on_ips(struct os_call *c, json_t *root)
{
	const char *mark = os_ip_mark(c, c->req->name);
	size_t i, n = strlen(mark);
	json_t *ip;

	json_array_foreach(json_object_get(root, "floatingips"), i, ip)
	{
		const char *text = os_text(c, ip, "description");
		const char *id = os_text(c, ip, "id");

		if (!id || !text || !str_starts(text, mark) ||
		    (text[n] != ' ' && text[n] != '\0'))
			continue;
		os_send_fine(c, "DELETE", OS_NETWORK,
		    os_path(c, "/floatingips/", id), NULL, gone,
		    delete_next_ip);
		return;
	}
	delete_next_router(c, NULL);
}

static void
delete_next_ip(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, "/floatingips", on_ips);
}

static void
on_router_ports(struct os_call *c, json_t *root)
{
	size_t i;
	json_t *p;

	json_array_foreach(json_object_get(root, "ports"), i, p)
	{
		const char *owner = os_text(c, p, "device_owner");
		const char *id = os_text(c, p, "id");

		if (!id || !owner || !str_starts(owner, "network:router_inter"))
			continue;
		os_send_fine(c, "PUT", OS_NETWORK,
		    arena_printf(c->arena,
			"/routers/%s/remove_router_interface", c->router),
		    json_pack("{s:s}", "port_id", id), gone,
		    delete_next_router);
		return;
	}
	os_send_fine(c, "DELETE", OS_NETWORK,
	    arena_printf(c->arena, "/routers/%s", c->router), NULL, gone,
	    delete_next_router);
}

static void
on_our_routers(struct os_call *c, json_t *root)
{
	c->router = os_first_id(c, root, "routers");
	if (c->router)
		os_get(c, OS_NETWORK,
		    arena_printf(c->arena, "/ports?device_id=%s", c->router),
		    on_router_ports);
	else
		delete_next_net(c, NULL);
}

static void
delete_next_router(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, os_path(c, "/routers?name=", c->name),
	    on_our_routers);
}

static void
on_our_nets(struct os_call *c, json_t *root)
{
	c->net = os_first_id(c, root, "networks");
	if (!c->net)
		os_ok(c);
	else
		os_send_fine(c, "DELETE", OS_NETWORK,
		    arena_printf(c->arena, "/networks/%s", c->net), NULL, gone,
		    delete_next_net);
}

static void
delete_next_net(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK, os_path(c, "/networks?name=", c->name),
	    on_our_nets);
}

void
os_net_delete(struct os_call *c, json_t *root)
{
	set_name(c);
	if (c->req->csp_id) /* of a connection with another name */
		c->name = c->req->csp_id;
	delete_next_ip(c, root);
}
