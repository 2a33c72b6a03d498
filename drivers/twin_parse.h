/*
 * twin_parse.h - answers of milkyway-twin (docs/twin-api.md) to csp answers.
 * The bytes are foreign: limits first, then types and ranges, then copies into
 * the answer's arena. Tolerant of unknown fields: the twin may grow.
 */
#ifndef MW_DRIVERS_TWIN_PARSE_H
#define MW_DRIVERS_TWIN_PARSE_H

#include "common/json.h"
#include "common/pure/csp.h"

/* One row of GET /v1/clouds. */
struct twin_cloud {
	char id[64], csp[64];
	struct csp_caps caps;
};

bool twin_parse_clouds(json_t *j, struct arena *arena,
    struct twin_cloud **clouds, size_t *n, struct mw_err *err) mw_must_check;
/* Each adds to what the answer has already: lists come in pages. */
bool twin_parse_regions(json_t *j, struct csp_answer *a,
    struct mw_err *err) mw_must_check;
bool twin_parse_specs(json_t *j, struct csp_answer *a,
    struct mw_err *err) mw_must_check;
/* Keys with names of ours, as parts. */
bool twin_parse_keys(json_t *j, struct csp_answer *a,
    struct mw_err *err) mw_must_check;
bool twin_parse_images(json_t *j, struct csp_answer *a,
    struct mw_err *err) mw_must_check;
/* A page; *next is the marker of the following one or NULL, in the arena.
 * VMs that an earlier page had are left out. */
bool twin_parse_vms(json_t *j, struct csp_answer *a, const char **next,
    struct mw_err *err) mw_must_check;
bool twin_parse_vm(json_t *j, struct csp_answer *a,
    struct mw_err *err) mw_must_check;
/* {"error":{...}}: code (the twin's own word) in *word; the cloud's code,
 * message and wait in the answer. */
bool twin_parse_error(json_t *j, struct csp_answer *a, const char **word,
    struct mw_err *err) mw_must_check;

#endif
