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
	const char *proxy; /* "127.0.0.1:PORT" of the fault proxy, or NULL */
	struct csp_caps caps;
	size_t left;
	struct csp_answer *answers[64];
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
extern const struct drv_case suite_cases[], suite_ec2[];
extern const size_t suite_ncases, suite_nec2;
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
/* Opens the target once more, as conf says, in the place of s->conn. */
bool with_conf(struct suite *s, const struct drv_conf *conf,
    bool (*run)(struct suite *s));

#endif
