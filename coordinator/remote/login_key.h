/*
 * login_key.h - which private key opens a VM: the one its owner named (hosts
 * that were there already), else the one of its MCIS.
 */
#ifndef MW_COORDINATOR_LOGIN_KEY_H
#define MW_COORDINATOR_LOGIN_KEY_H

#include "common/pure/err.h"
#include "common/pure/str.h"

struct coord;

/* key_id names the pair of the MCIS (lc_mcis_row). Wipe *out after use. */
bool login_key(const struct coord *c, const char *connection,
    const char *csp_id, const char *key_id, struct str *out,
    struct mw_err *err) mw_must_check;
/* Wipes and frees. */
void login_key_wipe(struct str *key);

#endif
