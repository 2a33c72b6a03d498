/*
 * sweep.c - see sweep.h. The children of a killed agent die with it; their
 * files do not.
 */
#include "agent/bench/sweep.h"

#include "agent/bench/dbengine.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/str.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "milkyway-bench-"
#define SUFFIX 6 /* of mkdtemp() */

static bool
is_ours(const char *name)
{
	return str_starts(name, PREFIX) &&
	    strlen(name) == sizeof PREFIX - 1 + SUFFIX;
}

static void
sweep_engines(const char *folder)
{
	static const char *const names[] = { "mariadb", "pgsql", "lite" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct dbengine *e = dbengine_find(names[i]);
		struct dbengine_place p = { .user = "" };

		if (e->sweep != NULL &&
		    snprintf(p.dir, sizeof p.dir, "%s/%s", folder, e->name) <
			(int)sizeof p.dir)
			e->sweep(&p);
	}
}

size_t
sweep_leftovers(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		struct mw_err err = MW_ERR_INIT;
		char path[400];

		if (!is_ours(e->d_name) ||
		    snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >=
			(int)sizeof path)
			continue;
		sweep_engines(path);
		if (file_remove_tree(path, &err))
			n++;
		else
			log_warn("agent", e->d_name, "%s\taction=ignore",
			    err.msg);
	}
	if (d != NULL)
		closedir(d);
	if (n > 0)
		log_info("agent", dir,
		    "leftovers of a killed agent are removed\tjobs=%zu", n);
	return n;
}
