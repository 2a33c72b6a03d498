/*
 * fuzz_echo.c - UDP frames: nothing without the key passes; what we seal is
 * read back; the gate stays within its memory.
 */
#include "agent/probe/echo.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = { 42 };
	static struct echo_key *k;
	struct echo_frame f, g;
	struct echo_gate gate;
	uint8_t out[ECHO_BYTES];

	if (k == NULL)
		k = echo_key_new(key);
	if (!echo_parse(data, size, &f))
		return 0;
	echo_seal(k, &f, out);
	if (!echo_authentic(k, out) || !echo_parse(out, sizeof out, &g) ||
	    g.src != f.src || g.seq != f.seq || g.t3 != f.t3)
		abort();
	/* Equal bytes may be equal MACs, others never. */
	if (echo_authentic(k, data) && memcmp(data, out, sizeof out) != 0)
		abort();
	echo_gate_init(&gate, f.round, f.dst % 7, 7, 3);
	if (echo_gate_pass(&gate, &f) && echo_gate_pass(&gate, &f))
		abort();
	echo_gate_free(&gate);
	return 0;
}
