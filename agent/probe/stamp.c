/*
 * stamp.c - sockets with kernel time stamps. Called by prober.c and icmp.c.
 */
#include "agent/probe/stamp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <time.h>

#define RCVBUF_BYTES (1024 * 1024)

bool
stamp_socket(int protocol, int *fd, struct mw_err *err)
{
	int on = 1, rcvbuf = RCVBUF_BYTES;

	*fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    protocol);
	if (*fd < 0)
		return err_set(err,
		    errno == EACCES || errno == EPERM ? MW_DENIED : MW_INTERNAL,
		    errno, "probe socket: %s", strerror(errno));
	(void)setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
	(void)setsockopt(*fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
	return true;
}

bool
stamp_on(int fd)
{
	int off = 0, on = 1;
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE |
	    SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
	    SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;

	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &off, sizeof off);
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) ==
	    0)
		return true;
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
	return false;
}

static void
read_control(struct msghdr *h, struct stamp_arrival *a)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET &&
		    (c->cmsg_type == SCM_TIMESTAMPING ||
			c->cmsg_type == SCM_TIMESTAMPNS)) {
			struct timespec t; /* [0] of scm_timestamping */

			memcpy(&t, CMSG_DATA(c), sizeof t);
			a->stamp_ns = t.tv_sec * NS_PER_S + t.tv_nsec;
		} else if (c->cmsg_level == IPPROTO_IP &&
		    c->cmsg_type == IP_RECVERR) {
			struct sock_extended_err e;

			memcpy(&e, CMSG_DATA(c), sizeof e);
			a->origin = e.ee_origin;
			a->data = e.ee_data;
		}
	}
}

bool
stamp_receive(int fd, int flags, struct stamp_arrival *a)
{
	for (int tries = 0; tries < 8; tries++) {
		struct iovec v = { a->bytes, sizeof a->bytes };
		struct msghdr h = { .msg_name = &a->from,
			.msg_namelen = sizeof a->from,
			.msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = a->control,
			.msg_controllen = sizeof a->control };
		ssize_t n = recvmsg(fd, &h, flags | MSG_DONTWAIT);

		if (n >= 0) {
			a->n = (size_t)n;
			a->stamp_ns = 0;
			a->origin = 0;
			a->data = 0;
			read_control(&h, a);
			return true;
		}
		if (errno == EAGAIN)
			return false;
		/* else a pending ICMP error was reported and cleared */
	}
	return false;
}
