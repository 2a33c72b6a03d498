/*
 * aws_sg.c - the security group and the key of an MCIS in a region: make them
 * what they should be, and end them.
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 60 /* of EC2; and what fits into one request */

static void revoke(struct aws_call *c, const struct xml_node *root);
static void authorize(struct aws_call *c, const struct xml_node *root);
static void delete_next_group(struct aws_call *c, const struct xml_node *root);
static void on_keys(struct aws_call *c, const struct xml_node *root);

/* ---- rules --------------------------------------------------------------- */

/* What EC2 writes for a port range: icmp has type and code instead. */
static void
range_of(const struct csp_rule *r, int64_t *from, int64_t *to)
{
	bool icmp = str_eq(r->proto, "icmp");

	*from = icmp ? -1 : r->from;
	*to = icmp ? -1 : r->to;
}

static bool
text_is(const char *text, int64_t v)
{
	char want[24];

	snprintf(want, sizeof want, "%lld", (long long)v);
	return text && str_eq(text, want);
}

/* Is that permission, for that address range, one of ours? */
static bool
wanted(const struct csp_req *q, const struct xml_node *perm, const char *cidr)
{
	const char *proto = xml_text(perm, "ipProtocol");

	for (size_t i = 0; i < q->nrules; i++) {
		int64_t from, to;

		range_of(&q->rules[i], &from, &to);
		if (proto && str_eq(q->rules[i].proto, proto) &&
		    str_eq(q->rules[i].cidr, cidr) &&
		    text_is(xml_text(perm, "fromPort"), from) &&
		    text_is(xml_text(perm, "toPort"), to))
			return true;
	}
	return false;
}

static bool
present(const struct xml_node *perms, const struct csp_rule *r)
{
	struct csp_req one = { .rules = r, .nrules = 1 };

	for (const struct xml_node *p = xml_get(perms, "item"); p;
	     p = xml_next(p)) {
		for (const struct xml_node *g = xml_get(p, "ipRanges/item"); g;
		     g = xml_next(g)) {
			const char *cidr = xml_text(g, "cidrIp");

			if (cidr && wanted(&one, p, cidr))
				return true;
		}
	}
	return false;
}

static void
add_perm(struct aws_call *c, int n, const char *proto, const char *from,
    const char *to, const char *cidr)
{
	char name[64];

	snprintf(name, sizeof name, "IpPermissions.%d.IpProtocol", n);
	aws_add(c, name, proto);
	snprintf(name, sizeof name, "IpPermissions.%d.FromPort", n);
	aws_add(c, name, from);
	snprintf(name, sizeof name, "IpPermissions.%d.ToPort", n);
	aws_add(c, name, to);
	snprintf(name, sizeof name, "IpPermissions.%d.IpRanges.1.CidrIp", n);
	aws_add(c, name, cidr);
}

/* ---- making the group ---------------------------------------------------- */

static const struct xml_node *
group_in(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *g = xml_get(root, "securityGroupInfo/item");

	c->group = xml_text(g, "groupId");
	return c->group ? xml_get(g, "ipPermissions") : NULL;
}

static void
find_group(struct aws_call *c, aws_step_fn next)
{
	aws_begin(c, "DescribeSecurityGroups");
	aws_filter(c, 1, "vpc-id", c->vpc);
	aws_filter(c, 2, "group-name", c->req->name);
	aws_send(c, next);
}

static void
finish(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	c->answer->csp_id = c->group;
	aws_ok(c);
}

/* Permissions that are missing. */
static void
authorize(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "InvalidPermission.Duplicate",
		NULL };
	const struct xml_node *perms = group_in(c, root);
	int n = 0;

	if (!c->group) {
		aws_fail(c, CSP_CONFLICT, CSP_R_BUSY,
		    "the group is not visible yet");
		return;
	}
	aws_begin(c, "AuthorizeSecurityGroupIngress");
	aws_add(c, "GroupId", c->group);
	for (size_t i = 0; i < c->req->nrules && n < RULES_MAX; i++) {
		const struct csp_rule *r = &c->req->rules[i];
		char lo[24], hi[24];
		int64_t from, to;

		if (present(perms, r))
			continue;
		range_of(r, &from, &to);
		snprintf(lo, sizeof lo, "%lld", (long long)from);
		snprintf(hi, sizeof hi, "%lld", (long long)to);
		add_perm(c, ++n, r->proto, lo, hi, r->cidr);
	}
	if (n > 0)
		aws_send_fine(c, fine, finish);
	else
		finish(c, NULL);
}

static void
look_again(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	find_group(c, authorize);
}

/* Permissions that are not ours: members that left, hands in the portal. */
static void
revoke(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "InvalidPermission.NotFound",
		NULL };
	const struct xml_node *perms = group_in(c, root);
	int n = 0;

	aws_begin(c, "RevokeSecurityGroupIngress");
	aws_add(c, "GroupId", c->group);
	for (const struct xml_node *p = xml_get(perms, "item"); p;
	     p = xml_next(p)) {
		for (const struct xml_node *g = xml_get(p, "ipRanges/item");
		     g && n < RULES_MAX; g = xml_next(g)) {
			const char *cidr = xml_text(g, "cidrIp");

			if (!cidr || wanted(c->req, p, cidr))
				continue;
			add_perm(c, ++n, xml_text(p, "ipProtocol"),
			    xml_text(p, "fromPort"), xml_text(p, "toPort"),
			    cidr);
		}
	}
	if (n > 0)
		aws_send_fine(c, fine, look_again);
	else
		authorize(c, root);
}

static void
on_group(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "InvalidGroup.Duplicate", NULL };

	group_in(c, root);
	if (c->group) {
		revoke(c, root);
		return;
	}
	aws_begin(c, "CreateSecurityGroup");
	aws_add(c, "GroupName", c->req->name);
	aws_add(c, "GroupDescription", "made by Milkyway");
	aws_add(c, "VpcId", c->vpc);
	aws_tag_spec(c, "security-group");
	aws_send_fine(c, fine, look_again);
}

void
aws_sg_ensure(struct aws_call *c, const struct xml_node *root)
{
	const char *net = c->req->network;

	(void)root;
	if (!net || !net[0] || !c->req->name) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a security group needs a network and a name");
		return;
	}
	c->vpc = arena_strndup(c->arena, net, strcspn(net, "/"));
	find_group(c, on_group);
}

/* ---- its end ------------------------------------------------------------- */

static void
on_groups(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "InvalidGroup.NotFound", NULL };

	group_in(c, root);
	if (!c->group) {
		aws_ok(c);
		return;
	}
	aws_begin(c, "DeleteSecurityGroup");
	aws_add(c, "GroupId", c->group);
	aws_send_fine(c, fine, delete_next_group);
}

static void
delete_next_group(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DescribeSecurityGroups");
	aws_filter_tags(c, 1);
	aws_send(c, on_groups);
}

void
aws_sg_delete(struct aws_call *c, const struct xml_node *root)
{
	delete_next_group(c, root);
}

/* ---- the key ------------------------------------------------------------- */

static void
find_key(struct aws_call *c, aws_step_fn next)
{
	aws_begin(c, "DescribeKeyPairs");
	aws_filter(c, 1, "key-name", c->req->key_name);
	aws_add(c, "IncludePublicKey", "true");
	aws_send(c, next);
}

static void
on_imported(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	c->answer->csp_id = arena_strdup(c->arena, c->req->key_name);
	aws_ok(c);
}

static void
on_keys_again(struct aws_call *c, const struct xml_node *root)
{
	if (xml_get(root, "keySet/item"))
		on_keys(c, root);
	else
		aws_fail(c, CSP_CONFLICT, CSP_R_BUSY,
		    "the key is not visible yet");
}

/* Made by us or refused as a duplicate: an import whose answer was lost may
 * show up late. */
static void
on_import(struct aws_call *c, const struct xml_node *root)
{
	if (xml_find(root, "Code"))
		find_key(c, on_keys_again);
	else
		on_imported(c, root);
}

static void
import(struct aws_call *c)
{
	static const char *const fine[] = { "InvalidKeyPair.Duplicate", NULL };
	size_t n = strlen(c->req->public_key);
	unsigned char *b64 = xcalloc(n * 2 + 16, 1);

	EVP_EncodeBlock(b64, (const unsigned char *)c->req->public_key, (int)n);
	aws_begin(c, "ImportKeyPair");
	aws_add(c, "KeyName", c->req->key_name);
	aws_add(c, "PublicKeyMaterial", (const char *)b64);
	aws_tag_spec(c, "key-pair");
	free(b64);
	aws_send_fine(c, fine, on_import);
}

static void
on_keys(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *k = xml_get(root, "keySet/item");
	const char *line = xml_text(k, "publicKey");

	if (!k)
		import(c);
	else if (line && !csp_same_key(c->req->public_key, line))
		aws_fail(c, CSP_CONFLICT, CSP_R_EXISTS,
		    "another key has that name");
	else
		on_imported(c, root);
}

void
aws_key_ensure(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	if (!c->req->key_name || !c->req->public_key) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a key needs a name and its public half");
		return;
	}
	find_key(c, on_keys);
}

static void
on_key_gone(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_ok(c);
}

void
aws_key_delete(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "InvalidKeyPair.NotFound", NULL };

	(void)root;
	aws_begin(c, "DeleteKeyPair");
	aws_add(c, "KeyName", c->req->key_name);
	aws_send_fine(c, fine, on_key_gone);
}
