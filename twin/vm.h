/*
 * vm.h - VMs of the twin: a set of namespaces with an own init, disk, limits
 * and network device, on which a real OpenSSH server answers.
 *
 * A vm_set owns what its VMs share: cgroup parents, state directory, /etc
 * template, the guard process, the init program. Everything goes with the
 * process: the kernel kills the VMs, the guard removes cgroups and files.
 *
 * Promises: calls return in some ms (a start takes about 3); each start, stop, reboot and
 * destroy that returned true is completed by exactly one done callback, never
 * from inside the call. A callback may call any function here, vm_destroy
 * included. A VM pointer is valid until vm_destroy's done callback returns.
 *
 * Needs root. Call from the main thread only: the kernel ends the VMs when
 * the thread that made them ends.
 */
#ifndef MW_TWIN_VM_H
#define MW_TWIN_VM_H

#include "common/loop.h"
#include "common/pure/err.h"
#include "common/pure/str.h"
#include "twin/vm_boot.h"
#include "twin/wan.h"

struct vm;
struct vm_set;

enum vm_disk {
	VM_DISK_AUTO, /* TMPFS, unless state_dir was given and can hold it */
	/* one tmpfs per VM, fast to remove. What lies on it counts as memory
	 * of the VM: file benchmarks larger than its limit are killed. */
	VM_DISK_TMPFS,
	VM_DISK_DIR, /* files under state_dir: honest disk I/O */
};

enum vm_state {
	VM_OFF, /* disk kept */
	VM_BOOTING,
	VM_UP, /* init said ready: port 22 answers */
	VM_STOPPING,
	VM_GONE, /* being destroyed */
};

enum vm_event {
	VM_EV_UP, /* booted, by call or by itself */
	VM_EV_POWEROFF, /* switched off from inside; is OFF now */
	VM_EV_REBOOT, /* rebooted from inside; is BOOTING, VM_EV_UP follows */
	VM_EV_CRASH, /* init died; is OFF now */
	VM_EV_BOOT_FAILED, /* after a reboot from inside; is OFF now */
};

struct vm_set_conf {
	struct loop *loop;
	struct wan *wan; /* lives longer than the set */
	const char *state_dir; /* NULL: /run/milkyway-twin */
	enum vm_disk disk;
	const char *init_path; /* NULL: milkyway-twin-init beside our file */
	const char *exe; /* NULL: /proc/self/exe; run as `exe guard` */
	/* A VM changed by itself, or came up. May be NULL. */
	void (*on_event)(struct vm *vm, enum vm_event ev, void *arg);
	void *arg;
};

/* Also moves the process into an own mount namespace, and raises RLIMIT_NOFILE
 * to its hard limit. */
bool vm_set_new(const struct vm_set_conf *conf, struct vm_set **out,
    struct mw_err *err) mw_must_check;
/* Kills all VMs, waits for them (some ms), removes all. No callbacks. */
void vm_set_free(struct vm_set *s);
/* How VMs are limited and stored here, for doctor and status. */
struct vm_set_info {
	const char *cgroup; /* "v2", "hybrid", "v1", "none" */
	bool limit_cpu, limit_memory, limit_pids, limit_cpuset, freeze;
	const char *disk; /* "tmpfs" or "dir" */
	const char *state_dir;
	unsigned cpus; /* of the host, as this process may use them */
};

void vm_set_info(const struct vm_set *s, struct vm_set_info *out);

/* A file put into a new VM's root before its first boot. */
struct vm_file {
	const char *path; /* absolute, in the VM; parents are made */
	const char *content;
	unsigned mode; /* 0755 */
};

struct vm_conf {
	const char *name; /* host name; an id (ids.h) */
	unsigned slot; /* of the WAN; free to reuse once a VM is destroyed */
	size_t site;
	uint32_t address; /* 0: wan_slot_address() */
	uint32_t private_address; /* 0: wan_slot_private() */
	uint32_t network; /* private addresses work within one network */
	const char *user; /* of the image: uid 1000, may sudo; "root": none */
	const char *authorized_keys; /* lines; "" or NULL: nobody can log in */
	const char *host_key; /* OpenSSH ed25519 private key; NULL: new one */
	unsigned vcpu; /* what nproc shows, at most the host's cores; 0: 1 */
	uint32_t cpu_millicores; /* quota, 100 or more; 0: none */
	const char *cpuset; /* "0-1"; NULL: vcpu cores, spread by slot */
	uint32_t memory_mib; /* 0: no limit */
	uint32_t pids_max; /* 0: 512 */
	uint32_t disk_mib; /* size of a tmpfs disk; 0: 1024 */
	bool reboot_on_panic;
	/* Content of /run/milkyway-twin.json, e.g. {"emulated":"measured",
	 * "hostId":"twin-4f2a"}; rewritten at each boot. */
	const char *boot_json;
	const struct vm_file *files; /* copied */
	size_t nfiles;
};
/* err->code is MW_OK on success. */
typedef void vm_done(struct vm *vm, const struct mw_err *err, void *arg);

/* No process yet; the VM is OFF. conf is copied. */
bool vm_create(struct vm_set *s, const struct vm_conf *conf, struct vm **out,
    struct mw_err *err) mw_must_check;

/* done may be NULL. MW_CONFLICT in a wrong state. */
bool vm_start(struct vm *vm, vm_done *done, void *arg,
    struct mw_err *err) mw_must_check; /* OFF; 20 s */
bool vm_stop(struct vm *vm, vm_done *done, void *arg,
    struct mw_err *err) mw_must_check; /* UP, BOOTING; SIGTERM, 10 s, kill */
bool vm_reboot(struct vm *vm, vm_done *done, void *arg,
    struct mw_err *err) mw_must_check; /* UP; new boot id, same disk */
/* Always legal, repeated calls too; a pending operation ends CANCELED. */
void vm_destroy(struct vm *vm, vm_done *done, void *arg);

/* Cut off, then killed at once: no FIN escapes. VM_EV_CRASH follows, and a
 * new boot if reboot_on_panic. */
bool vm_panic(struct vm *vm, struct mw_err *err) mw_must_check;
/* All processes stand still and packets vanish; thaw undoes both. A frozen
 * VM stays UP; stop, reboot and destroy thaw it. */
bool vm_freeze(struct vm *vm, struct mw_err *err) mw_must_check;
bool vm_thaw(struct vm *vm, struct mw_err *err) mw_must_check;
/* Fills the disk to the last block (tmpfs disks; else MW_UNSUPPORTED). */
bool vm_fill_disk(struct vm *vm, struct mw_err *err) mw_must_check;
/* A new host key, used for the next connection; console shows it. */
bool vm_new_host_key(struct vm *vm, struct mw_err *err) mw_must_check;
/* Both from the next boot on; the VM must be OFF. 0 keeps the address. */
bool vm_set_address(struct vm *vm, uint32_t address,
    struct mw_err *err) mw_must_check;

/* How port 22 misbehaves (vm_boot.h): at once if UP, and at each boot until
 * changed. */
void vm_ssh_fault(struct vm *vm, const struct vm_ssh_fault *fault);

const char *vm_name(const struct vm *vm);
enum vm_state vm_state(const struct vm *vm);
const char *vm_state_name(enum vm_state st); /* "off" */
bool vm_frozen(const struct vm *vm);
unsigned vm_slot(const struct vm *vm);
size_t vm_site(const struct vm *vm);
uint32_t vm_address(const struct vm *vm);
uint32_t vm_private_address(const struct vm *vm);
const char *vm_boot_id(const struct vm *vm); /* of this or the last boot; "" */
const char *vm_host_key_public(const struct vm *vm); /* "ssh-ed25519 AAAA.." */
pid_t vm_pid(const struct vm *vm); /* of init in our namespace; 0: off */
int64_t vm_last_boot_ns(const struct vm *vm); /* how long it took */
void *vm_user(const struct vm *vm); /* the caller's own pointer */
void vm_set_user(struct vm *vm, void *user);
/* Boot log with the host key block, as a cloud's serial console gives it; ""
 * before the first boot. Kept over stop. */
const char *vm_console(const struct vm *vm);
/* What the VM changed in /usr and /etc: one "A path", "M path" or "D path"
 * per line, sorted; at most 10,000 lines. */
bool vm_diff(const struct vm *vm, struct str *out,
    struct mw_err *err) mw_must_check;

/*
 * Removes what dead twins left behind: cgroups, state directories, processes
 * never. Counts them. Call before vm_set_new(); vm_set_new() calls it too.
 */
struct vm_leftovers {
	size_t cgroups, dirs;
};
void vm_sweep(const char *state_dir, bool remove, struct vm_leftovers *out);

/* `milkyway-twin guard`: removes what control leaves. argv[1] is "guard". */
int guard_main(int argc, char **argv);

#endif
