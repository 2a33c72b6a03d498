/*
 * ssh_policy.h - which algorithms we speak: no CBC, no SHA-1, no RSA, and
 * nothing that Terrapin (CVE-2023-48795) could use.
 */
#ifndef MW_COORDINATOR_SSH_POLICY_H
#define MW_COORDINATOR_SSH_POLICY_H

#include "common/pure/mw.h"

#include <libssh2.h>

/* host_key: the pinned line, whose type alone is then asked for, or NULL. */
bool ssh_policy_set(LIBSSH2_SESSION *session,
    const char *host_key) mw_must_check;

#endif
