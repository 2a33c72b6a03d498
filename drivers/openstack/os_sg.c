/*
 * os_sg.c - the security group and the key of an MCIS: make them what they
 * should be, and end them.
 */
#include "drivers/openstack/os_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

static void find_group(struct os_call *c, json_t *root);
static void delete_next_group(struct os_call *c, json_t *root);

#define KEY_TRIES 3

static const int gone[] = { 404, 0 };

/* ---- rules --------------------------------------------------------------- */

static bool
same_rule(struct os_call *c, const json_t *have, const struct csp_rule *want)
{
	const char *proto = os_text(c, have, "protocol");
	const char *cidr = os_text(c, have, "remote_ip_prefix");
	bool icmp = str_eq(want->proto, "icmp");
	json_int_t from =
	    json_integer_value(json_object_get(have, "port_range_min"));
	json_int_t to =
	    json_integer_value(json_object_get(have, "port_range_max"));

	return proto && str_eq(proto, want->proto) &&
	    str_eq(cidr ? cidr : "0.0.0.0/0", want->cidr) &&
	    (icmp || (from == want->from && to == want->to));
}

static bool
incoming(struct os_call *c, const json_t *rule)
{
	const char *way = os_text(c, rule, "direction");

	return way && str_eq(way, "ingress");
}

/* First rule to delete (its id), or NULL. */
static const char *
surplus(struct os_call *c, const json_t *rules)
{
	size_t i, k;
	json_t *r;

	json_array_foreach(rules, i, r)
	{
		if (!incoming(c, r))
			continue;
		for (k = 0; k < c->req->nrules; k++) {
			if (same_rule(c, r, &c->req->rules[k]))
				break;
		}
		if (k == c->req->nrules)
			return os_text(c, r, "id");
	}
	return NULL;
}

static const struct csp_rule *
missing(struct os_call *c, const json_t *rules)
{
	for (size_t k = 0; k < c->req->nrules; k++) {
		size_t i;
		json_t *r;
		bool found = false;

		json_array_foreach(rules, i, r) found = found ||
		    (incoming(c, r) && same_rule(c, r, &c->req->rules[k]));
		if (!found)
			return &c->req->rules[k];
	}
	return NULL;
}

/* ---- making -------------------------------------------------------------- */

static void
add_rule(struct os_call *c, const struct csp_rule *want)
{
	static const int exists[] = { 409, 0 };
	json_t *r = json_pack("{s:s,s:s,s:s,s:s,s:s}", "security_group_id",
	    c->group, "direction", "ingress", "ethertype", "IPv4", "protocol",
	    want->proto, "remote_ip_prefix", want->cidr);

	if (!str_eq(want->proto, "icmp")) {
		json_object_set_new(r, "port_range_min",
		    json_integer(want->from));
		json_object_set_new(r, "port_range_max",
		    json_integer(want->to));
	}
	os_send_fine(c, "POST", OS_NETWORK, "/security-group-rules",
	    json_pack("{s:o}", "security_group_rule", r), exists, find_group);
}

/* One change, then look again. */
static void
on_groups(struct os_call *c, json_t *root)
{
	const json_t *g =
	    json_array_get(json_object_get(root, "security_groups"), 0);
	const json_t *rules = json_object_get(g, "security_group_rules");
	const struct csp_rule *add;
	const char *drop;

	c->group = os_text(c, g, "id");
	if (!c->group) {
		os_send(c, "POST", OS_NETWORK, "/security-groups",
		    json_pack("{s:{s:s,s:s}}", "security_group", "name",
			c->req->name, "description", "made by Milkyway"),
		    find_group);
		return;
	}
	drop = surplus(c, rules);
	add = missing(c, rules);
	if (drop) {
		os_send_fine(c, "DELETE", OS_NETWORK,
		    os_path(c, "/security-group-rules/", drop), NULL, gone,
		    find_group);
	} else if (add) {
		add_rule(c, add);
	} else {
		c->answer->csp_id = c->group;
		os_ok(c);
	}
}

static void
find_group(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK,
	    os_path(c, "/security-groups?name=", c->req->name), on_groups);
}

void
os_sg_ensure(struct os_call *c, json_t *root)
{
	if (!c->req->name)
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a security group needs a name");
	else
		find_group(c, root);
}

/* ---- its end ------------------------------------------------------------- */

static void
on_our_groups(struct os_call *c, json_t *root)
{
	const char *id = os_first_id(c, root, "security_groups");

	if (!id)
		os_ok(c);
	else
		os_send_fine(c, "DELETE", OS_NETWORK,
		    os_path(c, "/security-groups/", id), NULL, gone,
		    delete_next_group);
}

static void
delete_next_group(struct os_call *c, json_t *root)
{
	(void)root;
	os_get(c, OS_NETWORK,
	    os_path(c, "/security-groups?name=", c->req->name), on_our_groups);
}

void
os_sg_delete(struct os_call *c, json_t *root)
{
	delete_next_group(c, root);
}

/* ---- the key ------------------------------------------------------------- */

static void
key_there(struct os_call *c, json_t *root)
{
	(void)root;
	c->answer->csp_id = arena_strdup(c->arena, c->req->key_name);
	os_ok(c);
}

static void on_key(struct os_call *c, json_t *root);

static void
find_key(struct os_call *c, json_t *root)
{
	(void)root;
	os_send_fine(c, "GET", OS_COMPUTE,
	    os_path(c, "/os-keypairs/", c->req->key_name), NULL, gone, on_key);
}

static void
on_key(struct os_call *c, json_t *root)
{
	static const int faster[] = { 409, 0 };
	const char *line =
	    os_text(c, json_object_get(root, "keypair"), "public_key");

	if (!root && c->pages++ < KEY_TRIES) /* 409: another was faster */
		os_send_fine(c, "POST", OS_COMPUTE, "/os-keypairs",
		    json_pack("{s:{s:s,s:s}}", "keypair", "name",
			c->req->key_name, "public_key", c->req->public_key),
		    faster, find_key);
	else if (!root)
		os_fail(c, CSP_CONFLICT, CSP_R_EXISTS,
		    "a key of that name comes and goes");
	else if (line && !csp_same_key(c->req->public_key, line))
		os_fail(c, CSP_CONFLICT, CSP_R_EXISTS,
		    "another key has that name");
	else
		key_there(c, root);
}

void
os_key_ensure(struct os_call *c, json_t *root)
{
	(void)root;
	if (!c->req->key_name || !c->req->public_key)
		os_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a key needs a name and its public half");
	else
		find_key(c, root);
}

static void
key_gone(struct os_call *c, json_t *root)
{
	(void)root;
	os_ok(c);
}

void
os_key_delete(struct os_call *c, json_t *root)
{
	(void)root;
	os_send_fine(c, "DELETE", OS_COMPUTE,
	    os_path(c, "/os-keypairs/", c->req->key_name), NULL, gone,
	    key_gone);
}
