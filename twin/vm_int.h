/*
 * vm_int.h - what vm.c (verbs and states), vm_set.c (the set, accessors) and
 * vm_boot.c (from a configuration to a running init) share. Nobody else
 * includes it.
 */
#ifndef MW_TWIN_VM_INT_H
#define MW_TWIN_VM_INT_H

#include "twin/cgroup.h"
#include "twin/guard.h"
#include "twin/root.h"
#include "twin/vm.h"

#define VM_LEAF_MAX 24
#define VM_PATH_MAX 256

enum vm_op {
	VM_OP_NONE,
	VM_OP_START,
	VM_OP_STOP,
	VM_OP_REBOOT, /* first the stop, then the start */
};

struct vm_call;

struct vm_set {
	struct vm_set_conf conf;
	char state_dir[VM_PATH_MAX]; /* as configured */
	char run[64]; /* cgroup_run_name() */
	char dir[VM_PATH_MAX]; /* state_dir/run */
	char template_dir[VM_PATH_MAX];
	bool tmpfs;
	int init_fd;
	struct guard *guard;
	struct cgroup_trees trees;
	bool groups; /* a v2 tree is there */
	int *cpus; /* that this process may use */
	unsigned ncpus;
	uint64_t serial;
	struct vm_call *calls; /* done callbacks on their way, vm.c */
	struct vm **vms;
	size_t n, cap;
};

struct vm {
	struct vm_set *set;
	char *name, *user, *authorized_keys, *host_key, *cpuset, *boot_json;
	struct vm_file *files; /* with own strings */
	size_t nfiles;
	unsigned slot, vcpu;
	size_t site;
	uint32_t address, private_address, network;
	uint32_t disk_mib, memory_mib;
	struct cgroup_limits limits;
	bool reboot_on_panic;
	void *user_data;

	char leaf[VM_LEAF_MAX]; /* "vm-7": cgroup and directory */
	char dir[VM_PATH_MAX]; /* its disk */
	bool made; /* disk and cgroups exist */
	bool has_base; /* base holds the first boot's own changes */
	struct root_changes base;
	uint8_t key_pub[32];
	struct str key_line;
	char boot_id[40];
	struct str console;
	struct vm_ssh_fault fault;
	bool has_fault;

	enum vm_state state;
	bool frozen, panicked;
	int pidfd, sock; /* -1 while OFF */
	pid_t pid;
	struct event *ev_pid, *ev_sock;
	int64_t boot_at_ns, boot_took_ns;

	enum vm_op op;
	vm_done *done;
	void *done_arg;
	struct loop_timer *deadline; /* of a boot or a stop */
	bool timed_out;
	vm_done *destroyed;
	void *destroyed_arg;
};

/* vm_boot.c: makes what is missing, starts init. On false nothing runs. */
bool vm_boot(struct vm *vm, struct mw_err *err) mw_must_check;
/* vm.c: called by the events that vm_boot() makes. */
void vm_on_socket(evutil_socket_t fd, short what, void *arg);
void vm_on_pidfd(evutil_socket_t fd, short what, void *arg);
void vm_on_deadline(void *arg);
/* vm.c: adds a line to the console, and keeps it below its limit. */
void vm_console_add(struct vm *vm, const char *text, size_t n);
/* vm.c: the set is freed, callbacks under way are not made. */
void vm_calls_forget(struct vm_set *s);
/* vm.c: kills init and all it started. */
void vm_kill(struct vm *vm);
/* vm_boot.c: gives back what a running VM holds. */
void vm_release(struct vm *vm);
/* vm_set.c */
bool vm_set_key(struct vm *vm, const char *host_key,
    struct mw_err *err) mw_must_check; /* NULL: a new one */
void vm_free(struct vm *vm);

#endif
