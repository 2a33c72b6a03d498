/*
 * killer.c - one life of a program under ptrace, to end it or to fail its
 * disk at an exact system call.
 *
 * usage: killer [COMMAND] -- PROGRAM [ARGUMENT]...
 *
 * Lines on standard input, or one as COMMAND before the program's first
 * instruction:
 *   kill N          SIGKILL at the entry of the N-th system call from now on,
 *                   of whichever thread; 0: only count
 *   fail KIND N E T the N-th call of that kind from now on and T - 1 more
 *                   (T 0: all that follow) return the error E (eio, enospc)
 *                   without being done; KIND: write (pwrite64, ftruncate) or
 *                   sync (fsync, fdatasync)
 *   count           tells how many calls there were; no more counting, and
 *                   nothing is killed or failed any more
 *   end             SIGTERM
 *   now             SIGKILL
 * End of input is "now". Lines on standard output:
 *   up PID          it may run
 *   count N
 *   failed NUMBER   a call was failed for the first time, its number
 *   killed N NUMBER at the N-th call, of that system call number; it is gone
 *   ended STATUS    by itself, or of a signal as 128 + signal
 * Exit status 0, or 77 if tracing is not permitted here.
 *
 * While nothing is counted the program runs at full speed: its threads are
 * stopped only when they come and go. No thread can be missed: the kernel
 * attaches new ones before they run (PTRACE_O_TRACECLONE).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <elf.h>
#include <linux/ptrace.h>

#define THREADS_MAX 256
#define SKIP 77

enum fail_kind {
	FAIL_NONE,
	FAIL_WRITE,
	FAIL_SYNC
};

struct thread {
	pid_t tid;
	bool failing; /* its call was taken away; the result comes at exit */
};

struct life {
	pid_t pid;
	struct thread threads[THREADS_MAX];
	size_t nthreads;
	bool tracing; /* stop at every system call */
	uint64_t seen; /* entries since tracing began */
	uint64_t kill_at; /* 0: never */
	uint64_t killed_nr;
	bool killed; /* by kill_at */
	enum fail_kind fail;
	uint64_t fail_at, fail_times, fail_seen;
	int fail_errno;
	bool fail_told;
	int status;
	bool over;
};

static void
say(const char *word, unsigned long long a, const char *sep, const char *b)
{
	printf("%s %llu%s%s\n", word, a, sep, b);
	fflush(stdout);
}

static struct thread *
thread_of(struct life *l, pid_t tid)
{
	for (size_t i = 0; i < l->nthreads; i++) {
		if (l->threads[i].tid == tid)
			return &l->threads[i];
	}
	if (l->nthreads == THREADS_MAX) {
		fputs("killer: too many threads\n", stderr);
		exit(1);
	}
	l->threads[l->nthreads] = (struct thread){ .tid = tid };
	return &l->threads[l->nthreads++];
}

static void
thread_gone(struct life *l, pid_t tid)
{
	for (size_t i = 0; i < l->nthreads; i++) {
		if (l->threads[i].tid == tid) {
			l->threads[i] = l->threads[--l->nthreads];
			return;
		}
	}
}

/* A thread may be killed at any moment: errors of ptrace mean that, and its
 * end is told by waitpid(). */
static void
go_on(const struct life *l, pid_t tid, int sig)
{
	ptrace(l->tracing ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL,
	    (void *)(intptr_t)sig);
}

/* Running threads change their mode at a stop. */
static void
stop_all(const struct life *l)
{
	for (size_t i = 0; i < l->nthreads; i++)
		ptrace(PTRACE_INTERRUPT, l->threads[i].tid, NULL, NULL);
}

static void
trace(struct life *l, bool on)
{
	if (l->tracing == on)
		return;
	l->tracing = on;
	l->seen = 0;
	if (on)
		stop_all(l);
}

/* The call is not made: there is no system call of that number. */
static void
take_call_away(pid_t tid)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, tid,
	    (void *)offsetof(struct user_regs_struct, orig_rax), (void *)-1L);
#elif defined(__aarch64__)
	int none = -1;
	struct iovec v = { &none, sizeof none };

	ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &v);
#else
#error "how is a system call taken away on this machine?"
#endif
}

static void
set_result(pid_t tid, long value)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, tid,
	    (void *)offsetof(struct user_regs_struct, rax), (void *)value);
#elif defined(__aarch64__)
	struct user_regs_struct regs;
	struct iovec v = { &regs, sizeof regs };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &v) == 0) {
		regs.regs[0] = (unsigned long long)value;
		ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &v);
	}
#endif
}

static enum fail_kind
kind_of(uint64_t nr)
{
	switch (nr) {
	case SYS_pwrite64:
	case SYS_ftruncate: return FAIL_WRITE;
	case SYS_fsync:
	case SYS_fdatasync: return FAIL_SYNC;
	default: return FAIL_NONE;
	}
}

static void
on_entry(struct life *l, struct thread *t, uint64_t nr)
{
	l->seen++;
	if (l->kill_at > 0 && l->seen == l->kill_at) {
		l->killed = true;
		l->killed_nr = nr;
		kill(l->pid, SIGKILL);
		return;
	}
	if (l->fail == FAIL_NONE || kind_of(nr) != l->fail ||
	    ++l->fail_seen < l->fail_at ||
	    (l->fail_times > 0 && l->fail_seen >= l->fail_at + l->fail_times))
		return;
	take_call_away(t->tid);
	t->failing = true;
	if (!l->fail_told)
		say("failed", nr, "", "");
	l->fail_told = true;
}

static void
on_syscall_stop(struct life *l, pid_t tid)
{
	struct thread *t = thread_of(l, tid);
	struct ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof info, &info) <
	    0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && l->tracing) {
		on_entry(l, t, info.entry.nr);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->failing) {
		t->failing = false;
		set_result(tid, -l->fail_errno);
	}
}

static void
on_stop(struct life *l, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		on_syscall_stop(l, tid);
		go_on(l, tid, 0);
	} else if (event == PTRACE_EVENT_STOP) {
		thread_of(l, tid);
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
		    sig == SIGTTOU)
			ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		else
			go_on(l, tid, 0);
	} else {
		go_on(l, tid, event ? 0 : sig);
	}
}

static void
on_status(struct life *l, pid_t tid, int status)
{
	if (WIFSTOPPED(status)) {
		on_stop(l, tid, status);
		return;
	}
	thread_gone(l, tid);
	if (tid != l->pid)
		return;
	l->over = true;
	l->status =
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool
set_fail(struct life *l, const char *kind, uint64_t n, const char *error,
    uint64_t times)
{
	if (strcmp(kind, "write") == 0)
		l->fail = FAIL_WRITE;
	else if (strcmp(kind, "sync") == 0)
		l->fail = FAIL_SYNC;
	else
		return false;
	l->fail_errno = strcmp(error, "enospc") == 0 ? ENOSPC : EIO;
	l->fail_at = n;
	l->fail_times = times;
	l->fail_seen = 0;
	l->fail_told = false;
	trace(l, true);
	return true;
}

static void
command(struct life *l, const char *line)
{
	char kind[16], error[16];
	unsigned long long n, times;

	if (sscanf(line, "kill %llu", &n) == 1) {
		l->kill_at = n;
		trace(l, true);
	} else if (sscanf(line, "fail %15s %llu %15s %llu", kind, &n, error,
		       &times) == 4 &&
	    set_fail(l, kind, n, error, times)) {
		return;
	} else if (strcmp(line, "count") == 0) {
		if (l->killed)
			return; /* that is told when it is gone */
		say("count", l->seen, "", "");
		l->kill_at = 0;
		l->fail = FAIL_NONE;
		trace(l, false);
	} else if (strcmp(line, "end") == 0) {
		kill(l->pid, SIGTERM);
	} else if (strcmp(line, "now") == 0) {
		kill(l->pid, SIGKILL);
	} else {
		fprintf(stderr, "killer: what is \"%s\"?\n", line);
	}
}

/* False: the end of the input. */
static bool
read_commands(struct life *l)
{
	static char buf[4096];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof buf - 1 - len);
	char *nl;

	if (n <= 0)
		return false;
	len += (size_t)n;
	buf[len] = '\0';
	while ((nl = strchr(buf, '\n')) != NULL) {
		*nl = '\0';
		command(l, buf);
		len -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, len + 1);
	}
	return len < sizeof buf - 1;
}

static void
watch(struct life *l, int sigfd)
{
	struct pollfd fds[] = { { .fd = sigfd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN } };
	struct signalfd_siginfo si;
	int status;
	pid_t tid;

	while (!l->over) {
		while (!l->over &&
		    (tid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			on_status(l, tid, status);
		if (l->over || poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(sigfd, &si, sizeof si) < 0)
			continue;
		if (fds[1].revents && !read_commands(l)) {
			fds[1].fd = -1;
			kill(l->pid, SIGKILL);
		}
	}
}

static void
child(int gate, char **argv)
{
	sigset_t none;
	char c;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(gate, &c, 1) != 1)
		_exit(SKIP);
	close(gate);
	execv(argv[0], argv);
	fprintf(stderr, "killer: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* The program, attached before its first instruction. */
static bool
begin(struct life *l, const char *first, char **argv)
{
	int gate[2];

	if (pipe(gate) < 0)
		return false;
	l->pid = fork();
	if (l->pid < 0)
		return false;
	if (l->pid == 0) {
		close(gate[1]);
		child(gate[0], argv);
	}
	close(gate[0]);
	if (ptrace(PTRACE_SEIZE, l->pid, NULL,
		(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
		    PTRACE_O_EXITKILL)) < 0) {
		fprintf(stderr, "killer: ptrace: %s\n", strerror(errno));
		kill(l->pid, SIGKILL);
		return false;
	}
	thread_of(l, l->pid);
	if (first)
		command(l, first);
	say("up", (unsigned long long)l->pid, "", "");
	if (write(gate[1], "g", 1) != 1)
		return false;
	close(gate[1]);
	return true;
}

int
main(int argc, char **argv)
{
	struct life l = { 0 };
	bool first = argc > 1 && strcmp(argv[1], "--") != 0;
	sigset_t set;
	int i = first ? 2 : 1, sigfd;
	char nr[32];

	if (i + 1 >= argc || strcmp(argv[i], "--") != 0) {
		fputs("usage: killer [COMMAND] -- PROGRAM [ARGUMENT]...\n",
		    stderr);
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0 || !begin(&l, first ? argv[1] : NULL, argv + i + 1))
		return SKIP;
	watch(&l, sigfd);
	snprintf(nr, sizeof nr, "%llu", (unsigned long long)l.killed_nr);
	if (l.killed)
		say("killed", l.seen, " ", nr);
	else
		say("ended", (unsigned long long)l.status, "", "");
	return 0;
}
