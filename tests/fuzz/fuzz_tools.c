/*
 * fuzz_tools.c - /etc/os-release of any machine; what the databases say.
 */
#include "agent/bench/dbbench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct tools_os os;
	char text[200];
	int64_t a, b;

	tools_os_parse(p, size, &os);
	for (unsigned t = 0; t < TOOL_COUNT; t++)
		tools_missing((enum tool)t, &os, text, sizeof text);
	(void)dbengine_postmaster_ready(p, size);
	(void)dbengine_postmaster_shm(p, size);
	(void)!dbbench_parse_stat(p, size, &a, &b);
	return 0;
}
