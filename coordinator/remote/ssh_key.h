/*
 * ssh_key.h - ed25519 key pairs in OpenSSH's formats, and host keys as text.
 */
#ifndef MW_COORDINATOR_SSH_KEY_H
#define MW_COORDINATOR_SSH_KEY_H

#include "common/pure/err.h"
#include "common/pure/str.h"

/* "SHA256:" and 43 base64 digits, as ssh-keygen -l prints it. */
#define SSH_FINGERPRINT_LEN 52
/* Longest "type base64" line of a host key that is kept. */
#define SSH_HOST_KEY_MAX 1024

/*
 * A new pair: private_pem is the text of an unencrypted OpenSSH private key
 * (what libssh2 and ssh -i take), public_line "ssh-ed25519 AAAA... comment".
 * comment: a plain word.
 */
bool ssh_key_new(const char *comment, struct str *private_pem,
    struct str *public_line, struct mw_err *err) mw_must_check;
/* Key blob (the wire form) to "ssh-ed25519 AAAA...". */
bool ssh_key_line(const void *blob, size_t n, char line[SSH_HOST_KEY_MAX],
    struct mw_err *err) mw_must_check;
/* Fingerprint of "type base64[ comment]". */
bool ssh_key_fingerprint(const char *line, char out[SSH_FINGERPRINT_LEN],
    struct mw_err *err) mw_must_check;
/* Same type and same key, whatever the comments. */
bool ssh_key_equal(const char *line_a, const char *line_b);
/*
 * The host key in a boot log, between "-----BEGIN SSH HOST KEY KEYS-----" and
 * its END line: ed25519 before ecdsa. False: none (the log is peer text).
 */
bool ssh_key_from_console(const char *text, size_t n,
    char line[SSH_HOST_KEY_MAX]) mw_must_check;

#endif
