/*
 * doctor.c - the checks of doctor.h, one function each. Promises: changes
 * nothing but a scratch directory that it removes again.
 */
#include "twin/doctor.h"

#include "common/file.h"
#include "common/pure/str.h"
#include "twin/cgroup.h"
#include "twin/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_PER_VM 4
#define FDS_SPARE 200
#define PIDS_PER_VM 20
#define KIB_PER_VM 1536 /* idle */
#define NET 0x0ac80000u /* 10.200.0.0/15 */
#define NET_MASK 0xfffe0000u
#define OVERLAY_MAGIC 0x794c7630

static struct doctor_item *add(struct doctor *d, const char *check,
    enum doctor_level level, const char *fix, const char *fmt, ...)
    mw_printf(5, 6);

static struct doctor_item *
add(struct doctor *d, const char *check, enum doctor_level level,
    const char *fix, const char *fmt, ...)
{
	struct doctor_item *it = &d->v[d->n];
	va_list ap;

	if (d->n < DOCTOR_MAX - 1)
		d->n++;
	it->check = check;
	it->level = level;
	str_copy(it->fix, sizeof it->fix, level == DOCTOR_OK ? "" : fix);
	va_start(ap, fmt);
	vsnprintf(it->text, sizeof it->text, fmt, ap);
	va_end(ap);
	return it;
}

static void
check_root(struct doctor *d)
{
	bool root = geteuid() == 0;

	add(d, "root", root ? DOCTOR_OK : DOCTOR_FAIL,
	    "run it with sudo: namespaces, devices and cgroups need root",
	    root ? "runs as root" : "runs as uid %u", (unsigned)geteuid());
}

static void
check_tun(struct doctor *d)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		add(d, "tun", DOCTOR_OK, "", "/dev/net/tun can be opened");
		return;
	}
	add(d, "tun", DOCTOR_FAIL,
	    errno == ENOENT ? "modprobe tun; in a container: --device "
			      "/dev/net/tun --cap-add NET_ADMIN"
			    : "run as root, or chmod 0666 /dev/net/tun",
	    "/dev/net/tun: %s", strerror(errno));
}

static void
check_cgroup(struct doctor *d)
{
	static const char *const names[CGROUP_CTL_COUNT] = {
		[CGROUP_CPU] = "cpu",
		[CGROUP_MEMORY] = "memory",
		[CGROUP_CPUSET] = "cpuset",
		[CGROUP_PIDS] = "pids",
	};
	struct cgroup_trees t;
	struct str missing = STR_INIT;

	cgroup_trees_find(&t);
	for (size_t i = 0; i < CGROUP_CTL_COUNT; i++) {
		if (t.where[i] < 0)
			str_addf(&missing, " %s", names[i]);
	}
	if (t.v2 < 0)
		add(d, "cgroup", DOCTOR_FAIL,
		    "mount the v2 tree: mount -t cgroup2 none /sys/fs/cgroup",
		    "layout %s: no v2 tree, VMs cannot be frozen or killed "
		    "as a whole",
		    cgroup_layout(&t));
	else if (missing.len > 0)
		add(d, "cgroup", DOCTOR_LIMITED,
		    "enable the controllers on the kernel command line or in "
		    "the container",
		    "layout %s, without:%s", cgroup_layout(&t),
		    str_cstr(&missing));
	else
		add(d, "cgroup", DOCTOR_OK, "",
		    "layout %s with cpu, memory, cpuset, pids",
		    cgroup_layout(&t));
	str_free(&missing);
}

/* Mounts an overlay in a child with an own mount namespace. 0: works. */
static int
try_overlay(const char *dir)
{
	char opts[600], at[256];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0)
		return errno;
	snprintf(at, sizeof at, "%s/m", dir);
	snprintf(opts, sizeof opts, "lowerdir=/usr,upperdir=%s/u,workdir=%s/w",
	    dir, dir);
	if (chdir(dir) < 0 || mkdir("u", 0755) < 0 || mkdir("w", 0755) < 0 ||
	    mkdir("m", 0755) < 0 ||
	    mount("overlay", at, "overlay", 0, opts) < 0)
		return errno;
	return 0;
}

static void
check_overlay(struct doctor *d)
{
	char dir[] = "/tmp/milkyway-doctor-XXXXXX";
	int status = -1;
	pid_t pid;

	if (!mkdtemp(dir)) {
		add(d, "overlay", DOCTOR_FAIL, "make /tmp writable", "/tmp: %s",
		    strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(try_overlay(dir) & 0xff);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	rmdir(dir);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		add(d, "overlay", DOCTOR_OK, "", "overlay on /usr works");
	else
		add(d, "overlay", DOCTOR_FAIL,
		    "modprobe overlay; in a container: --privileged",
		    "overlay on /usr: %s",
		    pid > 0 && WIFEXITED(status) ? strerror(WEXITSTATUS(status))
						 : "no child");
}

/* The directory itself, or the nearest one above that exists. */
static bool
stat_above(const char *path, struct statfs *fs)
{
	char at[256];
	char *slash;

	str_copy(at, sizeof at, path);
	while (statfs(at, fs) < 0) {
		slash = strrchr(at, '/');
		if (!slash)
			return false;
		slash[slash == at] = '\0'; /* "/" stays */
		if (errno != ENOENT)
			return false;
	}
	return true;
}

static void
check_state(struct doctor *d, const char *state_dir)
{
	struct statfs fs;

	if (!stat_above(state_dir, &fs))
		add(d, "state", DOCTOR_FAIL, "choose another with --state",
		    "%s: %s", state_dir, strerror(errno));
	else if (fs.f_type == OVERLAY_MAGIC)
		add(d, "state", DOCTOR_LIMITED,
		    "give a directory on a real file system with --state",
		    "%s is on an overlay: disks of VMs are tmpfs", state_dir);
	else
		add(d, "state", DOCTOR_OK, "", "%s, %llu MiB free", state_dir,
		    (unsigned long long)fs.f_bavail *
			    (unsigned long long)fs.f_bsize >>
			20);
}

static void
check_memory(struct doctor *d, unsigned vms)
{
	struct sysinfo si;
	unsigned long long need = (unsigned long long)vms * KIB_PER_VM / 1024;
	unsigned long long have;

	if (sysinfo(&si) < 0)
		return;
	have =
	    ((unsigned long long)si.freeram + si.bufferram) * si.mem_unit >> 20;
	add(d, "memory", have >= need ? DOCTOR_OK : DOCTOR_LIMITED,
	    "make fewer VMs, or free memory",
	    "%llu MiB free; %u idle VMs take about %llu MiB", have, vms, need);
}

static void
check_limits(struct doctor *d, unsigned vms)
{
	struct rlimit rl;
	rlim_t need = (rlim_t)vms * FDS_PER_VM + FDS_SPARE;
	struct str text = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	long pid_max = 32768;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
		add(d, "nofile",
		    rl.rlim_max >= need ? DOCTOR_OK : DOCTOR_LIMITED,
		    "raise it: ulimit -Hn 65536, or LimitNOFILE= of the unit",
		    "%llu descriptors at most; %u VMs need %llu",
		    (unsigned long long)rl.rlim_max, vms,
		    (unsigned long long)need);
	if (file_read("/proc/sys/kernel/pid_max", 64, &text, &err))
		pid_max = strtol(str_cstr(&text), NULL, 10);
	str_free(&text);
	add(d, "pidMax",
	    pid_max >= (long)vms * PIDS_PER_VM ? DOCTOR_OK : DOCTOR_LIMITED,
	    "sysctl -w kernel.pid_max=4194304", "%ld; %u busy VMs use %u",
	    pid_max, vms, vms * PIDS_PER_VM);
}

static void
check_fifo(struct doctor *d)
{
	struct sched_param p = { .sched_priority = 10 };
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sched_setscheduler(0, SCHED_FIFO, &p) == 0 ? 0 : 1);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	add(d, "schedFifo", status == 0 ? DOCTOR_OK : DOCTOR_LIMITED,
	    "run as root; in a container: --cap-add SYS_NICE --ulimit rtprio=99",
	    status == 0 ? "real-time scheduling is allowed"
			: "no real-time scheduling: round-trip times are best "
			  "effort on a busy machine");
}

static void
check_addresses(struct doctor *d, bool running)
{
	struct ifaddrs *list, *i;
	struct doctor_item *it = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (i = list; i && !it; i = i->ifa_next) {
		struct sockaddr_in sin;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&sin, i->ifa_addr, sizeof sin);
		if ((ntohl(sin.sin_addr.s_addr) & NET_MASK) != NET ||
		    (running && strcmp(i->ifa_name, "twin0") == 0))
			continue;
		it = add(d, "addresses", DOCTOR_FAIL,
		    strcmp(i->ifa_name, "twin0") == 0
			? "a twin runs already: milkyway-twin down"
			: "remove that address",
		    "interface %s has an address in 10.200.0.0/15",
		    i->ifa_name);
	}
	freeifaddrs(list);
	if (!it)
		add(d, "addresses", DOCTOR_OK, "",
		    "10.200.0.0/15 is free for the VMs");
}

static bool
find_program(const char *const *paths, char *out, size_t size)
{
	for (; *paths; paths++) {
		if (access(*paths, X_OK) == 0) {
			str_copy(out, size, *paths);
			return true;
		}
	}
	return false;
}

static void
check_programs(struct doctor *d)
{
	static const struct {
		const char *check, *paths[4];
		enum doctor_level without;
		const char *fix, *why;
	} programs[] = {
		{ "sshd", { "/usr/sbin/sshd", NULL }, DOCTOR_FAIL,
		    "apt-get install openssh-server",
		    "nobody can log in to a VM" },
		{ "sysbench", { "/usr/bin/sysbench", NULL }, DOCTOR_LIMITED,
		    "apt-get install sysbench",
		    "benchmarks in VMs end with TOOL_MISSING" },
		{ "sudo", { "/usr/bin/sudo", NULL }, DOCTOR_LIMITED,
		    "apt-get install sudo",
		    "image users cannot become root in a VM" },
		{ "mariadb", { "/usr/sbin/mariadbd", "/usr/sbin/mysqld", NULL },
		    DOCTOR_LIMITED, "apt-get install mariadb-server-core",
		    "database benchmarks end with TOOL_MISSING" },
	};
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		if (find_program(programs[i].paths, path, sizeof path))
			add(d, programs[i].check, DOCTOR_OK, "", "%s", path);
		else
			add(d, programs[i].check, programs[i].without,
			    programs[i].fix, "not found: %s", programs[i].why);
	}
}

static void
check_quality(struct doctor *d, const struct wan_quality *q)
{
	if (!q) {
		add(d, "calibration", DOCTOR_OK, "",
		    "not running: the twin calibrates itself when it starts");
		return;
	}
	if (strcmp(q->quality, "bestEffort") == 0)
		add(d, "calibration", DOCTOR_LIMITED,
		    "allow real-time scheduling (see schedFifo)", "%s", q->why);
	else if (!q->has_error)
		add(d, "calibration", DOCTOR_OK, "", "calibrating: %zu samples",
		    q->n);
	else
		add(d, "calibration", DOCTOR_OK, "",
		    "round-trip error p50 %.0f us, p99 %.0f us",
		    q->error_p50_us, q->error_p99_us);
}

static void
check_leftovers(struct doctor *d, const char *state_dir)
{
	struct vm_leftovers left = { 0 };

	vm_sweep(state_dir, false, &left);
	add(d, "leftovers",
	    left.cgroups + left.dirs == 0 ? DOCTOR_OK : DOCTOR_LIMITED,
	    "milkyway-twin sweep",
	    "%zu cgroups and %zu directories of dead "
	    "twins",
	    left.cgroups, left.dirs);
}

void
doctor_run(const struct doctor_conf *conf, struct doctor *out)
{
	out->n = 0;
	check_root(out);
	check_tun(out);
	check_cgroup(out);
	check_overlay(out);
	check_state(out, conf->state_dir);
	check_memory(out, conf->vms);
	check_limits(out, conf->vms);
	check_fifo(out);
	check_addresses(out, conf->running);
	check_programs(out);
	check_quality(out, conf->quality);
	check_leftovers(out, conf->state_dir);
}

enum doctor_level
doctor_worst(const struct doctor *d)
{
	enum doctor_level worst = DOCTOR_OK;

	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i].level > worst)
			worst = d->v[i].level;
	}
	return worst;
}

const char *
doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = { "ok", "limited", "fail" };

	return names[level];
}

json_t *
doctor_json(const struct doctor *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_item *it = &d->v[i];
		json_t *j = json_object();

		json_put_str(j, "check", it->check);
		json_put_str(j, "level", doctor_level_name(it->level));
		json_put_str(j, "text", it->text);
		json_put_str(j, "fix", it->fix[0] ? it->fix : NULL);
		json_array_append_new(list, j);
	}
	return list;
}
