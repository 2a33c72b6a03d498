/*
 * mcis_file.h - the MCIS file of docs/api.md: JSON to a checked wish.
 */
#ifndef MW_COORDINATOR_MCIS_FILE_H
#define MW_COORDINATOR_MCIS_FILE_H

#include "common/json.h"
#include "common/pure/arena.h"
#include "lifecycle/lifecycle.h"

/*
 * Reads the file; err names the wrong field by its JSON pointer. name: of the
 * URL, must equal the file's (which may leave it out). All memory of out lives
 * in the arena. Whether connections, specs and images exist is not checked.
 */
bool mcis_file_parse(json_t *doc, const char *ns, const char *name,
    struct arena *a, struct lc_wish *out, struct mw_err *err) mw_must_check;
/* An object of short strings, as canonical text. */
bool mcis_file_labels(const struct json_at *at, const char *key,
    struct arena *a, const char **out, struct mw_err *err) mw_must_check;

#endif
