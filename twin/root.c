/*
 * root.c - see root.h. Used by vm.c.
 */
#include "twin/root.h"

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 24,
	FIRST_PERSON = 1000, /* user ids from here are people */
	NOBODY = 65534
};

/* What a VM may see of the host's /etc; everything else is left out. */
static const char *const etc_allowed[] = {
	"alternatives",
	"bash.bashrc",
	"ca-certificates",
	"ca-certificates.conf",
	"debian_version",
	"default",
	"gai.conf",
	"host.conf",
	"inputrc",
	"issue",
	"ld.so.cache",
	"ld.so.conf",
	"ld.so.conf.d",
	"localtime",
	"login.defs",
	"mime.types",
	"mysql",
	"nsswitch.conf",
	"os-release",
	"pam.d",
	"profile",
	"profile.d",
	"protocols",
	"security",
	"services",
	"shells",
	"skel",
	"ssl",
	"terminfo",
	"timezone",
};

/* systemd's own programs want a systemd; init understands signals. */
static const struct {
	const char *name, *text;
} scripts[] = {
	{ "reboot", "#!/bin/sh\nexec kill -s HUP 1\n" },
	{ "poweroff", "#!/bin/sh\nexec kill -s TERM 1\n" },
	{ "halt", "#!/bin/sh\nexec kill -s TERM 1\n" },
	{ "shutdown",
	    "#!/bin/sh\n"
	    "case \" $* \" in *' -r'*|*' --reboot '*) exec kill -s HUP 1;; "
	    "esac\n"
	    "exec kill -s TERM 1\n" },
};

static void copy_tree(int from, int to, const char *name, int depth);
static void copy_dir(int from, int to, const char *name, int depth);
static void copy_file(int from, int to, const char *name, mode_t mode);
static bool users_write(const char *etc, const char *file, struct mw_err *err);
static bool is_system(const char *line, size_t n);
static bool scripts_write(const char *dir, struct mw_err *err);
static void walk(struct root_changes *c, const char *upper, const char *name,
    const char *template_dir, const char *rel, int depth);
static void change_add(struct root_changes *c, char kind, const char *name,
    const char *rel, const struct stat *st);
static int compare(const void *a, const void *b);

bool
root_template(const char *dir, struct mw_err *err)
{
	char etc[PATH_MAX];
	int from = -1, to = -1;
	bool ok = false;
	size_t i;

	snprintf(etc, sizeof etc, "%s/etc", dir);
	if (!file_mkdirs(etc, 0755, err))
		return false;
	from = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(etc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0) {
		err_set(err, MW_INTERNAL, errno, "%s: %s", etc,
		    strerror(errno));
		goto out;
	}
	for (i = 0; i < ARRAY_LEN(etc_allowed); i++)
		copy_tree(from, to, etc_allowed[i], 0);
	ok = users_write(etc, "passwd", err) &&
	    users_write(etc, "group", err) && scripts_write(dir, err);
out:
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return ok;
}

bool
root_disk_make(const char *dir, uint32_t size_mib, struct mw_err *err)
{
	char opt[64];

	if (!file_mkdirs(dir, 0755, err))
		return false;
	if (size_mib == 0)
		return true;
	snprintf(opt, sizeof opt, "mode=755,size=%um", (unsigned)size_mib);
	if (mount("tmpfs", dir, "tmpfs", 0, opt))
		return err_set(err, MW_INTERNAL, errno, "tmpfs on %s: %s", dir,
		    strerror(errno));
	return true;
}

/* By its limit: to write it full would count as memory of the VM. */
bool
root_disk_fill(const char *dir, struct mw_err *err)
{
	struct statfs fs;
	char opt[64];

	if (statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC) {
		snprintf(opt, sizeof opt, "size=%llu",
		    (unsigned long long)(fs.f_blocks - fs.f_bfree) *
			(unsigned long long)fs.f_bsize);
		if (mount(NULL, dir, NULL, MS_REMOUNT, opt) == 0)
			return true;
	}
	return err_set(err, MW_INTERNAL, errno, "%s: %s", dir, strerror(errno));
}

void
root_disk_drop(const char *dir)
{
	(void)!umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW);
}

bool
root_private_mounts(struct mw_err *err)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return err_set(err, errno == EPERM ? MW_DENIED : MW_INTERNAL,
		    errno, "mount namespace: %s", strerror(errno));
	return true;
}

void
root_changes(const char *disk, const char *template_dir,
    struct root_changes *out)
{
	static const char *const names[] = { "etc", "usr" };
	char upper[PATH_MAX];
	size_t i;

	*out = (struct root_changes){ 0 };
	for (i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(upper, sizeof upper, "%s/%s.upper", disk, names[i]);
		walk(out, upper, names[i], template_dir, "", 0);
	}
	if (out->n > 0)
		qsort(out->line, out->n, sizeof *out->line, compare);
}

/* Both lists are sorted; a line ends in the time of change, behind a tab. */
void
root_changes_diff(const struct root_changes *base,
    const struct root_changes *now, struct str *out)
{
	size_t i, j = 0;

	for (i = 0; i < now->n; i++) {
		const char *s = now->line[i];

		while (j < base->n && strcmp(base->line[j], s) < 0)
			j++;
		if (j < base->n && strcmp(base->line[j], s) == 0)
			continue;
		str_addn(out, s, strcspn(s, "\t"));
		str_addc(out, '\n');
	}
}

void
root_changes_free(struct root_changes *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		free(c->line[i]);
	free(c->line);
	*c = (struct root_changes){ 0 };
}

/* Copies files, directories and links. What not everybody may read stays on
 * the host, so no secret gets into a VM. */
static void
copy_tree(int from, int to, const char *name, int depth)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (depth > DEPTH_MAX || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, name, target, sizeof target - 1);
		if (n > 0) {
			target[n] = '\0';
			(void)!symlinkat(target, to, name);
		}
	} else if (S_ISDIR(st.st_mode) && (st.st_mode & S_IROTH)) {
		copy_dir(from, to, name, depth);
	} else if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH)) {
		copy_file(from, to, name, st.st_mode & 0777);
	}
}

static void
copy_dir(int from, int to, const char *name, int depth)
{
	int src, dst = -1;
	struct dirent *e;
	DIR *d = NULL;

	src = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (src < 0)
		return;
	if (mkdirat(to, name, 0755) == 0 || errno == EEXIST)
		dst = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dst >= 0)
		d = fdopendir(src);
	if (d)
		src = -1;
	while (d && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			copy_tree(dirfd(d), dst, e->d_name, depth + 1);
	if (d)
		closedir(d);
	if (src >= 0)
		close(src);
	if (dst >= 0)
		close(dst);
}

static void
copy_file(int from, int to, const char *name, mode_t mode)
{
	int src = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int dst =
	    openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	char buf[16384];
	ssize_t n;

	while (src >= 0 && dst >= 0 && (n = read(src, buf, sizeof buf)) > 0)
		if (!file_write_all(dst, buf, (size_t)n))
			break;
	if (src >= 0)
		close(src);
	if (dst >= 0)
		close(dst);
}

/* System users of the host only; init adds the image's user. */
static bool
users_write(const char *etc, const char *file, struct mw_err *err)
{
	struct str in = STR_INIT, out = STR_INIT;
	char path[PATH_MAX];
	const char *p, *end;
	bool ok;

	snprintf(path, sizeof path, "/etc/%s", file);
	ok = file_read(path, 1 << 20, &in, err);
	for (p = str_cstr(&in); ok && *p; p = end) {
		end = strchr(p, '\n');
		end = end ? end + 1 : p + strlen(p);
		if (is_system(p, (size_t)(end - p)))
			str_addn(&out, p, (size_t)(end - p));
	}
	snprintf(path, sizeof path, "%s/%s", etc, file);
	ok = ok && file_write(path, str_cstr(&out), out.len, 0644, err);
	str_free(&in);
	str_free(&out);
	return ok;
}

static bool
is_system(const char *line, size_t n)
{
	const char *p = memchr(line, ':', n), *end = line + n;
	int64_t id;

	p = p ? memchr(p + 1, ':', (size_t)(end - p - 1)) : NULL;
	return p &&
	    num_parse_i64(p + 1, strcspn(p + 1, ":\n"), 0, INT32_MAX, &id) &&
	    (id < FIRST_PERSON || id == NOBODY);
}

static bool
scripts_write(const char *dir, struct mw_err *err)
{
	char path[PATH_MAX];
	size_t i;

	snprintf(path, sizeof path, "%s/usr/local/sbin", dir);
	if (!file_mkdirs(path, 0755, err))
		return false;
	for (i = 0; i < ARRAY_LEN(scripts); i++) {
		snprintf(path, sizeof path, "%s/usr/local/sbin/%s", dir,
		    scripts[i].name);
		if (!file_write(path, scripts[i].text, strlen(scripts[i].text),
			0755, err))
			return false;
	}
	return true;
}

static void
walk(struct root_changes *c, const char *upper, const char *name,
    const char *template_dir, const char *rel, int depth)
{
	char path[PATH_MAX], sub[PATH_MAX], lower[PATH_MAX];
	struct dirent *e;
	struct stat st, low;
	DIR *d;

	snprintf(path, sizeof path, "%s%s", upper, rel);
	d = depth > DEPTH_MAX ? NULL : opendir(path);
	while (d && c->n < ROOT_DIFF_MAX && (e = readdir(d)) != NULL) {
		bool known, dir;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(sub, sizeof sub, "%s/%s", rel, e->d_name) >=
			(int)sizeof sub ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		dir = S_ISDIR(st.st_mode);
		snprintf(lower, sizeof lower, "%.1000s/%s%.3000s", template_dir,
		    name, sub);
		known = lstat(lower, &low) == 0;
		if (!known && strcmp(name, "usr") == 0) {
			snprintf(lower, sizeof lower, "/usr%.4000s", sub);
			known = lstat(lower, &low) == 0;
		}
		/* overlayfs marks a deleted file by a device 0:0 */
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
			change_add(c, 'D', name, sub, &st);
		else if (!dir || !known)
			change_add(c, known ? 'M' : 'A', name, sub, &st);
		if (dir)
			walk(c, upper, name, template_dir, sub, depth + 1);
	}
	if (d)
		closedir(d);
}

/* The time tells whether a file that was there has changed since; that of a
 * directory changes with its files, which are listed anyway. */
static void
change_add(struct root_changes *c, char kind, const char *name, const char *rel,
    const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode);

	VEC_GROW(c->line, c->n, c->cap);
	c->line[c->n++] = xasprintf("%c /%s%s\t%lld.%ld", kind, name, rel,
	    dir ? 0ll : (long long)st->st_ctim.tv_sec,
	    dir ? 0l : st->st_ctim.tv_nsec);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
