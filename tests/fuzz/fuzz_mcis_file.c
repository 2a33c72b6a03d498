/*
 * fuzz_mcis_file.c - strangers' bytes as an MCIS file: refused with a reason,
 * or a wish within its limits.
 */
#include "coordinator/mcis/mcis_file.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	struct arena *a = arena_new();
	struct lc_wish w;
	json_t *j = json_parse((const char *)data, size, JSON_BODY_MAX, &err);

	if (j && mcis_file_parse(j, "default", "demo", a, &w, &err)) {
		assert(w.ngroups <= LC_GROUPS_MAX);
		for (size_t i = 0; i < w.ngroups; i++)
			assert(w.groups[i].count >= 0 &&
			    w.groups[i].count <= LC_COUNT_MAX &&
			    id_valid(w.groups[i].name));
	} else {
		assert(err.code != MW_OK && err.msg[0]);
	}
	json_decref(j);
	arena_free(a);
	return 0;
}
