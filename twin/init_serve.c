/*
 * init_serve.c - the life of a VM after boot: one poll loop over signals, the
 * frames of control, port 22 and a slow timer. Nothing is resident but init:
 * each connection gets its own sshd -i, at most SSH_MAX at a time.
 */
#include "twin/init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SSH_MAX = 16, /* more wait in the backlog, as behind MaxStartups */
	BACKLOG = 64,
	MEMINFO_S = 5,
	KILL_AFTER_MS = 2000, /* from SIGTERM to SIGKILL at shutdown */
	COPY = 16384
};

static const char path_env[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static struct {
	const struct init_conf *conf;
	struct vm_ssh_fault fault;
	pid_t ssh[SSH_MAX];
	unsigned nssh;
	int listener, signals, timer;
	sigset_t mask;
} sv = { .listener = -1 };

static void streams_null(void);
static void listen_set(void);
static void on_signal(void);
static void on_frame(void);
static void on_connection(void);
static void reap(void);
static void rc_local(void);
static pid_t spawn(void);
static void child_exec(const char *const argv[], int in, int out, int log);
static void ssh_child(int c);
static void relay(int c, int server, uint32_t kib);
static bool copy_some(int from, int to, uint64_t *count);
mw_noreturn static void shut_down(int how);

void
init_serve(const struct init_conf *c)
{
	struct itimerspec each = { { MEMINFO_S, 0 }, { MEMINFO_S, 0 } };
	struct vm_boot_frame ready = { .type = VM_BOOT_READY };
	uint64_t ticks;

	sv.conf = c;
	sigemptyset(&sv.mask);
	sigaddset(&sv.mask, SIGCHLD);
	sigaddset(&sv.mask, SIGTERM);
	sigaddset(&sv.mask, SIGINT);
	sigaddset(&sv.mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &sv.mask, NULL);
	sv.signals = signalfd(-1, &sv.mask, SFD_CLOEXEC | SFD_NONBLOCK);
	sv.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sv.signals < 0 || sv.timer < 0 ||
	    timerfd_settime(sv.timer, 0, &each, NULL))
		init_die("init: %s", strerror(errno));
	if (access("/usr/sbin/sshd", X_OK) != 0)
		init_die("/usr/sbin/sshd is missing: install openssh-server");
	streams_null();
	setsid();
	on_frame(); /* a fault that control set before the boot */
	listen_set();
	rc_local();
	init_log("%s login: ready", c->hostname);
	init_send(&ready);
	for (;;) {
		struct pollfd p[] = {
			{ .fd = sv.signals, .events = POLLIN },
			{ .fd = VM_BOOT_SOCK, .events = POLLIN },
			{ .fd = sv.timer, .events = POLLIN },
			{ .fd = sv.nssh < SSH_MAX ? sv.listener : -1,
			    .events = POLLIN },
		};

		if (poll(p, ARRAY_LEN(p), -1) < 0)
			continue;
		if (p[0].revents)
			on_signal();
		if (p[1].revents)
			on_frame();
		if (p[2].revents && read(sv.timer, &ticks, sizeof ticks) > 0)
			init_show_memory(c);
		if (p[3].revents && sv.listener >= 0)
			on_connection();
	}
}

static void
streams_null(void)
{
	int i, fd = open("/dev/null", O_RDWR);

	for (i = 0; i < 3 && fd >= 0; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void
listen_set(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(22) };
	int on = 1;

	if (sv.fault.refuse) {
		if (sv.listener >= 0)
			close(sv.listener);
		sv.listener = -1;
	}
	if (sv.fault.refuse || sv.listener >= 0)
		return;
	sv.listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(sv.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (sv.listener < 0 ||
	    bind(sv.listener, (struct sockaddr *)&a, sizeof a) ||
	    listen(sv.listener, BACKLOG))
		init_die("port 22: %s", strerror(errno));
}

static void
on_signal(void)
{
	struct signalfd_siginfo si;

	while (read(sv.signals, &si, sizeof si) == (ssize_t)sizeof si) {
		switch (si.ssi_signo) {
		case SIGCHLD: reap(); break;
		case SIGHUP: shut_down(RB_AUTOBOOT); /* reboot, from inside */
		default: shut_down(RB_POWER_OFF);
		}
	}
}

static void
on_frame(void)
{
	static struct vm_boot_frame f;
	ssize_t n;

	while ((n = recv(VM_BOOT_SOCK, &f, sizeof f - 1, MSG_DONTWAIT)) > 0) {
		if ((size_t)n < VM_BOOT_FRAME_MIN ||
		    f.len != (size_t)n - VM_BOOT_FRAME_MIN)
			continue;
		f.text[f.len] = '\0';
		switch (f.type) {
		case VM_BOOT_FAULT:
			sv.fault = f.fault;
			init_login_fault(sv.conf, &sv.fault);
			if (sv.signals > 0)
				listen_set();
			break;
		case VM_BOOT_HOST_KEY:
			if (strlen(f.text) < f.len)
				init_host_key(f.text,
				    f.text + strlen(f.text) + 1);
			break;
		default: break;
		}
	}
	if (n == 0)
		_exit(0); /* control is gone */
}

static void
on_connection(void)
{
	int c = accept4(sv.listener, NULL, NULL, SOCK_CLOEXEC);
	pid_t pid;

	if (c < 0)
		return;
	pid = spawn();
	if (pid == 0) {
		ssh_child(c);
		_exit(127);
	}
	if (pid > 0)
		sv.ssh[sv.nssh++] = pid;
	close(c);
}

static void
reap(void)
{
	unsigned i;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (i = 0; i < sv.nssh; i++)
			if (sv.ssh[i] == pid)
				sv.ssh[i] = sv.ssh[--sv.nssh];
}

static void
rc_local(void)
{
	static const char *const argv[] = { "/etc/rc.local", "start", NULL };

	if (access(argv[0], X_OK) != 0)
		return;
	if (spawn() == 0) {
		int log = open("/var/log/rc.local.log",
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

		setsid();
		child_exec(argv, -1, log, log);
		_exit(127);
	}
	init_log("started /etc/rc.local");
}

static pid_t
spawn(void)
{
	pid_t pid = fork();

	if (pid == 0)
		sigprocmask(SIG_UNBLOCK, &sv.mask, NULL);
	return pid;
}

/* In a child; returns only if it fails. -1: /dev/null. */
static void
child_exec(const char *const argv[], int in, int out, int log)
{
	char env_home[] = "HOME=/", env_lang[] = "LANG=C.UTF-8";
	char env_path[sizeof path_env];
	char *env[] = { env_path, env_home, env_lang, NULL };
	union {
		const char *const *c;
		char *const *v;
	} args = { .c = argv };

	memcpy(env_path, path_env, sizeof path_env);
	if (in >= 0)
		dup2(in, 0);
	if (out >= 0)
		dup2(out, 1);
	if (log >= 0)
		dup2(log, 2);
	close(VM_BOOT_SOCK);
	execve(argv[0], args.v, env);
}

static void
ssh_child(int c)
{
	static const char *const argv[] = { "/usr/sbin/sshd", "-i", "-e",
		NULL };
	uint32_t ms = sv.fault.banner_delay_ms;
	struct timespec delay = { ms / 1000, (long)(ms % 1000) * 1000000 };
	int pair[2],
	    log = open("/var/log/auth.log",
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	setsid();
	if (ms > 0)
		nanosleep(&delay, NULL);
	if (sv.fault.drop_after_kib > 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return;
		if (fork() != 0) {
			close(pair[1]);
			relay(c, pair[0], sv.fault.drop_after_kib);
			_exit(0);
		}
		c = pair[1];
	}
	child_exec(argv, c, c, log);
}

/* Carries bytes until the client has sent its share, then drops the link. */
static void
relay(int c, int server, uint32_t kib)
{
	uint64_t in = 0, out = 0;
	struct pollfd p[2] = { { .fd = c, .events = POLLIN },
		{ .fd = server, .events = POLLIN } };

	while (in < (uint64_t)kib << 10) {
		if (poll(p, 2, -1) < 0 ||
		    (p[0].revents && !copy_some(c, server, &in)) ||
		    (p[1].revents && !copy_some(server, c, &out)))
			return;
	}
}

static bool
copy_some(int from, int to, uint64_t *count)
{
	char buf[COPY];
	ssize_t n = read(from, buf, sizeof buf), k, done = 0;

	while (n > 0 && done < n) {
		k = write(to, buf + done, (size_t)(n - done));
		if (k <= 0)
			return false;
		done += k;
	}
	*count += n > 0 ? (uint64_t)n : 0;
	return n > 0;
}

/* In a PID namespace reboot(2) ends init by a signal that tells control what
 * was meant: SIGHUP for a restart, SIGINT for power-off. */
static void
shut_down(int how)
{
	struct timespec nap = { 0, 2000000 };
	int waited = 0;

	init_log("%s", how == RB_AUTOBOOT ? "reboot" : "power off");
	if (sv.listener >= 0)
		close(sv.listener);
	kill(-1, SIGTERM);
	kill(-1, SIGHUP); /* interactive shells ignore SIGTERM */
	kill(-1, SIGCONT);
	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno == EINTR) {
		if (waited == KILL_AFTER_MS)
			kill(-1, SIGKILL);
		nanosleep(&nap, NULL);
		waited += 2;
	}
	reboot(how);
	_exit(0);
}
