/*
 * stamp.h - a probe socket and the kernel's time stamps of what it sends and
 * receives: Linux Documentation/networking/timestamping.rst. Works on UDP and
 * on ICMP datagram sockets.
 */
#ifndef MW_AGENT_STAMP_H
#define MW_AGENT_STAMP_H

#include "common/pure/err.h"
#include "common/pure/mw.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define STAMP_BYTES_MAX 128 /* longer messages show by being cut there */

struct stamp_arrival {
	uint8_t bytes[STAMP_BYTES_MAX];
	_Alignas(struct cmsghdr) char control[512];
	struct sockaddr_in from;
	size_t n;
	int64_t stamp_ns; /* CLOCK_REALTIME; 0: none */
	uint8_t origin; /* of an error: SO_EE_ORIGIN_x */
	uint32_t data; /* of a transmit stamp: its number */
};

/* A non-blocking socket that hears ICMP errors. MW_DENIED: not permitted. */
bool stamp_socket(int protocol, int *fd, struct mw_err *err) mw_must_check;
/* Turns stamps on, or off and on: the numbers of transmit stamps start at 0.
 * False: only receive stamps, if any. */
bool stamp_on(int fd);
/* flags: 0 or MSG_ERRQUEUE. False: nothing there. */
bool stamp_receive(int fd, int flags, struct stamp_arrival *a);

#endif
