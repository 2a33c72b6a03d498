/*
 * toolhint.c - see toolhint.h.
 */
#include "agent/bench/toolhint.h"

#include "common/file.h"
#include "common/pure/str.h"

#define OS_RELEASE_MAX 16384

void
toolhint(enum tool t, char *text, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	struct tools_os os = { .id = "" };

	if (file_read("/etc/os-release", OS_RELEASE_MAX, &s, &err))
		tools_os_parse(s.p, s.len, &os);
	str_free(&s);
	tools_missing(t, &os, text, size);
}
