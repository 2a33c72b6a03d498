/*
 * aws_part.c - what carries our tags besides instances: networks with their
 * gateways, groups, keys. For who has no record of them.
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"

static const struct list {
	const char *action, *set, *id;
	enum csp_op remove;
} lists[] = {
	{ "DescribeVpcs", "vpcSet/item", "vpcId", CSP_NET_DELETE },
	/* one that lost its network */
	{ "DescribeInternetGateways", "internetGatewaySet/item",
	    "internetGatewayId", CSP_NET_DELETE },
	{ "DescribeSecurityGroups", "securityGroupInfo/item", "groupId",
	    CSP_SG_DELETE },
	{ "DescribeKeyPairs", "keySet/item", "keyName", CSP_KEY_DELETE },
};

static const char *
tag_of(const struct xml_node *item, const char *key)
{
	for (const struct xml_node *t = xml_get(item, "tagSet/item"); t;
	     t = xml_next(t)) {
		const char *k = xml_text(t, "key");

		if (k && str_eq(k, key))
			return xml_text(t, "value");
	}
	return NULL;
}

/* Whatever the filter let through: only what carries the asked tags. */
static bool
asked_for(const struct aws_call *c, const struct xml_node *item)
{
	for (size_t i = 0; i < c->req->ntags; i++) {
		const char *v = tag_of(item, c->req->tags[i].key);

		if (!v || !str_eq(v, c->req->tags[i].value))
			return false;
	}
	return true;
}

static void
on_items(struct aws_call *c, const struct xml_node *root)
{
	const struct list *l = &lists[c->at];

	for (const struct xml_node *item = xml_get(root, l->set); item;
	     item = xml_next(item)) {
		const char *id = xml_text(item, l->id);
		const char *key = tag_of(item, "mw-key");
		const char *of = tag_of(item, "mw-deployment");

		if (id && key && of && asked_for(c, item))
			csp_answer_part(c->answer, l->remove, id, key, of);
	}
	if (aws_more(c, root, aws_part_list))
		return;
	c->page = NULL;
	if (++c->at < ARRAY_LEN(lists))
		aws_part_list(c, NULL);
	else
		aws_ok(c);
}

void
aws_part_list(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, lists[c->at].action);
	if (c->req->ntags)
		aws_filter_tags(c, 1);
	else
		aws_filter(c, 1, "tag-key", "mw-deployment");
	aws_add(c, "NextToken", c->page);
	aws_send(c, on_items);
}
