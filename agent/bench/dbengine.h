/*
 * dbengine.h - what differs between the databases of the database kinds: the
 * programs, their arguments, how one knows that they are ready and how they
 * end. The life of a private server is dbbench.h.
 *
 * Each engine is a variant of its own: their results are never compared.
 */
#ifndef MW_AGENT_DBENGINE_H
#define MW_AGENT_DBENGINE_H

#include "common/pure/err.h"
#include "common/pure/tools.h"

#include <sys/un.h>

#define DBENGINE_ARGS 32

/* Arguments under construction; the strings are its own. */
struct dbengine_args {
	const char *v[DBENGINE_ARGS + 1];
	char *own[DBENGINE_ARGS];
	size_t n;
};

struct dbengine_place {
	char dir[128], user[64];
	struct sockaddr_un socket;
	char server[256]; /* the server, or the program that is the database */
	char setup[256]; /* makes the data folder; "" if the server does */
	int64_t pool_mib, log_mib;
	unsigned clients; /* connections at a time */
};

struct dbengine {
	const char *name; /* as asked for: "mariadb" */
	const char *variant; /* of the results: "std", "pgsql", "lite" */
	const char *tool_name; /* makes the load; "": sysbench */
	enum tool tool; /* what is missing if it is not here */
	/* In the folder: where it listens, and what sysbench is told. */
	const char *socket, *target;
	bool no_root; /* it refuses to run as root */
	bool forks; /* its work is done in processes of its own */
	int stop_signal; /* asks for an end with nothing left; 0: SIGKILL */
	/* Its programs. False: they are not here. */
	bool (*find)(struct dbengine_place *p);
	/* Files and arguments; NULL: no such step. */
	void (*setup)(const struct dbengine_place *p, struct dbengine_args *a);
	bool (*server)(const struct dbengine_place *p, struct dbengine_args *a,
	    struct mw_err *err);
	bool (*ready)(const struct dbengine_place *p);
	/* After an end that was not asked for: what the kernel still holds. */
	void (*sweep)(const struct dbengine_place *p);
};

/* "mariadb", "pgsql", "lite"; NULL: there is none of that name. */
const struct dbengine *dbengine_find(const char *name);
extern const struct dbengine *const dbengine_default; /* mariadb */
/* Its programs are on this machine. */
bool dbengine_here(const struct dbengine *e);
/* "... is not installed: apt-get install ...", for this machine; names what
 * works without it. */
void dbengine_missing(const struct dbengine *e, char *text, size_t size);

void dbengine_args_free(struct dbengine_args *a);
/* Pure. Of postmaster.pid: ready, and the id of its shared memory (or -1). */
bool dbengine_postmaster_ready(const char *p, size_t n);
int64_t dbengine_postmaster_shm(const char *p, size_t n);

#endif
