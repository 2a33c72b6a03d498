/*
 * file.c - whole small files. Reading has a cap; writing replaces the file at
 * once or not at all, and survives a power cut.
 */
#include "common/file.h"

#include "common/pure/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_MAX_DEPTH 64

static bool
fail(struct mw_err *err, const char *what, const char *path)
{
	int sys = errno;
	enum mw_code code = MW_INTERNAL;

	if (sys == ENOENT || sys == ENOTDIR)
		code = MW_NOT_FOUND;
	else if (sys == EACCES || sys == EPERM)
		code = MW_DENIED;
	else if (sys == ENOSPC || sys == EDQUOT)
		code = MW_LIMIT;
	return err_set(err, code, sys, "%s %s: %s", what, path, strerror(sys));
}

bool
file_read(const char *path, size_t max, struct str *out, struct mw_err *err)
{
	char buf[16384];
	ssize_t n;
	int fd;

	str_reset(out);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(err, "open", path);
	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(err, "read", path);
			close(fd);
			return false;
		}
		if ((size_t)n > max - out->len) {
			close(fd);
			return err_set(err, MW_LIMIT, 0,
			    "%s is larger than %zu bytes", path, max);
		}
		str_addn(out, buf, (size_t)n);
	}
	close(fd);
	return true;
}

bool
file_write_all(int fd, const void *p, size_t n)
{
	const char *b = p;

	while (n > 0) {
		ssize_t w = write(fd, b, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		b += w;
		n -= (size_t)w;
	}
	return true;
}

/* A rename is durable only when its directory is. */
static bool
sync_parent(const char *path, struct mw_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? xstrdup(".")
	    : slash == path       ? xstrdup("/")
				  : xstrndup(path, (size_t)(slash - path));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		fail(err, "sync", dir);
	if (fd >= 0)
		close(fd);
	free(dir);
	return ok;
}

bool
file_write(const char *path, const void *p, size_t n, mode_t mode,
    struct mw_err *err)
{
	char *tmp = xasprintf("%s.tmp", path);
	bool ok = false;
	int fd;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    mode);
	if (fd < 0) {
		fail(err, "create", tmp);
		goto out;
	}
	if (fchmod(fd, mode) != 0 || !file_write_all(fd, p, n) ||
	    fsync(fd) != 0) {
		fail(err, "write", tmp);
		goto out;
	}
	if (rename(tmp, path) != 0) {
		fail(err, "rename to", path);
		goto out;
	}
	ok = sync_parent(path, err);
out:
	if (fd >= 0) {
		close(fd);
		if (!ok)
			unlink(tmp);
	}
	free(tmp);
	return ok;
}

bool
file_mkdirs(const char *path, mode_t mode, struct mw_err *err)
{
	char *dir = xstrdup(path);
	struct stat st;
	bool ok = true;

	for (char *p = dir + 1; ok && *dir != '\0'; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(dir, mode) != 0 && errno != EEXIST)
			ok = fail(err, "make directory", dir);
		*p = c;
		if (c == '\0')
			break;
	}
	if (ok && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))) {
		errno = ENOTDIR;
		ok = fail(err, "make directory", path);
	}
	free(dir);
	return ok;
}

static bool remove_entries(int fd, dev_t dev, int depth);

static bool
remove_at(int dirfd, const char *name, dev_t dev, int depth)
{
	struct stat st;
	int fd;
	bool ok;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT;
	if (st.st_dev != dev) {
		errno = EXDEV;
		return false;
	}
	fd = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = remove_entries(fd, dev, depth + 1);
	return ok && unlinkat(dirfd, name, AT_REMOVEDIR) == 0;
}

/* Takes fd. */
static bool
remove_entries(int fd, dev_t dev, int depth)
{
	struct dirent *e;
	bool ok = true;
	DIR *d;

	if (depth > TREE_MAX_DEPTH) {
		close(fd);
		errno = ELOOP;
		return false;
	}
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return false;
	}
	while (ok && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ok = remove_at(dirfd(d), e->d_name, dev, depth);
	if (!ok) {
		int sys = errno;

		closedir(d);
		errno = sys;
		return false;
	}
	closedir(d);
	return true;
}

bool
file_remove_tree(const char *path, struct mw_err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || fail(err, "stat", path);
	if (!remove_at(AT_FDCWD, path, st.st_dev, 0))
		return fail(err, "remove", path);
	return true;
}
