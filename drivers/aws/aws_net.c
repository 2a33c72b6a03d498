/*
 * aws_net.c - the network of an MCIS in a region: a VPC with gateway, route
 * and one subnet per zone that is used; and its end.
 *
 * Every step is "find by our tags, else make", so a plan that was cut anywhere
 * goes on when it is called again. Of several VPCs with our tags (a request
 * that landed late) the one with the lowest id is used, and all are deleted.
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VPC_CIDR "10.77.0.0/16"
#define SUBNET_CIDR "10.77.%d.0/24"
#define SUBNETS_MAX 256
#define ZONES_MAX 64

static void find_gateway(struct aws_call *c);
static void find_route(struct aws_call *c, const struct xml_node *root);
static void find_subnet(struct aws_call *c, const struct xml_node *root);
static void delete_next_vpc(struct aws_call *c, const struct xml_node *root);

/* The smallest text of that path among the items, or NULL. */
static const char *
lowest(const struct xml_node *item, const char *path)
{
	const char *best = NULL;

	for (; item; item = xml_next(item)) {
		const char *id = xml_text(item, path);

		if (id && (!best || strcmp(id, best) < 0))
			best = id;
	}
	return best;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
bad_answer(struct aws_call *c)
{
	aws_fail(c, CSP_AMBIGUOUS, CSP_R_UNPARSABLE,
	    "the cloud's answer names no id");
}

static void
describe_by_tags(struct aws_call *c, const char *action, aws_step_fn next)
{
	aws_begin(c, action);
	aws_filter_tags(c, 1);
	aws_send(c, next);
}

static void
describe_in_vpc(struct aws_call *c, const char *action, const char *filter,
    aws_step_fn next)
{
	aws_begin(c, action);
	aws_filter(c, 1, filter, c->vpc);
	aws_send(c, next);
}

/* ---- making: VPC --------------------------------------------------------- */

static void
on_vpc_made(struct aws_call *c, const struct xml_node *root)
{
	c->vpc = xml_text(root, "vpc/vpcId");
	if (c->vpc)
		find_gateway(c);
	else
		bad_answer(c);
}

static void
on_vpcs(struct aws_call *c, const struct xml_node *root)
{
	c->vpc = lowest(xml_get(root, "vpcSet/item"), "vpcId");
	if (c->vpc) {
		find_gateway(c);
		return;
	}
	aws_begin(c, "CreateVpc");
	aws_add(c, "CidrBlock", VPC_CIDR);
	aws_tag_spec(c, "vpc");
	aws_send(c, on_vpc_made);
}

/* The N-th zone that is up, in the order of their names; round and round. */
static void
on_zones(struct aws_call *c, const struct xml_node *root)
{
	const struct xml_node *all = xml_get(root, "availabilityZoneInfo/item");
	const char *zones[ZONES_MAX];
	size_t n = 0;
	int64_t k = 0;

	for (const struct xml_node *z = all; z && n < ZONES_MAX;
	     z = xml_next(z)) {
		const char *name = xml_text(z, "zoneName");
		const char *state = xml_text(z, "zoneState");

		if (name && state && str_eq(state, "available"))
			zones[n++] = name;
	}
	if (n == 0) {
		aws_fail(c, CSP_DEFINITE, CSP_R_CAPACITY,
		    "no zone of the region is available");
		return;
	}
	qsort(zones, n, sizeof *zones, by_name);
	if (c->req->zone &&
	    !num_parse_i64(c->req->zone + 1, strlen(c->req->zone + 1), 0,
		1000000, &k)) {
		aws_fail(c, CSP_DEFINITE, CSP_R_INVALID,
		    "a zone is a name or # and a number");
		return;
	}
	c->zone = zones[(size_t)k % n];
	describe_by_tags(c, "DescribeVpcs", on_vpcs);
}

void
aws_net_ensure(struct aws_call *c, const struct xml_node *root)
{
	const char *zone = c->req->zone;

	(void)root;
	if (zone && zone[0] && zone[0] != '#') {
		c->zone = zone;
		describe_by_tags(c, "DescribeVpcs", on_vpcs);
		return;
	}
	aws_begin(c, "DescribeAvailabilityZones");
	aws_filter(c, 1, "zone-type", "availability-zone");
	aws_send(c, on_zones);
}

/* ---- making: the way out ------------------------------------------------- */

static void
attach(struct aws_call *c)
{
	static const char *const fine[] = { "Resource.AlreadyAssociated",
		NULL };

	aws_begin(c, "AttachInternetGateway");
	aws_add(c, "InternetGatewayId", c->gateway);
	aws_add(c, "VpcId", c->vpc);
	aws_send_fine(c, fine, find_route);
}

static void
on_gateway_made(struct aws_call *c, const struct xml_node *root)
{
	c->gateway = xml_text(root, "internetGateway/internetGatewayId");
	if (c->gateway)
		attach(c);
	else
		bad_answer(c);
}

/* One of ours that is not attached: an earlier plan was cut there. */
static void
on_loose_gateways(struct aws_call *c, const struct xml_node *root)
{
	for (const struct xml_node *g =
		 xml_get(root, "internetGatewaySet/item");
	     g; g = xml_next(g)) {
		if (xml_get(g, "attachmentSet/item"))
			continue;
		c->gateway = xml_text(g, "internetGatewayId");
		if (c->gateway) {
			attach(c);
			return;
		}
	}
	aws_begin(c, "CreateInternetGateway");
	aws_tag_spec(c, "internet-gateway");
	aws_send(c, on_gateway_made);
}

static void
on_gateways(struct aws_call *c, const struct xml_node *root)
{
	c->gateway =
	    xml_text(root, "internetGatewaySet/item/internetGatewayId");
	if (c->gateway)
		find_route(c, NULL);
	else
		describe_by_tags(c, "DescribeInternetGateways",
		    on_loose_gateways);
}

static void
find_gateway(struct aws_call *c)
{
	describe_in_vpc(c, "DescribeInternetGateways", "attachment.vpc-id",
	    on_gateways);
}

static void
on_tables(struct aws_call *c, const struct xml_node *root)
{
	static const char *const fine[] = { "RouteAlreadyExists", NULL };
	const struct xml_node *table = xml_get(root, "routeTableSet/item");

	c->table = xml_text(table, "routeTableId");
	if (!c->table) {
		bad_answer(c);
		return;
	}
	for (const struct xml_node *r = xml_get(table, "routeSet/item"); r;
	     r = xml_next(r)) {
		const char *to = xml_text(r, "destinationCidrBlock");

		if (to && str_eq(to, "0.0.0.0/0")) {
			find_subnet(c, NULL);
			return;
		}
	}
	aws_begin(c, "CreateRoute");
	aws_add(c, "RouteTableId", c->table);
	aws_add(c, "DestinationCidrBlock", "0.0.0.0/0");
	aws_add(c, "GatewayId", c->gateway);
	aws_send_fine(c, fine, find_subnet);
}

static void
find_route(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DescribeRouteTables");
	aws_filter(c, 1, "vpc-id", c->vpc);
	aws_filter(c, 2, "association.main", "true");
	aws_send(c, on_tables);
}

/* ---- making: the subnet -------------------------------------------------- */

static void
finish(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	c->answer->csp_id = arena_printf(c->arena, "%s/%s", c->vpc, c->subnet);
	aws_ok(c);
}

/* VMs of this subnet get public addresses. */
static void
make_public(struct aws_call *c)
{
	aws_begin(c, "ModifySubnetAttribute");
	aws_add(c, "SubnetId", c->subnet);
	aws_add(c, "MapPublicIpOnLaunch.Value", "true");
	aws_send(c, finish);
}

static void
on_subnet_made(struct aws_call *c, const struct xml_node *root)
{
	c->subnet = xml_text(root, "subnet/subnetId");
	if (c->subnet)
		make_public(c);
	else
		bad_answer(c);
}

static void
make_subnet(struct aws_call *c, const struct xml_node *set)
{
	bool used[SUBNETS_MAX] = { false };
	int k = 0;

	for (const struct xml_node *s = xml_get(set, "item"); s;
	     s = xml_next(s)) {
		const char *cidr = xml_text(s, "cidrBlock");

		if (cidr && sscanf(cidr, "10.77.%d.", &k) == 1 && k >= 0 &&
		    k < SUBNETS_MAX)
			used[k] = true;
	}
	for (k = 0; k < SUBNETS_MAX && used[k]; k++)
		;
	if (k == SUBNETS_MAX) {
		aws_fail(c, CSP_DEFINITE, CSP_R_QUOTA,
		    "the network has no room for one more subnet");
		return;
	}
	aws_begin(c, "CreateSubnet");
	aws_add(c, "VpcId", c->vpc);
	aws_addf(c, "CidrBlock", SUBNET_CIDR, k);
	aws_add(c, "AvailabilityZone", c->zone);
	aws_tag_spec(c, "subnet");
	aws_send(c, on_subnet_made);
}

static void
on_subnets(struct aws_call *c, const struct xml_node *root)
{
	const char *public = NULL;

	c->subnet = NULL;
	for (const struct xml_node *s = xml_get(root, "subnetSet/item"); s;
	     s = xml_next(s)) {
		const char *id = xml_text(s, "subnetId");
		const char *at = xml_text(s, "availabilityZone");

		if (!id || !at || !str_eq(at, c->zone))
			continue;
		if (!c->subnet || strcmp(id, c->subnet) < 0) {
			c->subnet = id;
			public = xml_text(s, "mapPublicIpOnLaunch");
		}
	}
	if (!c->subnet)
		make_subnet(c, xml_get(root, "subnetSet"));
	else if (public && str_eq(public, "true"))
		finish(c, NULL);
	else
		make_public(c);
}

static void
find_subnet(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	describe_in_vpc(c, "DescribeSubnets", "vpc-id", on_subnets);
}

/* ---- the end ------------------------------------------------------------- */

static const char *const gone[] = { "InvalidVpcID.NotFound",
	"InvalidSubnetID.NotFound", "InvalidInternetGatewayID.NotFound",
	"Gateway.NotAttached", NULL };

static void
on_loose_ends(struct aws_call *c, const struct xml_node *root)
{
	for (const struct xml_node *g =
		 xml_get(root, "internetGatewaySet/item");
	     g; g = xml_next(g)) {
		if (xml_get(g, "attachmentSet/item"))
			continue;
		aws_begin(c, "DeleteInternetGateway");
		aws_add(c, "InternetGatewayId",
		    xml_text(g, "internetGatewayId"));
		aws_send_fine(c, gone, delete_next_vpc);
		return;
	}
	aws_ok(c);
}

static void
on_detached(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	aws_begin(c, "DeleteInternetGateway");
	aws_add(c, "InternetGatewayId", c->gateway);
	aws_send_fine(c, gone, delete_next_vpc);
}

static void
on_last_gateway(struct aws_call *c, const struct xml_node *root)
{
	c->gateway =
	    xml_text(root, "internetGatewaySet/item/internetGatewayId");
	if (c->gateway) {
		aws_begin(c, "DetachInternetGateway");
		aws_add(c, "InternetGatewayId", c->gateway);
		aws_add(c, "VpcId", c->vpc);
		aws_send_fine(c, gone, on_detached);
		return;
	}
	aws_begin(c, "DeleteVpc");
	aws_add(c, "VpcId", c->vpc);
	aws_send_fine(c, gone, delete_next_vpc);
}

static void
on_last_subnet(struct aws_call *c, const struct xml_node *root)
{
	const char *id = xml_text(root, "subnetSet/item/subnetId");

	if (!id) {
		describe_in_vpc(c, "DescribeInternetGateways",
		    "attachment.vpc-id", on_last_gateway);
		return;
	}
	aws_begin(c, "DeleteSubnet");
	aws_add(c, "SubnetId", id);
	aws_send_fine(c, gone, delete_next_vpc);
}

/* One thing at a time, then look again: whatever is left decides. */
static void
on_ours(struct aws_call *c, const struct xml_node *root)
{
	c->vpc = lowest(xml_get(root, "vpcSet/item"), "vpcId");
	if (c->vpc)
		describe_in_vpc(c, "DescribeSubnets", "vpc-id", on_last_subnet);
	else
		describe_by_tags(c, "DescribeInternetGateways", on_loose_ends);
}

static void
delete_next_vpc(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	describe_by_tags(c, "DescribeVpcs", on_ours);
}

void
aws_net_delete(struct aws_call *c, const struct xml_node *root)
{
	delete_next_vpc(c, root);
}
