/*
 * tls.h - TLS 1.3 contexts, keys, certificate requests and signing of the
 * deployment's private CA (OpenSSL; P-256). See docs/link.md.
 */
#ifndef MW_COMMON_TLS_H
#define MW_COMMON_TLS_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#include <openssl/ssl.h>

/* PEM texts are NUL-terminated and owned by the caller. */
bool tls_key_new(struct str *key_pem, struct mw_err *err) mw_must_check;
bool tls_csr_new(const char *key_pem, struct str *csr_pem,
    struct mw_err *err) mw_must_check;
/* Self-signed CA certificate for the deployment. */
bool tls_ca_new(const char *key_pem, const char *deployment,
    struct str *cert_pem, struct mw_err *err) mw_must_check;
/*
 * Signs a request: checks its self-signature and curve, takes nothing else from
 * it. san_uri becomes the only subject alternative name; server or client use.
 * notBefore = now - 1 h. serial: 16 random bytes, written in hex.
 */
bool tls_sign(const char *ca_key_pem, const char *ca_cert_pem,
    const char *csr_pem, const char *san_uri, bool server, int64_t lifetime_s,
    struct str *cert_pem, char serial_hex[33],
    struct mw_err *err) mw_must_check;
/* TLS 1.3 only, mutual, trusting that CA alone, no tickets, small buffers. */
SSL_CTX *tls_ctx_new(bool server, const char *ca_pem, const char *cert_pem,
    const char *key_pem, struct mw_err *err) mw_must_check;
/* URI of the verified peer certificate ("mw://..."). */
bool tls_peer_uri(SSL *ssl, char *uri, size_t size, char serial_hex[33],
    struct mw_err *err) mw_must_check;
bool tls_equal(const void *a, const void *b, size_t n); /* constant time */
/* Text of the newest OpenSSL error. */
void tls_err(struct mw_err *err, enum mw_code code, const char *what);

#endif
