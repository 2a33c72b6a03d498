/*
 * rescue_list.h - what exists in the clouds, for a coordinator without a
 * database: `milkyway orphans --offline` in a child, on the connections.json of
 * the state directory. The clouds are only asked for lists.
 */
#ifndef MW_COORDINATOR_RESCUE_LIST_H
#define MW_COORDINATOR_RESCUE_LIST_H

#include "common/httpd.h"

struct rescue_list;

/* hint: the way out, for errors; both texts are borrowed. */
struct rescue_list *rescue_list_new(struct loop *loop, const char *state_dir,
    const char *hint);
/* Those that wait get an error: before the server ends. NULL is fine. */
void rescue_list_free(struct rescue_list *l);
/* Answers later, in the form of GET /v1/orphans. Who asks while a list is made
 * gets that one. */
void rescue_list_answer(struct rescue_list *l, struct httpd_req *req);

#endif
