/*
 * api_mcis.h - what the handlers of MCIS share: finding things, query flags,
 * and turning the lifecycle's word into an answer.
 */
#ifndef MW_COORDINATOR_API_MCIS_H
#define MW_COORDINATOR_API_MCIS_H

#include "coordinator/actions.h"
#include "coordinator/api/api.h"
#include "lifecycle/lifecycle.h"

/* Of the path; *ns is borrowed from the request. */
bool mcis_ns(struct coord *c, const struct httpd_req *req, const char **ns,
    struct mw_err *err) mw_must_check;
struct lc_mcis *mcis_find(struct coord *c, const struct httpd_req *req,
    struct mw_err *err) mw_must_check;
/* dryRun, allowRemove, allowReplace. */
bool mcis_flags(const struct httpd_req *req, unsigned *flags,
    struct mw_err *err) mw_must_check;

/* Who asks, for the lifecycle. */
struct mcis_who {
	struct lc_who who;
	char id[ACTION_ID_LEN];
	char *target;
};
/* A fresh action id; target is taken. The plan's revision comes from
 * ?planRevision= or If-Match. Free with mcis_who_free(). */
void mcis_who(struct coord *c, const struct httpd_req *req, char *take_target,
    struct mcis_who *out);
void mcis_who_free(struct mcis_who *w);

/*
 * A wish is carried out, or its plan is the answer: checks the quota, then
 * lc_apply(), or lc_scale() if w names no connections. after (may be NULL) is
 * called when it is a GO, before the answer waits for the store.
 */
void mcis_apply(struct coord *c, struct httpd_req *req, struct lc_wish *w,
    bool scale, void (*after)(void *arg), void *arg);
/* What the lifecycle said becomes the HTTP answer. Frees r. w: the wish, or
 * NULL for a verb. */
void mcis_answer(struct coord *c, struct httpd_req *req, struct lc_reply *r,
    unsigned flags, const char *ns, const char *mcis, const struct lc_wish *w);
/* Answers when everything committed so far is on the disk. */
void mcis_reply_durable(struct coord *c, struct httpd_req *req, int status,
    json_t *take_body);

#endif
