/*
 * place_io.h - placement queries, worlds and answers as JSON. The fields are
 * described in docs/placement.md; unknown fields, wrong types and wrong units
 * are MW_INVALID with err->pointer.
 *
 * Ownership: what is parsed lives in the given arena and does not refer to the
 * JSON document. The order of calls: world first, then the query over it.
 */
#ifndef MW_PLACEMENT_IO_PLACE_IO_H
#define MW_PLACEMENT_IO_PLACE_IO_H

#include "common/json.h"
#include "common/pure/arena.h"
#include "placement/placement.h"

#define PLACE_IO_FILE_MAX (16 * 1024 * 1024)
#define PLACE_IO_TOPK_MAX 64

/* The inline world of a query ("world":{...}), a world file of the twin
 * (docs/world-format.md) or a bundle (docs/bundles.md): told apart by "clouds"
 * and "schema". */
bool place_io_world(const struct json_at *at, struct arena *arena,
    struct place_world *out, struct mw_err *err) mw_must_check;
/* The query itself. Its fields "world" and "from" are the caller's business;
 * deadlineMs is kept in out for the caller's stop(). */
bool place_io_query(const struct json_at *at, const struct place_world *w,
    struct arena *arena, struct place_query *out,
    struct mw_err *err) mw_must_check;
/*
 * What is asked of a query besides its best groups: docs/placement.md,
 * "Curves". The extra fields are "sweep" and "compare" of the same body.
 */
enum place_io_what {
	PLACE_IO_WHATIF, /* every break of the best group over the limit */
	PLACE_IO_PARETO, /* those of them that nothing beats on both sides */
	PLACE_IO_SIZES, /* the smallest limit for each number of VMs */
	PLACE_IO_MOVES, /* mode check: what moving one VM would bring */
	PLACE_IO_COMPARE, /* two groups side by side */
	PLACE_IO_WHATS
};
/* New reference, or NULL with err. max_nodes and stop as place_solve(). */
json_t *place_io_curve(enum place_io_what what, const struct json_at *at,
    const struct place_world *w, struct arena *arena, bool (*stop)(void *arg),
    void *stop_arg, struct mw_err *err) mw_must_check;

/* New reference. The same answer gives the same text; the caller may add
 * placementId, elapsedMs and the like. */
json_t *place_io_answer(const struct place_answer *a,
    const struct place_query *q, const struct place_world *w);

#endif
