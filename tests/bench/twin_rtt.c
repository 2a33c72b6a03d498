/*
 * twin_rtt.c - how exact and how fast the emulated network and its VMs are:
 * N VMs boot; random pairs are pinged at a fixed total rate and each RTT is
 * compared with the matrix. Arrival is the kernel's time stamp, the send time
 * is read just before sendto(), so the meter's own wake-up does not count.
 * Prints one JSON object per figure. Needs root.
 * usage: twin_rtt INIT_PROGRAM [VMS [PINGS_PER_S [SECONDS [HOGS]]]]
 */
#include "tests/component/twin_lab.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/quant.h"
#include "common/pure/rng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SITES = 17,
	SAMPLES = 1 << 20,
	SETTLE_MS = 4000, /* for the calibration */
	FIFO = 5
};

struct echo {
	struct icmphdr icmp;
	int64_t sent_ns;
	uint32_t src, dst;
};

static struct lab lab;
static int32_t rtt[SITES * SITES];
static struct vm **vm;
static int *sock;
static double *error_us;
static size_t nvms, nsent, nerrors;

static void
figure(const char *name, double value, const char *unit, const char *target)
{
	printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\","
	       "\"target\":\"%s\"}\n",
	    name, value, unit, target);
	fflush(stdout);
}

static double
available_kib(void)
{
	char line[128];
	long long v = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %lld", &v) == 1)
			break;
	if (f)
		fclose(f);
	return (double)v;
}

/* 0.5 to 240 ms, symmetric. */
static void
matrix_make(void)
{
	struct rng r;
	size_t i, j;

	rng_seed(&r, 42);
	for (i = 0; i < SITES; i++)
		for (j = 0; j <= i; j++)
			rtt[i * SITES + j] = rtt[j * SITES + i] = i == j
			    ? 500
			    : (int32_t)(1000 + rng_below(&r, 239000));
}

static bool
vms_boot(void)
{
	struct mw_err err = MW_ERR_INIT;
	double before = available_kib();
	int64_t t0 = clock_mono_ns();
	struct timespec settle = { 2, 0 };
	char name[16];
	size_t i;

	for (i = 0; i < nvms; i++) {
		struct vm_conf c = { .name = name,
			.slot = (unsigned)i,
			.site = i % SITES,
			.user = LAB_USER,
			.vcpu = 1,
			.memory_mib = 256,
			.boot_json = "{\"emulated\":\"measured\"}\n" };

		snprintf(name, sizeof name, "vm-%u", (unsigned)i);
		lab.pending++;
		if (!vm_create(lab.set, &c, &vm[i], &err) ||
		    !vm_start(vm[i], lab_done, &lab, &err)) {
			fprintf(stderr, "%s\n", err.msg);
			return false;
		}
	}
	figure("twinVmCallMs",
	    (double)(clock_mono_ns() - t0) / 1e6 / (double)nvms, "ms",
	    "<= 10: create and start block the loop");
	if (!lab_settle(&lab, 60000)) {
		fprintf(stderr, "%s\n", lab.why);
		return false;
	}
	figure("twinBootAllMs", (double)(clock_mono_ns() - t0) / 1e6, "ms",
	    "<= 1000 for 100 VMs");
	nanosleep(&settle, NULL);
	figure("twinVmMemoryKib", (before - available_kib()) / (double)nvms,
	    "KiB per idle VM", "<= 1536");
	return true;
}

/* An ICMP socket in the VM's network namespace. */
static bool
sockets_open(int ep)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), on = 1;
	char path[64];
	size_t i;

	for (i = 0; i < nvms; i++) {
		struct epoll_event e = { .events = EPOLLIN,
			.data.u32 = (uint32_t)i };
		int ns;

		snprintf(path, sizeof path, "/proc/%d/ns/net",
		    (int)vm_pid(vm[i]));
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0 || setns(ns, CLONE_NEWNET))
			return false;
		close(ns);
		sock[i] = socket(AF_INET,
		    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
		if (sock[i] < 0 ||
		    setsockopt(sock[i], SOL_SOCKET, SO_TIMESTAMPNS, &on,
			sizeof on) ||
		    epoll_ctl(ep, EPOLL_CTL_ADD, sock[i], &e))
			return false;
	}
	if (setns(home, CLONE_NEWNET))
		abort();
	close(home);
	return true;
}

static void
send_one(struct rng *r)
{
	uint32_t a = (uint32_t)rng_below(r, nvms);
	uint32_t b = (uint32_t)rng_below(r, nvms - 1);
	struct echo e = { .icmp.type = ICMP_ECHO, .src = a };
	struct sockaddr_in to = { .sin_family = AF_INET };

	e.dst = b += b >= a;
	to.sin_addr.s_addr = htonl(vm_address(vm[b]));
	e.sent_ns = clock_wall_ns();
	if (sendto(sock[a], &e, sizeof e, 0, (struct sockaddr *)&to,
		sizeof to) > 0)
		nsent++;
}

static void
receive(int fd)
{
	for (;;) {
		union {
			char buf[200];
			struct cmsghdr align;
		} ctl;
		struct echo e;
		struct iovec io = { &e, sizeof e };
		struct msghdr m = { .msg_iov = &io,
			.msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof ctl.buf };
		struct cmsghdr *h;
		struct timespec t = { 0 };

		if (recvmsg(fd, &m, 0) < (ssize_t)sizeof e)
			return;
		for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
			if (h->cmsg_type == SO_TIMESTAMPNS)
				memcpy(&t, CMSG_DATA(h), sizeof t);
		if (nerrors < SAMPLES && e.src < nvms && e.dst < nvms)
			error_us[nerrors++] =
			    (double)((int64_t)t.tv_sec * NS_PER_S + t.tv_nsec -
				e.sent_ns) /
				1e3 -
			    rtt[(e.src % SITES) * SITES + e.dst % SITES];
	}
}

/* The meter is a process of its own: control's loop must go on, since it runs
 * the calibration. Errors come back over a pipe. */
static void
meter(int ep, int64_t rate, int64_t seconds, int to)
{
	struct sched_param sp = { .sched_priority = FIFO };
	int64_t gap = NS_PER_S / rate, next = clock_mono_ns(), t;
	int64_t end = next + seconds * NS_PER_S;
	struct epoll_event ev[64];
	struct rng r;
	int i, k;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_FIFO, &sp);
	rng_seed(&r, 1);
	while ((t = clock_mono_ns()) < end + NS_PER_S / 2) {
		int64_t left = t < end ? next - t : 50 * NS_PER_MS;
		struct timespec wait = { 0, (long)left };

		if (t < end && left <= 0) {
			send_one(&r);
			next += gap;
			continue;
		}
		k = epoll_pwait2(ep, ev, 64, &wait, NULL);
		for (i = 0; i < k; i++)
			receive(sock[ev[i].data.u32]);
	}
	(void)!write(to, &nsent, sizeof nsent);
	(void)!write(to, error_us, nerrors * sizeof *error_us);
	_exit(0);
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

static bool
meter_over(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return false;
	n = read(p.fd, (char *)error_us + nerrors, SAMPLES);
	nerrors += n > 0 ? (size_t)n : 0;
	return n <= 0;
}

static void
measure(int64_t rate, int64_t seconds, const char *name)
{
	struct wan_quality q;
	struct wan_stats st;
	struct quant s;
	char label[64];
	int fd[2], ep = epoll_create1(EPOLL_CLOEXEC);
	size_t i, n;
	pid_t pid;

	if (!sockets_open(ep) || pipe2(fd, O_CLOEXEC)) {
		perror("meter");
		return;
	}
	nerrors = nsent = 0;
	pid = fork();
	if (pid == 0)
		meter(ep, rate, seconds, fd[1]);
	close(fd[1]);
	if (!lab_until(&lab, meter_over, &fd[0], (seconds + 10) * 1000))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd[0]);
	close(ep);
	for (i = 0; i < nvms; i++)
		close(sock[i]);
	if (nerrors < 2 * sizeof(double)) {
		fprintf(stderr, "no answer\n");
		return;
	}
	memcpy(&nsent, error_us, sizeof nsent);
	n = nerrors / sizeof *error_us - 1;
	quant_of(error_us + 1, n, &s);
	snprintf(label, sizeof label, "%sP50Us", name);
	figure(label, s.median, "us", "-50..50");
	snprintf(label, sizeof label, "%sP01Us", name);
	figure(label, quant_nearest(error_us + 1, n, 1), "us", ">= -200");
	snprintf(label, sizeof label, "%sP99Us", name);
	figure(label, quant_nearest(error_us + 1, n, 99), "us", "<= 200");
	snprintf(label, sizeof label, "%sLostPct", name);
	figure(label, 100.0 * (double)(nsent - n) / (double)nsent, "%", "0");
	wan_quality(lab.wan, &q);
	wan_stats(lab.wan, &st);
	fprintf(stderr,
	    "# %s: n %zu, quality %s %s, comp %.1f us, own error p01 %.1f p50 "
	    "%.1f p99 %.1f us, late p99 %.0f us, wan rss %llu KiB\n",
	    name, n, q.quality, q.why, q.comp_us, q.error_p01_us,
	    q.error_p50_us, q.error_p99_us, (double)st.late_p99_ns / 1e3,
	    (unsigned long long)st.rss_kib);
}

static void
hogs_start(pid_t *pid, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("");
		}
	}
}

static int64_t
argument(int argc, char **argv, int i, int64_t def)
{
	int64_t v = def;

	if (i < argc &&
	    !num_parse_i64(argv[i], strlen(argv[i]), 0, 1000000, &v))
		v = def;
	return v;
}

int
main(int argc, char **argv)
{
	struct lab_conf conf = { .nsites = SITES,
		.rtt_us = rtt,
		.calibrate = true };
	struct mw_err err = MW_ERR_INIT;
	int64_t rate, seconds;
	pid_t hog[64];
	size_t nhogs, i;
	bool ok;

	if (lab_role(argc, argv) >= 0)
		return 1;
	if (argc < 2) {
		fprintf(stderr,
		    "usage: twin_rtt INIT [VMS [RATE [SECONDS "
		    "[HOGS]]]]\n");
		return 2;
	}
	conf.init_path = argv[1];
	nvms = (size_t)argument(argc, argv, 2, 100);
	rate = argument(argc, argv, 3, 200);
	seconds = argument(argc, argv, 4, 10);
	nhogs = (size_t)argument(argc, argv, 5, 6);
	if (nvms < 2 || nhogs > ARRAY_LEN(hog) || rate < 1)
		return 2;
	conf.max_hosts = (unsigned)nvms;
	vm = xcalloc(nvms, sizeof *vm);
	sock = xcalloc(nvms, sizeof *sock);
	error_us = xcalloc(SAMPLES + 1, sizeof *error_us);
	matrix_make();
	if (!lab_open(&lab, &conf, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	ok = vms_boot();
	if (ok) {
		(void)!lab_until(&lab, never, NULL, SETTLE_MS);
		measure(rate, seconds, "twinRttErrorIdle");
		hogs_start(hog, nhogs);
		measure(rate, seconds, "twinRttErrorBusy");
		for (i = 0; i < nhogs; i++) {
			kill(hog[i], SIGKILL);
			waitpid(hog[i], NULL, 0);
		}
	}
	lab_close(&lab);
	free(vm);
	free(sock);
	free(error_us);
	return !ok;
}
