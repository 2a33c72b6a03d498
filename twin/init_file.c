/*
 * init_file.c - small file helpers of init.
 */
#include "twin/init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, int flags, unsigned mode, const void *p,
    size_t n);

void
init_mkdir(const char *path, unsigned mode)
{
	if (mkdir(path, mode) == 0) {
		if (chmod(path, mode)) /* whatever the umask says */
			init_die("%s: %s", path, strerror(errno));
	} else if (errno != EEXIST) {
		init_die("%s: %s", path, strerror(errno));
	}
}

void
init_put(const char *path, unsigned mode, const char *text)
{
	put(path, O_TRUNC, mode, text, strlen(text));
}

void
init_append(const char *path, const char *text)
{
	put(path, O_APPEND, 0644, text, strlen(text));
}

void
init_owner(const char *path, unsigned id)
{
	if (lchown(path, id, id))
		init_die("%s: %s", path, strerror(errno));
}

bool
init_slurp(const char *path, struct str *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buf, sizeof buf)) > 0)
		str_addn(out, buf, (size_t)n);
	if (fd >= 0)
		close(fd);
	return n == 0;
}

bool
init_set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok =
	    fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int sys = errno;

	if (fd >= 0)
		close(fd);
	errno = sys;
	return ok;
}

static void
put(const char *path, int flags, unsigned mode, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n ||
	    ((flags & O_TRUNC) && fchmod(fd, mode)))
		init_die("%s: %s", path, strerror(errno));
	close(fd);
}
