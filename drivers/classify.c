/*
 * classify.c - see classify.h. The rule behind every line: a failure is
 * DEFINITE only if the request provably was not executed.
 */
#include "drivers/classify.h"

#include "common/pure/str.h"

#include <string.h>

static bool
code_fits(const char *pattern, const char *code)
{
	size_t n;

	if (!pattern)
		return true;
	if (!code)
		return false;
	n = strlen(pattern);
	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(code, pattern, n - 1) == 0;
	return strcmp(code, pattern) == 0;
}

void
classify_code(const struct classify_row *rows, size_t n, int status,
    const char *code, enum csp_class *cls, enum csp_reason *reason)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].status && rows[i].status != status)
			continue;
		if (!code_fits(rows[i].code, code))
			continue;
		*cls = rows[i].cls;
		*reason = rows[i].reason;
		return;
	}
	*cls = CSP_AMBIGUOUS;
	*reason = CSP_R_SERVER;
}

bool
classify_transport(const struct http_answer *h, struct csp_answer *a)
{
	static const enum csp_reason reasons[] = {
		[HTTP_FAILED] = CSP_R_RESET,
		[HTTP_TIMED_OUT] = CSP_R_TIMEOUT,
		[HTTP_CANCELED] = CSP_R_CANCELED,
		[HTTP_QUEUE_FULL] = CSP_R_UNSENT,
	};

	a->sent = h->sent;
	a->http_status = h->status;
	a->retry_after_ms = h->retry_after_ms;
	if (h->request_id[0])
		a->request_id = arena_strdup(a->arena, h->request_id);
	if (h->end == HTTP_ANSWERED)
		return true;
	a->message = arena_strdup(a->arena, h->error);
	a->cls = h->sent ? CSP_AMBIGUOUS : CSP_DEFINITE;
	a->reason = h->sent ? reasons[h->end] : CSP_R_UNSENT;
	return false;
}

void
classify_unparsable(struct csp_answer *a, const char *why)
{
	struct str s = STR_INIT;

	str_add(&s, "the cloud's answer cannot be read: ");
	str_add_escaped(&s, why, strlen(why), 200);
	a->cls = CSP_AMBIGUOUS;
	a->reason = CSP_R_UNPARSABLE;
	a->message = arena_strdup(a->arena, str_cstr(&s));
	str_free(&s);
}
