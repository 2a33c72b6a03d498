/*
 * conns_check.h - does a connection work now? Its credential is read anew and
 * its cloud is asked, apart from the driver that is in use; what stands in the
 * way is said in words, with the way out. One whose VMs could not be reached,
 * because nobody knows from where our SSH comes, does not work either.
 */
#ifndef MW_COORDINATOR_CONNS_CHECK_H
#define MW_COORDINATOR_CONNS_CHECK_H

#include "coordinator/cloud/conns_int.h"

#define CONNS_CHECK_MS 10000

struct conns_check {
	const char *connection;
	struct mw_err err; /* MW_OK: it works; else words and a hint */
	const struct csp_answer *answer; /* NULL: nothing could be asked */
	char ssh_from[SSH_FROM_LEN]; /* its VMs let SSH in; "": no groups */
	int64_t took_ns;
};

/* done(arg, result) once, on the loop, never from inside, within
 * CONNS_CHECK_MS and a little, and CRED_WAIT_MS more for a credential by
 * exec:; the result is borrowed. */
void conns_check(struct conns *cs, const char *id,
    void (*done)(void *arg, const struct conns_check *r), void *arg);
/* The answer in words. */
void conns_check_words(const struct csp_answer *a, struct mw_err *err);

#endif
