/*
 * cloud_native.h - what each imitated cloud calls its states and errors, and
 * in which order states follow a verb. Tables only; cloud.c walks them.
 */
#ifndef MW_TWIN_CLOUD_NATIVE_H
#define MW_TWIN_CLOUD_NATIVE_H

#include "common/pure/mw.h"

enum native_class { /* what a state means, whatever it is called */
	NATIVE_BOOT,
	NATIVE_RUN,
	NATIVE_STOPPING,
	NATIVE_STOPPED,
	NATIVE_REBOOT,
	NATIVE_DELETING,
	NATIVE_GONE,
	NATIVE_ERROR,
	NATIVE_CLASS_COUNT
};

enum native_verb {
	NATIVE_CREATE,
	NATIVE_STOP, /* the form that is not billed, where there is one */
	NATIVE_POWER_OFF, /* also what a power-off from inside ends in */
	NATIVE_START,
	NATIVE_DO_REBOOT,
	NATIVE_SUSPEND, /* memory kept; clouds without it stop instead */
	NATIVE_RESUME,
	NATIVE_TERMINATE,
	NATIVE_VERB_COUNT
};

enum native_code { /* docs/twin-api.md, "Errors" */
	NATIVE_NOT_FOUND,
	NATIVE_CONFLICT_EXISTS,
	NATIVE_CONFLICT_BUSY,
	NATIVE_THROTTLED,
	NATIVE_INVALID,
	NATIVE_QUOTA,
	NATIVE_CAPACITY,
	NATIVE_TOKEN_MISMATCH,
	NATIVE_AUTH,
	NATIVE_INTERNAL,
	NATIVE_CODE_COUNT
};

enum native_verdict { /* may the verb be taken in this state? */
	NATIVE_GO,
	NATIVE_SAME, /* already so or on the way: accepted, nothing new */
	NATIVE_BUSY
};

struct native_seq {
	const char *steps[6]; /* transitional states, NULL-terminated */
	const char *end; /* NULL: cannot be looked up any more */
};

struct native_error {
	int http;
	const char *code;
};

struct native {
	const char *csp;
	struct native_seq seq[NATIVE_VERB_COUNT];
	const char *failed; /* an accepted create that failed; NULL: gone */
	int64_t terminated_listed_s; /* if terminate has an end state */
	bool memory; /* suspend keeps the memory */
	bool strict; /* a repeated verb is a conflict, not accepted */
	bool power_off_billed;
	bool retry_after; /* throttling names a time to wait */
	struct native_error errors[NATIVE_CODE_COUNT];
};

const struct native *native_find(const char *csp); /* NULL: unknown */
const char *native_code_name(enum native_code code); /* "notFound" */
const char *native_verb_name(enum native_verb verb); /* "stop" */
bool native_verb_parse(const char *name, enum native_verb *out) mw_must_check;
enum native_verdict native_may(enum native_class now, enum native_verb verb);
/* Class during and after a verb. */
enum native_class native_during(enum native_verb verb);
enum native_class native_after(enum native_verb verb);

#endif
