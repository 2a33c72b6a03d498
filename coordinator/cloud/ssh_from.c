/*
 * ssh_from.c - see ssh_from.h.
 *
 * The cloud's endpoint stands for its VMs: if we reach it from an address that
 * is routed everywhere, the VMs see the same one; if the endpoint's own address
 * is not routed everywhere, we are in one network with it. A private address
 * here and a public one there means that something translates in between.
 *
 * Source: RFC 6890, the IPv4 Special-Purpose Address Registry.
 */
#include "coordinator/cloud/ssh_from.h"

#include "common/pure/mw.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint32_t net;
	unsigned bits;
} special[] = {
	{ 0x00000000, 8 }, /* this network */
	{ 0x0a000000, 8 }, /* private */
	{ 0x64400000, 10 }, /* shared by customers of a provider */
	{ 0x7f000000, 8 }, /* loopback */
	{ 0xa9fe0000, 16 }, /* link local */
	{ 0xac100000, 12 }, /* private */
	{ 0xc0000000, 24 }, /* protocol assignments */
	{ 0xc0000200, 24 }, /* documentation */
	{ 0xc0a80000, 16 }, /* private */
	{ 0xc6120000, 15 }, /* benchmarks */
	{ 0xc6336400, 24 }, /* documentation */
	{ 0xcb007100, 24 }, /* documentation */
	{ 0xe0000000, 3 }, /* multicast, reserved */
};

static bool
parse_ip(const char *text, uint32_t *ip)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*ip = ntohl(a.s_addr);
	return true;
}

static uint32_t
mask_of(unsigned bits)
{
	return bits ? ~UINT32_C(0) << (32 - bits) : 0;
}

static bool
is_global(uint32_t ip)
{
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if ((ip & mask_of(special[i].bits)) == special[i].net)
			return false;
	return true;
}

/* "203.0.113.0/24": no bits behind the mask, and not the whole world. */
static bool
is_network(const char *text)
{
	const char *slash = strchr(text, '/');
	char addr[16];
	uint32_t ip;
	int64_t bits;

	if (!slash || (size_t)(slash - text) >= sizeof addr)
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	return parse_ip(addr, &ip) &&
	    num_parse_i64(slash + 1, strlen(slash + 1), 1, 32, &bits) &&
	    (ip & ~mask_of((unsigned)bits)) == 0;
}

bool
ssh_from_is_auto(const char *setting)
{
	return !setting || !setting[0] || str_eq(setting, "auto");
}

bool
ssh_from_check(const char *setting, struct mw_err *err)
{
	if (ssh_from_is_auto(setting) || str_eq(setting, "any") ||
	    is_network(setting))
		return true;
	err_set(err, MW_INVALID, 0,
	    "from where VMs let SSH in is a network, e.g. 203.0.113.7/32, or "
	    "auto, or any");
	return err_hint(err,
	    "one address is ADDRESS/32; everywhere is the word any");
}

static void
alone(const char *ip, char out[SSH_FROM_LEN])
{
	snprintf(out, SSH_FROM_LEN, "%.15s/32", ip);
}

static enum ssh_from
hidden(struct mw_err *err, const char *why)
{
	err_set(err, MW_INVALID, 0,
	    "the address from which VMs would see SSH come is not known: %s; "
	    "say it with cloud.ssh_from=CIDR, or milkyway connection add NAME "
	    "... --ssh-from CIDR (or any, for everywhere)",
	    why);
	err_hint(err,
	    "curl https://checkip.amazonaws.com prints your public address");
	return SSH_FROM_HIDDEN;
}

enum ssh_from
ssh_from_decide(const char *setting, const struct ssh_ends *ends,
    char out[SSH_FROM_LEN], struct mw_err *err)
{
	uint32_t local, peer;
	char why[160];

	if (!ssh_from_is_auto(setting)) {
		str_copy(out, SSH_FROM_LEN,
		    str_eq(setting, "any") ? "0.0.0.0/0" : setting);
		return SSH_FROM_KNOWN;
	}
	if (!ends->local[0])
		return SSH_FROM_UNSEEN;
	if (ends->proxied)
		return hidden(err, "the cloud is reached through a proxy");
	if (!parse_ip(ends->local, &local) || !parse_ip(ends->peer, &peer))
		return hidden(err, "the cloud is reached over IPv6");
	if (!is_global(local) && is_global(peer)) {
		snprintf(why, sizeof why,
		    "it is %s here, but the cloud's %s is public", ends->local,
		    ends->peer);
		return hidden(err, why);
	}
	alone(ends->local, out);
	return SSH_FROM_KNOWN;
}

bool
ssh_from_member(const char *local, const char *vm, char out[SSH_FROM_LEN])
{
	uint32_t from, to;

	if (!parse_ip(local, &from) || !parse_ip(vm, &to) ||
	    (!is_global(from) && is_global(to)))
		return false;
	alone(local, out);
	return true;
}
