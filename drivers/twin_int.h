/*
 * twin_int.h - a connection to a twin and its calls: shared by twin.c (calls)
 * and twin_req.c (what is asked for). Not for others.
 */
#ifndef MW_DRIVERS_TWIN_INT_H
#define MW_DRIVERS_TWIN_INT_H

#include "drivers/driver.h"
#include "drivers/http.h"
#include "drivers/twin_parse.h"

#include <sys/queue.h>

struct twin_call {
	struct drv_conn *conn;
	struct csp_req *req;
	struct csp_answer *answer;
	drv_done_fn done;
	void *arg;
	const struct twin_op *op;
	const char *marker; /* of the next page, in the answer's arena */
	unsigned pages, restarts;
	size_t cloud; /* whose regions are asked for now */
	bool replayed;
	TAILQ_ENTRY(twin_call) link; /* waits for the cloud to be known */
};

struct drv_conn {
	struct drv_env env;
	struct http_lane *lane;
	char *id, *csp, *region;
	struct arena *arena; /* of clouds */
	struct twin_cloud *clouds;
	size_t nclouds;
	const struct twin_cloud *cloud; /* ours; NULL without csp */
	struct csp_caps caps;
	bool ready, resolving, closed;
	size_t ncalls;
	TAILQ_HEAD(, twin_call) waiting;
};

struct twin_op {
	const char *method; /* NULL: nothing to do in this cloud */
	bool (*url)(const struct twin_call *c, struct str *url);
	json_t *(*body)(const struct twin_call *c); /* NULL: none */
	/* NULL: only the status counts. */
	bool (*parse)(struct twin_call *c, json_t *j, struct mw_err *err);
	bool gone_is_ok; /* deletes are level-triggered */
	bool any_cloud; /* works without a cloud */
	const char *action; /* of the VM's actions */
};

/* Path and query of a call; false: a field of the request is missing. */
bool twin_url_regions(const struct twin_call *c, struct str *url);
bool twin_url_specs(const struct twin_call *c, struct str *url);
bool twin_url_images(const struct twin_call *c, struct str *url);
bool twin_url_key(const struct twin_call *c, struct str *url);
bool twin_url_keys(const struct twin_call *c, struct str *url);
bool twin_url_create(const struct twin_call *c, struct str *url);
bool twin_url_list(const struct twin_call *c, struct str *url);
bool twin_url_vm(const struct twin_call *c, struct str *url);
/* Its body; new reference. */
json_t *twin_body_key(const struct twin_call *c);
json_t *twin_body_create(const struct twin_call *c);
json_t *twin_body_action(const struct twin_call *c);

#endif
