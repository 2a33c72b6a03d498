/*
 * aws_answer.c - what EC2's answers mean: the classes of its error codes, and
 * what is sent once more because nothing was executed, with a key read again or
 * with a clock set right.
 *
 * Source of the codes: "Error codes for the Amazon EC2 API"; of those that a
 * wrong clock brings, the clock skew handling of Amazon's SDKs.
 */
#include "drivers/aws/aws_int.h"

#include "common/log.h"
#include "common/pure/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIST_RESTARTS 2
/* A signature holds for 300 s. */
#define SKEW_S 240
/* No cloud gets signatures for a time that is further away. */
#define SKEW_MAX_S 86400

/* What each code proves; the first fitting row decides. */
static const struct classify_row codes[] = {
	{ 0, "RequestLimitExceeded", CSP_THROTTLED, CSP_R_NONE },
	{ 0, "Throttling*", CSP_THROTTLED, CSP_R_NONE },
	{ 0, "EC2ThrottledException", CSP_THROTTLED, CSP_R_NONE },
	{ 0, "InsufficientInstanceCapacity", CSP_DEFINITE, CSP_R_CAPACITY },
	{ 0, "InsufficientHostCapacity", CSP_DEFINITE, CSP_R_CAPACITY },
	{ 0, "Unsupported", CSP_DEFINITE, CSP_R_CAPACITY },
	{ 0, "InstanceLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "VcpuLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "AddressLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "VpcLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "MaxSpotInstanceCountExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "InternetGatewayLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "SecurityGroupLimitExceeded", CSP_DEFINITE, CSP_R_QUOTA },
	{ 0, "IncorrectInstanceState", CSP_CONFLICT, CSP_R_BUSY },
	{ 0, "IncorrectState", CSP_CONFLICT, CSP_R_BUSY },
	{ 0, "DependencyViolation", CSP_CONFLICT, CSP_R_BUSY },
	{ 0, "InvalidGroup.Duplicate", CSP_CONFLICT, CSP_R_EXISTS },
	{ 0, "InvalidKeyPair.Duplicate", CSP_CONFLICT, CSP_R_EXISTS },
	{ 0, "IdempotentParameterMismatch", CSP_AMBIGUOUS,
	    CSP_R_TOKEN_MISMATCH },
	{ 0, "IdempotentInstanceTerminated", CSP_DEFINITE, CSP_R_TOKEN_CLOSED },
	{ 0, "AuthFailure", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "InvalidClientTokenId", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "SignatureDoesNotMatch", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "ExpiredToken*", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "MissingAuthenticationToken", CSP_DEFINITE, CSP_R_AUTH },
	{ 0, "RequestExpired", CSP_DEFINITE, CSP_R_CLOCK },
	{ 0, "UnauthorizedOperation", CSP_DEFINITE, CSP_R_DENIED },
	{ 0, "AccessDenied*", CSP_DEFINITE, CSP_R_DENIED },
	{ 0, "OptInRequired", CSP_DEFINITE, CSP_R_DENIED },
	{ 0, "PendingVerification", CSP_DEFINITE, CSP_R_DENIED },
	{ 0, "InvalidInstanceID.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "InvalidAMIID*", CSP_DEFINITE, CSP_R_INVALID },
	{ 0, "InvalidVpcID.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "InvalidSubnetID.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "InvalidInternetGatewayID.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "InvalidGroup.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 0, "InvalidGroupId.Malformed", CSP_DEFINITE, CSP_R_INVALID },
	{ 0, "InvalidKeyPair.NotFound", CSP_NOT_FOUND, CSP_R_NONE },
	{ 400, "Invalid*", CSP_DEFINITE, CSP_R_INVALID },
	{ 400, "Missing*", CSP_DEFINITE, CSP_R_INVALID },
	{ 400, "UnknownParameter", CSP_DEFINITE, CSP_R_INVALID },
	{ 400, "Malformed*", CSP_DEFINITE, CSP_R_INVALID },
};

/* ---- answers ------------------------------------------------------------- */

static bool
is_fine(const struct aws_call *c, const char *code)
{
	for (size_t i = 0; c->fine && code && c->fine[i]; i++) {
		size_t n = strlen(c->fine[i]);

		if (strcmp(c->fine[i], code) == 0 ||
		    (c->fine[i][n - 1] == '*' &&
			strncmp(c->fine[i], code, n - 1) == 0))
			return true;
	}
	return false;
}

/* Ours may not be visible yet to RunInstances; it is asked again. */
static bool
not_visible_yet(const struct aws_call *c, const char *code)
{
	return c->req->op == CSP_VM_CREATE && code &&
	    (str_eq(code, "InvalidGroup.NotFound") ||
		str_eq(code, "InvalidSecurityGroupID.NotFound") ||
		str_eq(code, "InvalidKeyPair.NotFound") ||
		str_eq(code, "InvalidSubnetID.NotFound"));
}

/* A cursor that is refused midway: the list begins anew, twice. */
static bool
restart_list(struct aws_call *c, const char *code)
{
	if (!c->page || !code || !str_starts(code, "Invalid") ||
	    c->restarts >= LIST_RESTARTS)
		return false;
	c->restarts++;
	c->page = NULL;
	c->pages = 0;
	c->answer->nvms = c->answer->nspecs = 0;
	c->start(c, NULL);
	return true;
}

/* Refused for its key: nothing was executed. The key may have been replaced,
 * so it is read again, once. */
static bool
replay(struct aws_call *c)
{
	struct drv_conn *conn = c->conn;

	conn->stale = true;
	if (c->replayed || conn->closed)
		return false;
	c->replayed = true;
	c->page = NULL;
	c->pages = 0;
	c->answer->nvms = c->answer->nspecs = 0;
	aws_wait_cred(c);
	return true;
}

/* By how much the time of the refused signature was off; 0: not worth a
 * word, or not known. */
static int64_t
skew(const struct aws_call *c)
{
	int64_t off = c->told_off_s - c->clock_off_s;

	return off > SKEW_S || off < -SKEW_S ? off : 0;
}

/*
 * Refused, and the cloud's clock is elsewhere: the same request is signed with
 * its time, once. The refusal proves that nothing was executed. EC2 says
 * AuthFailure for this as well as for a wrong key.
 */
static bool
reclock(struct aws_call *c)
{
	struct drv_conn *conn = c->conn;
	int64_t off = c->told_off_s;

	if (c->reclocked || !skew(c) || off > SKEW_MAX_S || off < -SKEW_MAX_S)
		return false;
	c->reclocked = true;
	if (conn->clock_off_s != off)
		log_warn("drivers", conn->id,
		    "this machine's clock is off\tcloud_ahead_s=%" PRId64
		    " action=\"sign with the cloud's time\"",
		    off);
	conn->clock_off_s = off;
	aws_resend(c);
	return true;
}

/* Refused although, or because, it was signed with that time. */
static const char *
clock_text(const struct aws_call *c)
{
	int64_t off = c->told_off_s, s = off < 0 ? -off : off;
	bool minutes = s < 2 * 3600, hours = s < 2 * 86400;

	if (s <= SKEW_S)
		return "";
	return arena_printf(c->arena,
	    "this machine's clock is %" PRId64 " %s %s the cloud's; ",
	    minutes     ? s / 60
		: hours ? s / 3600
			: s / 86400,
	    minutes     ? "minutes"
		: hours ? "hours"
			: "days",
	    off > 0 ? "behind" : "ahead of");
}

static bool
is_denial(const char *code)
{
	return code &&
	    (str_eq(code, "UnauthorizedOperation") ||
		str_starts(code, "AccessDenied"));
}

/* One sentence: what cuts it must not lose the code and the request's id. */
static const char *
error_text(const struct aws_call *c, const char *text)
{
	const struct csp_answer *a = c->answer;
	char *what = a->code
	    ? arena_strdup(c->arena, a->code)
	    : arena_printf(c->arena, "HTTP status %d", a->http_status);

	if (a->request_id)
		what = arena_printf(c->arena, "%s (request %s)", what,
		    a->request_id);
	if (a->reason == CSP_R_AUTH || a->reason == CSP_R_CLOCK)
		what = arena_printf(c->arena, "%s%s", clock_text(c), what);
	else if (is_denial(a->code))
		what =
		    arena_printf(c->arena, "the credential may not ec2:%s, %s",
			c->params[0].value, what);
	return text[0] ? arena_printf(c->arena, "%s: %s", what, text) : what;
}

static void
take_error(struct aws_call *c, const struct xml_node *root)
{
	struct csp_answer *a = c->answer;
	const struct xml_node *code = xml_find(root, "Code");
	const struct xml_node *text = xml_find(root, "Message");
	const struct xml_node *id = xml_find(root, "RequestID");

	if (!id)
		id = xml_find(root, "RequestId");
	if (id && id->text[0])
		a->request_id = arena_strdup(c->arena, id->text);
	if (code && is_fine(c, code->text)) {
		c->next(c, root);
		return;
	}
	if (code && restart_list(c, code->text))
		return;
	a->code = code ? arena_strdup(c->arena, code->text) : NULL;
	classify_code(codes, ARRAY_LEN(codes), a->http_status, a->code, &a->cls,
	    &a->reason);
	if (not_visible_yet(c, a->code)) {
		a->cls = CSP_CONFLICT;
		a->reason = CSP_R_BUSY;
	}
	if ((a->reason == CSP_R_AUTH || a->reason == CSP_R_CLOCK) && reclock(c))
		return;
	if (a->reason == CSP_R_AUTH && skew(c))
		a->reason = CSP_R_CLOCK; /* further off than we follow */
	if (a->reason == CSP_R_AUTH && replay(c))
		return;
	aws_fail(c, a->cls, a->reason, error_text(c, text ? text->text : ""));
}

void
aws_on_answer(const struct http_answer *h, void *arg)
{
	struct aws_call *c = arg;
	struct mw_err err = MW_ERR_INIT;
	const struct xml_node *root = NULL;
	bool good = h->status >= 200 && h->status < 300;

	c->told_off_s = h->has_date ? h->clock_off_s : c->clock_off_s;
	if (!classify_transport(h, c->answer)) {
		aws_end(c);
		return;
	}
	if (xml_parse(c->arena, h->body, h->body_len, &root, &err) && good) {
		c->next(c, root);
	} else if (good) {
		classify_unparsable(c->answer, err.msg);
		aws_end(c);
	} else {
		take_error(c, root);
	}
}
