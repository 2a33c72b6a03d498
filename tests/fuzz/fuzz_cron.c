/*
 * fuzz_cron.c - any text as a cron expression and as an offset. What is
 * accepted comes again and again, later each time and within nine years.
 */
#include "common/pure/alloc.h"
#include "common/pure/cron.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	char *text = xstrndup((const char *)data, size);
	int64_t t = 1767225600, next; /* 2026 */
	int32_t offset;
	struct cron c;

	if (!cron_offset_parse(text, &offset, &err))
		offset = 32400;
	if (abs(offset) > CRON_OFFSET_MAX)
		abort();
	if (cron_parse(text, &c, &err))
		for (int i = 0; i < 20; i++, t = next) {
			next = cron_next(&c, t, offset);
			if (next <= t || next - t > 9 * 366 * INT64_C(86400))
				abort();
		}
	free(text);
	return 0;
}
