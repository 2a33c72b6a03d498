/*
 * fuzz_frame.c - any bytes as a stream of frames: a frame lies inside of its
 * input, and a longer input never changes what a shorter one began with.
 */
#include "common/frame.h"

#include <stdlib.h>

#define MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *body, *body2;
	size_t len, len2, used;

	while ((used = frame_scan(data, size, MAX, &body, &len)) != 0 &&
	    used != SIZE_MAX) {
		if (used > size || len == 0 || len > MAX || body != data + 4 ||
		    body + len != data + used)
			abort();
		if (frame_scan(data, used, MAX, &body2, &len2) != used ||
		    body2 != body || len2 != len)
			abort();
		if (frame_scan(data, used - 1, MAX, &body2, &len2) != 0)
			abort();
		data += used;
		size -= used;
	}
	if (used == 0 && size >= 4 + MAX)
		abort(); /* it would wait for ever */
	return 0;
}
