/*
 * test_sysinfo.c - /proc and cgroup texts, and whole fake machines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/host/sysinfo.h"
#include "common/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char root[64];

static int
make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/mwsys-XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int
drop_root(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	return file_remove_tree(root, &err) ? 0 : -1;
}

static void
put(const char *path, const char *text)
{
	struct mw_err err = MW_ERR_INIT;
	char full[256], *slash;

	snprintf(full, sizeof full, "%s%s", root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_true(file_mkdirs(full, 0755, &err));
	*slash = '/';
	assert_true(file_write(full, text, strlen(text), 0644, &err));
}

static void
texts_are_read(void **state)
{
	static const char stat[] = "cpu  10 1 20 300 5 6 7 8 0 0\ncpu0 1\n";
	static const char dev[] =
	    "Inter-|   Receive  |  Transmit\n face |bytes packets\n"
	    "    lo:  99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n"
	    "  eth0: 1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n"
	    "  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
	static const char psi[] = "some avg10=0.00 avg60=0.02 avg300=0.07 "
				  "total=4031734\nfull avg10=0 total=0\n";
	struct sysinfo_cpu c;
	int64_t rx, tx, kib;
	uint64_t us;

	(void)state;
	assert_true(sysinfo_parse_cpu(stat, strlen(stat), &c));
	assert_int_equal(c.total, 357);
	assert_int_equal(c.idle, 305);
	assert_int_equal(c.steal, 8);
	assert_false(sysinfo_parse_cpu("cpu 1 2 3", 9, &c));
	assert_true(sysinfo_parse_netdev(dev, strlen(dev), &rx, &tx));
	assert_int_equal(rx, 1005);
	assert_int_equal(tx, 206);
	assert_true(sysinfo_parse_pressure(psi, strlen(psi), &us));
	assert_int_equal(us, 4031734);
	assert_false(sysinfo_parse_pressure("full total=1", 12, &us));
	assert_true(sysinfo_parse_meminfo("A: 1 kB\nMemTotal:  2048 kB\n", 27,
	    "MemTotal", &kib));
	assert_int_equal(kib, 2048);
	assert_false(
	    sysinfo_parse_meminfo("MemTotalX: 1 kB\n", 16, "MemTotal", &kib));
}

static void
quotas_are_cores(void **state)
{
	double c;

	(void)state;
	assert_true(sysinfo_parse_quota("max 100000\n", 11, &c));
	assert_true(c < 0.001);
	assert_true(sysinfo_parse_quota("2500 10000\n", 11, &c));
	assert_true(fabs(c - 0.25) < 1e-12);
	assert_false(sysinfo_parse_quota("2500 0\n", 7, &c));
	assert_false(sysinfo_parse_quota("-1 100\n", 7, &c));
	assert_false(sysinfo_parse_quota("", 0, &c));
}

static void
cgroup_paths_by_controller(void **state)
{
	static const char text[] = "9:name=systemd:/x\n"
				   "4:cpu,cpuacct:/a/b\n"
				   "3:memory:/m\n0::/u\n";
	char path[64];

	(void)state;
	assert_true(
	    sysinfo_parse_cgroup(text, strlen(text), "cpu", path, sizeof path));
	assert_string_equal(path, "/a/b");
	assert_true(
	    sysinfo_parse_cgroup(text, strlen(text), "", path, sizeof path));
	assert_string_equal(path, "/u");
	assert_false(sysinfo_parse_cgroup(text, strlen(text), "blkio", path,
	    sizeof path));
	assert_false(sysinfo_parse_cgroup(text, strlen(text), "cpu", path, 3));
}

static void
a_machine_with_cgroup_v2(void **state)
{
	struct sysinfo_facts f;

	(void)state;
	put("/proc/self/cgroup", "0::/slice/agent.service\n");
	put("/sys/fs/cgroup/slice/cpu.max", "25000 100000\n");
	put("/sys/fs/cgroup/slice/agent.service/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/slice/agent.service/memory.max", "536870912\n");
	put("/sys/fs/cgroup/slice/agent.service/memory.current", "104857600\n");
	put("/proc/meminfo",
	    "MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\n");
	put("/proc/cpuinfo", "processor : 0\nmodel name\t: A CPU (R)\n");
	put("/proc/sys/kernel/random/boot_id", "1234-abcd\n");
	put("/run/milkyway-twin.json",
	    "{\"emulated\":\"measured\",\"hostId\":\"t\"}\n");
	sysinfo_read(&f, root);
	assert_true(fabs(f.cpu_quota - 0.25) < 1e-12);
	assert_int_equal(f.vcpus, 1);
	assert_int_equal(f.memory_mib, 512);
	assert_string_equal(f.cpu_model, "A CPU (R)");
	assert_string_equal(f.boot_id, "1234-abcd");
	assert_string_equal(f.emulated, "measured");
	assert_int_equal(sysinfo_available_mib(root), 412);
}

static void
a_machine_with_cgroup_v1(void **state)
{
	struct sysinfo_facts f;

	(void)state;
	put("/proc/self/cgroup", "4:cpu:/\n3:memory:/\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "15000\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "10000\n");
	put("/proc/meminfo",
	    "MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\n");
	sysinfo_read(&f, root);
	assert_true(fabs(f.cpu_quota - 1.5) < 1e-12);
	assert_true(f.vcpus <= 2);
	assert_int_equal(f.memory_mib, 4000);
	assert_string_equal(f.cpu_model, "unknown");
	assert_string_equal(f.emulated, "");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	sysinfo_read(&f, root);
	assert_true(f.cpu_quota < 0.001);
}

static void
unknown_is_not_zero(void **state)
{
	struct sysinfo_monitor *m = sysinfo_monitor_new(root);
	struct sysinfo_metrics out;
	struct sysinfo_cpu c;

	(void)state;
	sysinfo_metrics(m, &out);
	assert_true(isnan(out.load1) && isnan(out.cpu_pct));
	assert_int_equal(out.mem_used_mib, -1);
	assert_int_equal(out.net_rx_bytes, -1);
	assert_false(sysinfo_cpu(m, &c));
	assert_int_equal(sysinfo_available_mib(root), -1);
	sysinfo_monitor_free(m);
}

static void
percentages_are_over_the_time_between_calls(void **state)
{
	struct sysinfo_monitor *m;
	struct sysinfo_metrics out;
	FILE *f;
	char path[128];

	(void)state;
	put("/proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
	put("/proc/loadavg", "0.50 0.1 0.1 1/2 3\n");
	m = sysinfo_monitor_new(root);
	sysinfo_metrics(m, &out);
	assert_true(isnan(out.cpu_pct)); /* nothing to compare with yet */
	snprintf(path, sizeof path, "%s/proc/stat", root);
	f = fopen(path, "r+"); /* same file: /proc files stay open */
	assert_non_null(f);
	fputs("cpu  120 0 105 865 0 0 0 10 0 0\n", f);
	fclose(f);
	sysinfo_metrics(m, &out);
	assert_true(fabs(out.cpu_pct - 35) < 1e-9);
	assert_true(fabs(out.steal_pct - 10) < 1e-9);
	assert_true(fabs(out.load1 - 0.5) < 1e-9);
	sysinfo_monitor_free(m);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read),
		cmocka_unit_test(quotas_are_cores),
		cmocka_unit_test(cgroup_paths_by_controller),
		CASE(a_machine_with_cgroup_v2),
		CASE(a_machine_with_cgroup_v1),
		CASE(unknown_is_not_zero),
		CASE(percentages_are_over_the_time_between_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
