/*
 * fuzz_bundle.c - any bytes as a bundle. What has its form can be compared
 * with itself, made into samples and into a world; the hash is not asked, or
 * nothing would ever get past it.
 */
#include "cli/bundle.h"
#include "cli/cli.h"
#include "placement/io/place_io.h"

#include <stdint.h>
#include <stdlib.h>

#define MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool
cli_interrupted(void)
{
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	char hash[BUNDLE_HASH_LEN];
	struct str s = STR_INIT;
	struct place_world w;
	struct arena *arena;
	struct json_at at;
	json_t *j = bundle_parse(data, size, MAX, &err), *d;

	if (!j)
		return 0;
	bundle_hash_json(j, hash);
	if (bundle_check_form(j, &err)) {
		d = bundle_diff(j, j, 0);
		if (ji(d, "worse", 0) != 0)
			abort(); /* nothing is worse than itself */
		json_decref(d);
		bundle_perfkit(j, &s);
		str_free(&s);
		arena = arena_new();
		if (json_at_root(&at, j, &err) &&
		    place_io_world(&at, arena, &w, &err) && !w.nsites)
			abort();
		arena_free(arena);
	}
	json_decref(j);
	return 0;
}
