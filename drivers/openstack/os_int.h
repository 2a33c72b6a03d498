/*
 * os_int.h - a connection to an OpenStack and its calls. A call of the driver
 * is a plan: one or more requests, each built from the answers before it.
 *
 * Source: the API references of Keystone v3, Nova 2.1, Neutron v2.0 and
 * Glance v2.
 */
#ifndef MW_DRIVERS_OPENSTACK_OS_INT_H
#define MW_DRIVERS_OPENSTACK_OS_INT_H

#include "common/json.h"
#include "drivers/classify.h"
#include "drivers/cred.h"
#include "drivers/driver.h"
#include "drivers/http.h"

#include <sys/queue.h>

#define OS_STEPS_MAX 2000 /* requests of one plan */

enum os_service {
	OS_COMPUTE,
	OS_NETWORK,
	OS_IMAGE,
	OS_SERVICES
};

struct os_call;

/* Goes on with a plan. root: the JSON of the last answer (borrowed; NULL at
 * the start and for an empty body). Sends the next request or ends. */
typedef void (*os_step_fn)(struct os_call *c, json_t *root);

struct os_call {
	struct drv_conn *conn;
	struct csp_req *req;
	struct csp_answer *answer;
	struct arena *arena; /* the answer's */
	drv_done_fn done; /* NULL: nobody waits (a floating address) */
	void *arg;
	os_step_fn start, next;
	/* Statuses that are no error for this request, 0-terminated or NULL;
	 * next then gets NULL. */
	const int *fine;
	/* the request in flight */
	const char *method, *path;
	enum os_service service;
	char *body;
	unsigned steps, pages, walks;
	bool mutated, replayed;
	unsigned token_no; /* of the token it was sent with */
	int64_t deadline_ns;
	/* what a plan has found so far, in the arena */
	const char *name, *flavor, *image, *net, *subnet, *router, *external,
	    *group, *port;
	TAILQ_ENTRY(os_call) link; /* waits for a token */
};

struct os_name { /* a name that was looked up */
	char *name, *id;
	struct os_name *next;
};

struct os_seen; /* os_seen.c */

struct drv_conn {
	struct drv_env env;
	struct http_lane *lane;
	char *id, *region, *auth_url, *credential, *prices;
	bool plain; /* auth_url is http:// to this machine */
	bool refused; /* the catalogue named an address we do not call */
	struct cred *cred;
	char *token;
	unsigned token_no; /* counts tokens */
	/* monotonic: asked for; renewed from then on; over */
	int64_t token_asked_ns, token_until_ns, token_end_ns;
	char *url[OS_SERVICES];
	struct csp_region *regions; /* of the catalogue, in its arena */
	size_t nregions;
	struct arena *catalog;
	struct os_name *flavors, *images;
	/* servers whose address is on its way, or that are ending */
	struct os_name *floating;
	struct os_seen *seen;
	int64_t ended_ns; /* the last terminate; monotonic */
	bool asking, closed, cred_stale;
	int64_t cred_from_ns; /* the credential is being read since; or 0 */
	/* is there a network with a way out? */
	bool external_known, has_external;
	size_t ncalls;
	/* for a token; each until its own deadline */
	TAILQ_HEAD(, os_call) waiting;
	struct loop_timer *patience;
};

/* os.c: requests. path is without the service's prefix; body is stolen. */
void os_send(struct os_call *c, const char *method, enum os_service service,
    const char *path, json_t *take_body, os_step_fn next);
void os_send_fine(struct os_call *c, const char *method,
    enum os_service service, const char *path, json_t *take_body,
    const int *fine, os_step_fn next);
void os_get(struct os_call *c, enum os_service service, const char *path,
    os_step_fn next);
/* "PREFIXname" with the name escaped, in the arena. */
const char *os_path(struct os_call *c, const char *prefix, const char *name);
void os_ok(struct os_call *c);
void os_fail(struct os_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message);
void os_unreadable(struct os_call *c, const char *what);
/* Starts a plan that nobody waits for. */
void os_background(struct drv_conn *conn, struct csp_req *take_req,
    os_step_fn start);
/* Text member of an object in the arena; NULL if it is none. */
const char *os_text(struct os_call *c, const json_t *obj, const char *key);
/* The id of the first object in root[key], or NULL. */
const char *os_first_id(struct os_call *c, json_t *root, const char *key);

/* os_auth.c: a token; calls that wait go on with it, or end. */
void os_auth(struct drv_conn *conn);
void os_auth_forget(struct drv_conn *conn); /* 401 */
/* Keystone's answer; arg is the connection. */
void os_auth_answer(const struct http_answer *h, void *arg);
/* The deadlines of those that wait have changed. */
void os_rearm(struct drv_conn *conn);
/* Calls that wait go on, or end with err if there is no token. */
void os_ready(struct drv_conn *conn, const struct mw_err *err,
    enum csp_reason reason);

/* os_seen.c: servers that this connection knows to be of a deployment, or was
 * asked to deal with (deployment NULL). Forgotten a while after the last time. */
struct os_seen *os_seen_new(void);
void os_seen_free(struct os_seen *s);
void os_seen_put(struct os_seen *s, const char *id, const char *deployment);
/* Is it known, and of that deployment (NULL: any)? */
bool os_seen_fits(const struct os_seen *s, const char *id,
    const char *deployment);

/* os_names.c */
const char *os_name_get(struct os_name *list, const char *name);
void os_name_put(struct os_name **list, const char *name, const char *id);
void os_name_drop(struct os_name **list, const char *name);
void os_names_free(struct os_name **list);

/* Plans: one per operation. */
void os_verify(struct os_call *c, json_t *root);
void os_regions(struct os_call *c, json_t *root);
void os_specs(struct os_call *c, json_t *root);
void os_images(struct os_call *c, json_t *root);
void os_net_ensure(struct os_call *c, json_t *root);
void os_net_delete(struct os_call *c, json_t *root);
void os_sg_ensure(struct os_call *c, json_t *root);
void os_sg_delete(struct os_call *c, json_t *root);
void os_key_ensure(struct os_call *c, json_t *root);
void os_key_delete(struct os_call *c, json_t *root);
void os_part_list(struct os_call *c, json_t *root);
void os_vm_create(struct os_call *c, json_t *root);
void os_vm_get(struct os_call *c, json_t *root);
void os_vm_list(struct os_call *c, json_t *root);
void os_vm_suspend(struct os_call *c, json_t *root);
void os_vm_resume(struct os_call *c, json_t *root);
void os_vm_reboot(struct os_call *c, json_t *root);
void os_vm_terminate(struct os_call *c, json_t *root);
void os_console(struct os_call *c, json_t *root);
/* os_ip.c: gives a server that runs a floating address, in the background. */
void os_float(struct drv_conn *conn, const struct csp_vm *vm, const char *key);
void os_float_end(struct os_call *c); /* that background plan is over */
/* "mw-key=K": what the description of ours begins with. */
const char *os_ip_mark(struct os_call *c, const char *key);

#endif
