/*
 * auth.h - who may do what: bearer tokens, roles, rates.
 *
 * A token is mw_<8 id>_<43 base64url>; the store keeps its id and the SHA-256
 * of its text. The first start writes an admin token to <state_dir>/token
 * (0600). Failed logins are limited per address, requests per token.
 */
#ifndef MW_COORDINATOR_AUTH_H
#define MW_COORDINATOR_AUTH_H

#include "common/httpd.h"

struct auth;
struct coord;

/* The role of a route is the least that may call it. */
enum auth_role {
	ROLE_OPEN, /* no token needed */
	ROLE_VIEWER,
	ROLE_BENCH,
	ROLE_OPERATOR,
	ROLE_ADMIN,
	ROLE_COUNT
};

/* Opened on the loop's thread before it runs. */
struct auth *auth_new(struct coord *c, struct mw_err *err) mw_must_check;
void auth_free(struct auth *a);
/* Makes a token of that role; the text is given out once and never kept. */
bool auth_token_make(struct auth *a, const char *label, enum auth_role role,
    char token[80], struct mw_err *err) mw_must_check;
/* header: the Authorization field or NULL. False: MW_DENIED or MW_LIMIT. *who:
 * id of the token if it is known, also when its role does not suffice; else
 * NULL. It lives as long as a. */
bool auth_check(struct auth *a, const char *header, const char *peer,
    enum auth_role need, const char **who, struct mw_err *err) mw_must_check;
const char *auth_role_name(enum auth_role role);

#endif
