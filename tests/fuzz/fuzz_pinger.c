/*
 * fuzz_pinger.c - lines of milkyway-ping.
 */
#include "agent/probe/pinger.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pinger_line l;

	pinger_parse((const char *)data, size, &l);
	if (l.word == PINGER_SAMPLE && l.us < -1)
		abort();
	return 0;
}
