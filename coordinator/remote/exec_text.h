/*
 * exec_text.h - from what a client wants run to the text for one VM's shell.
 */
#ifndef MW_COORDINATOR_EXEC_TEXT_H
#define MW_COORDINATOR_EXEC_TEXT_H

#include "common/pure/err.h"
#include "common/pure/str.h"

/* What {{publicIp}} {{region}} {{index}} {{vmId}} stand for. */
struct exec_vars {
	const char *public_ip, *region, *vm_id;
	int64_t index;
};

/* Adds text with the four names filled in; other braces stay as they are. A
 * value that is not a plain word is an error: it would be read by a shell. */
bool exec_expand(struct str *out, const char *text, const struct exec_vars *v,
    struct mw_err *err) mw_must_check;
/* Adds one argument as one shell word. */
void exec_quote(struct str *out, const char *arg);
/* Adds bytes as valid UTF-8: what is not becomes U+FFFD. */
void exec_add_utf8(struct str *out, const char *bytes, size_t n);

#endif
