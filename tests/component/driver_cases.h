/*
 * driver_cases.h - what the conformance cases share: one suite against one
 * target. A case that fails leaves its reason in why.
 */
#ifndef MW_TESTS_DRIVER_CASES_H
#define MW_TESTS_DRIVER_CASES_H

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "drivers/driver.h"
#include "drivers/http.h"

#include <stdio.h>
#include <string.h>

struct suite {
	struct loop *loop;
	struct http *http;
	const struct driver *driver;
	struct drv_conn *conn;
	struct drv_conf conf;
	const char *spec, *image;
	const char *proxy; /* of the fault proxy: "127.0.0.1:PORT" or a path */
	const struct dialect *speaks; /* driver_cases_proxy.c; NULL: no proxy */
	/* "PORT PORT FILE": TLS with a certificate for this address, with one
	 * for another name, their CA; or NULL */
	const char *tls;
	char rule[600], token[32]; /* of the case that runs */
	double create_rate, create_burst; /* of the driver; 0: none */
	struct csp_caps caps;
	size_t left;
	struct csp_answer *answers[128];
	size_t nanswers;
	char key[128], vm[256], net[256], sg[256], why[200];
	bool failed;
};

enum { /* what a case needs of driver and target */
	NEEDS_KEYS = 1,
	NEEDS_POWER = 2,
	NEEDS_CONSOLE = 4,
	NEEDS_NET = 8,
	NEEDS_EC2 = 16, /* the fault proxy in front of EC2's dialect */
	NEEDS_PROXY = 128, /* the fault proxy in front of it, and VMs */
	NEEDS_HTTP = 256, /* the driver speaks it */
	NEEDS_TLS = 512, /* TLS in front of the target */
	NEEDS_RAW = 1024, /* the fault proxy in front of hosts */
	NEEDS_TOKEN = 32,
	NEEDS_GUEST = 64, /* something that boots */
};

struct drv_case {
	int no; /* of the design's list of 40; 0: beyond it */
	const char *what;
	bool (*run)(struct suite *s); /* NULL: shown elsewhere */
	unsigned needs;
	const char *elsewhere;
};
/* By contract only: the proxy says or keeps what the target cannot. */
#define BY_PROXY 0x10000u
extern const struct drv_case suite_cases[], suite_net[], suite_proxy[],
    suite_ec2[];
extern const size_t suite_ncases, suite_nnet, suite_nproxy, suite_nec2;
#define SUITE_ENDING 2 /* the last rows of suite_cases clean up */

void post(struct suite *s, struct csp_req *q);
/* Runs all that was sent; the first answer is returned, owned by s. */
struct csp_answer *wait_all(struct suite *s);
struct csp_answer *call(struct suite *s, struct csp_req *q);
struct csp_req *req(const struct suite *s, enum csp_op op);
struct csp_req *create(const struct suite *s, const char *token);
struct csp_req *list(const struct suite *s);
/* net, sg: with the tags of the suite */
struct csp_req *thing(const struct suite *s, enum csp_op op);
struct csp_req *key_req(struct suite *s, enum csp_op op, const char *line);
bool is(struct suite *s, const struct csp_answer *a, enum csp_class cls,
    enum csp_reason reason);
bool says(struct suite *s, bool good, const char *why);
bool ends(struct suite *s, const char *vm);
/* The fault proxy. Places of a target that a rule may be for. */
enum place {
	P_CREATE,
	P_LIST,
	P_GET,
	P_ANY,
	PLACES
};
/* How a rule of the proxy is put for a target, and what it says. */
struct dialect {
	const char *driver;
	struct {
		const char *rule; /* members of the rule, "" for all */
		const char *action, *method, *path; /* in the proxy's log */
	} places[PLACES];
	const struct refusal *refusals; /* until code is NULL */
	const char *expired; /* members: a token that is refused */
	const char *unknown_vm; /* members: there is no such VM */
	const char *dream; /* members: another native state */
	const char *bodies[8]; /* JSON texts that are no good answer */
};
struct refusal {
	int no; /* of the case */
	int status;
	const char *code;
	enum csp_class cls;
	enum csp_reason reason;
};
const struct dialect *dialect_of(const char *driver);
void rule(const struct suite *s, const char *json);
void no_rules(const struct suite *s);
/* A rule with these members for that place; in s->rule. */
const char *at(struct suite *s, enum place p, const char *members);
/* How many requests with that action (NULL: all) and that text in the body
 * (NULL: any) the proxy has seen. */
size_t seen(const struct suite *s, const char *action, const char *text);
size_t seen_at(const struct suite *s, enum place p, const char *text);
/* Sends with that rule in place. */
struct csp_answer *under(struct suite *s, const char *json, struct csp_req *q);
bool expect(struct suite *s, const char *json, struct csp_req *q,
    enum csp_class cls, enum csp_reason reason);
bool refusals(struct suite *s, int no);
size_t alive(struct suite *s); /* how many of ours live, by the list */
bool no_vm_left(struct suite *s); /* ends all of ours */
bool is_gone_word(const char *native);

/* Opens the target once more, as conf says, in the place of s->conn. */
bool with_conf(struct suite *s, const struct drv_conf *conf,
    bool (*run)(struct suite *s));

#endif
