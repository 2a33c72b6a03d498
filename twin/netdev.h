/*
 * netdev.h - network namespaces and TUN devices without names in the file
 * system: they live as long as somebody holds a descriptor or runs inside.
 * Main thread of control only: a namespace belongs to the calling thread.
 */
#ifndef MW_TWIN_NETDEV_H
#define MW_TWIN_NETDEV_H

#include "common/pure/err.h"

/* The calling thread moves into a new, empty network namespace. Whatever
 * happens next, netdev_home() must follow. */
bool netdev_new_ns(struct mw_err *err) mw_must_check;
/* Back to where the process started. Aborts if that fails: to go on in a
 * stranger's namespace would harm it. */
void netdev_home(void);

struct netdev {
	const char *name; /* "wan0" */
	uint32_t address; /* host byte order */
	uint32_t private_address; /* 0: none */
	unsigned prefix; /* of both */
	bool fresh_ns; /* new namespace: lo up, IPv6 off for new devices */
};

/* Makes the device in the current namespace, IPv4 only, MTU 1500, offloads
 * on. MW_EXISTS if the name is taken. *fd is close-on-exec, non-blocking. */
bool netdev_tun(const struct netdev *d, int *fd,
    struct mw_err *err) mw_must_check;
/* Lets segments of 64 KiB pass whole, or not. */
bool netdev_offload(int tun, bool on) mw_must_check;

#endif
