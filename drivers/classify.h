/*
 * classify.h - from a cloud's answer to one of the six classes of csp.h, by
 * tables. What no row proves stays AMBIGUOUS.
 */
#ifndef MW_DRIVERS_CLASSIFY_H
#define MW_DRIVERS_CLASSIFY_H

#include "common/pure/csp.h"
#include "drivers/http.h"

struct classify_row {
	int status; /* 0: any */
	const char *code; /* the cloud's; "Throttling*" by prefix; NULL: any */
	enum csp_class cls;
	enum csp_reason reason;
};

/* The first row that fits decides; none: AMBIGUOUS, SERVER. */
void classify_code(const struct classify_row *rows, size_t n, int status,
    const char *code, enum csp_class *cls, enum csp_reason *reason);
/*
 * Fills sent, http_status, request_id, retry_after_ms, and, if the call did
 * not end in an answer, class, reason and message. True: there is an answer
 * to look into.
 */
bool classify_transport(const struct http_answer *h, struct csp_answer *a);
/* A 2xx whose body is not what was promised: it may have been applied. */
void classify_unparsable(struct csp_answer *a, const char *why);

#endif
