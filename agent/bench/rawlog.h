/*
 * rawlog.h - what a tool printed, repetition after repetition, deflated as it
 * comes: a bounded text, its SHA-256, and base64 for a message.
 */
#ifndef MW_AGENT_RAWLOG_H
#define MW_AGENT_RAWLOG_H

#include "common/pure/result.h"
#include "common/pure/str.h"

struct rawlog;

struct rawlog *rawlog_new(void);
void rawlog_free(struct rawlog *l); /* NULL is fine */
/* A heading line and the text. What would go over RESULT_RAW_MAX or
 * RESULT_RAW_PACKED_MAX is left out, and so is everything after it. */
void rawlog_add(struct rawlog *l, const char *heading, const char *text,
    size_t n);
/* Ends it: fills *out, whose base64 lives as long as l. *truncated: something
 * was left out. Nothing was added: out->hash is "". */
void rawlog_end(struct rawlog *l, struct result_raw *out, bool *truncated);

#endif
