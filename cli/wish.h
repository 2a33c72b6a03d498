/*
 * wish.h - what a placement query asks for, in words: the things that answers
 * point at. Pointers are JSON pointers into the query, without escapes.
 */
#ifndef MW_CLI_WISH_H
#define MW_CLI_WISH_H

#include "common/json.h"
#include "common/pure/str.h"

/* What a pointer names, borrowed; NULL if nothing. */
const json_t *wish_value(const json_t *query, const char *pointer);
/* "at least 2 CSPs", "2 VMs of web in aws-us-east-1"; the pointer itself for
 * what has no words. v: the value to tell, which may be another than the
 * query's. */
void wish_text(const json_t *query, const char *pointer, const json_t *v,
    struct str *out);
/* The number alone, in its unit. */
void wish_number(const char *pointer, const json_t *v, struct str *out);
/* "the limit": of a time that must exceed something. */
const char *wish_name(const char *pointer);

#endif
