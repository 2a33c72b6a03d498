/*
 * exec_text.c - see exec_text.h. Pure.
 */
#include "coordinator/remote/exec_text.h"

#include "common/pure/ids.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 255

bool
exec_expand(struct str *out, const char *text, const struct exec_vars *v,
    struct mw_err *err)
{
	char index[24];
	const struct {
		const char *name, *value;
	} vars[] = {
		{ "{{publicIp}}", v->public_ip },
		{ "{{region}}", v->region },
		{ "{{index}}", index },
		{ "{{vmId}}", v->vm_id },
	};

	snprintf(index, sizeof index, "%lld", (long long)v->index);
	while (*text) {
		size_t i = 0;

		while (i < ARRAY_LEN(vars) && !str_starts(text, vars[i].name))
			i++;
		if (i == ARRAY_LEN(vars)) {
			str_addc(out, *text++);
			continue;
		}
		if (!vars[i].value || !id_word_valid(vars[i].value, WORD_MAX))
			return err_set(err, MW_INVALID, 0,
			    "%s: this VM has no plain word for it",
			    vars[i].name);
		str_add(out, vars[i].value);
		text += strlen(vars[i].name);
	}
	return true;
}

void
exec_quote(struct str *out, const char *arg)
{
	str_addc(out, '\'');
	for (; *arg; arg++) {
		if (*arg == '\'')
			str_add(out, "'\\''");
		else
			str_addc(out, *arg);
	}
	str_addc(out, '\'');
}

/* Bytes of the character at p, 0: not UTF-8. NUL is no character here. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} kinds[] = { { 0x80, 0x00, 1 }, { 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	for (size_t k = 0; k < ARRAY_LEN(kinds) && k < n; k++) {
		uint32_t c;

		if ((p[0] & kinds[k].mask) != kinds[k].lead)
			continue;
		c = p[0] & (unsigned char)~kinds[k].mask;
		for (size_t i = 1; i <= k; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3fu);
		}
		if (c < kinds[k].min || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000))
			return 0;
		return k + 1;
	}
	return 0;
}

void
exec_add_utf8(struct str *out, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = utf8_len((const unsigned char *)bytes + i, n - i);

		if (len)
			str_addn(out, bytes + i, len);
		else
			str_add(out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
}
