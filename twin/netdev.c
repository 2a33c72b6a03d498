/*
 * netdev.c - see netdev.h. Used by wan.c (host device), calibrate.c and vm.c.
 */
#include "twin/netdev.h"

#include "common/pure/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MTU = 1500,
	TX_QUEUE = 5000 /* packets; the default 500 drops bursts */
};

static int home_ns = -1;

static bool tun_attach(int fd, const char *name, struct mw_err *err);
static bool if_configure(const struct netdev *d, struct mw_err *err);
static bool if_address(int s, const char *label, uint32_t address,
    unsigned prefix, struct mw_err *err);
static bool if_up(int s, const char *name, struct mw_err *err);
static void ifreq_init(struct ifreq *r, const char *name);

bool
netdev_new_ns(struct mw_err *err)
{
	if (home_ns < 0) {
		home_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home_ns < 0)
			return err_set(err, MW_INTERNAL, errno,
			    "/proc/self/ns/net");
	}
	if (unshare(CLONE_NEWNET))
		return err_set(err, errno == EPERM ? MW_DENIED : MW_LIMIT,
		    errno, "no new network namespace: %s", strerror(errno));
	return true;
}

void
netdev_home(void)
{
	if (home_ns >= 0 && setns(home_ns, CLONE_NEWNET))
		abort();
}

bool
netdev_tun(const struct netdev *d, int *fd, struct mw_err *err)
{
	int v6;

	*fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0) {
		err_set(err,
		    errno == EACCES || errno == EPERM ? MW_DENIED
						      : MW_UNSUPPORTED,
		    errno, "/dev/net/tun: %s", strerror(errno));
		return err_hint(err, "run as root; modprobe tun");
	}
	if (d->fresh_ns) {
		v6 = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
		    O_WRONLY | O_CLOEXEC);
		if (v6 >= 0) {
			/* a kernel without it sends router solicitations,
			 * which the WAN counts and drops */
			(void)!write(v6, "1", 1);
			close(v6);
		}
	}
	if (!tun_attach(*fd, d->name, err) || !if_configure(d, err)) {
		close(*fd);
		*fd = -1;
		return err_wrap(err, "device %s", d->name);
	}
	return true;
}

bool
netdev_offload(int tun, bool on)
{
	unsigned long flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	return ioctl(tun, TUNSETOFFLOAD, on ? flags : 0ul) == 0;
}

static bool
tun_attach(int fd, const char *name, struct mw_err *err)
{
	struct ifreq r;
	int hdr = sizeof(struct virtio_net_hdr);

	if (if_nametoindex(name) != 0) {
		err_set(err, MW_EXISTS, 0, "a device of this name exists");
		return err_hint(err,
		    "stop the other twin, or give this one "
		    "another network and device name");
	}
	ifreq_init(&r, name);
	r.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	if (ioctl(fd, TUNSETIFF, &r))
		return err_set(err, errno == EPERM ? MW_DENIED : MW_INTERNAL,
		    errno, "TUNSETIFF: %s", strerror(errno));
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr))
		return err_set(err, MW_UNSUPPORTED, errno,
		    "TUNSETVNETHDRSZ: %s", strerror(errno));
	if (!netdev_offload(fd, true))
		return err_set(err, MW_UNSUPPORTED, errno, "TUNSETOFFLOAD: %s",
		    strerror(errno));
	return true;
}

static bool
if_configure(const struct netdev *d, struct mw_err *err)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char label[IFNAMSIZ];
	struct ifreq r;
	bool ok = false;

	if (s < 0)
		return err_set(err, MW_INTERNAL, errno, "socket: %s",
		    strerror(errno));
	ifreq_init(&r, d->name);
	r.ifr_mtu = MTU;
	if (ioctl(s, SIOCSIFMTU, &r)) {
		err_set(err, MW_INTERNAL, errno, "MTU: %s", strerror(errno));
		goto out;
	}
	ifreq_init(&r, d->name);
	r.ifr_qlen = TX_QUEUE;
	if (ioctl(s, SIOCSIFTXQLEN, &r)) {
		err_set(err, MW_INTERNAL, errno, "queue length: %s",
		    strerror(errno));
		goto out;
	}
	if (d->fresh_ns && !if_up(s, "lo", err))
		goto out;
	if (!if_address(s, d->name, d->address, d->prefix, err) ||
	    !if_up(s, d->name, err))
		goto out;
	if (d->private_address != 0) {
		snprintf(label, sizeof label, "%.10s:p", d->name);
		if (!if_address(s, label, d->private_address, d->prefix, err))
			goto out;
	}
	ok = true;
out:
	close(s);
	return ok;
}

static bool
if_address(int s, const char *label, uint32_t address, unsigned prefix,
    struct mw_err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address) };
	struct ifreq r;

	ifreq_init(&r, label);
	memcpy(&r.ifr_addr, &a, sizeof a);
	if (ioctl(s, SIOCSIFADDR, &r))
		return err_set(err, MW_INTERNAL, errno, "address: %s",
		    strerror(errno));
	a.sin_addr.s_addr = htonl(~(uint32_t)0 << (32 - prefix));
	memcpy(&r.ifr_netmask, &a, sizeof a);
	if (ioctl(s, SIOCSIFNETMASK, &r))
		return err_set(err, MW_INTERNAL, errno, "netmask: %s",
		    strerror(errno));
	return true;
}

static bool
if_up(int s, const char *name, struct mw_err *err)
{
	struct ifreq r;

	ifreq_init(&r, name);
	if (ioctl(s, SIOCGIFFLAGS, &r))
		return err_set(err, MW_INTERNAL, errno, "flags: %s",
		    strerror(errno));
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		return err_set(err, MW_INTERNAL, errno, "up: %s",
		    strerror(errno));
	return true;
}

static void
ifreq_init(struct ifreq *r, const char *name)
{
	memset(r, 0, sizeof *r);
	str_copy(r->ifr_name, sizeof r->ifr_name, name);
}
