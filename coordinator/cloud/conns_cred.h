/*
 * conns_cred.h - which credentials a connection may name, and the sealed ones.
 *
 * A reference comes over the API, so it must not make more of an API token
 * than it is: exec: runs a program as the coordinator's user (needs
 * credentials.exec), file: reads a file as that user (must lie in
 * credentials.dir).
 */
#ifndef MW_COORDINATOR_CONNS_CRED_H
#define MW_COORDINATOR_CONNS_CRED_H

#include "common/json.h"
#include "coordinator/cloud/conns.h"

/* May a reference be given? NULL is fine. MW_INVALID, MW_DENIED with the way
 * out. */
bool conns_ref_check(const struct conns *cs, const char *ref,
    struct mw_err *err) mw_must_check;
/* May one that is stored be used? exec: only as long as the settings allow. */
bool conns_may_use(const struct conns *cs, const char *ref,
    struct mw_err *err) mw_must_check;
/* Is it an object of texts, as credentials are? */
bool conns_secret_check(const json_t *secret, struct mw_err *err) mw_must_check;
/* The text that is sealed; the object's own texts are wiped. */
void conns_secret_text(json_t *secret, struct str *out);
void conns_secret_wipe(struct str *text);
/* Seals it under name, durably. */
bool conns_seal(struct conns *cs, const char *name, const struct str *text,
    struct mw_err *err) mw_must_check;
/* Removes what was sealed for a reference that no connection names any more.
 * Other references are left alone. */
void conns_unseal(struct conns *cs, const char *ref);

#endif
