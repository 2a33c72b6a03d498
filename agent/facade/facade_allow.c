/*
 * facade_allow.c - whom the facade lets in: an option, the environment, a file
 * beside the program, or nobody but this machine. Called by main.c.
 */
#include "agent/facade/facade.h"

#include "common/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "milkyway.allow"
#define FILE_MAX_BYTES 16384

/* The folder of the program as it was called: a link counts by its own place,
 * because CB-Tumblebug knows only ~/milkyway. */
static bool
beside(const char *argv0, char *out, size_t size)
{
	char self[PATH_MAX];
	const char *slash;
	ssize_t n;

	if (strchr(argv0, '/') == NULL) {
		n = readlink("/proc/self/exe", self, sizeof self - 1);
		if (n <= 0)
			return false;
		self[n] = '\0';
		argv0 = self;
	}
	slash = strrchr(argv0, '/');
	return slash != NULL &&
	    snprintf(out, size, "%.*s/" FILE_NAME, (int)(slash - argv0),
		argv0) < (int)size;
}

/* *found false: there is no such file. */
static bool
from_file(const char *path, struct facade_allow *out, bool *found,
    struct mw_err *err)
{
	struct str text = STR_INIT;
	struct stat st;
	bool ok;

	*found = stat(path, &st) == 0;
	if (!*found)
		return errno == ENOENT ||
		    err_set(err, MW_INVALID, errno, "%s: %s", path,
			strerror(errno));
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		err_set(err, MW_DENIED, 0, "others may write %s", path);
		return err_hint(err, "chmod 644 it, and own it");
	}
	ok = file_read(path, FILE_MAX_BYTES, &text, err) &&
	    (facade_allow_parse(str_cstr(&text), out, err) ||
		err_wrap(err, "%s", path));
	str_free(&text);
	return ok;
}

bool
facade_allow_find(const char *given, const char *argv0,
    struct facade_allow *out, struct mw_err *err)
{
	const char *env = getenv("MILKYWAY_FACADE_ALLOW");
	char path[PATH_MAX];
	bool found = false;

	if (given != NULL)
		return facade_allow_parse(given, out, err);
	if (env != NULL)
		return facade_allow_parse(env, out, err) ||
		    err_wrap(err, "MILKYWAY_FACADE_ALLOW");
	if (beside(argv0, path, sizeof path) &&
	    !from_file(path, out, &found, err))
		return false;
	if (found)
		return true;
	fprintf(stderr,
	    "milkyway-agent: only this machine may connect (127.0.0.0/8)\n"
	    "  to let a CB-Tumblebug server in: --facade-allow "
	    "ADDRESS[/BITS],.. or MILKYWAY_FACADE_ALLOW,\n"
	    "  or a file " FILE_NAME " beside the program, a network a "
	    "line\n");
	return facade_allow_parse("127.0.0.0/8", out, err);
}
