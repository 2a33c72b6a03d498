/*
 * init_root.c - the VM's file systems. /usr and /etc are overlays of shared
 * lower layers; the VM's own files lie in its state directory; nothing else of
 * the host is visible. Everything vanishes with the mount namespace.
 */
#include "twin/init.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Of the state directory. rootfs is the VM's /, on its own disk. */
static const struct {
	const char *name;
	unsigned mode;
} state_dirs[] = {
	{ "usr.upper", 0755 },
	{ "usr.work", 0755 },
	{ "etc.upper", 0755 },
	{ "etc.work", 0755 },
	{ "rootfs", 0755 },
	{ "rootfs/dev", 0755 },
	{ "rootfs/etc", 0755 },
	{ "rootfs/home", 0755 },
	{ "rootfs/opt", 0755 },
	{ "rootfs/proc", 0555 },
	{ "rootfs/root", 0700 },
	{ "rootfs/run", 0755 },
	{ "rootfs/srv", 0755 },
	{ "rootfs/sys", 0555 },
	{ "rootfs/tmp", 01777 },
	{ "rootfs/usr", 0755 },
	{ "rootfs/var", 0755 },
	{ "rootfs/var/lib", 0755 },
};

static void state_make(struct init_conf *c);
static void overlay(const struct init_conf *c, const char *lower,
    const char *name);
static void links_make(void);
static void packages_show(void);
static void mount_kernel(void);
static void mount_dev(void);
static void root_pivot(void);
static void proc_close(void);
static void boot_id_show(const struct init_conf *c);
static void cgroups_show(const struct init_conf *c);
static void do_mount(const char *src, const char *dst, const char *type,
    unsigned long flags, const char *options);

void
init_root(struct init_conf *c)
{
	char path[PATH_MAX];

	state_make(c);
	do_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	snprintf(path, sizeof path, "%s/rootfs", c->dir);
	do_mount(path, path, NULL, MS_BIND, NULL);
	if (chdir(path))
		init_die("%s: %s", path, strerror(errno));
	overlay(c, "/usr", "usr");
	overlay(c, NULL, "etc");
	links_make();
	packages_show();
	mount_kernel();
	mount_dev();
	root_pivot();
	proc_close();
	boot_id_show(c);
	cgroups_show(c);
}

static void
state_make(struct init_conf *c)
{
	char path[PATH_MAX];
	size_t i;

	/* written last by init_files(): a first boot that was cut is repeated */
	snprintf(path, sizeof path, "%s/rootfs" INIT_BOOTED, c->dir);
	c->first_boot = access(path, F_OK) != 0;
	for (i = 0; i < ARRAY_LEN(state_dirs); i++) {
		snprintf(path, sizeof path, "%s/%s", c->dir,
		    state_dirs[i].name);
		init_mkdir(path, state_dirs[i].mode);
	}
}

/* Lower layers: the template, then (/usr) the host's own directory. */
static void
overlay(const struct init_conf *c, const char *lower, const char *name)
{
	char opt[4 * PATH_MAX];

	snprintf(opt, sizeof opt,
	    "lowerdir=%s/%s%s%s,upperdir=%s/%s.upper,workdir=%s/%s.work",
	    c->template, name, lower ? ":" : "", lower ? lower : "", c->dir,
	    name, c->dir, name);
	do_mount("overlay", name, "overlay", 0, opt);
}

/* /bin -> usr/bin and so on, as the host has them. */
static void
links_make(void)
{
	static const char *const links[] = { "bin", "sbin", "lib", "lib32",
		"lib64", "libx32" };
	char path[16], target[PATH_MAX];
	struct stat st;
	size_t i;
	ssize_t n;

	for (i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof path, "/%s", links[i]);
		if (lstat(path, &st))
			continue;
		if (!S_ISLNK(st.st_mode))
			init_die("%s is no link: a host with merged /usr is "
				 "needed",
			    path);
		n = readlink(path, target, sizeof target - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		/* there since the first boot */
		if (symlink(target, links[i]) && errno != EEXIST)
			init_die("%s: %s", path, strerror(errno));
	}
}

/* Package queries answer as on the host; nobody changes it. */
static void
packages_show(void)
{
	if (access("/var/lib/dpkg/status", R_OK) != 0)
		return;
	init_mkdir("var/lib/dpkg", 0755);
	do_mount("/var/lib/dpkg", "var/lib/dpkg", NULL, MS_BIND, NULL);
	do_mount(NULL, "var/lib/dpkg", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY,
	    NULL);
}

static void
mount_kernel(void)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	do_mount("proc", "proc", "proc", quiet, NULL);
	do_mount("sysfs", "sys", "sysfs", quiet | MS_RDONLY, NULL);
	do_mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV,
	    "mode=755,size=16m");
	init_mkdir("run/lock", 01777);
	init_mkdir("run/sshd", 0755);
	init_mkdir("run/.twin", 0755);
}

static void
mount_dev(void)
{
	static const struct {
		const char *path;
		unsigned major_no, minor_no;
	} nodes[] = {
		{ "dev/null", 1, 3 },
		{ "dev/zero", 1, 5 },
		{ "dev/full", 1, 7 },
		{ "dev/random", 1, 8 },
		{ "dev/urandom", 1, 9 },
		{ "dev/tty", 5, 0 },
	};
	static const char *const links[][2] = {
		{ "pts/ptmx", "dev/ptmx" },
		{ "/proc/self/fd", "dev/fd" },
		{ "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" },
	};
	size_t i;

	do_mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k");
	for (i = 0; i < ARRAY_LEN(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666,
			makedev(nodes[i].major_no, nodes[i].minor_no)) ||
		    chmod(nodes[i].path, 0666))
			init_die("%s: %s", nodes[i].path, strerror(errno));
	init_mkdir("dev/pts", 0755);
	do_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	    "newinstance,ptmxmode=0666,mode=0620,gid=5");
	for (i = 0; i < ARRAY_LEN(links); i++)
		if (symlink(links[i][0], links[i][1]))
			init_die("%s: %s", links[i][1], strerror(errno));
	init_mkdir("dev/shm", 01777);
	do_mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
	    "mode=1777,size=64m");
}

static void
root_pivot(void)
{
	/* pivot_root(".", ".") puts the old root on top of the new one */
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/"))
		init_die("pivot_root: %s", strerror(errno));
}

/* What /proc can do to the host is out of reach; what belongs to the VM's own
 * network namespace stays writable. */
static void
proc_close(void)
{
	static const char *const hidden[] = { "/proc/sysrq-trigger",
		"/proc/kcore", "/proc/kmsg" };
	size_t i;

	do_mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL);
	do_mount("/proc/sys/net", "/proc/sys/net", NULL, MS_BIND, NULL);
	do_mount(NULL, "/proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY,
	    NULL);
	for (i = 0; i < ARRAY_LEN(hidden); i++)
		if (access(hidden[i], F_OK) == 0)
			do_mount("/dev/null", hidden[i], NULL, MS_BIND, NULL);
}

static void
boot_id_show(const struct init_conf *c)
{
	char line[64];

	snprintf(line, sizeof line, "%.40s\n", c->boot_id);
	init_put("/run/.twin/boot_id", 0444, line);
	do_mount("/run/.twin/boot_id", "/proc/sys/kernel/random/boot_id", NULL,
	    MS_BIND, NULL);
}

/* Read-only views of the VM's own groups: the agent reads its quota there. */
static void
cgroups_show(const struct init_conf *c)
{
	const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	const unsigned long ro = MS_BIND | MS_REMOUNT | MS_RDONLY;
	bool hybrid = c->cgroups[0] && c->cgroups[1];
	const char *const *p;
	char path[128];

	if (!c->cgroups[0])
		return;
	if (hybrid)
		do_mount("tmpfs", "/sys/fs/cgroup", "tmpfs", quiet,
		    "mode=755,size=64k");
	for (p = c->cgroups; *p; p++) {
		const char *name = **p ? *p : "unified";

		snprintf(path, sizeof path, "/sys/fs/cgroup%s%.64s",
		    hybrid ? "/" : "", hybrid ? name : "");
		if (hybrid)
			init_mkdir(path, 0755);
		do_mount("cgroup", path, **p ? "cgroup" : "cgroup2", quiet,
		    **p ? *p : NULL);
		do_mount(NULL, path, NULL, quiet | ro, NULL);
	}
	if (hybrid)
		do_mount(NULL, "/sys/fs/cgroup", NULL, quiet | ro, NULL);
}

static void
do_mount(const char *src, const char *dst, const char *type,
    unsigned long flags, const char *options)
{
	if (mount(src, dst, type, flags, options))
		init_die("mount %s: %s", dst, strerror(errno));
}
