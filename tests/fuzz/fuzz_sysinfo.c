/*
 * fuzz_sysinfo.c - texts of /proc and of the cgroup.
 */
#include "agent/host/sysinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct sysinfo_cpu c;
	char path[32];
	int64_t a, b;
	uint64_t u;
	double d;

	(void)!sysinfo_parse_cpu(p, size, &c);
	(void)!sysinfo_parse_quota(p, size, &d);
	(void)!sysinfo_parse_meminfo(p, size, "MemTotal", &a);
	(void)!sysinfo_parse_netdev(p, size, &a, &b);
	(void)!sysinfo_parse_pressure(p, size, &u);
	(void)!sysinfo_parse_cgroup(p, size, "cpu", path, sizeof path);
	(void)!sysinfo_parse_cgroup(p, size, "", path, sizeof path);
	return 0;
}
