/*
 * vm_key.h - ed25519 host keys in OpenSSH's private key format, made in
 * process: a run of ssh-keygen costs 8 ms per VM.
 */
#ifndef MW_TWIN_VM_KEY_H
#define MW_TWIN_VM_KEY_H

#include "common/pure/err.h"
#include "common/pure/str.h"

/* Pure: writes the "OPENSSH PRIVATE KEY" block, unencrypted. check is any
 * number; it stands twice in the file, so that a wrong password shows. */
void vm_key_format(const uint8_t seed[32], const uint8_t pub[32],
    uint32_t check, const char *comment, struct str *out);
/* Pure: "ssh-ed25519 AAAA... comment", without a newline. */
void vm_key_public(const uint8_t pub[32], const char *comment, struct str *out);
/* Pure: the public key of such a block. MW_INVALID for anything else, an
 * encrypted key and other key types included. */
bool vm_key_parse(const char *pem, uint8_t pub[32],
    struct mw_err *err) mw_must_check;

bool vm_key_new(const char *comment, struct str *private_out, uint8_t pub[32],
    struct mw_err *err) mw_must_check;
/* "SHA256:..." as ssh-keygen -l prints it. */
void vm_key_fingerprint(const uint8_t pub[32], struct str *out);

#endif
