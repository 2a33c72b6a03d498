/*
 * What a VM says: the installer's lines, host keys, boot logs.
 */
#include "common/pure/alloc.h"
#include "coordinator/remote/install_msg.h"
#include "coordinator/remote/ssh_key.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	char line[SSH_HOST_KEY_MAX], print[SSH_FINGERPRINT_LEN], code[32];
	struct mw_err err = MW_ERR_INIT;
	struct install_probe p;
	struct tools_probe tools;
	const char *rest;

	(void)!install_probe_parse(text, &p, &err);
	if (install_fail_parse(text, code, &rest))
		(void)!install_fail_definite(code);
	(void)!tools_probe_parse(text, &tools, &err);
	if (install_package_parse(text, "added", &rest) && strlen(rest) >= 64)
		__builtin_trap();
	(void)!ssh_key_fingerprint(text, print, &err);
	(void)!ssh_key_equal(text, text);
	if (ssh_key_line(data, size, line, &err) &&
	    (strlen(line) < 6 || !ssh_key_equal(line, line)))
		__builtin_trap();
	if (ssh_key_from_console((const char *)data, size, line) &&
	    !ssh_key_equal(line, line))
		__builtin_trap();
	free(text);
	return 0;
}
