/*
 * mesh_json.h - a matrix as JSON text, with what is odd about its pairs. Pure
 * work for a pool thread: a large matrix takes longer than a turn of the loop
 * may.
 */
#ifndef MW_COORDINATOR_MESH_JSON_H
#define MW_COORDINATOR_MESH_JSON_H

#include "common/json.h"
#include "common/pure/matrix.h"
#include "common/pure/matrix_cell.h"

struct str;

struct mesh_view {
	struct matrix *m; /* borrowed */
	json_t *vms; /* borrowed: what each row is */
	const double *lat, *lon; /* of each row; NAN: not known */
	int64_t now; /* ages are counted to here */
	bool pooled;
	int64_t day; /* of a folded day (since 1970); 0: of rounds */
};

/* Text with a newline at its end; the caller frees it. */
char *mesh_json(const struct mesh_view *v);
/* The members of a cell, without braces: "n":10,... */
void mesh_json_cell(struct str *s, const struct matrix_cell *c, int64_t now,
    unsigned gate_flags);
void mesh_json_day(struct str *s, int64_t day, const struct matrix_day *d);

#endif
