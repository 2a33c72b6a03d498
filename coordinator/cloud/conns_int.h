/*
 * conns_int.h - what conns.c, db_conns.c and api_conn.c share.
 */
#ifndef MW_COORDINATOR_CONNS_INT_H
#define MW_COORDINATOR_CONNS_INT_H

#include "coordinator/cloud/conns.h"
#include "coordinator/cloud/conn_stats.h"
#include "drivers/http.h"

#include <sys/queue.h>

struct conn {
	struct conn_row row;
	struct conn_stats *stats; /* conn_stats.h; a reference */
	bool renewed; /* another secret: the old driver goes */
	struct ssh_ends ends; /* of the newest call */
	const struct driver *drv;
	struct drv_conn *dc; /* NULL: not opened yet */
	struct spec_row *specs; /* by name */
	size_t nspecs, specs_cap;
	struct image_row *images;
	size_t nimages, images_cap;
};

/* Work under way with a driver connection of its own: an import, a list of
 * regions, a check. When the connections go its driver is closed and its calls
 * end as canceled; cs is NULL then, and must not be asked for. */
struct conn_own {
	LIST_ENTRY(conn_own) link;
	struct conns *cs;
	struct conn *cn; /* or NULL */
	bool adds; /* its row is to be stored at the end */
};

struct conns {
	struct coord *c;
	struct http *http;
	struct drv_env env;
	struct conn **v; /* by id */
	size_t n, cap;
	const struct spec_row **specs; /* of all, if flat */
	size_t nspecs;
	uint64_t revision; /* of all rows */
	bool flat;
	struct conns_file *file; /* conns_file.h */
	struct seal *seal; /* drivers/seal.h */
	LIST_HEAD(, conn_own) own;
};

struct conn *conn_new(const struct conn_row *row); /* copies the strings */
void conn_free(struct conn *cn); /* closes its driver */
bool conn_open(struct conns *cs, struct conn *cn,
    struct mw_err *err) mw_must_check;
/* The same with another vault. */
bool conn_open_in(struct conns *cs, struct conn *cn, const struct drv_env *env,
    struct mw_err *err) mw_must_check;
/* Sends a request to its driver, counted; see conns_submit(). It must be open.
 */
void conn_submit(struct conn *cn, struct csp_req *take_req, drv_done_fn done,
    void *arg);
/* Notes from which address the cloud is reached now: of cn's driver, for the
 * connection of its id. When it is another one, groups follow. */
void conn_look(struct conns *cs, const struct conn *cn);
void conn_add_spec(struct conn *cn, const struct csp_spec *s);
void conn_add_image(struct conn *cn, const struct csp_image *im);
void conn_sort(struct conn *cn); /* after the last conn_add_spec */
void conn_own_add(struct conns *cs, struct conn_own *o, struct conn *cn);
void conn_own_end(struct conn_own *o);
struct conn *conns_find(const struct conns *cs, const char *id);
void conns_put(struct conns *cs, struct conn *take_cn); /* replaces */
void conns_remove(struct conns *cs, const char *id);

/* SQL. load: arg is the struct conns. */
bool db_conns_load(struct db *db, void *arg, struct mw_err *err) mw_must_check;
bool db_conn_put(struct db *db, const struct conn *cn,
    struct mw_err *err) mw_must_check;
/* Not verified any more, because of reason; NULL: verified. */
bool db_conn_reason(struct db *db, const char *id, const char *reason,
    struct mw_err *err) mw_must_check;
bool db_conn_delete(struct db *db, const char *id,
    struct mw_err *err) mw_must_check;

#endif
