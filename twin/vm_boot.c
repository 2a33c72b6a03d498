/*
 * vm_boot.c - from a configuration to a running init: disk, cgroups, network
 * namespace with its TUN, clone3. Whatever takes time (mounts, files) is left
 * to init, so that control is back on its loop within some 100 us.
 */
#include "twin/vm_int.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "twin/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HIGH_FD = 10, /* above the numbers that init expects */
	EXIT_EXEC = 127
};
#define BOOT_NS (20 * NS_PER_S)

struct spawn { /* all that the new process needs, made before clone3 */
	int sock, conf, init;
	bool pin; /* no cpuset group: pin by affinity */
	cpu_set_t cpus;
};

static bool make_once(struct vm *vm, struct mw_err *err);
static void boot_id_new(char out[40]);
static bool network_make(struct vm *vm, const struct spawn *sp, int *tun,
    struct mw_err *err);
static bool process_make(struct vm *vm, const struct spawn *sp,
    struct mw_err *err);
mw_noreturn static void process_run(const struct spawn *sp);
static bool spawn_prepare(struct vm *vm, struct spawn *sp, struct mw_err *err);
static int conf_memfd(const struct vm *vm, struct mw_err *err);
static void conf_text(const struct vm *vm, struct str *s);
static void add(struct str *s, const char *key, const char *value);
static int high_fd(int fd);
static void cpus_choose(const struct vm *vm, cpu_set_t *set);
static void fd_close(int *fd);

bool
vm_boot(struct vm *vm, struct mw_err *err)
{
	struct wan_host h = { .site = vm->site,
		.address = vm->address,
		.private_address = vm->private_address,
		.network = vm->network };
	struct spawn sp = { -1, -1, -1, false, { { 0 } } };
	struct event_base *base = loop_base(vm->set->conf.loop);
	bool ok = false;
	int tun = -1;

	vm->boot_at_ns = clock_mono_ns();
	vm->panicked = vm->frozen = vm->timed_out = false;
	boot_id_new(vm->boot_id);
	if ((!vm->made && !make_once(vm, err)) ||
	    !spawn_prepare(vm, &sp, err) || !network_make(vm, &sp, &tun, err))
		goto out;
	/* takes the TUN in any case */
	h.take_tun = tun;
	if (!wan_host_add(vm->set->conf.wan, vm->slot, &h, err)) {
		vm_kill(vm);
		vm_release(vm);
		goto out;
	}
	vm->ev_pid = event_new(base, vm->pidfd, EV_READ, vm_on_pidfd, vm);
	vm->ev_sock =
	    event_new(base, vm->sock, EV_READ | EV_PERSIST, vm_on_socket, vm);
	event_add(vm->ev_pid, NULL);
	event_add(vm->ev_sock, NULL);
	loop_timer_set(vm->deadline, BOOT_NS);
	ok = true;
out:
	fd_close(&sp.sock);
	fd_close(&sp.conf);
	if (!ok)
		fd_close(&vm->sock);
	return ok;
}

void
vm_release(struct vm *vm)
{
	siginfo_t si;

	if (vm->ev_pid)
		event_free(vm->ev_pid);
	if (vm->ev_sock)
		event_free(vm->ev_sock);
	vm->ev_pid = vm->ev_sock = NULL;
	/* harmless if vm_on_pidfd() has reaped it already */
	if (vm->pidfd >= 0)
		waitid(P_PIDFD, (id_t)vm->pidfd, &si, WEXITED);
	wan_host_del(vm->set->conf.wan, vm->slot);
	fd_close(&vm->pidfd);
	fd_close(&vm->sock);
	vm->pid = 0;
	vm->frozen = false;
	loop_timer_clear(vm->deadline);
}

static bool
make_once(struct vm *vm, struct mw_err *err)
{
	struct vm_set *s = vm->set;

	if (!root_disk_make(vm->dir, s->tmpfs ? vm->disk_mib : 0, err))
		return false;
	vm->made = true;
	return !s->groups ||
	    cgroup_make(&s->trees, s->run, vm->leaf, &vm->limits, err);
}

/* RFC 4122, version 4. */
static void
boot_id_new(char out[40])
{
	struct str s = STR_INIT;
	uint8_t b[16];
	size_t i;

	clock_random(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (i = 0; i < sizeof b; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			str_addc(&s, '-');
		str_add_hex(&s, &b[i], 1);
	}
	str_copy(out, 40, str_cstr(&s));
	str_free(&s);
}

/* The new process inherits the namespace that this thread is in. */
static bool
network_make(struct vm *vm, const struct spawn *sp, int *tun,
    struct mw_err *err)
{
	struct netdev d = { .name = "wan0",
		.address = vm->address,
		.private_address = vm->private_address,
		.prefix = wan_half_prefix(vm->set->conf.wan),
		.fresh_ns = true };
	bool ok;

	if (!netdev_new_ns(err))
		return false;
	ok = netdev_tun(&d, tun, err) && process_make(vm, sp, err);
	netdev_home();
	if (!ok)
		fd_close(tun);
	return ok;
}

static bool
process_make(struct vm *vm, const struct spawn *sp, struct mw_err *err)
{
	struct clone_args a = { .flags = CLONE_PIDFD | CLONE_NEWNS |
		    CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC,
		.exit_signal = SIGCHLD };
	int pidfd = -1;
	long pid;

	a.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		process_run(sp);
	if (pid < 0)
		return err_set(err, MW_INTERNAL, errno, "clone3: %s",
		    strerror(errno));
	vm->pid = (pid_t)pid;
	vm->pidfd = pidfd;
	return true;
}

/* In the new process: system calls only, since other threads of control may
 * have held locks when it was made. */
static void
process_run(const struct spawn *sp)
{
	static char name[] = "milkyway-twin-init", path[] = "PATH=/usr/bin";
	static char *const argv[] = { name, NULL },
			   *const env[] = { path, NULL };
	struct sigaction def = { .sa_handler = SIG_DFL };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGPIPE, &def, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (sp->pin)
		sched_setaffinity(0, sizeof sp->cpus, &sp->cpus);
	if (dup2(sp->sock, VM_BOOT_SOCK) == VM_BOOT_SOCK &&
	    dup2(sp->conf, VM_BOOT_CONF) == VM_BOOT_CONF &&
	    close_range(VM_BOOT_CONF + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		syscall(SYS_execveat, sp->init, "", argv, env, AT_EMPTY_PATH);
	_exit(EXIT_EXEC);
}

static bool
spawn_prepare(struct vm *vm, struct spawn *sp, struct mw_err *err)
{
	struct vm_set *s = vm->set;
	int pair[2];

	sp->conf = conf_memfd(vm, err);
	if (sp->conf < 0)
		return false;
	sp->init = s->init_fd;
	cpus_choose(vm, &sp->cpus);
	sp->pin = !s->groups || s->trees.where[CGROUP_CPUSET] < 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair))
		return err_set(err, MW_INTERNAL, errno, "socketpair: %s",
		    strerror(errno));
	vm->sock = pair[0];
	sp->sock = high_fd(pair[1]);
	if (vm->has_fault) {
		struct vm_boot_frame f = { .type = VM_BOOT_FAULT,
			.fault = vm->fault };

		(void)!send(vm->sock, &f, VM_BOOT_FRAME_MIN, MSG_NOSIGNAL);
	}
	return true;
}

static int
conf_memfd(const struct vm *vm, struct mw_err *err)
{
	int fd = high_fd(memfd_create("twin-vm", MFD_CLOEXEC));
	struct str s = STR_INIT;

	conf_text(vm, &s);
	if (fd < 0 || !file_write_all(fd, s.p, s.len)) {
		err_set(err, MW_INTERNAL, errno, "memfd: %s", strerror(errno));
		fd_close(&fd);
	}
	str_free(&s);
	return fd;
}

static void
conf_text(const struct vm *vm, struct str *s)
{
	const struct vm_set *set = vm->set;
	char text[2 * CGROUP_PATH_MAX + 32];
	unsigned cpus = vm->vcpu < set->ncpus ? vm->vcpu : set->ncpus;
	size_t i;

	add(s, "hostname", vm->name);
	add(s, "user", vm->user);
	add(s, "bootId", vm->boot_id);
	add(s, "json", vm->boot_json);
	add(s, "hostKey", vm->host_key);
	add(s, "hostKeyPub", str_cstr(&vm->key_line));
	add(s, "authorizedKeys", vm->authorized_keys);
	add(s, "dir", vm->dir);
	add(s, "template", set->template_dir);
	snprintf(text, sizeof text, "%u", cpus);
	add(s, "cpus", text);
	snprintf(text, sizeof text, "%u", (unsigned)vm->memory_mib);
	add(s, "memoryMiB", text);
	for (i = 0; i < set->trees.n && set->groups; i++) {
		/* not by CLONE_INTO_CGROUP: Linux 6.18 kills a process that is
		 * made in a group where cgroup.kill was ever written */
		cgroup_path(&set->trees, i, set->run, vm->leaf, text);
		str_addf(s, "join=%s/cgroup.procs", text);
		str_addc(s, '\0');
		add(s, "cgroup", set->trees.tree[i].options);
	}
	for (i = 0; i < vm->nfiles; i++) {
		str_addf(s, "file=0%o %s\n%s", vm->files[i].mode,
		    vm->files[i].path, vm->files[i].content);
		str_addc(s, '\0');
	}
}

static void
add(struct str *s, const char *key, const char *value)
{
	str_addf(s, "%s=%s", key, value);
	str_addc(s, '\0');
}

/* Takes fd; the result is at or above HIGH_FD, or -1. */
static int
high_fd(int fd)
{
	int high;

	if (fd < 0 || fd >= HIGH_FD)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	close(fd);
	return high;
}

/* VMs are spread over the host's CPUs by their slots. */
static void
cpus_choose(const struct vm *vm, cpu_set_t *set)
{
	const struct vm_set *s = vm->set;
	unsigned i, n = vm->vcpu < s->ncpus ? vm->vcpu : s->ncpus;

	CPU_ZERO(set);
	for (i = 0; i < n; i++)
		CPU_SET((size_t)s->cpus[(vm->slot * n + i) % s->ncpus], set);
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
