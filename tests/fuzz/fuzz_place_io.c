/*
 * fuzz_place_io.c - query and world JSON, and what the solver makes of them.
 * The input is one query document; its "world" is inline, of either form.
 */
#include "placement/io/place_io.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct json_at root, at;
	struct arena *arena;
	struct place_world w;
	struct place_query q;
	struct place_answer *a;
	json_t *doc = json_parse((const char *)data, size, 65536, &err);

	if (doc == NULL)
		return 0;
	arena = arena_new();
	if (json_at_root(&root, doc, &err) &&
	    json_at_key(&at, &root, "world", true, &err) &&
	    place_io_world(&at, arena, &w, &err) &&
	    place_io_query(&root, &w, arena, &q, &err)) {
		a = place_solve(&q, &w, 2000, NULL, NULL, &err);
		if (a != NULL) {
			json_t *j = place_io_answer(a, &q, &w);

			free(json_text(j, true));
			json_decref(j);
		} else if (err.code == MW_INTERNAL) {
			abort(); /* search and verification disagree */
		}
		place_answer_free(a);
	}
	json_decref(doc);
	arena_free(arena);
	return 0;
}
