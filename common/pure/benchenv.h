/*
 * benchenv.h - on what and with what a result was measured, as one text. Only
 * results of equal text are averaged or held against each other; its SHA-256
 * is the envHash. Pure: hashing is the caller's.
 *
 * The text, one "key=value\n" each, always all and in this order; an unknown
 * value is empty:
 *
 *	mw.env/1
 *	csp= specId= image= kernel= cpuModel= vcpus= fs= tool= argv=
 *
 * tool is "sysbench 1.0.20". argv is the command without the options that
 * only bound a repetition: --time --events --max-time --max-requests
 * --memory-total-size. fs counts for file and database kinds only.
 */
#ifndef MW_COMMON_PURE_BENCHENV_H
#define MW_COMMON_PURE_BENCHENV_H

#include "common/pure/result.h"
#include "common/pure/str.h"

/* What only the coordinator knows; NULL: unknown. */
struct benchenv_place {
	const char *csp, *spec_id, *image;
};

void benchenv_text(const struct result *r, const struct benchenv_place *p,
    struct str *out);
/* argv without its bounds, one blank between; added to out. */
void benchenv_argv(const char *argv, struct str *out);

#endif
