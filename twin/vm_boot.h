/*
 * vm_boot.h - the contract between control (vm.c) and a VM's init: one memfd
 * with the configuration, one SOCK_SEQPACKET pair for frames. Both programs
 * come from one build, so frames are plain structs.
 */
#ifndef MW_TWIN_VM_BOOT_H
#define MW_TWIN_VM_BOOT_H

#include "common/pure/mw.h"

#define VM_BOOT_SOCK 3
#define VM_BOOT_CONF 4
#define VM_BOOT_TEXT 8192

/*
 * The configuration is a sequence of "key=value\0":
 *   hostname, user, bootId, json, hostKey, hostKeyPub, authorizedKeys
 *   dir        state directory of the VM, an absolute path of the host
 *   template   directory with the lower layers usr/ and etc/
 *   cpus       how many the VM shows
 *   memoryMiB  limit, 0 = none
 *   join       a cgroup.procs file, several times
 *   cgroup     options of a v1 hierarchy to show, or "" for v2
 *   file       "0755 /path\n" and the content, several times, first boot only
 */

/* How port 22 and the login misbehave. All zero: they behave. */
struct vm_ssh_fault {
	bool refuse; /* connection refused */
	uint32_t banner_delay_ms; /* before the server's first byte */
	uint32_t drop_after_kib; /* from the client; then the link is cut */
	bool no_keys; /* authorized_keys is not there yet */
	bool no_sudo;
};

enum vm_boot_type {
	VM_BOOT_LOG = 1, /* from init: one line of the console */
	VM_BOOT_READY, /* from init: port 22 answers */
	VM_BOOT_FAULT, /* to init */
	VM_BOOT_HOST_KEY, /* to init: text is private, NUL, public */
};

struct vm_boot_frame {
	uint32_t type;
	uint32_t len; /* of text, without a NUL */
	struct vm_ssh_fault fault;
	char text[VM_BOOT_TEXT]; /* only len bytes are sent */
};
#define VM_BOOT_FRAME_MIN offsetof(struct vm_boot_frame, text)

#endif
