/*
 * bundle.h - bundles as files: reading, what differs between two, and as
 * PerfKitBenchmarker samples. docs/bundles.md.
 */
#ifndef MW_CLI_BUNDLE_H
#define MW_CLI_BUNDLE_H

#include "common/bundle.h"
#include "common/pure/str.h"

/* JSON, packed by gzip or not; new reference or NULL. */
json_t *bundle_parse(const void *bytes, size_t n, size_t max,
    struct mw_err *err);
/* Any JSON file, packed by gzip or not; new reference or NULL. */
json_t *bundle_read_json(const char *path, size_t max, struct mw_err *err);
/* A bundle whose form and hash are right; new reference or NULL. */
json_t *bundle_load(const char *path, struct mw_err *err);
/* Writes the text; a path that ends in .gz gets it packed. */
bool bundle_write(const char *path, const char *text, size_t n,
    struct mw_err *err) mw_must_check;

/* What B says otherwise than A; new reference. min_pct: smaller changes of
 * benchmarks are none. */
json_t *bundle_diff(const json_t *a, const json_t *b, double min_pct);
/* The two parts of it. */
json_t *bundle_diff_bench(const json_t *a, const json_t *b, double min_pct);
json_t *bundle_diff_pairs(const json_t *a, const json_t *b);

/* One sample a line; returns how many results had no value. */
size_t bundle_perfkit(const json_t *bundle, struct str *out);
/* "|key:value|", after a comma if it is not the first. */
void bundle_label(struct str *labels, const char *key, const char *value);

#endif
