/*
 * eval_json.h - an evaluation as the API shows it.
 */
#ifndef MW_COORDINATOR_EVAL_JSON_H
#define MW_COORDINATOR_EVAL_JSON_H

#include "common/json.h"
#include "common/pure/eval.h"

/* {"items","specs","lemons"}; lemons only if asked for. New reference. */
json_t *eval_json(const struct eval *e, bool lemons);

#endif
