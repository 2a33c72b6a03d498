/*
 * wan.c - see wan.h. Control's side: owns the child process, a copy of every
 * TUN, the rules, and the calibration. Whatever the child must know is here
 * too, so that a new child can be told all of it again.
 */
#include "twin/wan_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/netdev.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	RESERVED = 3, /* slots behind max_hosts: self, two hidden hosts */
	SEND_WAIT_MS = 200,
	START_WAIT_MS = 5000
};
#define RESTART_MIN_NS (10 * NS_PER_MS)
#define RESTART_MAX_NS (5 * NS_PER_S)

static bool conf_check(const struct wan_conf *c, struct mw_err *err);
static void conf_copy(struct wan *w, const struct wan_conf *c);
static bool self_add(struct wan *w, struct mw_err *err);
static bool hidden_add(struct wan *w, struct mw_err *err);
static bool child_spawn(struct wan *w, struct mw_err *err);
static bool child_tell(struct wan *w, struct mw_err *err);
static bool child_wait_ready(struct wan *w, struct mw_err *err);
static void child_reap(struct wan *w);
static void going_close(struct wan *w, size_t n);
static void child_lost(struct wan *w, const char *why);
static bool send_msg(struct wan *w, const void *msg, size_t n, int fd);
static bool send_matrix(struct wan *w);
static void on_message(evutil_socket_t fd, short what, void *arg);
static void on_restart_timer(void *arg);
static void on_comp(double comp_us, void *arg);
static bool host_set(struct wan *w, uint32_t slot, const struct wan_msg_host *h,
    int take_tun, struct mw_err *err);

bool
wan_start(struct loop *l, const struct wan_conf *conf, struct wan **out,
    struct mw_err *err)
{
	struct wan *w;

	if (!conf_check(conf, err))
		return false;
	w = xcalloc(1, sizeof *w);
	w->loop = l;
	w->sock = -1;
	conf_copy(w, conf);
	w->restart = loop_timer_new(l, on_restart_timer, w);
	w->closer = wan_closer_new();
	if (!child_spawn(w, err) || (w->ifname && !self_add(w, err)) ||
	    (conf->calibrate && !hidden_add(w, err))) {
		wan_stop(w);
		return err_wrap(err, "emulated network");
	}
	*out = w;
	return true;
}

void
wan_stop(struct wan *w)
{
	uint32_t i;

	if (!w)
		return;
	calibrate_free(w->cal);
	loop_timer_free(w->restart);
	if (w->pid > 0)
		kill(w->pid, SIGKILL);
	child_reap(w);
	for (i = 0; i < w->nslots; i++)
		if (w->slots[i].tun >= 0)
			close(w->slots[i].tun);
	wan_closer_free(w->closer);
	free(w->going);
	free(w->slots);
	free(w->rtt_us);
	free(w->exe);
	free(w->ifname);
	free(w);
}

uint32_t
wan_host_address(const struct wan *w)
{
	return w->conf.net + 1;
}

uint32_t
wan_slot_address(const struct wan *w, unsigned slot)
{
	return w->conf.net + 2 + slot;
}

uint32_t
wan_slot_private(const struct wan *w, unsigned slot)
{
	return wan_slot_address(w, slot) +
	    ((uint32_t)1 << (31 - w->conf.prefix));
}

unsigned
wan_slots(const struct wan *w)
{
	return w->conf.max_hosts;
}

unsigned
wan_half_prefix(const struct wan *w)
{
	return w->conf.prefix + 1;
}

bool
wan_host_add(struct wan *w, unsigned slot, const struct wan_host *h,
    struct mw_err *err)
{
	struct wan_msg_host m = { .slot = slot,
		.site = (uint32_t)h->site,
		.address = h->address,
		.private_address = h->private_address,
		.network = h->network,
		.cut = h->partitioned };

	if (slot >= w->conf.max_hosts || h->site >= w->conf.nsites) {
		close(h->take_tun);
		return err_set(err, MW_LIMIT, 0, "slot %u, site %zu", slot,
		    h->site);
	}
	return host_set(w, slot, &m, h->take_tun, err);
}

void
wan_host_del(struct wan *w, unsigned slot)
{
	struct wan_msg m = { .type = WAN_MSG_HOST_DEL, .u.host.slot = slot };

	if (slot >= w->nslots || w->slots[slot].tun < 0)
		return;
	/* the child's close must not be the last: that takes long */
	VEC_GROW(w->going, w->ngoing, w->cap_going);
	w->going[w->ngoing++] = w->slots[slot].tun;
	w->slots[slot].tun = -1;
	if (!send_msg(w, &m, sizeof m, -1))
		going_close(w, w->ngoing);
}

void
wan_host_partition(struct wan *w, unsigned slot, bool cut)
{
	struct wan_msg m = { .type = WAN_MSG_HOST_CUT,
		.u.host = { .slot = slot, .cut = cut } };

	if (slot >= w->nslots || w->slots[slot].tun < 0)
		return;
	w->slots[slot].host.cut = cut;
	send_msg(w, &m, sizeof m, -1);
}

bool
wan_host_partitioned(const struct wan *w, unsigned slot)
{
	return slot < w->nslots && w->slots[slot].host.cut;
}

static bool
conf_check(const struct wan_conf *c, struct mw_err *err)
{
	uint32_t mask;
	unsigned most;

	if (c->prefix < 15 || c->prefix > 24)
		return err_set(err, MW_INVALID, 0,
		    "the network needs a prefix of 15 to 24");
	mask = ~(uint32_t)0 << (32 - c->prefix);
	if ((c->net & ~mask) != 0)
		return err_set(err, MW_INVALID, 0,
		    "the network has host bits set");
	/* self, hidden hosts, network and broadcast of a half */
	most = ((unsigned)1 << (31 - c->prefix)) - 6;
	if (c->max_hosts > most || c->max_hosts > WAN_HOSTS_MAX)
		return err_set(err, MW_LIMIT, 0,
		    "%u hosts; this network has room for %u", c->max_hosts,
		    most < WAN_HOSTS_MAX ? most : WAN_HOSTS_MAX);
	if (!wan_model_check(c->rtt_us, c->nsites, err))
		return false;
	if (c->coordinator_site >= c->nsites)
		return err_set(err, MW_INVALID, 0, "no such coordinator site");
	return true;
}

static void
conf_copy(struct wan *w, const struct wan_conf *c)
{
	unsigned room = ((unsigned)1 << (31 - c->prefix)) - 6;
	uint32_t i;

	w->conf = *c;
	if (w->conf.max_hosts == 0)
		w->conf.max_hosts = room < 1024 ? room : 1024;
	w->exe = xstrdup(c->exe ? c->exe : "/proc/self/exe");
	w->ifname = xstrdup(c->host_ifname);
	w->rtt_us =
	    xmemdup(c->rtt_us, c->nsites * c->nsites * sizeof *c->rtt_us);
	w->model.nsites = c->nsites;
	w->model.rtt_us = w->rtt_us;
	w->conf.rtt_us = NULL;
	w->conf.exe = w->conf.host_ifname = NULL;
	w->comp_us = CALIBRATE_COMP_US;
	w->nslots = w->conf.max_hosts + RESERVED;
	w->slots = xcalloc(w->nslots, sizeof *w->slots);
	for (i = 0; i < w->nslots; i++)
		w->slots[i].tun = -1;
}

static bool
self_add(struct wan *w, struct mw_err *err)
{
	struct netdev d = { .name = w->ifname,
		.address = wan_host_address(w),
		.prefix = wan_half_prefix(w) };
	struct wan_msg_host m = { .slot = w->conf.max_hosts,
		.site = (uint32_t)w->conf.coordinator_site,
		.address = d.address };
	int tun;

	return netdev_tun(&d, &tun, err) && host_set(w, m.slot, &m, tun, err);
}

/* The last two addresses of the public half belong to the hidden hosts. */
static bool
hidden_add(struct wan *w, struct mw_err *err)
{
	uint32_t end = w->conf.net + ((uint32_t)1 << (31 - w->conf.prefix));
	struct calibrate_conf c = { .loop = w->loop,
		.address = { end - 3, end - 2 },
		.prefix = wan_half_prefix(w),
		.rtt_ns = WAN_HIDDEN_RTT_US * NS_PER_US,
		.on_comp = on_comp,
		.arg = w };
	int tun[2];
	uint32_t i;

	if (!calibrate_new(&c, tun, &w->cal, err))
		return false;
	for (i = 0; i < 2; i++) {
		struct wan_msg_host m = { .slot = w->conf.max_hosts + 1 + i,
			.site = (uint32_t)w->conf.nsites,
			.address = c.address[i] };

		if (!host_set(w, m.slot, &m, tun[i], err)) {
			if (i == 0)
				close(tun[1]);
			return false;
		}
	}
	return true;
}

static bool
host_set(struct wan *w, uint32_t slot, const struct wan_msg_host *h,
    int take_tun, struct mw_err *err)
{
	struct wan_msg m = { .type = WAN_MSG_HOST_ADD, .u.host = *h };

	if (w->slots[slot].tun >= 0) {
		close(take_tun);
		return err_set(err, MW_EXISTS, 0, "slot %u is taken",
		    (unsigned)slot);
	}
	w->slots[slot].tun = take_tun;
	w->slots[slot].host = *h;
	/* if the child is not there the next one is told */
	send_msg(w, &m, sizeof m, take_tun);
	return true;
}

static bool
child_spawn(struct wan *w, struct mw_err *err)
{
	char name[] = "milkyway-twin", role[] = "wan";
	char *argv[] = { name, role, NULL }, *env[] = { NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_set(err, MW_INTERNAL, errno, "socketpair: %s",
		    strerror(errno));
	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, pair[1], WAN_CHILD_FD);
	posix_spawn_file_actions_addclosefrom_np(&fa, WAN_CHILD_FD + 1);
	posix_spawnattr_init(&at);
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&w->pid, w->exe, &fa, &at, argv, env);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		w->pid = 0;
		return err_set(err, MW_INTERNAL, rc, "%s: %s", w->exe,
		    strerror(rc));
	}
	w->sock = pair[0];
	w->started_ns = clock_mono_ns();
	if (!child_tell(w, err) || !child_wait_ready(w, err)) {
		kill(w->pid, SIGKILL);
		child_reap(w);
		return false;
	}
	w->ev = event_new(loop_base(w->loop), w->sock, EV_READ | EV_PERSIST,
	    on_message, w);
	event_add(w->ev, NULL);
	return true;
}

static bool
child_tell(struct wan *w, struct mw_err *err)
{
	bool ok = send_matrix(w) && wan_send_rules(w);
	uint32_t i;

	for (i = 0; i < w->nslots && ok; i++) {
		struct wan_msg m = { .type = WAN_MSG_HOST_ADD,
			.u.host = w->slots[i].host };

		if (w->slots[i].tun >= 0)
			ok = send_msg(w, &m, sizeof m, w->slots[i].tun);
	}
	return ok ||
	    err_set(err, MW_INTERNAL, errno, "the network process ended");
}

/* Called at start and restart only; the child needs some ms. */
static bool
child_wait_ready(struct wan *w, struct mw_err *err)
{
	int64_t until = clock_mono_ns() + START_WAIT_MS * NS_PER_MS;
	struct wan_msg m;

	for (;;) {
		struct pollfd p = { .fd = w->sock, .events = POLLIN };
		int64_t left = (until - clock_mono_ns()) / NS_PER_MS;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return err_set(err, MW_TIMEOUT, 0,
			    "the network process does not answer");
		n = recv(w->sock, &m, sizeof m, MSG_DONTWAIT);
		if (n < (ssize_t)sizeof m)
			return err_set(err, MW_INTERNAL, 0,
			    "the network process ended at once");
		if (m.type == WAN_MSG_READY)
			break;
	}
	w->realtime = m.u.realtime;
	return true;
}

static void
child_reap(struct wan *w)
{
	int st = 0;

	if (w->ev)
		event_free(w->ev);
	w->ev = NULL;
	if (w->sock >= 0)
		close(w->sock);
	w->sock = -1;
	if (w->pid > 0)
		while (waitpid(w->pid, &st, 0) < 0 && errno == EINTR)
			;
	if (WIFSIGNALED(st) && WTERMSIG(st) != SIGKILL)
		log_error("wan", NULL, "the network process died by signal %d",
		    WTERMSIG(st));
	w->pid = 0;
	going_close(w, w->ngoing);
}

/* Nobody but us has the oldest n any more. */
static void
going_close(struct wan *w, size_t n)
{
	size_t i;

	if (n == 0)
		return;
	for (i = 0; i < n; i++)
		wan_closer_take(w->closer, w->going[i]);
	w->ngoing -= n;
	memmove(w->going, w->going + n, w->ngoing * sizeof *w->going);
}

static void
child_lost(struct wan *w, const char *why)
{
	if (w->pid == 0)
		return;
	log_warn("wan", NULL, "the network process is lost: %s\taction=restart",
	    why);
	kill(w->pid, SIGKILL);
	child_reap(w);
	/* one that lived long is back at once, one that dies at start waits */
	if (clock_mono_ns() - w->started_ns > RESTART_MAX_NS)
		w->delay_ns = 0;
	loop_timer_set(w->restart, w->delay_ns);
	w->delay_ns = w->delay_ns ? 2 * w->delay_ns : RESTART_MIN_NS;
	if (w->delay_ns > RESTART_MAX_NS)
		w->delay_ns = RESTART_MAX_NS;
}

static void
on_restart_timer(void *arg)
{
	struct mw_err err = MW_ERR_INIT;
	struct wan *w = arg;

	w->restarts++;
	if (!child_spawn(w, &err)) {
		log_error("wan", NULL, "cannot start the network: %s", err.msg);
		loop_timer_set(w->restart, RESTART_MAX_NS);
		return;
	}
	if (w->conf.on_restart)
		w->conf.on_restart(w->conf.arg, "the network process died");
}

/* The child reads all the time; one that does not within SEND_WAIT_MS is
 * replaced. */
static bool
send_msg(struct wan *w, const void *msg, size_t n, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct iovec io;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	struct pollfd p = { .fd = w->sock, .events = POLLOUT };
	struct cmsghdr *h;

	if (w->sock < 0)
		return false;
	io.iov_base = (void *)(uintptr_t)msg;
	io.iov_len = n;
	if (fd >= 0) {
		memset(&ctl, 0, sizeof ctl);
		m.msg_control = ctl.buf;
		m.msg_controllen = sizeof ctl.buf;
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
	}
	for (;;) {
		if (sendmsg(w->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EINTR)
			continue;
		if ((errno != EAGAIN && errno != ETOOMANYREFS) ||
		    poll(&p, 1, SEND_WAIT_MS) <= 0)
			break;
	}
	/* one that is only just starting is child_spawn()'s to end */
	if (w->ev)
		child_lost(w, strerror(errno));
	return false;
}

static bool
send_matrix(struct wan *w)
{
	size_t size = w->conf.nsites * w->conf.nsites * sizeof *w->rtt_us;
	struct wan_msg m = { .type = WAN_MSG_START,
		.u.start = { .net = w->conf.net,
		    .prefix = w->conf.prefix,
		    .nsites = (uint32_t)w->conf.nsites,
		    .slots = w->nslots,
		    .self_slot = w->conf.max_hosts,
		    .fifo_priority = w->conf.fifo_priority,
		    .seed = w->conf.seed,
		    .comp_ns = (int64_t)(w->comp_us * 1e3) } };
	int fd = memfd_create("twin-rtt", MFD_CLOEXEC);
	bool ok;

	ok = fd >= 0 && write(fd, w->rtt_us, size) == (ssize_t)size &&
	    send_msg(w, &m, sizeof m, fd);
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
wan_send_rules(struct wan *w)
{
	size_t tail = w->model.nrules * sizeof *w->model.rules;
	struct wan_msg *m = xcalloc(1, sizeof *m + tail);
	bool ok;

	m->type = WAN_MSG_RULES;
	m->u.nrules = (uint32_t)w->model.nrules;
	memcpy(m + 1, w->model.rules, tail);
	ok = send_msg(w, m, sizeof *m + tail, -1);
	free(m);
	return ok;
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
	struct wan *w = arg;
	struct wan_msg m;
	ssize_t n = recv(fd, &m, sizeof m, MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof m) {
		child_lost(w, "it closed its end");
		return;
	}
	if (m.type == WAN_MSG_STATS) {
		w->stats = m.u.stats;
		w->realtime = m.u.stats.realtime;
	} else if (m.type == WAN_MSG_CLOSED) {
		going_close(w,
		    m.u.nclosed < w->ngoing ? m.u.nclosed : w->ngoing);
	}
}

static void
on_comp(double comp_us, void *arg)
{
	struct wan *w = arg;
	struct wan_msg m = { .type = WAN_MSG_COMP,
		.u.comp_ns = (int64_t)(comp_us * 1e3) };

	w->comp_us = comp_us;
	send_msg(w, &m, sizeof m, -1);
}
