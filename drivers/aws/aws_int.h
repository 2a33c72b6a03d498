/*
 * aws_int.h - a connection to EC2 and its calls. A call of the driver is a
 * plan: one or more requests to EC2, each built from the answers before it.
 *
 * Source: the EC2 Query API, version 2016-11-15.
 */
#ifndef MW_DRIVERS_AWS_AWS_INT_H
#define MW_DRIVERS_AWS_AWS_INT_H

#include "drivers/classify.h"
#include "drivers/cred.h"
#include "drivers/driver.h"
#include "drivers/http.h"
#include "drivers/sign/sign.h"
#include "drivers/xml.h"

#include <sys/queue.h>

#define AWS_PARAMS_MAX 256
#define AWS_PAGES_MAX 1000
#define AWS_STEPS_MAX 64 /* requests of one plan, pages apart */

struct aws_call;

/*
 * Goes on with a plan. root: the answer to the last request, NULL at the
 * start. Sends the next one with aws_send(), or ends with aws_ok() or
 * aws_fail().
 */
typedef void (*aws_step_fn)(struct aws_call *c, const struct xml_node *root);

struct aws_call {
	struct drv_conn *conn;
	struct csp_req *req;
	struct csp_answer *answer;
	struct arena *arena; /* the answer's */
	drv_done_fn done;
	void *arg;
	aws_step_fn start; /* the plan */
	aws_step_fn next; /* takes the answer of the request in flight */
	aws_step_fn then; /* after a detour */
	/* Codes that are no error here, e.g. "InvalidPermission.Duplicate",
	 * or "Invalid*" by prefix; the step then gets the error document. NULL-terminated or NULL. */
	const char *const *fine;
	struct sign_pair params[AWS_PARAMS_MAX];
	size_t nparams;
	bool full; /* more parameters than fit: our bug */
	bool dry; /* the request being built is a dry run */
	bool mutated; /* a request that changes something was sent */
	bool replayed; /* with a credential that was read again */
	bool reclocked; /* signed with the cloud's clock */
	int64_t clock_off_s; /* of the last signature */
	/* the cloud's clock less ours, if the last answer told */
	int64_t told_off_s;
	unsigned steps, pages, restarts;
	struct http_lane *lane; /* of the last request */
	char *body; /* of the request in flight */
	int64_t deadline_ns;
	int64_t waits_ns; /* since when, for the credential */
	/* what a plan has found so far, in the arena */
	const char *image, *vpc, *subnet, *gateway, *table, *group;
	const char *zone; /* of the subnet */
	const char *page; /* cursor */
	size_t at; /* index of a plan over a list */
	unsigned refused; /* bits: the first reads of a verification */
	const char *refusal; /* the code of the first of them */
	TAILQ_ENTRY(aws_call) link; /* waits for the credential */
};

struct aws_image { /* an alias that was looked up */
	char *alias, *id;
	struct aws_image *next;
};

struct drv_conn {
	struct drv_env env;
	struct http_lane *lane, *run_lane; /* RunInstances has its own rate */
	char *id, *region, *url, *host, *credential, *prices;
	struct cred *cred;
	struct aws_image *images;
	bool asking, closed, stale; /* stale: the credential was refused */
	int64_t clock_off_s; /* added to our clock for signatures */
	size_t ncalls;
	TAILQ_HEAD(, aws_call) waiting;
};

/* Starts the next request of the plan. */
void aws_begin(struct aws_call *c, const char *action);
/* The value is copied into the arena; NULL: left out. */
void aws_add(struct aws_call *c, const char *name, const char *value);
void aws_addf(struct aws_call *c, const char *name, const char *fmt, ...)
    mw_printf(3, 4);
/* Filter.N.Name, Filter.N.Value.1 */
void aws_filter(struct aws_call *c, int n, const char *name, const char *value);
/* Filter.N for each tag of the request, from n on; the next free n. */
int aws_filter_tags(struct aws_call *c, int n);
/* TagSpecification.1 with the request's tags, and its name as Name. */
void aws_tag_spec(struct aws_call *c, const char *resource);
/* Sends it; next takes the answer. */
void aws_send(struct aws_call *c, aws_step_fn next);
/* The same with codes that are no error. */
void aws_send_fine(struct aws_call *c, const char *const *fine,
    aws_step_fn next);
void aws_ok(struct aws_call *c);
void aws_fail(struct aws_call *c, enum csp_class cls, enum csp_reason reason,
    const char *message);
/* It changes nothing, so that it may be sent again. After aws_begin(). */
void aws_dry_run(struct aws_call *c);
/* The last request once more: it was not executed. */
void aws_resend(struct aws_call *c);
/* Starts anew once the credential was read again. */
void aws_wait_cred(struct aws_call *c);
/* The answer is complete: done() on a later turn. */
void aws_end(struct aws_call *c);
void aws_on_answer(const struct http_answer *h, void *arg);
/* A call of its own for a part of parent's plan, with its deadline. */
void aws_child(struct aws_call *parent, aws_step_fn start, drv_done_fn done,
    void *arg);
/* Asks for the next page of the same list with the cursor in root, if there is
 * one: the request is rebuilt by start. False: that was the last. */
bool aws_more(struct aws_call *c, const struct xml_node *root,
    aws_step_fn start);

/* Plans: one per operation. */
void aws_verify(struct aws_call *c, const struct xml_node *root);
void aws_regions(struct aws_call *c, const struct xml_node *root);
void aws_specs(struct aws_call *c, const struct xml_node *root);
void aws_images(struct aws_call *c, const struct xml_node *root);
void aws_net_ensure(struct aws_call *c, const struct xml_node *root);
void aws_net_delete(struct aws_call *c, const struct xml_node *root);
void aws_sg_ensure(struct aws_call *c, const struct xml_node *root);
void aws_sg_delete(struct aws_call *c, const struct xml_node *root);
void aws_key_ensure(struct aws_call *c, const struct xml_node *root);
void aws_key_delete(struct aws_call *c, const struct xml_node *root);
void aws_part_list(struct aws_call *c, const struct xml_node *root);
void aws_vm_create(struct aws_call *c, const struct xml_node *root);
void aws_vm_get(struct aws_call *c, const struct xml_node *root);
void aws_vm_list(struct aws_call *c, const struct xml_node *root);
void aws_vm_suspend(struct aws_call *c, const struct xml_node *root);
void aws_vm_resume(struct aws_call *c, const struct xml_node *root);
void aws_vm_reboot(struct aws_call *c, const struct xml_node *root);
void aws_vm_terminate(struct aws_call *c, const struct xml_node *root);
void aws_console(struct aws_call *c, const struct xml_node *root);

/* The newest image of the families that the answer to a DescribeImages of
 * aws_ask_images() holds, or NULL. */
const char *aws_any_image(const struct xml_node *root);
/* All families: for aws_any_image(). fine: as in aws_send_fine(). */
void aws_ask_images(struct aws_call *c, const char *const *fine,
    aws_step_fn next);
/* Looks the image of the request up (c->image), then calls then(c, NULL). */
void aws_find_image(struct aws_call *c, aws_step_fn then);

#endif
