/*
 * facade_msg.h - what the drop-in for CB-Milkyway says and reads: routes,
 * sysbench arguments, answers, request bodies, the allow list. Pure: nothing is
 * started, sent or resolved here.
 *
 * Texts are CB-Milkyway's to the letter, spelling included; its clients compare
 * some of them. The arguments are its own, too, so that new numbers stand
 * beside old ones: they measure caches and sysbench's own loop in part. Use the
 * product's own benchmarks for anything else (docs/facade.md).
 */
#ifndef MW_AGENT_FACADE_MSG_H
#define MW_AGENT_FACADE_MSG_H

#include "common/pure/err.h"
#include "common/pure/str.h"

#include <jansson.h>

#define FACADE_HOSTS_MAX 1024
#define FACADE_ALLOW_MAX 64
#define FACADE_ARGS 16
#define FACADE_SECONDS_MAX 60

enum facade_action {
	FACADE_INSTALL,
	FACADE_INIT,
	FACADE_CLEAN,
	FACADE_CPUS,
	FACADE_CPUM,
	FACADE_MEMR,
	FACADE_MEMW,
	FACADE_FIOR,
	FACADE_FIOW,
	FACADE_DBR,
	FACADE_DBW,
	FACADE_RTT,
	FACADE_MRTT,
	FACADE_ACTIONS
};

enum facade_command { /* a run of sysbench */
	FACADE_RUN, /* what the action measures */
	FACADE_FILES_PREPARE,
	FACADE_FILES_CLEANUP,
	FACADE_DB_PREPARE,
	FACADE_DB_CLEANUP
};

struct facade_params {
	const char *sysbench; /* its path */
	unsigned cpus;
	int64_t seconds; /* of each run; 0: as CB-Milkyway */
	const char *db_socket, *db_user; /* for the database */
};

struct facade_argv { /* words live here or are borrowed from params */
	const char *v[FACADE_ARGS + 1];
	size_t n, used;
	char text[512];
};

/* "/milkyway/cpus"; false: no such route. */
bool facade_action_find(const char *path,
    enum facade_action *out) mw_must_check;
const char *facade_action_path(enum facade_action a);
/* "CPU" of "Error in excuting the benchmark: CPU". */
const char *facade_action_error(enum facade_action a);
/* Answers "not initialized" without sysbench. */
bool facade_needs_sysbench(enum facade_action a);
bool facade_needs_db(enum facade_action a);

/* The action counts for FACADE_RUN only, and is one that runs sysbench. */
void facade_argv(enum facade_action a, enum facade_command c,
    const struct facade_params *p, struct facade_argv *out);
/* The number of the action, as sysbench printed it. False: it did not. */
bool facade_number(enum facade_action a, const char *text, size_t n,
    char out[32]) mw_must_check;

/* New references. Every field is a string and every field is there. */
json_t *facade_answer(enum facade_action a, const char *result,
    const struct facade_params *p, double elapsed_s);
json_t *facade_answer_rtt(const char *host, const char *spec,
    const char *result, double elapsed_s);
json_t *facade_message(const char *text); /* {"message":text} */

struct facade_host {
	char *host, *spec; /* as the client wrote them; spec may be "" */
	uint32_t ip;
	bool valid; /* an address or a name that may be looked up */
	bool known; /* ip is set */
};

struct facade_hosts {
	struct facade_host *v;
	size_t n;
};

/* {"host":"x"}: one host; {"multihost":[{"host":"x","spec":"y"},..]}. A host
 * that is not valid is kept with valid false. Free it in both cases. */
bool facade_parse_hosts(const char *body, size_t n, bool multi,
    struct facade_hosts *out, struct mw_err *err) mw_must_check;
void facade_hosts_free(struct facade_hosts *h);
/* First address in the output of "getent ahostsv4 NAME". */
bool facade_parse_getent(const char *text, size_t n,
    uint32_t *ip) mw_must_check;

struct facade_allow {
	struct {
		uint32_t net, mask;
	} v[FACADE_ALLOW_MAX];
	size_t n;
};

/* Networks (10.0.0.0/8) or addresses, separated by commas, blanks or line
 * ends; the rest of a line after # does not count. Nothing wider than /8. */
bool facade_allow_parse(const char *text, struct facade_allow *out,
    struct mw_err *err) mw_must_check;
bool facade_allowed(const struct facade_allow *a, uint32_t ip);
/* Only loopback: there is no need to listen for others. */
bool facade_allow_local(const struct facade_allow *a);

#endif
