/*
 * io.h - shared by the readers of this folder.
 */
#ifndef MW_PLACEMENT_IO_IO_H
#define MW_PLACEMENT_IO_IO_H

#include "placement/io/place_io.h"

#define IO_NAME_MAX 128
#define IO_RTT_MAX_MS 60000.0

/* MW_INVALID at key of at. Always false. */
bool io_wrong(struct mw_err *err, const struct json_at *at, const char *key,
    const char *what);
/* A string, copied to the arena; missing and !required: NULL. */
bool io_text(const struct json_at *at, struct arena *arena, const char *key,
    bool required, const char **out, struct mw_err *err) mw_must_check;
/* Numbers by name -> scores of an offer, in thousandths. Names that are new
 * are added to the world's metrics, which has room for PLACE_MAX_METRICS. */
bool io_scores(const struct json_at *offer, struct arena *arena,
    struct place_world *w, int64_t *scores, struct mw_err *err) mw_must_check;
/* rows x cols numbers or null at key: times in ms, or plain counts. */
bool io_matrix(const struct json_at *at, struct arena *arena, const char *key,
    size_t rows, size_t cols, bool ms, const uint32_t **out,
    struct mw_err *err) mw_must_check;
/* Thousandths of a score. */
bool io_milli(double v, int64_t *out) mw_must_check;

/* While a query is read. Fields of one object are read by its pointer. */
struct io_reader {
	struct arena *arena;
	const struct place_world *w;
	struct place_query *q;
	struct mw_err *err;
};

/* One of the words, or the first if the field is missing. */
bool io_word(struct io_reader *r, const struct json_at *at, const char *key,
    const char *const *words, int *out) mw_must_check;
bool io_strings(struct io_reader *r, const struct json_at *at, const char *key,
    struct place_strings *out) mw_must_check;
bool io_metric(const struct io_reader *r, const char *name,
    uint32_t *out) mw_must_check;
/* The number of the role with that name; NULL is none. */
bool io_role(const struct io_reader *r, const char *name,
    uint32_t *out) mw_must_check;
/* "groups": roles with filters and pins. */
bool io_groups(struct io_reader *r, const struct json_at *root) mw_must_check;
/* Their own weights, once the objective is read. */
bool io_group_terms(struct io_reader *r,
    const struct json_at *root) mw_must_check;
/* "antiAffinity" and "quota" of the constraints. */
bool io_counts(struct io_reader *r, const struct json_at *at) mw_must_check;

/* A group with its score, members, worst pair and users; new reference. */
json_t *io_group(const struct place_ranked *r, const struct place_query *q,
    const struct place_world *w);

bool io_twin_world(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err) mw_must_check;
bool io_bundle_world(const struct json_at *at, struct arena *arena,
    struct place_world *w, struct mw_err *err) mw_must_check;

#endif
