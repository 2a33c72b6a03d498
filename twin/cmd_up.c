/*
 * cmd_up.c - the twin itself: up builds world, network, VMs, clouds and API on
 * one loop and runs until it is told to end; down tells it. Owns the process.
 */
#include "twin/cmd.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/rng.h"
#include "common/pure/str.h"
#include "twin/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NET 0x0ac80000u /* 10.200.0.0 */
#define NET_PREFIX 15
#define SLOTS 1024
#define FIFO_PRIORITY 10
#define READY_MS 30000
#define DOWN_MS 120000 /* a network device takes 20 ms */
#define DEFAULT_WORLD "deck17"

struct up {
	const char *world, *state_dir, *bench, *time_scale, *slots, *log_path,
	    *disk;
	bool detach, no_calibrate, debug;
};

struct twin {
	struct loop *loop;
	struct world *world;
	struct wan *wan;
	struct vm_set *vms;
	struct faults *faults;
	struct clouds *clouds;
	struct ctl *ctl;
	struct loop_timer *due;
};

/* A name of a shipped world: beside an installed or a built program. */
static char *
world_path(const char *name)
{
	static const char *const dirs[] = {
		"../share/milkyway/bench-data/worlds", "../../bench-data/worlds"
	};
	char exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (strchr(name, '/') || access(name, F_OK) == 0 || n <= 0)
		return xstrdup(name);
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		char *path = xasprintf("%s/%s/%s.json", exe, dirs[i], name);

		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return xstrdup(name);
}

static bool
load_world(const struct up *u, struct world **out, struct mw_err *err)
{
	char *path = world_path(u->world);
	struct world *w = world_load(path, err);
	bool ok = true;

	free(path);
	if (!w)
		return err_hint(err,
		    "deck17, global100, tiny, or a file: "
		    "docs/world-format.md");
	if (u->bench && strcmp(u->bench, "replay") == 0)
		w->replay = true;
	else if (u->bench && strcmp(u->bench, "measured") == 0)
		w->replay = false;
	else if (u->bench)
		ok = err_set(err, MW_INVALID, 0, "--bench replay or measured");
	if (ok && u->time_scale &&
	    !num_parse_f64(u->time_scale, strlen(u->time_scale), 0, 10,
		&w->time_scale))
		ok = err_set(err, MW_INVALID, 0, "--time-scale is 0 to 10");
	if (!ok)
		world_free(w);
	else
		*out = w;
	return ok;
}

static void
on_due(void *arg)
{
	struct twin *t = arg;
	int64_t now = clock_mono_ns(), next = clouds_run(t->clouds, now);

	if (next < INT64_MAX)
		loop_timer_set(t->due, next > now ? next - now : 0);
}

static void
on_earlier(void *arg)
{
	struct twin *t = arg;

	loop_timer_set(t->due, 0);
}

static void
on_machine(struct vm *vm, enum vm_event ev, void *arg)
{
	(void)arg;
	clouds_on_machine(vm, ev);
}

static void
on_wan_restart(void *arg, const char *why)
{
	(void)arg;
	log_warn("twin", "wan", "network process restarted\twhy=\"%s\"", why);
}

static void
on_shutdown(void *arg)
{
	struct twin *t = arg;

	loop_stop(t->loop);
}

static void
on_signal(int sig, void *arg)
{
	struct twin *t = arg;

	log_info("twin", NULL, "ending\tsignal=%d", sig);
	loop_stop(t->loop);
}

/* Twins of one machine share its processors: they say so by one id. */
static void
host_id(char *out, size_t size)
{
	struct str text = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	uint64_t h = 0;

	if (!file_read("/proc/sys/kernel/random/boot_id", 64, &text, &err))
		str_add(&text, "unknown");
	for (size_t i = 0; i < text.len; i++)
		h = rng_mix(h ^ (unsigned char)text.p[i]);
	str_free(&text);
	snprintf(out, size, "twin-%04x", (unsigned)(h & 0xffff));
}

/* Disks in memory unless a directory was named that can hold them. */
static bool
disk_of(const struct up *u, enum vm_disk *out, struct mw_err *err)
{
	static const struct {
		const char *name;
		enum vm_disk disk;
	} names[] = {
		{ "auto", VM_DISK_AUTO },
		{ "tmpfs", VM_DISK_TMPFS },
		{ "dir", VM_DISK_DIR },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i].name, u->disk) != 0)
			continue;
		*out = names[i].disk;
		if (i == 0 && strcmp(u->state_dir, CMD_STATE_DIR) == 0)
			*out = VM_DISK_TMPFS;
		return true;
	}
	return err_set(err, MW_INVALID, 0, "--disk auto, tmpfs or dir");
}

static bool
start_network(struct twin *t, const struct up *u, unsigned slots,
    struct mw_err *err)
{
	struct wan_conf wc = {
		.net = NET,
		.prefix = NET_PREFIX,
		.nsites = t->world->nsites,
		.rtt_us = t->world->rtt_us,
		.coordinator_site = t->world->coordinator_site,
		.host_ifname = "twin0",
		.max_hosts = slots,
		.fifo_priority = FIFO_PRIORITY,
		.calibrate = !u->no_calibrate,
		.seed = t->world->seed,
		.on_restart = on_wan_restart,
		.arg = t,
	};
	struct vm_set_conf vc = {
		.loop = t->loop,
		.state_dir = u->state_dir,
		.on_event = on_machine,
		.arg = t,
	};

	if (!disk_of(u, &vc.disk, err))
		return false;
	if (!wan_start(t->loop, &wc, &t->wan, err))
		return err_wrap(err, "network");
	vc.wan = t->wan;
	return vm_set_new(&vc, &t->vms, err) || err_wrap(err, "VMs");
}

static bool
start_clouds(struct twin *t, const struct up *u, const char *socket,
    unsigned slots, struct mw_err *err)
{
	struct vm_set_info info;
	struct clouds_conf cc = {
		.world = t->world,
		.vms = t->vms,
		.slots = slots,
		.on_due = on_earlier,
		.arg = t,
	};
	struct ctl_conf tc = {
		.loop = t->loop,
		.world = t->world,
		.wan = t->wan,
		.vms = t->vms,
		.socket_path = socket,
		.state_dir = u->state_dir,
		.shutdown = on_shutdown,
		.arg = t,
	};

	vm_set_info(t->vms, &info);
	cc.cpus = info.cpus;
	host_id(cc.host_id, sizeof cc.host_id);
	t->faults = faults_new(t->world, clock_mono_ns());
	cc.faults = t->faults;
	t->clouds = clouds_new(&cc);
	t->due = loop_timer_new(t->loop, on_due, t);
	tc.clouds = t->clouds;
	tc.faults = t->faults;
	t->ctl = ctl_new(&tc, err);
	return t->ctl || err_wrap(err, "control socket %s", socket);
}

static void
twin_end(struct twin *t)
{
	ctl_free(t->ctl);
	vm_set_free(t->vms);
	loop_timer_free(t->due);
	clouds_free(t->clouds);
	faults_free(t->faults);
	wan_stop(t->wan);
	world_free(t->world);
	loop_free(t->loop);
}

/* Runs the twin; told(arg, err) is called once: err NULL when it is up. */
static int
twin_run(const struct up *u, const char *socket, unsigned slots,
    void (*told)(void *arg, const struct mw_err *err), void *arg)
{
	struct mw_err err = MW_ERR_INIT;
	struct twin t = { .loop = loop_new() };
	bool ok;

	loop_on_signal(t.loop, on_signal, &t);
	ok = load_world(u, &t.world, &err) &&
	    file_mkdirs(u->state_dir, 0755, &err) &&
	    start_network(&t, u, slots, &err) &&
	    start_clouds(&t, u, socket, slots, &err);
	told(arg, ok ? NULL : &err);
	if (ok) {
		log_info("twin", NULL, "up\tworld=%s sites=%zu socket=%s",
		    t.world->name, t.world->nsites, socket);
		loop_run(t.loop);
	}
	twin_end(&t);
	return ok ? 0 : err_exit_status(err.code);
}

static void
told_foreground(void *arg, const struct mw_err *err)
{
	const char *socket = arg;

	if (err) {
		cmd_fail(err);
	} else {
		printf("milkyway-twin is up: %s\n", socket);
		fflush(stdout);
	}
}

static void
told_parent(void *arg, const struct mw_err *err)
{
	static const struct mw_err none = MW_ERR_INIT;
	int *fd = arg;

	file_write_all(*fd, err ? err : &none, sizeof none);
	close(*fd);
}

static bool
redirect(const char *log_path)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(log_path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	return in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 &&
	    dup2(out, 2) == 2;
}

static int
run_detached(const struct up *u, const char *socket, unsigned slots, int fd)
{
	struct mw_err err = MW_ERR_INIT;
	char *log_path = u->log_path ? xstrdup(u->log_path)
				     : xasprintf("%s/twin.log", u->state_dir);
	bool made = access(u->state_dir, F_OK) != 0;
	int status;

	setsid();
	if (!file_mkdirs(u->state_dir, 0755, &err) || !redirect(log_path)) {
		err_set(&err, MW_INTERNAL, errno, "cannot write %s", log_path);
		told_parent(&fd, &err);
		free(log_path);
		return 1;
	}
	status = twin_run(u, socket, slots, told_parent, &fd);
	/* what ended well leaves nothing; after a crash the log stays */
	if (!u->log_path && status == 0)
		unlink(log_path);
	if (made)
		rmdir(u->state_dir);
	free(log_path);
	return status;
}

/* Waits for the child's word. */
static int
await_child(int fd, pid_t pid, const char *socket)
{
	struct mw_err err = MW_ERR_INIT;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = -1;

	if (poll(&p, 1, READY_MS) == 1)
		n = read(fd, &err, sizeof err);
	close(fd);
	if (n == (ssize_t)sizeof err && err.code == MW_OK) {
		printf("milkyway-twin is up: pid %d, %s\n", (int)pid, socket);
		return 0;
	}
	if (n != (ssize_t)sizeof err) {
		kill(pid, SIGTERM);
		err_set(&err, MW_TIMEOUT, 0, "the twin did not come up");
	}
	waitpid(pid, NULL, 0);
	return cmd_fail(&err);
}

static int
detach(const struct up *u, const char *socket, unsigned slots)
{
	struct mw_err err = MW_ERR_INIT;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		err_set(&err, MW_INTERNAL, errno, "cannot start a process");
		return cmd_fail(&err);
	}
	if (pid == 0) {
		close(fds[0]);
		_exit(run_detached(u, socket, slots, fds[1]));
	}
	close(fds[1]);
	return await_child(fds[0], pid, socket);
}

static bool
answers(const struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;

	if (access(c->socket, F_OK) != 0 ||
	    !cmd_call(c, "GET", "/v1/status", NULL, &j, &err))
		return false;
	json_decref(j);
	return true;
}

static int
up(struct cmd *c, const struct up *u, const char *socket)
{
	struct mw_err err = MW_ERR_INIT;
	int64_t slots = SLOTS;

	if (u->slots &&
	    !num_parse_i64(u->slots, strlen(u->slots), 1, WAN_HOSTS_MAX,
		&slots)) {
		err_set(&err, MW_INVALID, 0, "--vms is 1 to %d", WAN_HOSTS_MAX);
		return cmd_fail(&err);
	}
	if (geteuid() != 0) {
		err_set(&err, MW_DENIED, 0, "namespaces need root");
		err_hint(&err, "sudo milkyway-twin up");
		return cmd_fail(&err);
	}
	c->socket = socket;
	if (answers(c)) {
		err_set(&err, MW_EXISTS, 0, "a twin runs already on %s",
		    socket);
		err_hint(&err, "milkyway-twin down");
		return cmd_fail(&err);
	}
	log_init("milkyway-twin", u->debug ? LOG_DEBUG : LOG_INFO);
	if (u->detach)
		return detach(u, socket, (unsigned)slots);
	return twin_run(u, socket, (unsigned)slots, told_foreground,
	    (void *)(uintptr_t)socket);
}

int
cmd_up(struct cmd *c)
{
	struct up u = { .world = DEFAULT_WORLD,
		.state_dir = CMD_STATE_DIR,
		.disk = "auto" };
	const struct cmd_opt opts[] = {
		{ "--world", &u.world, NULL },
		{ "--state", &u.state_dir, NULL },
		{ "--bench", &u.bench, NULL },
		{ "--time-scale", &u.time_scale, NULL },
		{ "--vms", &u.slots, NULL },
		{ "--log", &u.log_path, NULL },
		{ "--disk", &u.disk, NULL },
		{ "--detach", NULL, &u.detach },
		{ "--no-calibrate", NULL, &u.no_calibrate },
		{ "--debug", NULL, &u.debug },
	};
	const char *given = c->socket;
	char *socket;
	int status;

	if (!cmd_options(c, opts, ARRAY_LEN(opts), false) || c->argc != 0)
		return cmd_usage("up [--world FILE|NAME] [--detach] "
				 "[--state DIR] [--socket PATH]");
	/* the socket is in the state directory unless it was named */
	if (c->socket == given && strcmp(given, CMD_STATE_DIR "/ctl.sock") == 0)
		socket = xasprintf("%s/ctl.sock", u.state_dir);
	else
		socket = xstrdup(c->socket);
	status = up(c, &u, socket);
	free(socket);
	return status;
}

static void
await_end(pid_t pid)
{
	int64_t end = clock_mono_ns() + DOWN_MS * NS_PER_MS;

	while (kill(pid, 0) == 0 && clock_mono_ns() < end)
		poll(NULL, 0, 10);
}

int
cmd_down(struct cmd *c)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *j;
	pid_t pid;

	if (!cmd_options(c, NULL, 0, false) || c->argc != 0)
		return cmd_usage("down");
	if (!cmd_call(c, "POST", "/v1/shutdown", NULL, &j, &err))
		return cmd_fail(&err);
	pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
	json_decref(j);
	if (pid <= 0)
		return 0;
	await_end(pid);
	if (kill(pid, 0) == 0) {
		err_set(&err, MW_TIMEOUT, 0, "pid %d does not end", (int)pid);
		return cmd_fail(&err);
	}
	return 0;
}
