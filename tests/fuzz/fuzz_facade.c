/*
 * fuzz_facade.c - bodies and hosts of the drop-in for CB-Milkyway, output of
 * sysbench and getent, allow lists. The first byte chooses the parser.
 */
#include "agent/facade/facade_msg.h"
#include "common/pure/alloc.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What may reach an argument list: no option, no shell, no blank. */
static void
check_hosts(const struct facade_hosts *h)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	for (size_t i = 0; i < h->n; i++) {
		const char *s = h->v[i].host;

		if (h->v[i].valid &&
		    (s[0] == '-' || s[0] == '\0' || strlen(s) > 253 ||
			s[strspn(s, ok)] != '\0'))
			abort();
		if (h->v[i].known && !h->v[i].valid)
			abort();
	}
}

static void
bodies(const char *text, size_t n, bool multi)
{
	struct mw_err err = MW_ERR_INIT;
	struct facade_hosts h;

	if (facade_parse_hosts(text, n, multi, &h, &err))
		check_hosts(&h);
	else if (err.code == MW_OK)
		abort();
	facade_hosts_free(&h);
}

static void
outputs(const char *text, size_t n)
{
	char number[32];
	uint32_t ip;

	for (int a = 0; a < FACADE_ACTIONS; a++)
		if (facade_number((enum facade_action)a, text, n, number) &&
		    (number[0] < '0' || number[0] > '9' ||
			number[strspn(number, "0123456789.")] != '\0'))
			abort();
	(void)!facade_parse_getent(text, n, &ip);
}

static void
lists(const char *text, size_t n)
{
	struct mw_err err = MW_ERR_INIT;
	struct facade_allow a;
	char *copy = xstrndup(text, n);

	if (facade_allow_parse(copy, &a, &err) &&
	    (a.n == 0 || a.n > FACADE_ALLOW_MAX))
		abort();
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;

	if (size == 0)
		return 0;
	switch (data[0] % 4) {
	case 0: bodies(text, size - 1, false); break;
	case 1: bodies(text, size - 1, true); break;
	case 2: outputs(text, size - 1); break;
	case 3: lists(text, size - 1); break;
	}
	return 0;
}
