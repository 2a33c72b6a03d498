/*
 * login_key.c - see login_key.h.
 */
#include "coordinator/remote/login_key.h"

#include "coordinator/ca.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"

#include <string.h>

bool
login_key(const struct coord *c, const char *connection, const char *csp_id,
    const char *key_id, struct str *out, struct mw_err *err)
{
	if (!conns_login_key(c->conns, connection, csp_id, out, err))
		return false;
	return out->len > 0 || ca_ssh_key(c->ca, key_id, NULL, out, err);
}

void
login_key_wipe(struct str *key)
{
	if (key->p)
		explicit_bzero(key->p, key->len);
	str_free(key);
}
