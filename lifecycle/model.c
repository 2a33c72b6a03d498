/*
 * model.c - names of the enums of model.h, both ways.
 */
#include "lifecycle/model.h"

#include <string.h>

static const char *const statuses[LC_STATUS_COUNT] = {
	[LC_CREATING] = "Creating",
	[LC_RUNNING] = "Running",
	[LC_SUSPENDING] = "Suspending",
	[LC_SUSPENDED] = "Suspended",
	[LC_RESUMING] = "Resuming",
	[LC_REBOOTING] = "Rebooting",
	[LC_TERMINATING] = "Terminating",
	[LC_TERMINATED] = "Terminated",
	[LC_FAILED] = "Failed",
	[LC_UNDEFINED] = "Undefined",
};
static const char *const classes[LC_C_COUNT] = {
	[LC_C_KEEP] = "KEEP",
	[LC_C_BOOT] = "BOOT",
	[LC_C_RUN] = "RUN",
	[LC_C_STOPPING] = "STOPPING",
	[LC_C_STOPPED] = "STOPPED",
	[LC_C_REBOOT] = "REBOOT",
	[LC_C_DELETING] = "DELETING",
	[LC_C_GONE] = "GONE",
	[LC_C_ERROR] = "ERROR",
};
static const char *const verbs[LC_V_COUNT] = {
	[LC_V_NONE] = "",
	[LC_V_CREATE] = "create",
	[LC_V_SUSPEND] = "suspend",
	[LC_V_RESUME] = "resume",
	[LC_V_REBOOT] = "reboot",
	[LC_V_TERMINATE] = "terminate",
};
static const char *const acts[LC_A_COUNT] = {
	[LC_A_CREATE] = "create",
	[LC_A_SUSPEND] = "suspend",
	[LC_A_RESUME] = "resume",
	[LC_A_REBOOT] = "reboot",
	[LC_A_TERMINATE] = "terminate",
	[LC_A_RECONCILE] = "reconcile",
	[LC_A_REFINE] = "refine",
	[LC_A_DELETE] = "delete",
};
static const char *const policies[LC_POLICY_COUNT] = {
	[LC_CONTINUE] = "continue",
	[LC_ROLLBACK] = "rollback",
	[LC_REFINE] = "refine",
};
static const char *const installs[] = {
	[LC_I_NONE] = "none",
	[LC_I_RUNNING] = "running",
	[LC_I_READY] = "ready",
	[LC_I_FAILED] = "failed",
};

static bool
find(const char *const *names, size_t n, const char *name, size_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

const char *
lc_status_name(enum lc_status s)
{
	return statuses[s];
}

const char *
lc_class_name(enum lc_class c)
{
	return classes[c];
}

const char *
lc_verb_name(enum lc_verb v)
{
	return verbs[v];
}

const char *
lc_act_name(enum lc_act a)
{
	return acts[a];
}

const char *
lc_policy_name(enum lc_policy p)
{
	return policies[p];
}

const char *
lc_install_state_name(enum lc_install_state s)
{
	return installs[s];
}

bool
lc_act_parse(const char *name, enum lc_act *out)
{
	size_t i;

	if (!find(acts, LC_A_COUNT, name, &i))
		return false;
	*out = (enum lc_act)i;
	return true;
}

bool
lc_policy_parse(const char *name, enum lc_policy *out)
{
	size_t i;

	if (!find(policies, LC_POLICY_COUNT, name, &i))
		return false;
	*out = (enum lc_policy)i;
	return true;
}
