/*
 * twin_lab.h - a small emulated cloud inside a test program: loop, network,
 * VMs, and a way to run a command in a VM over a real SSH login. The network
 * and the device have numbers of their own, so a running twin is not touched.
 */
#ifndef MW_TESTS_TWIN_LAB_H
#define MW_TESTS_TWIN_LAB_H

#include "common/loop.h"
#include "common/pure/str.h"
#include "twin/vm.h"
#include "twin/wan.h"

#define LAB_USER "cb-user"
#define LAB_IFNAME "twintest0"
#define LAB_EVENTS 64

struct lab_conf {
	const char *init_path;
	const char *state_dir; /* NULL: a new one in /tmp, tmpfs disks */
	size_t nsites;
	const int32_t *rtt_us; /* nsites * nsites */
	unsigned max_hosts;
	bool calibrate;
};

struct lab {
	struct loop *loop;
	struct wan *wan;
	struct vm_set *set;
	char dir[64]; /* keys; removed by lab_close() */
	char state[80];
	char key[80];
	struct str pub; /* line for authorized_keys */
	struct {
		struct vm *vm;
		enum vm_event ev;
	} event[LAB_EVENTS];
	size_t nevents;
	int pending; /* done callbacks to come */
	int failed; /* of those that came */
	char why[320]; /* of the last one that failed */
};

/* `PROGRAM wan` and `PROGRAM guard`: runs that role, or returns -1. */
int lab_role(int argc, char **argv);
bool lab_open(struct lab *l, const struct lab_conf *conf,
    struct mw_err *err) mw_must_check;
void lab_close(struct lab *l);
/* For vm_start() and its like: counts in pending and failed. */
void lab_done(struct vm *vm, const struct mw_err *err, void *lab);
/* Runs the loop until nothing is pending; false after ms or a failure. */
bool lab_settle(struct lab *l, int64_t ms) mw_must_check;
/* Runs the loop until cond(arg); false after ms. */
bool lab_until(struct lab *l, bool (*cond)(void *arg), void *arg,
    int64_t ms) mw_must_check;
/* Forgets older events, or waits for one. */
void lab_events_clear(struct lab *l);
bool lab_event(struct lab *l, struct vm *vm, enum vm_event ev,
    int64_t ms) mw_must_check;
/* Runs a command line in the VM; its exit status, or -1 (timeout, no login).
 * out: standard output and errors. */
int lab_ssh(struct lab *l, const struct vm *vm, const char *command,
    struct str *out);
/* Median RTT in ms of n pings from one VM to an address; -1: no answer. */
double lab_ping(struct lab *l, const struct vm *from, uint32_t to, int n);

#endif
