/*
 * cred.h - the secrets of a connection, by reference; the reference is stored,
 * logged and shown, the secret never is.
 *
 *	file:PATH	a JSON object of texts, mode 0400 or 0600, ours or root's
 *	env:		the variables that the cloud's own tools read
 *	exec:PROG ARG	its stdout is such an object; blanks separate, no shell;
 *			16 words at most; PATH, HOME and LC_ALL=C alone
 *	sealed:NAME	kept encrypted by the coordinator
 *
 * Field names are those of CB-Spider: aws ClientId, ClientSecret, StsToken;
 * openstack IdentityEndpoint, Username, Password, DomainName, ProjectID, ...
 * Each driver has a table of its fields. Values are wiped when freed, and no
 * error text holds one: only names of fields, and the first line that a program
 * that failed wrote to stderr.
 */
#ifndef MW_DRIVERS_CRED_H
#define MW_DRIVERS_CRED_H

#include "common/loop.h"
#include "common/pure/err.h"
#include "common/pure/str.h"

#define CRED_FIELDS_MAX 16
#define CRED_TEXT_MAX 65536 /* bytes of the JSON text */
#define CRED_WAIT_MS 20000 /* for the program of exec: */
/* How the answer of a call begins that had no credential, and what stands
 * before the way out in it: cred_none(). */
#define CRED_NONE "no credential: "
#define CRED_WAY "; the way out: "

struct cred_field {
	const char *name; /* "ClientSecret" */
	const char *env; /* "AWS_SECRET_ACCESS_KEY", or NULL */
	bool required;
};

struct cred {
	/* names of fields that are not of the table, "acessKeyId, x"; NULL */
	char *others;
	size_t n;
	struct {
		const char *name; /* of the table */
		char *value;
	} v[CRED_FIELDS_MAX];
};

/* Where sealed: looks; of the coordinator. json is wiped by the caller. */
struct cred_vault {
	void *ctx;
	bool (*unseal)(void *ctx, const char *name, struct str *json,
	    struct mw_err *err);
};

/* take_cred is NULL on failure: MW_NOT_FOUND, MW_DENIED (mode of the file),
 * MW_INVALID (not such JSON, a required field is missing), MW_REMOTE,
 * MW_TIMEOUT (the program). */
typedef void (
    *cred_done_fn)(struct cred *take_cred, const struct mw_err *err, void *arg);

/* done() is called exactly once, on the loop, never from inside; within
 * CRED_WAIT_MS. vault may be NULL: then sealed: is refused. The table is
 * borrowed for ever. */
void cred_get(struct loop *l, const struct cred_vault *vault, const char *ref,
    const struct cred_field *fields, size_t nfields, cred_done_fn done,
    void *arg);
/* NULL if it is not there. */
const char *cred_value(const struct cred *c, const char *name);
void cred_free(struct cred *c); /* NULL is fine */
/* out: what cred_get() said, as the message of an answer, with its hint. */
void cred_none(const struct mw_err *err, struct mw_err *out);
/* Could that be a reference at all? (MW_INVALID names the forms.) */
bool cred_check_ref(const char *ref, struct mw_err *err) mw_must_check;

/* Pure: one JSON text into the fields of the table; for fuzzing, too. */
struct cred *cred_parse(const char *text, size_t n,
    const struct cred_field *fields, size_t nfields,
    struct mw_err *err) mw_must_check;

#endif
