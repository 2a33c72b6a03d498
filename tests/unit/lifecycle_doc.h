/*
 * lifecycle_doc.h - docs/lifecycle.md from the tables of the lifecycle.
 */
#ifndef MW_TESTS_LIFECYCLE_DOC_H
#define MW_TESTS_LIFECYCLE_DOC_H

#include "common/pure/str.h"

void lifecycle_doc(struct str *out);

#endif
