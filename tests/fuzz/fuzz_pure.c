/*
 * fuzz_pure.c - any text as a number, a name, an address, a time. What is
 * accepted must print as text that is accepted again with the same value.
 */
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/str.h"
#include "common/pure/when.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_numbers(const char *s, size_t n)
{
	char text[32];
	int64_t v, w;
	double d;

	if (num_parse_i64(s, n, INT64_MIN, INT64_MAX, &v)) {
		snprintf(text, sizeof text, "%lld", (long long)v);
		if (!num_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX,
			&w) ||
		    v != w)
			abort();
	}
	if (num_parse_i64(s, n, 0, 65535, &v) && (v < 0 || v > 65535))
		abort();
	if (num_parse_f64(s, n, -1e6, 1e10, &d)) {
		if (!isfinite(d) || d < -1e6 || d > 1e10)
			abort();
		if (num_ms_to_us(d, false, &v) && num_ms_to_us(d, true, &w) &&
		    (v > w || w - v > 1))
			abort();
	}
}

static void
try_names(const char *s)
{
	uint32_t addr, again;
	char text[16];

	if (id_valid(s) && (!id_word_valid(s, ID_MAX) || !id_host_valid(s)))
		abort();
	if (id_ipv4_parse(s, &addr)) {
		id_ipv4_format(addr, text);
		if (strcmp(text, s) != 0 || !id_ipv4_parse(text, &again) ||
		    again != addr)
			abort();
		(void)id_ipv4_refused(addr);
	}
}

static void
try_time(const char *s)
{
	char text[WHEN_LEN];
	int64_t a, b;

	if (!when_parse(s, &a))
		return;
	when_format(a, text);
	if (a >= 0 && a < INT64_C(9214560000) * NS_PER_S &&
	    (!when_parse(text, &b) || a - b < 0 || a - b >= NS_PER_MS))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = xstrndup((const char *)data, size);
	struct str escaped = STR_INIT;

	try_numbers((const char *)data, size);
	try_names(s);
	try_time(s);
	str_add_escaped(&escaped, (const char *)data, size, 100);
	for (size_t i = 0; i < escaped.len; i++)
		if (escaped.p[i] < 0x20 || escaped.p[i] == 0x7f)
			abort();
	str_free(&escaped);
	free(s);
	return 0;
}
