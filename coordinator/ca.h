/*
 * ca.h - the deployment's private CA, the coordinator's own certificate, and
 * one SSH key pair per MCIS. All private halves are sealed (drivers/seal.h) and
 * lie below the state directory; they never enter the database, a log or an
 * answer. Plain files of earlier versions are used as they are until
 * ca_seal_plain().
 */
#ifndef MW_COORDINATOR_CA_H
#define MW_COORDINATOR_CA_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#include <openssl/ssl.h>

#define CA_AGENT_LIFETIME_S (INT64_C(7) * 86400)

struct ca;

/* Loads the CA from the directory or makes it. */
struct ca *ca_open(const char *state_dir, const char *deployment,
    struct mw_err *err) mw_must_check;
/* Seals the plain files of an earlier version, which cannot start here after
 * it: to be called when nothing else can fail. */
bool ca_seal_plain(struct ca *ca, struct mw_err *err) mw_must_check;
void ca_free(struct ca *ca);
/* PEM of the CA certificate: what agents trust. */
const char *ca_bundle(const struct ca *ca);
/* "mw://<deployment>/<ns>/<mcis>/<slot>/<gen>"; the caller frees. */
char *ca_agent_uri(const struct ca *ca, const char *ns, const char *mcis,
    int64_t slot, int64_t gen);
/* Signs an agent's request for that URI (client use, 7 days). */
bool ca_sign_csr(const struct ca *ca, const char *csr_pem, const char *uri,
    struct str *cert_pem, char serial_hex[33],
    struct mw_err *err) mw_must_check;
/* TLS context of the agent link, with a fresh server certificate. */
SSL_CTX *ca_server_ctx(const struct ca *ca, struct mw_err *err) mw_must_check;
/*
 * An SSH key pair by its name (lc_mcis_row.key_id), made at the first call:
 * public_key is an OpenSSH line ("ssh-ed25519 AAAA... NAME"), private_key the
 * OpenSSH PEM text that libssh2 takes. Either may be NULL.
 */
bool ca_ssh_key(const struct ca *ca, const char *key_id, struct str *public_key,
    struct str *private_key, struct mw_err *err) mw_must_check;
/* A private half as text, without a coordinator: "ca.key" or "ssh/NAME". */
bool ca_unseal(const char *state_dir, const char *what, struct str *out,
    struct mw_err *err) mw_must_check;
/* The MCIS is gone. */
void ca_ssh_key_forget(const struct ca *ca, const char *key_id);

#endif
