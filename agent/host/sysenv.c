/*
 * sysenv.c - see sysenv.h. Called by bench.c, once per job and around each
 * repetition (the quota).
 */
#include "agent/host/sysenv.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1
#define NODES_MAX 1024

/* At most size - 1 bytes, NUL-terminated, without the last newline; n bytes,
 * or 0 if it cannot be read. */
static size_t
slurp(const char *root, const char *path, char *text, size_t size)
{
	char full[512];
	ssize_t n;
	int fd;

	text[0] = '\0';
	if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
		return 0;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (text[n - 1] == '\n')
		text[--n] = '\0';
	return (size_t)n;
}

/* One printable word or sentence, or "". */
static void
slurp_text(const char *root, const char *path, char *out, size_t size)
{
	size_t n = slurp(root, path, out, size);

	for (size_t i = 0; i < n; i++)
		if (out[i] < 0x20 || out[i] > 0x7e)
			out[i] = '\0';
}

bool
sysenv_parse_size(const char *p, size_t n, int64_t *kib)
{
	int64_t unit = 1;

	if (n > 0 && (p[n - 1] == 'K' || p[n - 1] == 'M')) {
		unit = p[n - 1] == 'M' ? 1024 : 1;
		n--;
	}
	if (!num_parse_i64(p, n, 0, INT64_C(1) << 40, kib))
		return false;
	*kib *= unit;
	return true;
}

bool
sysenv_parse_choice(const char *p, size_t n, char *out, size_t size)
{
	const char *open = memchr(p, '[', n), *end;

	if (open != NULL) {
		n -= (size_t)(open + 1 - p);
		p = open + 1;
		end = memchr(p, ']', n);
		if (end == NULL)
			return false;
		n = (size_t)(end - p);
	}
	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] <= 0x20 || p[i] > 0x7e)
			return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

bool
sysenv_parse_stat(const char *p, size_t n, const char *key, int64_t *out)
{
	size_t klen = strlen(key);

	while (n > 0) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl != NULL ? (size_t)(nl - p) : n;

		if (len > klen + 1 && memcmp(p, key, klen) == 0 &&
		    p[klen] == ' ')
			return num_parse_i64(p + klen + 1, len - klen - 1, 0,
			    INT64_MAX, out);
		p += len + (nl != NULL);
		n -= len + (nl != NULL);
	}
	return false;
}

const char *
sysenv_virt(const char *vendor, const char *product, const char *cpuinfo)
{
	static const struct {
		const char *in, *name;
	} known[] = {
		{ "KVM", "kvm" },
		{ "QEMU", "kvm" },
		{ "Amazon EC2", "kvm" }, /* Nitro; Xen says Xen */
		{ "Google", "kvm" },
		{ "Alibaba Cloud", "kvm" },
		{ "OpenStack", "kvm" },
		{ "Xen", "xen" },
		{ "VMware", "vmware" },
		{ "innotek", "virtualbox" },
		{ "Microsoft Corporation", "hyperv" },
		{ "Firecracker", "firecracker" },
	};
	const char *const texts[] = { product, vendor };

	for (size_t t = 0; t < ARRAY_LEN(texts); t++)
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (strstr(texts[t], known[i].in) != NULL)
				return known[i].name;
	if (strstr(cpuinfo, " hypervisor") != NULL)
		return "vm"; /* one that does not say which */
	return strstr(cpuinfo, "flags") != NULL ? "none" : "";
}

/* The highest level of cache of CPU 0 is its L3, if there is an index3. */
static int64_t
read_l3_kib(const char *root)
{
	char text[32];
	size_t n = slurp(root, "/sys/devices/system/cpu/cpu0/cache/index3/size",
	    text, sizeof text);
	int64_t kib;

	return sysenv_parse_size(text, n, &kib) ? kib : -1;
}

static int64_t
read_nodes(const char *root)
{
	char path[64], text[16];
	int64_t n = 0;

	while (n < NODES_MAX) {
		snprintf(path, sizeof path,
		    "/sys/devices/system/node/node%lld/cpulist", (long long)n);
		if (slurp(root, path, text, sizeof text) == 0)
			break;
		n++;
	}
	return n > 0 ? n : -1;
}

static void
read_cpu(struct result_env *e, const char *root)
{
	static char info[TEXT_MAX];
	char vendor[64], product[64], text[32];
	const char *mhz;
	int64_t smt;
	size_t n;

	slurp(root, "/proc/cpuinfo", info, sizeof info);
	mhz = strstr(info, "cpu MHz");
	mhz = mhz != NULL ? strchr(mhz, ':') : NULL;
	e->cpu_mhz = NAN;
	if (mhz != NULL && mhz[1] == ' ' &&
	    !num_parse_f64(mhz + 2, strcspn(mhz + 2, "\n"), 0, 1e6,
		&e->cpu_mhz))
		e->cpu_mhz = NAN;
	slurp_text(root, "/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
	slurp_text(root, "/sys/class/dmi/id/product_name", product,
	    sizeof product);
	str_copy(e->virt, sizeof e->virt, sysenv_virt(vendor, product, info));
	n = slurp(root, "/sys/devices/system/cpu/smt/active", text,
	    sizeof text);
	e->smt = num_parse_i64(text, n, 0, 1, &smt) ? smt : -1;
	slurp_text(root,
	    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
	    e->governor, sizeof e->governor);
	slurp_text(root,
	    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	    e->clock_source, sizeof e->clock_source);
	n = slurp(root, "/sys/kernel/mm/transparent_hugepage/enabled", text,
	    sizeof text);
	if (!sysenv_parse_choice(text, n, e->thp, sizeof e->thp))
		e->thp[0] = '\0';
}

static void
read_fs(struct result_env *e, const char *dir)
{
	static const struct {
		int64_t magic;
		const char *name;
	} names[] = {
		{ EXT4_SUPER_MAGIC, "ext4" },
		{ XFS_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ TMPFS_MAGIC, "tmpfs" },
		{ RAMFS_MAGIC, "ramfs" },
		{ NFS_SUPER_MAGIC, "nfs" },
		{ F2FS_SUPER_MAGIC, "f2fs" },
		{ ZFS_MAGIC, "zfs" },
	};
	struct statfs s;

	if (statfs(dir, &s) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((int64_t)(uint32_t)s.f_type == names[i].magic)
			str_copy(e->fs, sizeof e->fs, names[i].name);
	if (e->fs[0] == '\0')
		snprintf(e->fs, sizeof e->fs, "0x%x", (unsigned)s.f_type);
}

/* The device under a folder; overlay and network filesystems have none. */
static void
read_disk(struct result_env *e, const char *dir, const char *root)
{
	char path[96], link[256], text[64];
	const char *const queues[] = { "queue", "../queue" }; /* partition */
	const char *slash;
	struct stat st;
	ssize_t n;

	if (stat(dir, &st) != 0 || major(st.st_dev) == 0)
		return;
	snprintf(path, sizeof path, "%s/sys/dev/block/%u:%u", root,
	    major(st.st_dev), minor(st.st_dev));
	n = readlink(path, link, sizeof link - 1);
	if (n <= 0)
		return;
	link[n] = '\0';
	slash = strrchr(link, '/');
	str_copy(e->disk, sizeof e->disk, slash != NULL ? slash + 1 : link);
	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		size_t len;

		snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/scheduler",
		    major(st.st_dev), minor(st.st_dev), queues[i]);
		len = slurp(root, path, text, sizeof text);
		if (len > 0 &&
		    sysenv_parse_choice(text, len, e->io_scheduler,
			sizeof e->io_scheduler))
			return;
		e->io_scheduler[0] = '\0';
	}
}

void
sysenv_read(struct result_env *e, const struct sysinfo_facts *f,
    const char *dir, const char *root)
{
	char text[64];
	double up;

	memset(e, 0, sizeof *e);
	str_copy(e->kernel, sizeof e->kernel, f->kernel);
	str_copy(e->cpu_model, sizeof e->cpu_model, f->cpu_model);
	str_copy(e->boot_id, sizeof e->boot_id, f->boot_id);
	str_copy(e->agent_version, sizeof e->agent_version, MW_VERSION);
	e->vcpus = (int64_t)f->vcpus;
	e->cpu_quota = f->cpu_quota > 0 ? f->cpu_quota : (double)NAN;
	e->memory_mib = f->memory_mib > 0 ? f->memory_mib : -1;
	e->file_mib = -1;
	e->l3_kib = read_l3_kib(root);
	e->numa_nodes = read_nodes(root);
	read_cpu(e, root);
	read_fs(e, dir);
	read_disk(e, dir, root);
	slurp(root, "/proc/uptime", text, sizeof text);
	e->uptime_s = num_parse_f64(text, strcspn(text, " "), 0, 1e12, &up)
	    ? (int64_t)up
	    : -1;
}

/* cpu.stat of a folder: v2 in us, v1 in ns. */
static int64_t
throttled_at(const char *root, const char *mount, const char *path)
{
	char file[400], text[1024];
	int64_t v;
	size_t n;

	snprintf(file, sizeof file, "%s%s/cpu.stat", mount, path);
	n = slurp(root, file, text, sizeof text);
	if (sysenv_parse_stat(text, n, "throttled_usec", &v))
		return v;
	if (sysenv_parse_stat(text, n, "throttled_time", &v))
		return v / 1000;
	return -1;
}

int64_t
sysenv_throttled_us(const char *root)
{
	static const struct {
		const char *controller, *mount;
	} places[] = {
		{ "", "/sys/fs/cgroup" },
		{ "", "/sys/fs/cgroup/unified" },
		{ "cpu", "/sys/fs/cgroup/cpu" },
		{ "cpu", "/sys/fs/cgroup/cpu,cpuacct" },
	};
	char self[2048], path[256], *slash;
	size_t n = slurp(root, "/proc/self/cgroup", self, sizeof self);
	int64_t most = -1, us;

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(places); i++) {
		if (!sysinfo_parse_cgroup(self, n, places[i].controller, path,
			sizeof path))
			continue;
		for (;;) {
			us = throttled_at(root, places[i].mount,
			    path[1] != '\0' ? path : "");
			if (us > most)
				most = us;
			slash = strrchr(path, '/');
			if (slash == NULL || path[1] == '\0')
				break;
			slash[slash == path] = '\0';
		}
	}
	return most;
}
