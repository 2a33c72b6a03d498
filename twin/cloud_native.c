/*
 * cloud_native.c - states, orders and error codes of the imitated clouds.
 * Owns the tables; the classes of the states are those that drivers and
 * lifecycle expect. Clouds whose behaviour is known by contract only are
 * azure, alibaba, tencent; of cloudit only the names of the states are known.
 */
#include "twin/cloud_native.h"

#include <assert.h>
#include <string.h>

#define SEQ(end_, ...)                                       \
	{                                                    \
		.steps = { __VA_ARGS__, NULL }, .end = end_, \
	}

/* One line per state or code, however long. */
/* clang-format off */
static const struct native natives[] = {
	{
		.csp = "aws",
		.seq = {
			[NATIVE_CREATE] = SEQ("running", "pending"),
			[NATIVE_STOP] = SEQ("stopped", "stopping"),
			[NATIVE_POWER_OFF] = SEQ("stopped", "stopping"),
			[NATIVE_START] = SEQ("running", "pending"),
			[NATIVE_DO_REBOOT] = SEQ("running", "running"),
			[NATIVE_SUSPEND] = SEQ("stopped", "stopping"),
			[NATIVE_RESUME] = SEQ("running", "pending"),
			[NATIVE_TERMINATE] = SEQ("terminated", "shutting-down"),
		},
		.failed = "terminated",
		.terminated_listed_s = 3600,
		.errors = {
			[NATIVE_NOT_FOUND] = { 400, "InvalidInstanceID.NotFound" },
			[NATIVE_CONFLICT_EXISTS] = { 400, "InvalidKeyPair.Duplicate" },
			[NATIVE_CONFLICT_BUSY] = { 400, "IncorrectInstanceState" },
			[NATIVE_THROTTLED] = { 503, "RequestLimitExceeded" },
			[NATIVE_INVALID] = { 400, "InvalidParameterValue" },
			[NATIVE_QUOTA] = { 400, "VcpuLimitExceeded" },
			[NATIVE_CAPACITY] = { 500, "InsufficientInstanceCapacity" },
			[NATIVE_TOKEN_MISMATCH] = { 400, "IdempotentParameterMismatch" },
			[NATIVE_AUTH] = { 401, "AuthFailure" },
			[NATIVE_INTERNAL] = { 500, "InternalError" },
		},
	},
	{
		.csp = "gcp",
		.seq = {
			[NATIVE_CREATE] = SEQ("RUNNING", "PROVISIONING", "STAGING"),
			[NATIVE_STOP] = SEQ("TERMINATED", "STOPPING"),
			[NATIVE_POWER_OFF] = SEQ("TERMINATED", "STOPPING"),
			[NATIVE_START] = SEQ("RUNNING", "PROVISIONING", "STAGING"),
			[NATIVE_DO_REBOOT] = SEQ("RUNNING", "RUNNING"),
			[NATIVE_SUSPEND] = SEQ("SUSPENDED", "SUSPENDING"),
			[NATIVE_RESUME] = SEQ("RUNNING", "PROVISIONING", "STAGING"),
			[NATIVE_TERMINATE] = SEQ(NULL, "STOPPING"),
		},
		.memory = true,
		.retry_after = true,
		.errors = {
			[NATIVE_NOT_FOUND] = { 404, "notFound" },
			[NATIVE_CONFLICT_EXISTS] = { 409, "alreadyExists" },
			[NATIVE_CONFLICT_BUSY] = { 400, "resourceNotReady" },
			[NATIVE_THROTTLED] = { 429, "rateLimitExceeded" },
			[NATIVE_INVALID] = { 400, "invalid" },
			[NATIVE_QUOTA] = { 403, "quotaExceeded" },
			[NATIVE_CAPACITY] = { 503, "ZONE_RESOURCE_POOL_EXHAUSTED" },
			[NATIVE_TOKEN_MISMATCH] = { 400, "invalidRequestId" },
			[NATIVE_AUTH] = { 401, "authError" },
			[NATIVE_INTERNAL] = { 500, "backendError" },
		},
	},
	{
		.csp = "azure",
		.seq = {
			[NATIVE_CREATE] = SEQ("PowerState/running",
			    "ProvisioningState/creating", "PowerState/starting"),
			[NATIVE_STOP] = SEQ("PowerState/deallocated",
			    "PowerState/deallocating"),
			[NATIVE_POWER_OFF] = SEQ("PowerState/stopped",
			    "PowerState/stopping"),
			[NATIVE_START] = SEQ("PowerState/running",
			    "PowerState/starting"),
			[NATIVE_DO_REBOOT] = SEQ("PowerState/running",
			    "PowerState/starting"),
			[NATIVE_SUSPEND] = SEQ("PowerState/deallocated",
			    "PowerState/deallocating"),
			[NATIVE_RESUME] = SEQ("PowerState/running",
			    "PowerState/starting"),
			[NATIVE_TERMINATE] = SEQ(NULL,
			    "ProvisioningState/deleting"),
		},
		.failed = "ProvisioningState/failed",
		.power_off_billed = true,
		.retry_after = true,
		.errors = {
			[NATIVE_NOT_FOUND] = { 404, "ResourceNotFound" },
			[NATIVE_CONFLICT_EXISTS] = { 409, "PropertyChangeNotAllowed" },
			[NATIVE_CONFLICT_BUSY] = { 409, "AnotherOperationInProgress" },
			[NATIVE_THROTTLED] = { 429, "TooManyRequests" },
			[NATIVE_INVALID] = { 400, "InvalidParameter" },
			[NATIVE_QUOTA] = { 409, "OperationNotAllowed" },
			[NATIVE_CAPACITY] = { 409, "SkuNotAvailable" },
			[NATIVE_TOKEN_MISMATCH] = { 409, "PropertyChangeNotAllowed" },
			[NATIVE_AUTH] = { 401, "ExpiredAuthenticationToken" },
			[NATIVE_INTERNAL] = { 500, "InternalServerError" },
		},
	},
	{
		.csp = "openstack",
		.seq = {
			[NATIVE_CREATE] = SEQ("ACTIVE", "BUILD/scheduling",
			    "BUILD/networking", "BUILD/block_device_mapping",
			    "BUILD/spawning"),
			[NATIVE_STOP] = SEQ("SHUTOFF", "ACTIVE/powering-off"),
			[NATIVE_POWER_OFF] = SEQ("SHUTOFF", "ACTIVE/powering-off"),
			[NATIVE_START] = SEQ("ACTIVE", "SHUTOFF/powering-on"),
			[NATIVE_DO_REBOOT] = SEQ("ACTIVE", "REBOOT/rebooting"),
			[NATIVE_SUSPEND] = SEQ("SUSPENDED", "ACTIVE/suspending"),
			[NATIVE_RESUME] = SEQ("ACTIVE", "SUSPENDED/resuming"),
			[NATIVE_TERMINATE] = SEQ("DELETED", "ACTIVE/deleting"),
		},
		.failed = "ERROR",
		.terminated_listed_s = 1,
		.memory = true,
		.strict = true,
		.retry_after = true,
		.errors = {
			[NATIVE_NOT_FOUND] = { 404, "itemNotFound" },
			[NATIVE_CONFLICT_EXISTS] = { 409, "conflictingRequest" },
			[NATIVE_CONFLICT_BUSY] = { 409, "conflictingRequest" },
			[NATIVE_THROTTLED] = { 429, "overLimit" },
			[NATIVE_INVALID] = { 400, "badRequest" },
			[NATIVE_QUOTA] = { 403, "forbidden" },
			[NATIVE_CAPACITY] = { 400, "NoValidHost" },
			[NATIVE_TOKEN_MISMATCH] = { 400, "badRequest" },
			[NATIVE_AUTH] = { 401, "unauthorized" },
			[NATIVE_INTERNAL] = { 500, "computeFault" },
		},
	},
	{
		.csp = "alibaba",
		.seq = {
			[NATIVE_CREATE] = SEQ("Running", "Pending", "Starting"),
			[NATIVE_STOP] = SEQ("Stopped", "Stopping"),
			[NATIVE_POWER_OFF] = SEQ("Stopped", "Stopping"),
			[NATIVE_START] = SEQ("Running", "Starting"),
			[NATIVE_DO_REBOOT] = SEQ("Running", "Running"),
			[NATIVE_SUSPEND] = SEQ("Stopped", "Stopping"),
			[NATIVE_RESUME] = SEQ("Running", "Starting"),
			[NATIVE_TERMINATE] = SEQ(NULL, "Stopping"),
		},
		.errors = {
			[NATIVE_NOT_FOUND] = { 404, "InvalidInstanceId.NotFound" },
			[NATIVE_CONFLICT_EXISTS] = { 400, "KeyPair.AlreadyExist" },
			[NATIVE_CONFLICT_BUSY] = { 403, "IncorrectInstanceStatus" },
			[NATIVE_THROTTLED] = { 400, "Throttling" },
			[NATIVE_INVALID] = { 400, "InvalidParameter" },
			[NATIVE_QUOTA] = { 403, "QuotaExceed.ElasticQuota" },
			[NATIVE_CAPACITY] = { 403, "OperationDenied.NoStock" },
			[NATIVE_TOKEN_MISMATCH] = { 400, "IdempotentParameterMismatch" },
			[NATIVE_AUTH] = { 401, "InvalidSecurityToken.Expired" },
			[NATIVE_INTERNAL] = { 500, "InternalError" },
		},
	},
	{
		.csp = "tencent", /* errors come with HTTP 200 */
		.seq = {
			[NATIVE_CREATE] = SEQ("RUNNING", "PENDING"),
			[NATIVE_STOP] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_POWER_OFF] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_START] = SEQ("RUNNING", "STARTING"),
			[NATIVE_DO_REBOOT] = SEQ("RUNNING", "REBOOTING"),
			[NATIVE_SUSPEND] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_RESUME] = SEQ("RUNNING", "STARTING"),
			[NATIVE_TERMINATE] = SEQ("SHUTDOWN", "TERMINATING"),
		},
		.failed = "LAUNCH_FAILED",
		.terminated_listed_s = 60,
		.errors = {
			[NATIVE_NOT_FOUND] = { 200, "InvalidInstanceId.NotFound" },
			[NATIVE_CONFLICT_EXISTS] = { 200, "InvalidKeyPairName.Duplicate" },
			[NATIVE_CONFLICT_BUSY] = { 200, "UnsupportedOperation.InstanceState" },
			[NATIVE_THROTTLED] = { 200, "RequestLimitExceeded" },
			[NATIVE_INVALID] = { 200, "InvalidParameterValue" },
			[NATIVE_QUOTA] = { 200, "LimitExceeded.InstanceQuota" },
			[NATIVE_CAPACITY] = { 200, "ResourceInsufficient.SpecifiedInstanceType" },
			[NATIVE_TOKEN_MISMATCH] = { 200, "InvalidClientToken.Mismatch" },
			[NATIVE_AUTH] = { 200, "AuthFailure.TokenFailure" },
			[NATIVE_INTERNAL] = { 200, "InternalError" },
		},
	},
	{
		.csp = "cloudit",
		.seq = {
			[NATIVE_CREATE] = SEQ("RUNNING", "CREATING"),
			[NATIVE_STOP] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_POWER_OFF] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_START] = SEQ("RUNNING", "STARTING"),
			[NATIVE_DO_REBOOT] = SEQ("RUNNING", "REBOOTING"),
			[NATIVE_SUSPEND] = SEQ("STOPPED", "STOPPING"),
			[NATIVE_RESUME] = SEQ("RUNNING", "STARTING"),
			[NATIVE_TERMINATE] = SEQ(NULL, "DESTROYING"),
		},
		.failed = "FAILED",
		.errors = {
			[NATIVE_NOT_FOUND] = { 404, "NOT_FOUND" },
			[NATIVE_CONFLICT_EXISTS] = { 409, "ALREADY_EXISTS" },
			[NATIVE_CONFLICT_BUSY] = { 409, "INVALID_STATE" },
			[NATIVE_THROTTLED] = { 429, "TOO_MANY_REQUESTS" },
			[NATIVE_INVALID] = { 400, "INVALID" },
			[NATIVE_QUOTA] = { 403, "QUOTA_EXCEEDED" },
			[NATIVE_CAPACITY] = { 503, "NO_CAPACITY" },
			[NATIVE_TOKEN_MISMATCH] = { 400, "INVALID" },
			[NATIVE_AUTH] = { 401, "UNAUTHORIZED" },
			[NATIVE_INTERNAL] = { 500, "INTERNAL" },
		},
	},
};
/* clang-format on */

static const char *const code_names[NATIVE_CODE_COUNT] = {
	[NATIVE_NOT_FOUND] = "notFound",
	[NATIVE_CONFLICT_EXISTS] = "conflictExists",
	[NATIVE_CONFLICT_BUSY] = "conflictBusy",
	[NATIVE_THROTTLED] = "throttled",
	[NATIVE_INVALID] = "invalid",
	[NATIVE_QUOTA] = "quota",
	[NATIVE_CAPACITY] = "capacity",
	[NATIVE_TOKEN_MISMATCH] = "tokenMismatch",
	[NATIVE_AUTH] = "auth",
	[NATIVE_INTERNAL] = "internal",
};

static const struct {
	const char *name;
	enum native_class during, after;
	uint8_t go, same; /* masks of classes; the rest is busy */
} verbs[NATIVE_VERB_COUNT] = {
#define M(c) (1 << NATIVE_##c)
	[NATIVE_CREATE] = { "create", NATIVE_BOOT, NATIVE_RUN, 0, 0 },
	[NATIVE_STOP] = { "stop", NATIVE_STOPPING, NATIVE_STOPPED, M(RUN),
	    M(STOPPING) | M(STOPPED) },
	[NATIVE_POWER_OFF] = { "powerOff", NATIVE_STOPPING, NATIVE_STOPPED,
	    M(RUN), M(STOPPING) | M(STOPPED) },
	[NATIVE_START] = { "start", NATIVE_BOOT, NATIVE_RUN, M(STOPPED),
	    M(BOOT) | M(RUN) },
	[NATIVE_DO_REBOOT] = { "reboot", NATIVE_REBOOT, NATIVE_RUN, M(RUN),
	    M(REBOOT) },
	[NATIVE_SUSPEND] = { "suspend", NATIVE_STOPPING, NATIVE_STOPPED, M(RUN),
	    M(STOPPING) | M(STOPPED) },
	[NATIVE_RESUME] = { "resume", NATIVE_BOOT, NATIVE_RUN, M(STOPPED),
	    M(BOOT) | M(RUN) },
	[NATIVE_TERMINATE] = { "terminate", NATIVE_DELETING, NATIVE_GONE,
	    M(BOOT) | M(RUN) | M(STOPPING) | M(STOPPED) | M(REBOOT) | M(ERROR),
	    M(DELETING) | M(GONE) },
#undef M
};

const struct native *
native_find(const char *csp)
{
	for (size_t i = 0; i < ARRAY_LEN(natives); i++) {
		if (strcmp(natives[i].csp, csp) == 0)
			return &natives[i];
	}
	return NULL;
}

const char *
native_code_name(enum native_code code)
{
	assert(code < NATIVE_CODE_COUNT);
	return code_names[code];
}

const char *
native_verb_name(enum native_verb verb)
{
	assert(verb < NATIVE_VERB_COUNT);
	return verbs[verb].name;
}

bool
native_verb_parse(const char *name, enum native_verb *out)
{
	if (strcmp(name, "deallocate") == 0)
		name = "stop";
	for (size_t i = 0; i < NATIVE_VERB_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			*out = (enum native_verb)i;
			return true;
		}
	}
	return false;
}

enum native_verdict
native_may(enum native_class now, enum native_verb verb)
{
	if (verbs[verb].go >> now & 1)
		return NATIVE_GO;
	return verbs[verb].same >> now & 1 ? NATIVE_SAME : NATIVE_BUSY;
}

enum native_class
native_during(enum native_verb verb)
{
	return verbs[verb].during;
}

enum native_class
native_after(enum native_verb verb)
{
	return verbs[verb].after;
}
