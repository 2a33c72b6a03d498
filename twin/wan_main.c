/*
 * wan_main.c - the WAN child: takes frames from control, drives the packet
 * path with epoll and one absolute timer, reports once per second. It has no
 * capability left once it runs, and ends when control does.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "twin/wan_fwd.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	EVENTS = 256,
	ID_TIMER = WAN_HOSTS_MAX + 16,
	ID_SECOND,
	ID_CONTROL,
	MSG_MAX =
	    sizeof(struct wan_msg) + WAN_RULES_MAX * sizeof(struct wan_rule)
};
#define REST_NS (100 * NS_PER_MS) /* of normal scheduling after SIGXCPU */

struct child {
	struct wan_fwd *fwd;
	int epoll, timer, second;
	int64_t armed_ns;
	int priority; /* wished for */
	bool realtime;
	int64_t rest_until_ns;
	uint32_t keep_caps; /* bits of capabilities */
	uint64_t wakeups;
	uint32_t nclosed; /* devices, not yet told */
	unsigned char *msg;
};

static volatile sig_atomic_t over_budget;

static void control_frames(struct child *c);
static bool control_frame(struct child *c, const struct wan_msg *m, size_t n,
    int fd);
static bool child_start(struct child *c, const struct wan_msg_start *s,
    int memfd);
static bool host_add(struct child *c, const struct wan_msg_host *h, int tun);
static void host_del(struct child *c, uint32_t slot);
static bool rules_set(struct child *c, const struct wan_msg *m, size_t n);
static void realtime_init(struct child *c);
static void realtime_set(struct child *c, int policy);
static void on_xcpu(int sig);
static void caps_drop(const struct child *c);
static void report(struct child *c);
static void report_closed(struct child *c);
static void timer_arm(struct child *c);
static bool watch(struct child *c, int fd, uint32_t id);
static void turn(struct child *c);

int
wan_main(int argc, char **argv)
{
	struct child c = { .armed_ns = INT64_MAX };
	struct itimerspec each = { { 1, 0 }, { 1, 0 } };

	(void)argc;
	(void)argv;
	log_init("milkyway-twin-wan", LOG_INFO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "twin-wan");
	/* a terminal's ^C is for control, which ends us in its own time */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	c.msg = xmalloc(MSG_MAX);
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	c.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c.second = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c.epoll < 0 || c.timer < 0 || c.second < 0 ||
	    timerfd_settime(c.second, 0, &each, NULL) ||
	    !watch(&c, c.timer, ID_TIMER) || !watch(&c, c.second, ID_SECOND) ||
	    !watch(&c, WAN_CHILD_FD, ID_CONTROL)) {
		log_error("wan", NULL, "cannot start: %s", strerror(errno));
		return 1;
	}
	for (;;)
		turn(&c);
}

static void
turn(struct child *c)
{
	struct epoll_event ev[EVENTS];
	uint64_t ticks;
	int i, n;

	if (c->fwd)
		timer_arm(c);
	n = epoll_wait(c->epoll, ev, EVENTS, -1);
	c->wakeups++;
	if (c->fwd)
		wan_fwd_deliver(c->fwd);
	for (i = 0; i < n; i++) {
		switch (ev[i].data.u32) {
		case ID_TIMER:
			(void)!read(c->timer, &ticks, sizeof ticks);
			break;
		case ID_SECOND:
			if (read(c->second, &ticks, sizeof ticks) > 0)
				report(c);
			break;
		case ID_CONTROL: control_frames(c); break;
		default: wan_fwd_read(c->fwd, ev[i].data.u32);
		}
	}
	if (c->fwd)
		wan_fwd_deliver(c->fwd);
	if (c->nclosed > 0)
		report_closed(c);
	if (over_budget) {
		over_budget = 0;
		c->realtime = false;
		c->rest_until_ns = clock_mono_ns() + REST_NS;
	}
	if (c->rest_until_ns != 0 && clock_mono_ns() >= c->rest_until_ns) {
		c->rest_until_ns = 0;
		realtime_set(c, SCHED_FIFO);
	}
}

static void
control_frames(struct child *c)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct iovec io = { c->msg, MSG_MAX };
	struct msghdr m = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = ctl.buf,
		.msg_controllen = sizeof ctl.buf };
	struct cmsghdr *h;
	ssize_t n;
	int fd = -1;

	n = recvmsg(WAN_CHILD_FD, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		exit(0); /* control is gone */
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(h), sizeof fd);
	if ((size_t)n < sizeof(struct wan_msg) ||
	    !control_frame(c, (const void *)c->msg, (size_t)n, fd)) {
		log_error("wan", NULL, "control sent a bad frame, exiting");
		exit(1);
	}
}

static bool
control_frame(struct child *c, const struct wan_msg *m, size_t n, int fd)
{
	if (m->type == WAN_MSG_START)
		return child_start(c, &m->u.start, fd);
	if (!c->fwd)
		return false;
	switch (m->type) {
	case WAN_MSG_HOST_ADD: return host_add(c, &m->u.host, fd);
	case WAN_MSG_HOST_DEL:
		host_del(c, m->u.host.slot);
		c->nclosed++;
		return true;
	case WAN_MSG_HOST_CUT:
		wan_fwd_host_cut(c->fwd, m->u.host.slot, m->u.host.cut);
		return true;
	case WAN_MSG_RULES: return rules_set(c, m, n);
	case WAN_MSG_COMP: wan_fwd_comp(c->fwd, m->u.comp_ns); return true;
	default: return false;
	}
}

static bool
child_start(struct child *c, const struct wan_msg_start *s, int memfd)
{
	size_t size = (size_t)s->nsites * s->nsites * sizeof(int32_t);
	struct wan_msg ready = { .type = WAN_MSG_READY };
	struct stat st;
	void *m;

	if (c->fwd || memfd < 0 || fstat(memfd, &st) || size == 0 ||
	    (size_t)st.st_size != size)
		return false;
	m = mmap(NULL, size, PROT_READ, MAP_PRIVATE, memfd, 0);
	close(memfd);
	if (m == MAP_FAILED)
		return false;
	c->priority = s->fifo_priority;
	c->fwd = wan_fwd_new(s, m);
	realtime_init(c);
	caps_drop(c);
	ready.u.realtime = c->realtime;
	(void)!send(WAN_CHILD_FD, &ready, sizeof ready, MSG_DONTWAIT);
	return true;
}

static bool
host_add(struct child *c, const struct wan_msg_host *h, int tun)
{
	host_del(c, h->slot);
	if (tun < 0 || !wan_fwd_host_add(c->fwd, h, tun))
		return false;
	return watch(c, tun, h->slot);
}

/* Explicitly: epoll forgets a file when its last descriptor is closed, and
 * control may still have one. */
static void
host_del(struct child *c, uint32_t slot)
{
	int tun = wan_fwd_tun(c->fwd, slot);

	if (tun >= 0)
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, tun, NULL);
	wan_fwd_host_del(c->fwd, slot);
}

static bool
rules_set(struct child *c, const struct wan_msg *m, size_t n)
{
	size_t count = m->u.nrules;

	if (count > WAN_RULES_MAX ||
	    n != sizeof *m + count * sizeof(struct wan_rule))
		return false;
	wan_fwd_rules(c->fwd, (const void *)(m + 1), count);
	return true;
}

/*
 * Real-time scheduling and locked memory must outlive the capabilities that
 * grant them, hence the limits; where this process may not raise a limit, that
 * one capability stays. RLIMIT_RTTIME keeps a busy WAN from taking a core for
 * itself.
 */
static void
realtime_init(struct child *c)
{
	struct rlimit prio = { (rlim_t)c->priority, (rlim_t)c->priority };
	struct rlimit time = { 500000, RLIM_INFINITY };
	struct rlimit lock = { RLIM_INFINITY, RLIM_INFINITY };

	prctl(PR_SET_TIMERSLACK, 1ul);
	if (setrlimit(RLIMIT_MEMLOCK, &lock))
		c->keep_caps |= 1u << CAP_IPC_LOCK;
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		log_warn("wan", NULL, "memory is not locked: %s",
		    strerror(errno));
	if (c->priority <= 0)
		return;
	if (setrlimit(RLIMIT_RTPRIO, &prio))
		c->keep_caps |= 1u << CAP_SYS_NICE;
	signal(SIGXCPU, on_xcpu);
	setrlimit(RLIMIT_RTTIME, &time);
	realtime_set(c, SCHED_FIFO);
	if (!c->realtime)
		log_warn("wan", NULL,
		    "no real-time scheduling: %s; RTTs are best effort",
		    strerror(errno));
}

static void
realtime_set(struct child *c, int policy)
{
	struct sched_param sp = { .sched_priority =
				      policy == SCHED_FIFO ? c->priority : 0 };

	if (c->priority > 0 && sched_setscheduler(0, policy, &sp) == 0)
		c->realtime = policy == SCHED_FIFO;
}

static void
on_xcpu(int sig)
{
	struct sched_param sp = { 0 };

	(void)sig;
	sched_setscheduler(0, SCHED_OTHER, &sp);
	over_budget = 1;
}

static void
caps_drop(const struct child *c)
{
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], few[2] = { { 0 } };
	unsigned long cap;

	prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul);
	for (cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap);
	if (syscall(SYS_capget, &h, now))
		memset(now, 0, sizeof now);
	few[0].effective = few[0].permitted = now[0].permitted & c->keep_caps;
	if (syscall(SYS_capset, &h, few))
		log_warn("wan", NULL, "capabilities stay: %s", strerror(errno));
	/* PDEATHSIG does not survive a change of credentials */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
report(struct child *c)
{
	struct wan_msg m = { .type = WAN_MSG_STATS };
	struct rusage u;

	if (!c->fwd)
		return;
	wan_fwd_stats(c->fwd, &m.u.stats);
	getrusage(RUSAGE_SELF, &u);
	m.u.stats.wakeups = c->wakeups;
	m.u.stats.cpu_ns =
	    (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
	    (int64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NS_PER_US;
	m.u.stats.rss_kib = (uint64_t)u.ru_maxrss;
	m.u.stats.realtime = c->realtime;
	(void)!send(WAN_CHILD_FD, &m, sizeof m, MSG_DONTWAIT);
}

/* Never waits: control may just be writing to us. What does not get through
 * now is told on a later turn. */
static void
report_closed(struct child *c)
{
	struct wan_msg m = { .type = WAN_MSG_CLOSED, .u.nclosed = c->nclosed };

	if (send(WAN_CHILD_FD, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		c->nclosed = 0;
}

static void
timer_arm(struct child *c)
{
	struct itimerspec it = { 0 };
	int64_t due = wan_fwd_due(c->fwd);

	if (due == c->armed_ns)
		return;
	c->armed_ns = due;
	if (due != INT64_MAX) {
		it.it_value.tv_sec = due / NS_PER_S;
		/* all zero would disarm */
		it.it_value.tv_nsec = due % NS_PER_S | 1;
	}
	timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &it, NULL);
}

static bool
watch(struct child *c, int fd, uint32_t id)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = id };

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}
