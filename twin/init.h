/*
 * init.h - PID 1 of a VM, a small static program: builds the root file system,
 * answers port 22 with an sshd per connection, runs /etc/rc.local, reaps, and
 * switches off. It knows nothing about clouds.
 */
#ifndef MW_TWIN_INIT_H
#define MW_TWIN_INIT_H

#include "common/pure/str.h"
#include "twin/vm_boot.h"

#define INIT_BOOTED "/var/lib/.twin-booted"

struct init_conf { /* strings point into the memfd */
	const char *hostname, *user, *boot_id, *json;
	const char *host_key, *host_key_pub, *authorized_keys;
	const char *dir, *template;
	unsigned cpus, memory_mib;
	const char *const *join; /* NULL-terminated lists */
	const char *const *cgroups;
	const char *const *files;
	bool first_boot;
};

enum {
	INIT_USER_ID = 1000
};

/* init_main.c */
void init_log(const char *fmt, ...) mw_printf(1, 2);
/* Logs and ends the VM. */
mw_noreturn void init_die(const char *fmt, ...) mw_printf(1, 2);
void init_send(const struct vm_boot_frame *f);
/* Home directory of the image user. */
const char *init_home(const struct init_conf *c);

/* init_file.c: each dies if it cannot. */
void init_mkdir(const char *path, unsigned mode);
void init_put(const char *path, unsigned mode, const char *text);
void init_append(const char *path, const char *text);
void init_owner(const char *path, unsigned id);
/* Whole file into out; false if it cannot be read. */
bool init_slurp(const char *path, struct str *out) mw_must_check;
/* Writes into an existing file; false if it cannot. */
bool init_set(const char *path, const char *text) mw_must_check;

/* init_root.c: mounts; the process has the new root after it. */
void init_root(struct init_conf *c);
/* init_show.c: what the VM tells about its size. */
void init_show_cpus(const struct init_conf *c);
void init_show_memory(const struct init_conf *c); /* again every 5 s */
/* init_first.c: files of the first boot, then those of each boot. */
void init_files(const struct init_conf *c);
void init_host_key(const char *priv, const char *pub);
void init_login_fault(const struct init_conf *c, const struct vm_ssh_fault *f);
/* init_serve.c: never returns. */
mw_noreturn void init_serve(const struct init_conf *c);

#endif
