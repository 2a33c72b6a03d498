/*
 * status.c - VM status = f(native state, pending action); group status from
 * the counts; what is billed in a native state.
 *
 * Owns the golden table of native state words. A word that is not in it means
 * KEEP: the last known state stays, never Failed and never Terminated.
 */
#include "lifecycle/priv.h"

#include <string.h>

/* KEEP: known, and no reason to believe anything else than before. */
struct word {
	const char *native;
	enum lc_class cls;
};

struct cloud_words {
	const char *csps; /* separated by spaces */
	const struct word *words;
};

/* clang-format off */
static const struct word aws[] = {
	{ "pending", LC_C_BOOT }, { "running", LC_C_RUN },
	{ "stopping", LC_C_STOPPING }, { "stopped", LC_C_STOPPED },
	{ "shutting-down", LC_C_DELETING }, { "terminated", LC_C_GONE },
	{ NULL, LC_C_KEEP }
};
/* A stopped GCP machine is called TERMINATED: it is Suspended. */
static const struct word gcp[] = {
	{ "PROVISIONING", LC_C_BOOT }, { "STAGING", LC_C_BOOT },
	{ "RUNNING", LC_C_RUN }, { "REPAIRING", LC_C_RUN },
	{ "STOPPING", LC_C_STOPPING }, { "SUSPENDING", LC_C_STOPPING },
	{ "TERMINATED", LC_C_STOPPED }, { "STOPPED", LC_C_STOPPED },
	{ "SUSPENDED", LC_C_STOPPED }, { "DEPROVISIONING", LC_C_DELETING },
	{ NULL, LC_C_KEEP }
};
/* The order is the precedence: several codes may be given. */
static const struct word azure[] = {
	{ "ProvisioningState/deleting", LC_C_DELETING },
	{ "ProvisioningState/failed", LC_C_ERROR },
	{ "ProvisioningState/creating", LC_C_BOOT },
	{ "PowerState/starting", LC_C_BOOT },
	{ "PowerState/running", LC_C_RUN },
	{ "PowerState/stopping", LC_C_STOPPING },
	{ "PowerState/deallocating", LC_C_STOPPING },
	{ "PowerState/stopped", LC_C_STOPPED },
	{ "PowerState/deallocated", LC_C_STOPPED },
	{ "ProvisioningState/updating", LC_C_KEEP },
	{ "ProvisioningState/migrating", LC_C_KEEP },
	{ "PowerState/unknown", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct word openstack_tasks[] = {
	{ "deleting", LC_C_DELETING }, { "soft-deleting", LC_C_DELETING },
	{ "powering-on", LC_C_BOOT }, { "resuming", LC_C_BOOT },
	{ "powering-off", LC_C_STOPPING }, { "suspending", LC_C_STOPPING },
	{ "rebooting", LC_C_REBOOT }, { "rebooting_hard", LC_C_REBOOT },
	{ NULL, LC_C_KEEP }
};
static const struct word openstack[] = {
	{ "BUILD", LC_C_BOOT }, { "ACTIVE", LC_C_RUN },
	{ "SHUTOFF", LC_C_STOPPED }, { "SUSPENDED", LC_C_STOPPED },
	{ "PAUSED", LC_C_STOPPED }, { "SHELVED", LC_C_STOPPED },
	{ "SHELVED_OFFLOADED", LC_C_STOPPED }, { "REBOOT", LC_C_REBOOT },
	{ "HARD_REBOOT", LC_C_REBOOT }, { "SOFT_DELETED", LC_C_DELETING },
	{ "DELETED", LC_C_GONE }, { "ERROR", LC_C_ERROR },
	{ "RESIZE", LC_C_KEEP }, { "VERIFY_RESIZE", LC_C_KEEP },
	{ "MIGRATING", LC_C_KEEP }, { "RESCUE", LC_C_KEEP },
	{ "REBUILD", LC_C_KEEP }, { "UNKNOWN", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct word alibaba[] = {
	{ "Pending", LC_C_BOOT }, { "Starting", LC_C_BOOT },
	{ "Running", LC_C_RUN }, { "Stopping", LC_C_STOPPING },
	{ "Stopped", LC_C_STOPPED },
	{ NULL, LC_C_KEEP }
};
static const struct word tencent[] = {
	{ "PENDING", LC_C_BOOT }, { "STARTING", LC_C_BOOT },
	{ "RUNNING", LC_C_RUN }, { "STOPPING", LC_C_STOPPING },
	{ "STOPPED", LC_C_STOPPED }, { "REBOOTING", LC_C_REBOOT },
	{ "TERMINATING", LC_C_DELETING }, { "SHUTDOWN", LC_C_GONE },
	{ "LAUNCH_FAILED", LC_C_ERROR },
	{ "RESCUE_MODE", LC_C_KEEP },
	{ "ENTER_RESCUE_MODE", LC_C_KEEP },
	{ "EXIT_RESCUE_MODE", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct word ibm[] = {
	{ "pending", LC_C_BOOT }, { "starting", LC_C_BOOT },
	{ "resuming", LC_C_BOOT }, { "running", LC_C_RUN },
	{ "stopping", LC_C_STOPPING }, { "pausing", LC_C_STOPPING },
	{ "stopped", LC_C_STOPPED }, { "paused", LC_C_STOPPED },
	{ "restarting", LC_C_REBOOT }, { "deleting", LC_C_DELETING },
	{ "failed", LC_C_ERROR },
	{ NULL, LC_C_KEEP }
};
static const struct word ncp[] = {
	{ "init", LC_C_BOOT }, { "creating", LC_C_BOOT },
	{ "booting", LC_C_BOOT }, { "setting up", LC_C_BOOT },
	{ "running", LC_C_RUN }, { "shutting down", LC_C_STOPPING },
	{ "stopped", LC_C_STOPPED }, { "rebooting", LC_C_REBOOT },
	{ "hard rebooting", LC_C_REBOOT },
	{ "hard shutting down", LC_C_DELETING },
	{ "terminating", LC_C_DELETING },
	{ "changingSpec", LC_C_KEEP }, { "copying", LC_C_KEEP },
	{ "repairing", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct word cloudit[] = {
	{ "CREATING", LC_C_BOOT }, { "STARTING", LC_C_BOOT },
	{ "RUNNING", LC_C_RUN }, { "STOPPING", LC_C_STOPPING },
	{ "STOPPED", LC_C_STOPPED }, { "REBOOTING", LC_C_REBOOT },
	{ "DESTROYING", LC_C_DELETING }, { "FAILED", LC_C_ERROR },
	{ "creating", LC_C_BOOT }, { "starting", LC_C_BOOT },
	{ "booting", LC_C_BOOT }, { "running", LC_C_RUN },
	{ "stopping", LC_C_STOPPING }, { "stopped", LC_C_STOPPED },
	{ "rebooting", LC_C_REBOOT }, { "Terminating", LC_C_DELETING },
	{ "Error", LC_C_ERROR },
	{ NULL, LC_C_KEEP }
};
static const struct word spider[] = {
	{ "Creating", LC_C_BOOT }, { "Resuming", LC_C_BOOT },
	{ "Booting", LC_C_BOOT }, { "Running", LC_C_RUN },
	{ "Suspending", LC_C_STOPPING }, { "Suspended", LC_C_STOPPED },
	{ "Rebooting", LC_C_REBOOT }, { "Terminating", LC_C_DELETING },
	{ "Terminated", LC_C_GONE }, { "NotExist", LC_C_GONE },
	{ "Deleted", LC_C_GONE }, { "Error", LC_C_ERROR },
	{ "Failed", LC_C_KEEP }, { "Failed. ", LC_C_KEEP },
	{ "Unknown", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct word fixed[] = {
	{ "running", LC_C_RUN }, { "reachable", LC_C_RUN },
	{ "released", LC_C_GONE }, { "unreachable", LC_C_KEEP },
	{ NULL, LC_C_KEEP }
};
static const struct cloud_words clouds[] = {
	{ " aws ", aws }, { " gcp ", gcp }, { " azure ", azure },
	{ " openstack nhn kt ", openstack }, { " alibaba ", alibaba },
	{ " tencent ", tencent }, { " ibm ", ibm }, { " ncp ", ncp },
	{ " cloudit ktclassic ", cloudit }, { " spider ", spider },
	{ " static ", fixed },
};

/* Rows: class; columns: pending none, create, suspend, resume, reboot,
 * terminate. KEEP never comes here. */
static const enum lc_status table[LC_C_COUNT][LC_V_COUNT] = {
	[LC_C_BOOT] = { LC_CREATING, LC_CREATING, LC_SUSPENDING, LC_RESUMING,
	    LC_REBOOTING, LC_TERMINATING },
	[LC_C_RUN] = { LC_RUNNING, LC_RUNNING, LC_SUSPENDING, LC_RUNNING,
	    LC_REBOOTING, LC_TERMINATING },
	[LC_C_STOPPING] = { LC_SUSPENDING, LC_SUSPENDING, LC_SUSPENDING,
	    LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	[LC_C_STOPPED] = { LC_SUSPENDED, LC_SUSPENDED, LC_SUSPENDED,
	    LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	[LC_C_REBOOT] = { LC_REBOOTING, LC_CREATING, LC_REBOOTING, LC_RESUMING,
	    LC_REBOOTING, LC_TERMINATING },
	[LC_C_DELETING] = { LC_TERMINATING, LC_TERMINATING, LC_TERMINATING,
	    LC_TERMINATING, LC_TERMINATING, LC_TERMINATING },
	[LC_C_GONE] = { LC_UNDEFINED, LC_UNDEFINED, LC_UNDEFINED, LC_UNDEFINED,
	    LC_UNDEFINED, LC_TERMINATED },
	[LC_C_ERROR] = { LC_FAILED, LC_FAILED, LC_FAILED, LC_FAILED, LC_FAILED,
	    LC_TERMINATING },
};
/* clang-format on */

static const struct word *
word_find(const struct word *w, const char *native, size_t n)
{
	for (; w->native; w++) {
		if (strlen(w->native) == n && memcmp(w->native, native, n) == 0)
			return w;
	}
	return NULL;
}

/* Both codes of a machine, the first row of the table that is among them. */
static const struct word *
azure_word(const char *native)
{
	for (const struct word *w = azure; w->native; w++) {
		const char *at = strstr(native, w->native);
		const char *end = at ? at + strlen(w->native) : NULL;

		if (at && (at == native || strchr(" ,;|+", at[-1])) &&
		    (*end == '\0' || strchr(" ,;|+", *end)))
			return w;
	}
	return NULL;
}

/* "status/task_state": a task that has an opinion wins. */
static const struct word *
openstack_word(const char *native)
{
	const char *task = strchr(native, '/');
	size_t n = task ? (size_t)(task - native) : strlen(native);
	const struct word *w = NULL;

	if (task)
		w = word_find(openstack_tasks, task + 1, strlen(task + 1));
	return w ? w : word_find(openstack, native, n);
}

static const struct word *
words_of(const char *csp)
{
	char key[32] = " ";

	str_copy(key + 1, sizeof key - 2, csp ? csp : "?");
	key[strlen(key) + 1] = '\0';
	key[strlen(key)] = ' ';
	for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
		if (strstr(clouds[i].csps, key))
			return clouds[i].words;
	}
	return NULL;
}

static const struct word *
word_of(const struct word *words, const char *native)
{
	if (words == azure)
		return azure_word(native);
	if (words == openstack)
		return openstack_word(native);
	return word_find(words, native, strlen(native));
}

enum lc_class
lc_class_of(const char *csp, const char *native)
{
	const struct word *words = words_of(csp), *w;

	if (!native || !words)
		return LC_C_KEEP;
	if (mutant(MUT_GCP_TERMINATED) && words == gcp &&
	    str_eq(native, "TERMINATED"))
		return LC_C_GONE;
	w = word_of(words, native);
	return w ? w->cls : LC_C_KEEP;
}

bool
lc_word_known(const char *csp, const char *native)
{
	const struct word *words = words_of(csp);

	return !words || !native || word_of(words, native);
}

bool
lc_word_at(size_t i, const char **csps, const char **native, enum lc_class *cls,
    bool *task)
{
	static const struct cloud_words tasks = { " openstack nhn kt ",
		openstack_tasks };

	for (size_t k = 0; k <= ARRAY_LEN(clouds); k++) {
		const struct cloud_words *c =
		    k < ARRAY_LEN(clouds) ? &clouds[k] : &tasks;

		for (const struct word *w = c->words; w->native; w++) {
			if (i-- > 0)
				continue;
			*csps = c->csps;
			*native = w->native;
			*cls = w->cls;
			*task = c == &tasks;
			return true;
		}
	}
	return false;
}

void
lc_unknown(struct lc *lc, const struct lc_slot *s, const char *csp,
    const char *native)
{
	struct str t = STR_INIT;

	if (!native || !native[0] || lc_word_known(csp, native))
		return;
	str_addf(&t, "%.32s ", csp);
	str_add_escaped(&t, native, strlen(native), 60);
	for (size_t i = 0; i < lc->nunknown; i++) {
		if (str_eq(lc->unknown[i], str_cstr(&t)))
			goto out;
	}
	if (lc->nunknown < LC_UNKNOWN_MAX) {
		lc->unknown[lc->nunknown++] = xstrdup(str_cstr(&t));
		lc_event(lc, LC_EV_UNKNOWN, NULL, s, str_cstr(&t));
	}
out:
	str_free(&t);
}

enum lc_status
lc_status_of(enum lc_class c, enum lc_verb v, bool ever_ran)
{
	if (c == LC_C_BOOT && v == LC_V_NONE && ever_ran)
		return LC_RESUMING;
	return c == LC_C_KEEP ? LC_UNDEFINED : table[c][v];
}

static enum lc_status
status_now(const struct lc_slot *s, const char **why)
{
	const struct lc_inst_row *in = &s->inst;
	bool wanted = s->row.desired;

	*why = s->row.reason;
	switch (in->phase) {
	case LC_P_CREATING:
		if (!lc_wanted(s))
			return LC_TERMINATING;
		return s->row.gave_up ? LC_FAILED : LC_CREATING;
	case LC_P_RUNNING: break;
	case LC_P_TERMINATING:
		if (!s->overdue)
			return LC_TERMINATING;
		*why = "terminateOverdue";
		break;
	default:
		if (!wanted)
			return LC_TERMINATED;
		return s->row.gave_up ? LC_FAILED : LC_CREATING;
	}
	if (s->stale) {
		*why = "stale";
		return LC_UNDEFINED;
	}
	if (s->row.gave_up && in->cls == LC_C_BOOT && !in->ever_ran)
		return LC_FAILED;
	if (in->cls == LC_C_GONE)
		*why = "vanished";
	else if (in->last_error[0])
		*why = in->last_error;
	return lc_status_of(in->cls, s->overdue ? LC_V_NONE : in->verb,
	    in->ever_ran);
}

/* Told once per turn, when all of its members have moved. */
void
lc_refresh_group(struct lc *lc, struct lc_mcis *m)
{
	char now[LC_GROUP_LEN];
	struct lc_event *e;

	if (m->status[0] && memcmp(m->told, m->counts, sizeof m->told) == 0)
		return;
	memcpy(m->told, m->counts, sizeof m->told);
	lc_group_deck(m->counts, now);
	if (str_eq(now, m->status))
		return;
	e = lc_event(lc, LC_EV_GROUP, m, NULL, NULL);
	str_copy(e->from, sizeof e->from, m->status);
	str_copy(e->to, sizeof e->to, now);
	str_copy(m->status, sizeof m->status, now);
}

void
lc_refresh(struct lc *lc, struct lc_slot *s)
{
	const char *why;
	enum lc_status to = status_now(s, &why), from = s->status;
	struct lc_event *e;

	lc_text(lc, &s->status_reason, LC_TEXT_LEN, why);
	if (to != from) {
		s->mcis->counts[from]--;
		s->mcis->counts[to]++;
		s->status = to;
		s->inst.status = to;
		s->inst.status_at = lc->env.wall_ns(lc->env.ctx);
		if (s->inst.gen)
			lc_dirty(lc, s, DIRTY_INST);
		e = lc_event(lc, LC_EV_STATUS, NULL, s, why);
		str_copy(e->from, sizeof e->from, lc_status_name(from));
		str_copy(e->to, sizeof e->to, lc_status_name(to));
		if (s->row.member == LC_M_RUNNING) {
			e = lc_event(lc, LC_EV_ACTION_STEP, NULL, s, why);
			str_copy(e->to, sizeof e->to, lc_status_name(to));
		}
	}
}

/* ---- groups -------------------------------------------------------------- */

static int64_t
total(const int64_t counts[LC_STATUS_COUNT])
{
	int64_t n = 0;

	for (size_t i = 0; i < LC_STATUS_COUNT; i++)
		n += counts[i];
	return n;
}

/* The first of the most frequent, in the order given. */
static enum lc_status
most(const int64_t counts[LC_STATUS_COUNT], const enum lc_status *order)
{
	enum lc_status best = order[0];

	for (size_t i = 1; i < LC_STATUS_COUNT; i++) {
		if (counts[order[i]] > counts[best])
			best = order[i];
	}
	return best;
}

void
lc_group_deck(const int64_t counts[LC_STATUS_COUNT], char out[LC_GROUP_LEN])
{
	static const enum lc_status worst_first[LC_STATUS_COUNT] = { LC_FAILED,
		LC_UNDEFINED, LC_TERMINATING, LC_TERMINATED, LC_SUSPENDING,
		LC_SUSPENDED, LC_REBOOTING, LC_RESUMING, LC_CREATING,
		LC_RUNNING };
	int64_t n = total(counts);
	enum lc_status m = most(counts, worst_first);
	struct str t = STR_INIT;

	if (counts[LC_FAILED] > 0)
		m = LC_FAILED;
	if (n == 0)
		str_add(&t, "Empty");
	else
		str_addf(&t, "%s%s-(%lld/%lld)",
		    m == LC_FAILED || counts[m] == n ? "" : "Partial-",
		    lc_status_name(m), (long long)counts[m], (long long)n);
	str_copy(out, LC_GROUP_LEN, str_cstr(&t));
	str_free(&t);
}

void
lc_group_tumblebug(const int64_t counts[LC_STATUS_COUNT],
    char out[LC_GROUP_LEN])
{
	static const enum lc_status order[LC_STATUS_COUNT] = { LC_FAILED,
		LC_SUSPENDED, LC_RUNNING, LC_TERMINATED, LC_CREATING,
		LC_SUSPENDING, LC_RESUMING, LC_REBOOTING, LC_TERMINATING,
		LC_UNDEFINED };
	int64_t n = total(counts);
	enum lc_status m = most(counts, order);
	struct str t = STR_INIT;

	if (n == 0)
		str_add(&t, "Empty");
	else
		str_addf(&t, "%s%s:%lld (R:%lld/%lld)",
		    counts[m] == n ? "" : "Partial-", lc_status_name(m),
		    (long long)counts[m], (long long)counts[LC_RUNNING],
		    (long long)n);
	str_copy(out, LC_GROUP_LEN, str_cstr(&t));
	str_free(&t);
}

/* ---- billing ------------------------------------------------------------- */

/*
 * What a stopped machine costs, by what the cloud calls it: 1 billed, 0 not,
 * -1 unknown. A cloud that is not here: unknown. Sources: the clouds' own
 * price pages, docs/lifecycle.md.
 */
static const struct lc_bill bills[] = {
	{ "aws", "stopped", 0, NULL },
	{ "gcp", "TERMINATED", 0, NULL },
	{ "gcp", "STOPPED", 0, NULL },
	{ "gcp", "SUSPENDED", 1, NULL }, /* its memory */
	{ "azure", "PowerState/stopped", 1, NULL },
	{ "azure", "PowerState/deallocated", 0, NULL },
	/* They have two ways to stop, and the state does not tell which. */
	{ "alibaba", "Stopped", -1, "stopModeUnknown" },
	{ "tencent", "STOPPED", -1, "stopModeUnknown" },
};

const struct lc_bill *
lc_bill_at(size_t i)
{
	return i < ARRAY_LEN(bills) ? &bills[i] : NULL;
}

void
lc_billed_of(const char *csp, const struct lc_slot *s, struct lc_billed *out)
{
	const struct lc_inst_row *in = &s->inst;
	enum lc_phase p = in->phase;

	*out = (struct lc_billed){ 1, 1, 1, NULL };
	if (p == LC_P_NONE || p == LC_P_DEAD ||
	    (p == LC_P_CREATING && !in->attempted)) {
		*out = (struct lc_billed){ 0, 0, 0, NULL };
		return;
	}
	if (csp && str_eq(csp, "static")) {
		*out = (struct lc_billed){ -1, -1, -1, "notACloud" };
		return;
	}
	/* An address that is given back when a VM stops is not shown. */
	out->ip = p != LC_P_RUNNING || in->public_ip[0] != '\0';
	if (p != LC_P_RUNNING || in->cls != LC_C_STOPPED || s->stale)
		return;
	out->compute = -1;
	out->reason = "providerRuleUnknown";
	for (size_t i = 0; csp && i < ARRAY_LEN(bills); i++) {
		if (!str_eq(csp, bills[i].csp) ||
		    !strstr(in->native, bills[i].native))
			continue;
		out->compute = bills[i].compute;
		out->reason = bills[i].reason;
		return;
	}
}
