/*
 * driver.h - what a cloud driver is.
 *
 * Every call is asynchronous and ends in exactly one completion, never from
 * inside the call, also after cancel, close or timeout. A driver keeps no
 * truth: losing its caches costs calls, never correctness. Create carries
 * token, name and tags of its intent and is sent once; only reads are retried
 * here. The class of an answer is AMBIGUOUS unless a table proves better. An
 * unknown native state is passed on as it is. Secrets never enter logs, error
 * texts or argv.
 */
#ifndef MW_DRIVERS_DRIVER_H
#define MW_DRIVERS_DRIVER_H

#include "common/loop.h"
#include "common/pure/csp.h"
#include "common/pure/err.h"
#include "common/pure/str.h"

struct drv_conn;
struct http; /* drivers/http.h: the shared curl multi */
struct cred_vault; /* drivers/cred.h */

/* What drivers may ask of the world: injected, so that tests own it. */
struct drv_env {
	struct loop *loop;
	struct http *http;
	const struct cred_vault *vault; /* sealed credentials, or NULL */
};

/* One connection = driver, endpoint, credential, cloud, region. Borrowed only
 * during open(). */
struct drv_conf {
	const char *id; /* connection id, for messages */
	const char *driver; /* "twin", "static", "aws", "openstack" */
	const char *csp, *region;
	const char *endpoint; /* twin: unix socket path; static: hosts file */
	const char *credential; /* reference, never the secret itself */
	const char *prices; /* JSON file {spec: cost per hour}, or NULL */
	const char *ca_file; /* PEM to trust instead of the system's; NULL */
};

/* How busy a connection is. */
struct drv_load {
	size_t queued, in_flight; /* calls to the cloud */
	double rate_per_s; /* that it may make now; 0: no limit */
	/* Our address and the endpoint's in the newest call that came through;
	 * "": none did, or there are no addresses. */
	char local_ip[46], peer_ip[46];
	bool proxied; /* what stands there is a proxy's */
};

typedef void (*drv_done_fn)(struct csp_answer *take_answer, void *arg);

struct driver {
	const char *name;
	/* Ids that begin so are images, too, although the catalogue does not
	 * list them, e.g. "ami-"; or NULL. */
	const char *image_prefix;
	bool (*open)(const struct drv_env *env, const struct drv_conf *conf,
	    struct drv_conn **out, struct mw_err *err);
	void (*close)(struct drv_conn *c); /* open calls end as canceled */
	/* Known after open; the driver's defaults before. */
	struct csp_caps (*caps)(const struct drv_conn *c);
	/* Takes the request. */
	void (*submit)(struct drv_conn *c, struct csp_req *take_req,
	    drv_done_fn done, void *arg);
	/* May be NULL. The private key that opens this VM, if its owner named
	 * one; key stays empty if not. The caller wipes it. */
	bool (*login_key)(const struct drv_conn *c, const char *csp_id,
	    struct str *key, struct mw_err *err);
	/* May be NULL. */
	void (*load)(const struct drv_conn *c, struct drv_load *out);
};

/* registry.c: the driver of that name, or NULL. */
const struct driver *driver_find(const char *name);
const struct driver *const *driver_all(size_t *n);
/* There is none of that name; those that there are. Always returns false. */
bool driver_none(const char *name, struct mw_err *err);

#endif
