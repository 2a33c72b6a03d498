/*
 * path.c - paths of the API from names that people type. A name that is none
 * never reaches a URL: "../ns/default/mcis/shop" would be another resource.
 */
#include "cli/cli.h"

#include "common/pure/alloc.h"
#include "common/pure/ids.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool
cli_id(const char *id)
{
	if (id_valid(id))
		return true;
	fprintf(stderr,
	    "milkyway: not a name: %s (small letters, digits, '-', "
	    "at most 63, a letter first)\n",
	    id[0] ? id : "\"\"");
	return false;
}

char *
cli_path(const char *before, const char *id, const char *after)
{
	return cli_id(id) ? xasprintf("%s%s%s", before, id, after) : NULL;
}

char *
cli_ns_path(const struct cli *c, const char *rest)
{
	return cli_path("/v1/ns/", c->ns, rest);
}

char *
cli_mcis_path(struct cli *c, const char *name, const char *rest)
{
	char *base = cli_ns_path(c, "/mcis/"), *path;

	path = base ? cli_path(base, name, rest) : NULL;
	free(base);
	return path;
}

void
cli_query(struct str *path, const char *key, const char *value)
{
	if (!value)
		return;
	str_addf(path, "%s%s=", strchr(str_cstr(path), '?') ? "&" : "?", key);
	for (const char *p = value; *p; p++)
		if (isalnum((unsigned char)*p) || strchr("-._~", *p))
			str_addc(path, *p);
		else
			str_addf(path, "%%%02X", (unsigned char)*p);
}

bool
cli_path_clean(const char *path)
{
	size_t segment = 0;

	if (path[0] != '/')
		return false;
	for (const char *p = path + 1;; p++) {
		bool ends = !*p || *p == '?' || *p == '/';

		if (!ends && !isalnum((unsigned char)*p) && !strchr("-._~", *p))
			return false;
		if (!ends) {
			segment++;
			continue;
		}
		if (segment == 0 || strspn(p - segment, ".") >= segment)
			return false;
		if (*p != '/') {
			path = p;
			break;
		}
		segment = 0;
	}
	for (; *path; path++)
		if (!isgraph((unsigned char)*path) || *path == '#')
			return false;
	return true;
}
