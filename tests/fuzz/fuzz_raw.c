/*
 * fuzz_raw.c - any bytes as the packed output of a tool, and as its base64.
 * Never more than the limits; what is read has the digest it says.
 */
#include "common/pure/alloc.h"
#include "common/pure/result.h"
#include "coordinator/measure/raw.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	char name[RAW_NAME_LEN], *base64 = xstrndup((const char *)data, size);
	void *packed = NULL;
	size_t n;

	if (raw_inflate(data, size, &text, &err)) {
		if (text.len > RESULT_RAW_MAX)
			abort();
		raw_name(text.p, text.len, name);
		if (!raw_name_valid(name) || !raw_check(data, size, name, &err))
			abort();
	}
	str_free(&text);
	if (raw_decode(base64, &packed, &n, &err)) {
		if (n > size)
			abort();
		str_free(&text);
		(void)!raw_inflate(packed, n, &text, &err);
	}
	str_free(&text);
	free(packed);
	free(base64);
	return 0;
}
