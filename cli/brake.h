/*
 * brake.h - the last brake on the bill: VMs by their tags, and the networks,
 * groups and keys that were made for them, from credentials alone. No
 * coordinator, no database: a file of connections, the drivers, and what the
 * clouds say.
 *
 * Everything here blocks on a loop of its own and ends early when the user
 * presses Ctrl-C (cli_interrupted()).
 */
#ifndef MW_CLI_BRAKE_H
#define MW_CLI_BRAKE_H

#include "cli/cli.h"
#include "common/loop.h"
#include "drivers/driver.h"
#include "lifecycle/lifecycle.h"

struct brake_conn {
	struct brake *b;
	char *id, *driver, *csp, *region, *endpoint, *credential, *ca_file;
	const struct driver *drv;
	struct drv_conn *dc; /* NULL: not opened, or it could not be */
	struct mw_err err; /* of the newest list; MW_OK: it worked */
	bool expand; /* names no region: stands for all of its endpoint */
	bool listed; /* at least once */
	unsigned fails, part_fails; /* lists in a row */
};

struct brake_vm {
	struct brake_conn *conn;
	char *id, *native, *deployment;
	char *name; /* "ns/mcis/vm", or "" */
	json_t *tags;
	enum lc_class cls;
	int64_t created_at; /* wall clock; 0: unknown */
	/* its end */
	bool seen, accepted, deleting, gone;
	unsigned asked, absent;
	int64_t absent_ns, ask_ns;
	unsigned told; /* of the caller */
	char said[160]; /* why the last terminate did not work, or "" */
};

/* A network, group or key. */
struct brake_part {
	struct brake_conn *conn;
	enum csp_op remove;
	char *id, *key;
	char *deployment; /* "": a name of ours, but whose is not known */
	bool seen, accepted, gone;
	unsigned asked, absent;
	int64_t ask_ns;
	unsigned told; /* of the caller */
	char said[160]; /* why the last delete did not work, or "" */
};

struct brake_names; /* brake_part.c */

struct brake {
	struct loop *loop;
	struct http *http;
	struct loop_timer *tick;
	struct drv_env env;
	struct seal *seal; /* of the folder that the file lies in */
	struct brake_conn **conns;
	size_t nconns, conns_cap;
	struct brake_vm **vms; /* by their first sight */
	size_t nvms, vms_cap;
	struct brake_part **parts; /* by their first sight */
	size_t nparts, parts_cap;
	char *deployment; /* that the file names, or NULL */
	struct brake_names *names;
	const char *only; /* deployment, or NULL: all */
	size_t open; /* calls under way */
};

/* Reads the file and opens every connection; one that cannot be opened keeps
 * its error. The file: docs/backup.md. */
struct brake *brake_open(const char *path, struct mw_err *err) mw_must_check;
void brake_free(struct brake *b); /* NULL is fine */
/* Asks every connection once; only: one deployment, or NULL. New VMs are added,
 * known ones brought up to date. */
void brake_list(struct brake *b, const char *only);
/* Asks for the end of every VM that is due for it. */
void brake_end(struct brake *b);
/* The same for networks, groups and keys; after brake_list(). */
void brake_parts(struct brake *b, const char *only);
/* Asks for the end of every part that is due for it, where no VM is left:
 * groups and keys, then networks. Only of one deployment. */
void brake_parts_end(struct brake *b);
/* Do both reach the same region of the same endpoint? Two accounts there never
 * have things of the same id. */
bool brake_same_place(const struct brake_conn *a, const struct brake_conn *x);
/* Its newest list came. What another connection sees, too, passes to that one
 * otherwise, and counts once. */
bool brake_sees(const struct brake_conn *c);
const char *brake_part_kind(const struct brake_part *p); /* "network" */
void brake_parts_free(struct brake *b);
/* Turns the loop until at most n calls are under way; false: interrupted. */
bool brake_drain(struct brake *b, size_t n);
void brake_answer_err(const struct csp_answer *a, struct mw_err *err);
/* Waits; false if the user pressed Ctrl-C. */
bool brake_nap(struct brake *b, int64_t ns);
/* Connections whose newest list failed. */
size_t brake_blind(const struct brake *b);
/* There are some, and none of them is worth another try. */
bool brake_stuck(const struct brake *b);

/* cmd_orphans.c: each cloud that was not listed, why, and the way out. */
void cmds_say_blind(const struct brake *b);

#endif
