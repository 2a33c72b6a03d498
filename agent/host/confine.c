/*
 * confine.c - from root to an ordinary user without capabilities.
 * Promises: either all of it happened or false. Static programs have no NSS,
 * so the user is looked up in /etc/passwd itself.
 */
#include "agent/host/confine.h"

#include "common/pure/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The n-th field of a passwd line, counted from 0. */
static const char *
field(const char *line, int n, size_t *len)
{
	while (n-- > 0) {
		line = strchr(line, ':');
		if (line == NULL)
			return NULL;
		line++;
	}
	*len = strcspn(line, ":\n");
	return line;
}

static bool
id_field(const char *line, int n, int64_t *out)
{
	size_t len;
	const char *p = field(line, n, &len);

	return p != NULL && num_parse_i64(p, len, 0, UINT32_MAX - 1, out);
}

bool
confine_user(const char *name, uid_t *uid, gid_t *gid, struct mw_err *err)
{
	FILE *f = fopen("/etc/passwd", "re");
	char line[1024];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
		size_t n = strcspn(line, ":");
		int64_t u, g;

		if (n != strlen(name) || memcmp(line, name, n) != 0 ||
		    !id_field(line, 2, &u) || !id_field(line, 3, &g))
			continue;
		*uid = (uid_t)u;
		*gid = (gid_t)g;
		found = true;
	}
	if (f != NULL)
		fclose(f);
	if (!found)
		err_set(err, MW_NOT_FOUND, 0, "there is no user %s", name);
	return found;
}

void
confine_own_name(char *name, size_t size)
{
	FILE *f = fopen("/etc/passwd", "re");
	char line[1024];
	int64_t u;

	snprintf(name, size, "uid-%u", (unsigned)geteuid());
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (!id_field(line, 2, &u) || (uid_t)u != geteuid())
			continue;
		snprintf(name, size, "%.*s", (int)strcspn(line, ":"), line);
		break;
	}
	if (f != NULL)
		fclose(f);
}

bool
confine_own(const char *dir, uid_t uid, gid_t gid, struct mw_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool ok = d != NULL && fchown(fd, uid, gid) == 0;

	while (ok && (e = readdir(d)) != NULL) {
		struct stat st;

		/* Regular files with one name: nobody else's file is meant. */
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1)
			ok = fchownat(fd, e->d_name, uid, gid,
				 AT_SYMLINK_NOFOLLOW) == 0;
	}
	if (!ok)
		err_set(err, MW_INTERNAL, errno, "cannot own %s: %s", dir,
		    strerror(errno));
	if (d != NULL)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return ok;
}

static bool
set_caps(bool keep_net_raw)
{
	struct __user_cap_header_struct h = { .version =
						  _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	memset(d, 0, sizeof d);
	if (keep_net_raw) {
		d[0].permitted = UINT32_C(1) << CAP_NET_RAW;
		d[0].effective = d[0].permitted;
	}
	return syscall(SYS_capset, &h, d) == 0;
}

static bool
drop_bounding(bool keep_net_raw)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep_net_raw && cap == CAP_NET_RAW)
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return false;
	}
	return true;
}

static bool
failed(struct mw_err *err, const char *what)
{
	return err_set(err, MW_INTERNAL, errno, "cannot %s: %s", what,
	    strerror(errno));
}

bool
confine_drop(uid_t uid, gid_t gid, bool keep_net_raw, struct mw_err *err)
{
	if (geteuid() == 0) {
		if (uid == 0)
			return err_set(err, MW_INVALID, 0,
			    "the user must not be root");
		if (prctl(PR_SET_KEEPCAPS, keep_net_raw, 0, 0, 0) != 0)
			return failed(err, "keep capabilities");
		if (!drop_bounding(keep_net_raw))
			return failed(err, "drop the bounding set");
		if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
		    setresuid(uid, uid, uid) != 0)
			return failed(err, "become an ordinary user");
		if (!set_caps(keep_net_raw))
			return failed(err, "drop capabilities");
	} else if (!keep_net_raw && !set_caps(false)) {
		return failed(err, "drop capabilities");
	}
	/* Kernels without ambient capabilities have none to clear. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed(err, "set no_new_privs");
	return true;
}
