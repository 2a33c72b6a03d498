/*
 * load.c - files of JSON that the user names: what kind of file it is, told
 * before some field of it is called unknown.
 */
#include "cli/bundle.h"
#include "cli/cli.h"

#include <errno.h>

/* The first key that is there decides. */
static const struct {
	const char *key;
	enum cli_file kind;
} marks[] = {
	{ "schema", FILE_BUNDLE },
	{ "clouds", FILE_WORLD },
	{ "offers", FILE_WORLD },
	{ "mode", FILE_QUERY },
	{ "constraints", FILE_QUERY },
	{ "objective", FILE_QUERY },
	{ "name", FILE_MCIS },
};

static const struct {
	const char *what, *use;
} kinds[] = {
	[FILE_WORLD] = { "a world",
	    "milkyway place --world FILE, milkyway up --world FILE" },
	[FILE_BUNDLE] = { "a bundle",
	    "milkyway place --world FILE, milkyway bundle show FILE" },
	[FILE_QUERY] = { "a placement query", "milkyway place -f FILE" },
	[FILE_MCIS] = { "a group of VMs to create",
	    "milkyway mcis create -f FILE" },
};

json_t *
cli_load(const char *path, enum cli_file kind, size_t max, struct mw_err *err)
{
	/* a bundle is a world, too, and a larger one */
	json_t *j = bundle_read_json(str_eq(path, "-") ? "/dev/stdin" : path,
	    kind == FILE_WORLD && max < BUNDLE_MAX ? BUNDLE_MAX : max, err);

	if (!j) {
		if (err->sys == EISDIR)
			err->code = MW_INVALID;
		return NULL;
	}
	if (bundle_is(j) && kind == FILE_WORLD) {
		if (bundle_check(j, err))
			return j;
		err_wrap(err, "%s", path);
		json_decref(j);
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		enum cli_file is = marks[i].kind;

		if (!json_object_get(j, marks[i].key))
			continue;
		if (is == kind)
			return j;
		err_set(err, MW_INVALID, 0, "%s is %s, not %s", path,
		    kinds[is].what, kinds[kind].what);
		err_hint(err, "use it with: %s", kinds[is].use);
		json_decref(j);
		return NULL;
	}
	return j; /* whoever reads it says what is missing */
}
