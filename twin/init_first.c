/*
 * init_first.c - files that make one VM differ from the next: names, users,
 * keys, sudo. Written at the first boot; the disk keeps them.
 */
#include "twin/init.h"

#include "common/pure/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_PATH "/etc/ssh/ssh_host_ed25519_key"
#define SUDOERS "/etc/sudoers"
#define SUDOERS_HELD "/etc/sudoers.held"

static const char sshd_config[] = "Port 22\n"
				  "HostKey " KEY_PATH "\n"
				  "PermitRootLogin prohibit-password\n"
				  "PasswordAuthentication no\n"
				  "KbdInteractiveAuthentication no\n"
				  "UsePAM no\n"
				  "UseDNS no\n"
				  "PrintMotd no\n"
				  "X11Forwarding no\n"
				  "AcceptEnv LANG LC_*\n"
				  "LogLevel ERROR\n"
				  "Subsystem sftp internal-sftp\n";

static void names_write(const struct init_conf *c);
static void user_write(const struct init_conf *c);
static void keys_write(const struct init_conf *c);
static void var_write(void);
static void extra_write(const char *file);
static void parents_make(const char *path);
static void held(const char *path, const char *aside, bool hold);

void
init_files(const struct init_conf *c)
{
	const char *const *p;

	if (c->first_boot) {
		names_write(c);
		user_write(c);
		keys_write(c);
		var_write();
		for (p = c->files; *p; p++)
			extra_write(*p);
		init_put(INIT_BOOTED, 0444, "");
	}
	init_put("/run/milkyway-twin.json", 0444, c->json);
	/* control may have changed it while the VM was off */
	init_host_key(c->host_key, c->host_key_pub);
}

void
init_host_key(const char *priv, const char *pub)
{
	char line[256];

	snprintf(line, sizeof line, "%.250s\n", pub);
	init_put(KEY_PATH, 0600, priv);
	init_put(KEY_PATH ".pub", 0644, line);
}

void
init_login_fault(const struct init_conf *c, const struct vm_ssh_fault *f)
{
	char keys[128], aside[128];

	snprintf(keys, sizeof keys, "%s/.ssh/authorized_keys", init_home(c));
	snprintf(aside, sizeof aside, "%s/.ssh/authorized_keys.held",
	    init_home(c));
	held(keys, aside, f->no_keys);
	held(SUDOERS, SUDOERS_HELD, f->no_sudo);
}

static void
names_write(const struct init_conf *c)
{
	char text[512], id[33];
	size_t i, n = 0;

	snprintf(text, sizeof text, "%s\n", c->hostname);
	init_put("/etc/hostname", 0644, text);
	snprintf(text, sizeof text,
	    "127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost\n", c->hostname);
	init_put("/etc/hosts", 0644, text);
	init_put("/etc/resolv.conf", 0644, "# no name server here\n");
	for (i = 0; c->boot_id[i] && n < 32; i++)
		if (c->boot_id[i] != '-')
			id[n++] = c->boot_id[i];
	id[n] = '\0';
	snprintf(text, sizeof text, "%s\n", id);
	init_put("/etc/machine-id", 0444, text);
	if (symlink("/proc/self/mounts", "/etc/mtab") && errno != EEXIST)
		init_die("/etc/mtab: %s", strerror(errno));
}

/* Nobody has a password: "*" matches none, key logins still work. */
static void
user_write(const struct init_conf *c)
{
	char text[512];

	init_put("/etc/shadow", 0640, "root:*:19000:0:99999:7:::\n");
	snprintf(text, sizeof text,
	    "Defaults env_reset\n"
	    "Defaults secure_path=\"/usr/local/sbin:/usr/local/bin:"
	    "/usr/sbin:/usr/bin:/sbin:/bin\"\n"
	    "root ALL=(ALL:ALL) ALL\n");
	init_put(SUDOERS, 0440, text);
	init_mkdir("/etc/sudoers.d", 0750);
	if (strcmp(c->user, "root") == 0)
		return;
	snprintf(text, sizeof text, "%s ALL=(ALL:ALL) NOPASSWD: ALL\n",
	    c->user);
	init_append(SUDOERS, text);
	snprintf(text, sizeof text, "%s:x:%d:%d::%s:/bin/bash\n", c->user,
	    INIT_USER_ID, INIT_USER_ID, init_home(c));
	init_append("/etc/passwd", text);
	snprintf(text, sizeof text, "%s:x:%d:\n", c->user, INIT_USER_ID);
	init_append("/etc/group", text);
	snprintf(text, sizeof text, "%s:*:19000:0:99999:7:::\n", c->user);
	init_append("/etc/shadow", text);
	init_mkdir(init_home(c), 0755);
	init_owner(init_home(c), INIT_USER_ID);
}

static void
keys_write(const struct init_conf *c)
{
	unsigned id = strcmp(c->user, "root") == 0 ? 0 : INIT_USER_ID;
	char path[128];

	init_mkdir("/etc/ssh", 0755);
	init_put("/etc/ssh/sshd_config", 0644, sshd_config);
	snprintf(path, sizeof path, "%s/.ssh", init_home(c));
	init_mkdir(path, 0700);
	init_owner(path, id);
	snprintf(path, sizeof path, "%s/.ssh/authorized_keys", init_home(c));
	init_put(path, 0600, c->authorized_keys);
	init_owner(path, id);
}

static void
var_write(void)
{
	static const struct {
		const char *path;
		unsigned mode;
	} dirs[] = {
		{ "/var/cache", 0755 },
		{ "/var/lib/misc", 0755 },
		{ "/var/local", 0755 },
		{ "/var/log", 0755 },
		{ "/var/mail", 0755 },
		{ "/var/spool", 0755 },
		{ "/var/tmp", 01777 },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(dirs); i++)
		init_mkdir(dirs[i].path, dirs[i].mode);
	if ((symlink("/run", "/var/run") && errno != EEXIST) ||
	    (symlink("/run/lock", "/var/lock") && errno != EEXIST))
		init_die("/var/run: %s", strerror(errno));
}

/* "0755 /path\ncontent" */
static void
extra_write(const char *file)
{
	const char *sp = strchr(file, ' '), *nl = sp ? strchr(sp, '\n') : NULL;
	unsigned mode = 0;
	char path[256];

	if (!nl || (size_t)(nl - sp) > sizeof path || sp[1] != '/')
		init_die("bad file entry");
	for (; file < sp; file++) {
		if (*file < '0' || *file > '7')
			init_die("bad file mode");
		mode = mode * 8 + (unsigned)(*file - '0');
	}
	memcpy(path, sp + 1, (size_t)(nl - sp - 1));
	path[nl - sp - 1] = '\0';
	parents_make(path);
	init_put(path, mode & 07777, nl + 1);
}

static void
parents_make(const char *path)
{
	char dir[256];
	const char *p;

	for (p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(dir, sizeof dir, "%.*s", (int)(p - path), path);
		if (access(dir, F_OK) != 0)
			init_mkdir(dir, 0755);
	}
}

static void
held(const char *path, const char *aside, bool hold)
{
	const char *from = hold ? path : aside, *to = hold ? aside : path;

	if (access(from, F_OK) == 0 && rename(from, to))
		init_log("%s: %s", from, strerror(errno));
}
