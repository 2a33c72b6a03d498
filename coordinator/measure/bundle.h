/*
 * bundle.h - writes a bundle (common/bundle.h) of what the store gave. Work
 * for a pool thread: touches nothing but its input.
 */
#ifndef MW_COORDINATOR_BUNDLE_H
#define MW_COORDINATOR_BUNDLE_H

#include "common/bundle.h"
#include "coordinator/measure/mesh_json.h"

struct bundle_in {
	/* deployment, ns, mcis, kind, since, until as they are shown, and vms:
	 * the parts that need no work. */
	json_t *head;
	const char *results; /* a result per line, oldest first; may be "" */
	json_t *raw; /* texts by their names, or NULL: not asked for */
	const struct mesh_view *matrix; /* NULL: not measured */
	int64_t since, until;
	bool addresses; /* keep IP addresses and names of hosts */
};

/* The text, the caller frees; or NULL: MW_LIMIT, it would be too large. */
char *bundle_build(const struct bundle_in *in, struct mw_err *err);

/* bundle_eval.c: what specs are worth by these results alone. */
struct bundle_eval;
struct bundle_eval *bundle_eval_new(const json_t *vms);
void bundle_eval_add(struct bundle_eval *e, const json_t *result);
/* As the API shows evaluations; new reference. Frees e. */
json_t *bundle_eval_end(struct bundle_eval *take_e, int64_t since,
    int64_t until);
void bundle_eval_free(struct bundle_eval *e); /* NULL is fine */

/* Is there anything that looks like an IPv4 address? */
bool bundle_has_ip(const char *text);
/* "MW_LIMIT": more than a bundle holds. Always false. */
bool bundle_too_large(struct mw_err *err);

#endif
