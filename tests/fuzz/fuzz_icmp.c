/*
 * fuzz_icmp.c - what an ICMP socket delivers: what is taken for ours is, byte
 * for byte where it matters, what we build.
 */
#include "agent/probe/icmp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[ICMP_BYTES];
	struct icmp_echo e, f;

	if (!icmp_parse(data, size, &e))
		return 0;
	if (size != ICMP_BYTES)
		abort();
	icmp_build(&e, out);
	if (!icmp_parse(out, sizeof out, &f) || f.reply != e.reply ||
	    f.cookie != e.cookie || f.index != e.index ||
	    memcmp(out + 6, data + 6, 14) != 0)
		abort();
	return 0;
}
