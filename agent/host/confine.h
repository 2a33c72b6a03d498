/*
 * confine.h - giving up root. Linked by milkyway-agent and milkyway-ping.
 */
#ifndef MW_AGENT_CONFINE_H
#define MW_AGENT_CONFINE_H

#include "common/pure/err.h"

#include <sys/types.h>

/* From /etc/passwd. MW_NOT_FOUND if there is no such user. */
bool confine_user(const char *name, uid_t *uid, gid_t *gid,
    struct mw_err *err) mw_must_check;
/* The name of our effective user, or "uid-N" if it has none. */
void confine_own_name(char *name, size_t size);
/* Makes the folder and the plain files in it that user's (as root). */
bool confine_own(const char *dir, uid_t uid, gid_t gid,
    struct mw_err *err) mw_must_check;
/*
 * Becomes that user for good. Of the capabilities only CAP_NET_RAW stays, and
 * only if keep_net_raw; without it no child can ever get it (no_new_privs,
 * empty bounding and ambient sets). Not root: only the capability part. uid 0
 * with root: refused.
 */
bool confine_drop(uid_t uid, gid_t gid, bool keep_net_raw,
    struct mw_err *err) mw_must_check;

#endif
