/*
 * fuzz_vm_key.c - host keys that come with user data.
 */
#include "common/pure/alloc.h"
#include "twin/vm_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct mw_err err = MW_ERR_INIT;
	uint8_t pub[32];

	if (!vm_key_parse(text, pub, &err) && err.code != MW_INVALID)
		abort();
	free(text);
	return 0;
}
