/*
 * aws_verify.c - whether the credential may do what we need: every action of
 * the policy in docs/connections.md is asked for as a dry run, several at once.
 * What is missing is named, all of it.
 *
 * EC2 answers a dry run with DryRunOperation or UnauthorizedOperation. What
 * needs a thing gets the id of one that cannot be there: then InvalidX.NotFound
 * says that the permission was no obstacle. So nothing is made or changed, not
 * even by an endpoint that takes no notice of DryRun, but for a network without
 * anything in it (CreateVpc).
 */
#include "drivers/aws/aws_int.h"

#include "common/pure/alloc.h"
#include "common/pure/str.h"

#include <string.h>

#define ZEROS "00000000000000000"
#define VPC                           \
	{                             \
		"VpcId", "vpc-" ZEROS \
	}
#define SUBNET                              \
	{                                   \
		"SubnetId", "subnet-" ZEROS \
	}
#define GATEWAY                                   \
	{                                         \
		"InternetGatewayId", "igw-" ZEROS \
	}
#define GROUP                          \
	{                              \
		"GroupId", "sg-" ZEROS \
	}
#define INSTANCE                           \
	{                                  \
		"InstanceId.1", "i-" ZEROS \
	}
#define CIDR                                 \
	{                                    \
		"CidrBlock", "10.255.0.0/24" \
	}
#define RULE                                                        \
	GROUP, { "IpPermissions.1.IpProtocol", "tcp" },             \
	    { "IpPermissions.1.FromPort", "22" },                   \
	    { "IpPermissions.1.ToPort", "22" },                     \
	{                                                           \
		"IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.1/32" \
	}

#define LANES 6 /* dry runs at once */
#define PARAMS 5

#define REALLY 2 /* the first rows are really called, before all others */

static const struct need {
	const char *action;
	struct sign_pair params[PARAMS];
} needs[] = {
	{ "DescribeRegions", { { NULL, NULL } } },
	{ "DescribeImages", { { NULL, NULL } } },
	{ "DescribeAvailabilityZones", { { NULL, NULL } } },
	{ "DescribeInstances", { { NULL, NULL } } },
	{ "DescribeInstanceTypes", { { "InstanceType.1", "t3.micro" } } },
	{ "DescribeVpcs", { { NULL, NULL } } },
	{ "DescribeSubnets", { { NULL, NULL } } },
	{ "DescribeSecurityGroups", { { NULL, NULL } } },
	{ "DescribeKeyPairs", { { NULL, NULL } } },
	{ "DescribeInternetGateways", { { NULL, NULL } } },
	{ "DescribeRouteTables", { { NULL, NULL } } },
	{ "CreateVpc", { CIDR } },
	{ "CreateSubnet", { VPC, CIDR } },
	{ "ModifySubnetAttribute",
	    { SUBNET, { "MapPublicIpOnLaunch.Value", "true" } } },
	{ "CreateInternetGateway", { { NULL, NULL } } },
	{ "AttachInternetGateway", { VPC, GATEWAY } },
	{ "CreateRoute",
	    { { "RouteTableId", "rtb-" ZEROS },
		{ "DestinationCidrBlock", "0.0.0.0/0" },
		{ "GatewayId", "igw-" ZEROS } } },
	{ "CreateSecurityGroup",
	    { VPC, { "GroupName", "mw-dry-run" },
		{ "GroupDescription", "dry run" } } },
	{ "AuthorizeSecurityGroupIngress", { RULE } },
	{ "RevokeSecurityGroupIngress", { RULE } },
	{ "ImportKeyPair",
	    { { "KeyName", "mw-dry-run" },
		{ "PublicKeyMaterial",
		    "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUFBQkFn"
		    "TUVCUVlIQ0FrS0N3d05EZzhRRVJJVEZCVVdGeGdaR2hzY0hSNGYgYQ"
		    "==" } } },
	{ "CreateTags",
	    { { "ResourceId.1", "i-" ZEROS }, { "Tag.1.Key", "mw-deployment" },
		{ "Tag.1.Value", "dry-run" } } },
	{ "RunInstances",
	    { { "ImageId", NULL }, /* one that is there */
		{ "InstanceType", "t3.micro" }, { "MinCount", "1" },
		{ "MaxCount", "1" } } },
	{ "GetConsoleOutput", { { "InstanceId", "i-" ZEROS } } },
	{ "StopInstances", { INSTANCE } },
	{ "StartInstances", { INSTANCE } },
	{ "RebootInstances", { INSTANCE } },
	{ "TerminateInstances", { INSTANCE } },
	{ "DeleteKeyPair", { { "KeyName", "mw-dry-run" } } },
	{ "DeleteSecurityGroup", { GROUP } },
	{ "DetachInternetGateway", { VPC, GATEWAY } },
	{ "DeleteInternetGateway", { GATEWAY } },
	{ "DeleteSubnet", { SUBNET } },
	{ "DeleteVpc", { VPC } },
};

/* What EC2 says to a dry run that may be done: that it may; or first what is
 * wrong with it, or with the account, apart from permissions. The refusals are
 * looked at in on_need(). */
static const char *const fine[] = { "DryRunOperation", "InvalidVpc*",
	"InvalidSubnet*", "InvalidInternetGateway*", "InvalidRouteTable*",
	"InvalidGroup*", "InvalidSecurityGroup*", "InvalidPermission*",
	"InvalidKey*", "InvalidInstance*", "InvalidAMIID*", "InvalidParameter*",
	"InvalidID", "VPCIdNotSpecified", "DefaultVpcDoesNotExist",
	"Unsupported*", "VcpuLimitExceeded", "InstanceLimitExceeded",
	"VpcLimitExceeded", "InternetGatewayLimitExceeded",
	"InsufficientInstanceCapacity", "Gateway.NotAttached",
	"UnauthorizedOperation", "AccessDenied*", NULL };

/* Of what is really called: the others are still asked for. */
static const char *const refusals[] = { "UnauthorizedOperation",
	"AccessDenied*", NULL };

/* A verification while its dry runs are under way; in the parent's arena. */
struct verify {
	struct aws_call *parent;
	const char *image;
	size_t at, left; /* needs that were begun; children that run */
	bool denied[ARRAY_LEN(needs)];
	const char *code; /* of the first refusal */
	const char *request_id; /* of the last */
	struct csp_answer *failed; /* the first that ended otherwise */
};

static void on_need(struct aws_call *c, const struct xml_node *root);

/* c->at: the number of the need, from 1 on; 0: the next one. Started anew with
 * another key it goes on with the same. */
static void
next_need(struct aws_call *c, const struct xml_node *root)
{
	struct verify *v = c->arg;
	const struct need *n;

	(void)root;
	if (c->at == 0 && (v->failed || v->at == ARRAY_LEN(needs))) {
		aws_ok(c);
		return;
	}
	if (c->at == 0)
		c->at = ++v->at;
	n = &needs[c->at - 1];
	aws_begin(c, n->action);
	for (size_t i = 0; i < PARAMS && n->params[i].name; i++)
		aws_add(c, n->params[i].name,
		    n->params[i].value ? n->params[i].value : v->image);
	/* it has no dry run, and its subnet is not there */
	if (!str_eq(n->action, "ModifySubnetAttribute"))
		aws_dry_run(c);
	aws_send_fine(c, fine, on_need);
}

/* The code of a refusal, or NULL. */
static const char *
refusal(const struct xml_node *root)
{
	const struct xml_node *code = xml_find(root, "Code");

	return code &&
		(str_eq(code->text, "UnauthorizedOperation") ||
		    str_starts(code->text, "AccessDenied"))
	    ? code->text
	    : NULL;
}

static void
on_need(struct aws_call *c, const struct xml_node *root)
{
	const char *code = refusal(root);
	struct verify *v = c->arg;

	if (code) {
		v->denied[c->at - 1] = true;
		if (!v->code)
			v->code = arena_strdup(v->parent->arena, code);
		v->request_id =
		    arena_strdup(v->parent->arena, c->answer->request_id);
	}
	c->at = 0;
	next_need(c, NULL);
}

/* All that is missing, in one sentence. */
static void
tell(struct verify *v)
{
	struct aws_call *p = v->parent;
	struct str s = STR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (!v->denied[i])
			continue;
		str_addf(&s, "%s ec2:%s", n++ ? "," : "", needs[i].action);
	}
	if (n == 0) {
		aws_ok(p);
	} else {
		p->answer->code = v->code;
		p->answer->request_id = v->request_id;
		p->answer->sent = true;
		aws_fail(p, CSP_DEFINITE, CSP_R_DENIED,
		    arena_printf(p->arena, "the credential may not%s (%s%s%s)",
			str_cstr(&s), v->code,
			v->request_id ? ", request " : "",
			v->request_id ? v->request_id : ""));
	}
	str_free(&s);
}

static void
on_child(struct csp_answer *take_answer, void *arg)
{
	struct verify *v = arg;
	struct aws_call *p = v->parent;
	struct csp_answer *a;

	if (take_answer->cls != CSP_OK && !v->failed)
		v->failed = take_answer;
	else
		csp_answer_free(take_answer);
	if (--v->left > 0)
		return;
	a = v->failed;
	if (!a) {
		tell(v);
		return;
	}
	p->answer->sent = a->sent;
	p->answer->http_status = a->http_status;
	p->answer->retry_after_ms = a->retry_after_ms;
	p->answer->code = arena_strdup(p->arena, a->code);
	p->answer->request_id = arena_strdup(p->arena, a->request_id);
	aws_fail(p, a->cls, a->reason, a->message ? a->message : "");
	csp_answer_free(a);
}

/* That of a row that was really called. */
static void
note_refusal(struct aws_call *c, size_t row, const struct xml_node *root)
{
	const char *code = refusal(root);

	if (!code)
		return;
	c->refused |= 1U << row;
	if (!c->refusal)
		c->refusal = arena_strdup(c->arena, code);
}

static void
on_images(struct aws_call *c, const struct xml_node *root)
{
	struct verify *v = arena_alloc(c->arena, sizeof *v);
	const char *image = aws_any_image(root);

	note_refusal(c, 1, root);
	memset(v, 0, sizeof *v);
	v->parent = c;
	v->image = image ? arena_strdup(c->arena, image) : "ami-" ZEROS;
	v->left = LANES;
	v->at = REALLY;
	for (size_t i = 0; i < REALLY; i++)
		v->denied[i] = c->refused & (1U << i);
	v->code = c->refusal;
	v->request_id = c->refusal ? c->answer->request_id : NULL;
	for (int i = 0; i < LANES; i++)
		aws_child(c, next_need, on_child, v);
}

static void
on_regions(struct aws_call *c, const struct xml_node *root)
{
	note_refusal(c, 0, root);
	aws_ask_images(c, refusals, on_images);
}

void
aws_verify(struct aws_call *c, const struct xml_node *root)
{
	(void)root;
	c->refused = 0;
	c->refusal = NULL;
	aws_begin(c, "DescribeRegions");
	aws_send_fine(c, refusals, on_regions);
}
