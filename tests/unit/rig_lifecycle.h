/*
 * rig_lifecycle.h - the reconciler on a small world without faults, for
 * test_lifecycle.c and test_lifecycle_plan.c.
 */
#ifndef MW_TESTS_RIG_LIFECYCLE_H
#define MW_TESTS_RIG_LIFECYCLE_H

#include "common/pure/rng.h"
#include "lifecycle/priv.h"

#define VMS_MAX 300
#define TODO_MAX 4096

struct rig {
	int64_t now, wake;
	struct rng rng;
	struct lc *lc;
	const char *csp;
	struct lc_txn *txns[TODO_MAX];
	struct csp_req *reqs[TODO_MAX];
	struct lc_install installs[TODO_MAX];
	size_t ntxns, nreqs, ninstalls;
	size_t rows, creates, mutations, unknown;
	const char *native[VMS_MAX]; /* by slot id, NULL: none */
	enum csp_class create_class[VMS_MAX];
	enum csp_reason create_reason[VMS_MAX];
	enum csp_class verb_class;
	bool no_install;
	bool no_contact; /* nothing was answered yet */
};

struct lc_env rig_env(struct rig *w);
int rig_setup(void **state);
int rig_teardown(void **state);
#define W(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* Serves everything that is asked until the given time has passed. */
void rig_spin(struct rig *w, int64_t for_s);
/* Wishes MCIS m with count VMs in group g; LC_NO if it is refused. */
enum lc_answer rig_put(struct rig *w, int64_t count, const char *spec,
    enum lc_policy policy, unsigned flags);
/* A verb on one VM, or on all of m (NULL); LC_NO if it is refused. */
enum lc_answer rig_act(struct rig *w, const char *vm, enum lc_act what);
/* "Running-(1/1)"; "" if there is no m. */
const char *rig_status(struct rig *w);

#endif
