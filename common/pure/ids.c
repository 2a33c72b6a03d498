/*
 * ids.c - grammars of names and addresses. A name that fails here never
 * reaches a file name, a command line or a query.
 */
#include "common/pure/ids.h"

#include <stdio.h>
#include <string.h>

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

bool
id_valid(const char *s)
{
	size_t n = strnlen(s, ID_MAX + 1);

	if (n == 0 || n > ID_MAX || !is_lower(s[0]) || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_lower(s[i]) && !is_digit(s[i]) && s[i] != '-')
			return false;
	return true;
}

bool
id_word_valid(const char *s, size_t max)
{
	size_t i;

	if (s[0] == '-')
		return false;
	for (i = 0; s[i] != '\0'; i++)
		if (i == max ||
		    (!is_alnum(s[i]) && strchr("._+/:@-", s[i]) == NULL))
			return false;
	return i > 0;
}

bool
id_host_valid(const char *s)
{
	size_t n = strnlen(s, 254), label = 0;

	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i == n || s[i] == '.') {
			if (label == 0 || label > 63 || s[i - 1] == '-' ||
			    s[i - label] == '-')
				return false;
			label = 0;
		} else if (is_alnum(s[i]) || s[i] == '-') {
			label++;
		} else {
			return false;
		}
	}
	return true;
}

bool
id_ipv4_parse(const char *s, uint32_t *addr)
{
	uint32_t a = 0;

	for (int part = 0; part < 4; part++) {
		uint32_t v = 0;
		int digits = 0;

		while (is_digit(*s)) {
			/* "010" is octal to some: refused. */
			if (digits > 0 && v == 0)
				return false;
			v = v * 10 + (uint32_t)(*s++ - '0');
			if (++digits > 3 || v > 255)
				return false;
		}
		if (digits == 0 || *s != (part < 3 ? '.' : '\0'))
			return false;
		if (part < 3)
			s++;
		a = a << 8 | v;
	}
	*addr = a;
	return true;
}

void
id_ipv4_format(uint32_t addr, char out[16])
{
	snprintf(out, 16, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
	    addr >> 8 & 255, addr & 255);
}

bool
id_ipv4_refused(uint32_t addr)
{
	static const struct {
		uint32_t net, mask;
	} nets[] = {
		{ 0x00000000, 0xff000000 }, /* unspecified, this network */
		{ 0x7f000000, 0xff000000 }, /* loopback */
		{ 0xa9fe0000, 0xffff0000 }, /* link-local, metadata service */
		{ 0x646464c8, 0xffffffff }, /* Alibaba's metadata service */
		{ 0xa83f8110, 0xffffffff }, /* Azure's wire server */
		{ 0xc00000c0, 0xffffffff }, /* Oracle's former metadata */
		{ 0xe0000000, 0xf0000000 }, /* multicast */
		{ 0xf0000000, 0xf0000000 }, /* reserved, broadcast */
	};

	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		if ((addr & nets[i].mask) == nets[i].net)
			return true;
	return false;
}
