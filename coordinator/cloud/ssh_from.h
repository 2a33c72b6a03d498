/*
 * ssh_from.h - from where VMs let SSH in: the coordinator alone, unless
 * somebody says otherwise. Pure: addresses in, a network or a refusal out.
 *
 * Settings: "auto", a network (CIDR), or the word "any". NULL and "" are auto.
 */
#ifndef MW_COORDINATOR_SSH_FROM_H
#define MW_COORDINATOR_SSH_FROM_H

#include "common/pure/err.h"

#define SSH_FROM_LEN 20 /* "255.255.255.255/32" */

/* The two ends of the newest call to a cloud, as texts; "": none yet. */
struct ssh_ends {
	char local[46], peer[46];
	bool proxied; /* peer is a proxy */
};

enum ssh_from {
	SSH_FROM_KNOWN, /* out holds it */
	SSH_FROM_UNSEEN, /* auto, and the cloud was not called yet */
	SSH_FROM_HIDDEN /* auto, and nobody here can know: err says why */
};

/* Is it one of the three forms? MW_INVALID names them. */
bool ssh_from_check(const char *setting, struct mw_err *err) mw_must_check;
enum ssh_from ssh_from_decide(const char *setting, const struct ssh_ends *ends,
    char out[SSH_FROM_LEN], struct mw_err *err);
bool ssh_from_is_auto(const char *setting);
/* A VM at vm is reached from local: that as a network. False if something may
 * translate in between. */
bool ssh_from_member(const char *local, const char *vm, char out[SSH_FROM_LEN]);

#endif
