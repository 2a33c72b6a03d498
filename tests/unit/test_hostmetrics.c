/*
 * test_hostmetrics.c - texts of /proc and of cgroups, samples to minutes, and
 * the agent's page of metrics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/host/hostmetrics.h"
#include "agent/host/hostparse.h"
#include "agent/host/hostserve.h"
#include "common/file.h"
#include "common/pure/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S NS_PER_S
#define WALL (INT64_C(1700000040) * S) /* begin of a minute */

static char root[64];

static void
put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		(void)mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

/* Counters after t seconds of a machine of 2 CPUs: 25 % used, 5 % stolen, 10 %
 * waiting. */
static void
proc_at(int64_t t, double load)
{
	char text[512];
	long long x = t;

	snprintf(text, sizeof text,
	    "cpu  %lld 0 %lld %lld %lld 0 0 %lld 0 0\ncpu0 1 2 3\nintr 5\n",
	    1000 + x * 30, 500 + x * 10, 9000 + x * 130, 100 + x * 20,
	    7 + x * 10);
	put("/proc/stat", text);
	snprintf(text, sizeof text, "%.2f 0.30 0.20 1/200 4242\n", load);
	put("/proc/loadavg", text);
	put("/proc/meminfo",
	    "MemTotal:        2048000 kB\nMemFree: 1 kB\n"
	    "MemAvailable:    1024000 kB\n");
	snprintf(text, sizeof text,
	    "Inter-|\n face |\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n"
	    "  eth0: %lld 0 0 0 0 0 0 0 %lld 0 0 0 0 0 0 0\n",
	    x * 1000, x * 500);
	put("/proc/net/dev", text);
	snprintf(text, sizeof text,
	    "   8       0 sda 5 0 %lld 7 9 0 %lld 7 0 0 0\n"
	    "   8       1 sda1 5 0 77777 7 9 0 77777 7 0 0 0\n",
	    x * 2, x * 4);
	put("/proc/diskstats", text);
	snprintf(text, sizeof text,
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=%lld\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	    x * 20000);
	put("/proc/pressure/cpu", text);
	put("/proc/pressure/io", text);
	put("/proc/pressure/memory", text);
}

static int
set_up(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/test_host.XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	proc_at(0, 1);
	return 0;
}

static int
tear_down(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	return !file_remove_tree(root, &err);
}

/* A sample every 5 s from second `from` up to and with `to`. */
static void
run(struct hostmetrics *h, int64_t from, int64_t to, bool bench)
{
	for (int64_t t = from; t <= to; t += 5) {
		proc_at(t, t == 30 ? 3 : 1);
		hostmetrics_sample(h, t * S, WALL + t * S, bench);
	}
}

static void
a_minute_has_averages_maxima_and_sums(void **state)
{
	struct hostmetrics *h = hostmetrics_new(root, 2);
	struct host_rec r[2];

	(void)state;
	run(h, 0, 55, false);
	assert_int_equal(hostmetrics_take(h, r, 2), 0);
	run(h, 60, 60, false);
	assert_int_equal(hostmetrics_take(h, r, 2), 1);
	assert_int_equal(r[0].at, WALL / (60 * S));
	assert_int_equal(r[0].covered_s, 60);
	assert_int_equal(r[0].bench_s, 0);
	assert_int_equal(r[0].cgroup, 0);
	assert_int_equal(r[0].v[HOST_CPU], 2500);
	assert_int_equal(r[0].v[HOST_CPU_MAX], 2500);
	assert_int_equal(r[0].v[HOST_STEAL], 500);
	assert_int_equal(r[0].v[HOST_IOWAIT], 1000);
	assert_int_equal(r[0].v[HOST_LOAD1], 117); /* 11 of 1 and one of 3 */
	assert_int_equal(r[0].v[HOST_LOAD1_MAX], 300);
	assert_int_equal(r[0].v[HOST_MEM_USED], 1000);
	assert_int_equal(r[0].v[HOST_MEM_TOTAL], 2000);
	assert_int_equal(r[0].v[HOST_NET_RX], 60000);
	assert_int_equal(r[0].v[HOST_NET_TX], 30000);
	assert_int_equal(r[0].v[HOST_DISK_READ], 60 * 2 * 512);
	assert_int_equal(r[0].v[HOST_DISK_WRITE], 60 * 4 * 512);
	assert_int_equal(r[0].v[HOST_PSI_CPU], 200);
	assert_int_equal(r[0].v[HOST_PSI_MEM], 200);
	assert_int_equal(hostmetrics_take(h, r, 2), 0);
	hostmetrics_free(h);
}

static void
time_under_a_benchmark_is_told(void **state)
{
	struct hostmetrics *h = hostmetrics_new(root, 2);
	struct host_rec r;

	(void)state;
	run(h, 0, 20, false);
	run(h, 25, 30, true); /* 20..35: as it may have begun after 20 */
	run(h, 35, 60, false);
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.bench_s, 15);
	assert_true(host_rec_valid(&r, 60));
	hostmetrics_free(h);
}

static void
what_cannot_be_read_is_unknown_not_zero(void **state)
{
	char none[80];
	struct hostmetrics *h;
	struct host_now now;
	struct host_rec r;

	(void)state;
	snprintf(none, sizeof none, "%s/none", root);
	h = hostmetrics_new(none, 2);
	for (int64_t t = 0; t <= 60; t += 5)
		hostmetrics_sample(h, t * S, WALL + t * S, false);
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	for (size_t f = 0; f < HOST_FIELDS; f++)
		assert_int_equal(r.v[f], -1);
	hostmetrics_now(h, true, &now);
	assert_true(isnan(now.cpu_pct) && isnan(now.load1));
	assert_int_equal(now.net_rx_bytes, -1);
	hostmetrics_free(h);
}

static void
a_counter_that_begins_anew_is_unknown(void **state)
{
	struct hostmetrics *h = hostmetrics_new(root, 2);
	struct host_rec r;

	(void)state;
	run(h, 0, 55, false);
	proc_at(3, 1); /* an interface or a disk went away */
	hostmetrics_sample(h, 60 * S, WALL + 60 * S, false);
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.v[HOST_NET_RX], 3000 - 0);
	assert_int_equal(r.v[HOST_CPU], 2500);
	run(h, 65, 120, false);
	proc_at(1, 1);
	hostmetrics_sample(h, 180 * S, WALL + 180 * S, false);
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.at, WALL / (60 * S) + 1);
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.v[HOST_NET_RX], -1);
	assert_int_equal(r.v[HOST_DISK_READ], -1);
	assert_int_equal(r.v[HOST_CPU], -1);
	hostmetrics_free(h);
}

static void
a_stall_or_a_clock_set_back_makes_no_minute(void **state)
{
	struct hostmetrics *h = hostmetrics_new(root, 2);
	struct host_rec r;

	(void)state;
	run(h, 0, 30, false);
	proc_at(600, 1);
	hostmetrics_sample(h, 600 * S, WALL + 600 * S, false);
	assert_int_equal(hostmetrics_take(h, &r, 1), 0);
	/* an hour back, and a whole minute there */
	for (int64_t t = 605; t <= 665; t += 5) {
		proc_at(t, 1);
		hostmetrics_sample(h, t * S, WALL + (t - 3605) * S, false);
	}
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.at, WALL / (60 * S) - 50);
	assert_int_equal(hostmetrics_take(h, &r, 1), 0);
	hostmetrics_free(h);
}

static void
minutes_wait_and_come_again_when_a_link_broke(void **state)
{
	struct hostmetrics *h = hostmetrics_new(root, 2);
	struct host_rec r[HOSTMETRICS_KEEP + 5];
	int64_t last;

	(void)state;
	proc_at(0, 1);
	hostmetrics_untake(h, 5);
	for (int64_t m = 0; m <= 5; m++)
		hostmetrics_sample(h, m * 60 * S, WALL + m * 60 * S, false);
	assert_int_equal(hostmetrics_waiting(h), 5);
	assert_int_equal(hostmetrics_take(h, r, 3), 3);
	last = r[2].at;
	hostmetrics_untake(h, 2);
	assert_int_equal(hostmetrics_take(h, r, 2), 2);
	assert_int_equal(r[1].at, last);
	hostmetrics_untake(h, 100);
	assert_int_equal(hostmetrics_waiting(h), 5);
	for (int64_t m = 6; m <= HOSTMETRICS_KEEP + 20; m++)
		hostmetrics_sample(h, m * 60 * S, WALL + m * 60 * S, false);
	assert_int_equal(hostmetrics_take(h, r, ARRAY_LEN(r)),
	    HOSTMETRICS_KEEP);
	for (size_t i = 1; i < HOSTMETRICS_KEEP; i++)
		assert_int_equal(r[i].at, r[i - 1].at + 1);
	assert_int_equal(r[HOSTMETRICS_KEEP - 1].at,
	    WALL / (60 * S) + HOSTMETRICS_KEEP + 19);
	hostmetrics_untake(h, 1000000);
	assert_int_equal(hostmetrics_waiting(h), HOSTMETRICS_KEEP);
	hostmetrics_free(h);
}

static void
a_cgroup_of_its_own_is_preferred(void **state)
{
	struct hostmetrics *h;
	struct host_rec r;
	char text[64];

	(void)state;
	put("/sys/fs/cgroup/unified/cgroup.events", "populated 1\n");
	put("/sys/fs/cgroup/unified/cpu.stat", "usage_usec 0\n");
	put("/sys/fs/cgroup/memory/tasks", "1\n");
	put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "209715200\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "524288000\n");
	put("/sys/fs/cgroup/memory/memory.stat",
	    "cache 5\ntotal_inactive_file 104857600\n");
	put("/sys/fs/cgroup/blkio/tasks", "1\n");
	put("/sys/fs/cgroup/blkio/release_agent", "\n"); /* the root */
	put("/sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes",
	    "Total 0\n");
	h = hostmetrics_new(root, 0.5);
	for (int64_t t = 0; t <= 60; t += 5) {
		proc_at(t, 1);
		snprintf(text, sizeof text, "usage_usec %lld\nuser_usec 1\n",
		    (long long)t * 100000);
		put("/sys/fs/cgroup/unified/cpu.stat", text);
		hostmetrics_sample(h, t * S, WALL + t * S, false);
	}
	assert_int_equal(hostmetrics_take(h, &r, 1), 1);
	assert_int_equal(r.cgroup, HOST_CG_CPU | HOST_CG_MEM);
	assert_string_equal(host_scope(r.cgroup), "mixed");
	/* 0.1 s a second of half a CPU */
	assert_int_equal(r.v[HOST_CPU], 2000);
	assert_int_equal(r.v[HOST_MEM_USED], 100);
	assert_int_equal(r.v[HOST_MEM_TOTAL], 500);
	assert_int_equal(r.v[HOST_STEAL], 500);
	hostmetrics_free(h);
}

static void
disks_are_counted_once(void **state)
{
	static const char text[] =
	    "   7       0 loop0 1 0 1000 0 0 0 0 0 0 0 0\n"
	    " 259       0 nvme0n1 1 2 10 4 5 6 20 8 0 0 0 0 0 0 0 0 0\n"
	    " 259       1 nvme0n1p1 1 2 10 4 5 6 20 8 0 0 0\n"
	    " 259       2 nvme0n1p12 1 2 10 4 5 6 20 8 0 0 0\n"
	    " 259       3 nvme0n10 1 2 1 4 5 6 2 8 0 0 0\n"
	    " 202       1 xvda1 1 2 100 4 5 6 200 8 0 0 0\n"
	    " 253       0 dm-0 1 2 10 4 5 6 20 8 0 0 0\n"
	    "   8      16 sdb\n";
	int64_t rd, wr;

	(void)state;
	assert_true(hostparse_diskstats(text, strlen(text), &rd, &wr));
	/* nvme0n10 looks like a part of nvme0n1: the price of no look into
	 * /sys; xvda1 without xvda is a disk */
	assert_int_equal(rd, 110 * 512);
	assert_int_equal(wr, 220 * 512);
	assert_false(hostparse_diskstats("", 0, &rd, &wr));
	assert_false(
	    hostparse_diskstats("8 0 sda 1 1 9223372036854775807 1 1 1 1 1\n",
		42, &rd, &wr));
}

static void
cgroup_texts_are_read(void **state)
{
	static const char v2[] =
	    "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
	    "8:16 rbytes=1 wbytes=2 rios=1 wios=2\n";
	static const char v1[] =
	    "8:0 Read 5\n8:0 Write 6\n8:0 Sync 1\n8:16 Read 1\nTotal 12\n";
	int64_t rd, wr, v;
	struct hostparse_cpu cpu;

	(void)state;
	assert_true(hostparse_iostat(v2, strlen(v2), &rd, &wr));
	assert_int_equal(rd, 11);
	assert_int_equal(wr, 22);
	assert_false(hostparse_iostat("8:0 rbytes=x\n", 13, &rd, &wr));
	assert_true(hostparse_blkio(v1, strlen(v1), &rd, &wr));
	assert_int_equal(rd, 6);
	assert_int_equal(wr, 6);
	assert_false(hostparse_blkio("", 0, &rd, &wr));
	assert_true(hostparse_key("a 1\nab 2\n", 9, "ab", &v));
	assert_int_equal(v, 2);
	assert_false(hostparse_key("ab -1\n", 6, "ab", &v));
	assert_true(hostparse_stat("cpu  1 2 3 4 5 6 7 8 9 9\n", 25, &cpu));
	assert_int_equal(cpu.total, 36);
	assert_int_equal(cpu.steal, 8);
	assert_false(hostparse_stat("cpu0 1 2 3 4 5 6 7 8\n", 21, &cpu));
	assert_false(hostparse_stat("cpu 1 2 3\n", 10, &cpu));
}

static void
the_page_holds_what_is_known(void **state)
{
	struct host_now now = { .cpu_pct = 12.5,
		.steal_pct = (double)NAN,
		.iowait_pct = 0,
		.load1 = 0.25,
		.mem_used_mib = 1,
		.mem_total_mib = -1,
		.net_rx_bytes = 5,
		.net_tx_bytes = -1,
		.psi_us = { 1500000, -1, 0 } };
	struct hostserve_state st = { true, false, 3 };
	struct str text = STR_INIT;
	char address[16];
	uint16_t port;

	(void)state;
	hostserve_text(&now, &st, &text);
	assert_non_null(strstr(text.p, "milkyway_host_cpu_used_ratio 0.125\n"));
	assert_null(strstr(text.p, "\nmilkyway_host_cpu_steal_ratio "));
	assert_non_null(
	    strstr(text.p, "\nmilkyway_host_memory_used_bytes 1048576\n"));
	assert_null(strstr(text.p, "\nmilkyway_host_memory_size_bytes "));
	assert_non_null(
	    strstr(text.p, "seconds_total{resource=\"cpu\"} 1.5\n"));
	assert_null(strstr(text.p, "resource=\"io\""));
	assert_non_null(strstr(text.p, "\nmilkyway_agent_spool_results 3\n"));
	str_free(&text);
	assert_true(hostserve_parse("127.0.0.1:9470", address, &port));
	assert_int_equal(port, 9470);
	assert_string_equal(address, "127.0.0.1");
	assert_false(hostserve_parse("9470", address, &port));
	assert_false(hostserve_parse(":9470", address, &port));
	assert_false(hostserve_parse("localhost:9470", address, &port));
	assert_false(hostserve_parse("127.0.0.1:0", address, &port));
	assert_false(hostserve_parse("1271.0.0.1000.1:1", address, &port));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_minute_has_averages_maxima_and_sums),
		T(time_under_a_benchmark_is_told),
		T(what_cannot_be_read_is_unknown_not_zero),
		T(a_counter_that_begins_anew_is_unknown),
		T(a_stall_or_a_clock_set_back_makes_no_minute),
		T(minutes_wait_and_come_again_when_a_link_broke),
		T(a_cgroup_of_its_own_is_preferred),
		T(disks_are_counted_once),
		T(cgroup_texts_are_read),
		T(the_page_holds_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
