/*
 * seal.h - secrets kept encrypted in the state directory: credentials
 * (sealed:NAME), the key of the private CA, the SSH keys of MCIS.
 *
 *	DIR/seal.key		32 random bytes, 0400, made with the first secret
 *	DIR/credentials/NAME	0600: magic, key version, nonce, text, tag
 *	DIR/ca.key.sealed	the same
 *	DIR/ssh/NAME.sealed	the same
 *
 * AES-256-GCM with a random 96-bit nonce for every write. The additional data
 * is "KIND|NAME|VERSION": a file that is renamed, swapped with another or
 * sealed with another key does not open, and the message says which it is.
 * Where systemd hands over a credential "milkyway-seal" ($CREDENTIALS_DIRECTORY)
 * or $MILKYWAY_SEAL_KEY names a file, that is the key, and none is made here.
 *
 * Source: NIST SP 800-38D, 8.2.2 (random nonces: far below 2^32 writes).
 */
#ifndef MW_DRIVERS_SEAL_H
#define MW_DRIVERS_SEAL_H

#include "common/pure/err.h"
#include "common/pure/str.h"
#include "drivers/cred.h"

#define SEAL_KEY_BYTES 32
#define SEAL_TEXT_MAX CRED_TEXT_MAX

struct seal;

enum seal_kind {
	SEAL_CREDENTIAL,
	SEAL_CA, /* its only name is "ca" */
	SEAL_SSH,
	SEAL_KINDS
};

/* Reads nothing yet. */
struct seal *seal_new(const char *state_dir);
void seal_free(struct seal *s); /* wipes the key; NULL is fine */

/* Keeps a text under a name (an id), or replaces it; durable at return. Makes
 * the key if there is none. MW_INVALID, MW_DENIED (the key's mode),
 * MW_INTERNAL. */
bool seal_put(struct seal *s, const char *name, const void *text, size_t n,
    struct mw_err *err) mw_must_check;
/* Adds the text to out; the caller wipes it. MW_NOT_FOUND: no such secret, or
 * no key; MW_DENIED: damaged, swapped, sealed with another key. */
bool seal_get(struct seal *s, const char *name, struct str *out,
    struct mw_err *err) mw_must_check;
/* Nothing there is fine. */
bool seal_remove(struct seal *s, const char *name,
    struct mw_err *err) mw_must_check;
/* The same for any kind. */
bool seal_put_as(struct seal *s, enum seal_kind kind, const char *name,
    const void *text, size_t n, struct mw_err *err) mw_must_check;
bool seal_get_as(struct seal *s, enum seal_kind kind, const char *name,
    struct str *out, struct mw_err *err) mw_must_check;
bool seal_remove_as(struct seal *s, enum seal_kind kind, const char *name,
    struct mw_err *err) mw_must_check;
/* For drv_env; lives as long as s. */
const struct cred_vault *seal_vault(struct seal *s);

#endif
