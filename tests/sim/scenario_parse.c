/*
 * scenario_parse.c - the text of a scenario becomes its steps. Pure: any bytes
 * are parsed or refused with file and line, nothing else happens.
 *
 * A line is a sequence of words; what a line begins with picks a row of a
 * table, and that row's function reads the words behind it.
 */
#include "tests/sim/scenario.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <string.h>

#define WORDS_MAX 16

struct line {
	char text[256];
	char *words[WORDS_MAX];
	size_t n, at; /* at: the next word to read */
	struct scenario *out;
	struct mw_err *err;
};

/* Read the words behind their own name into the step. */
struct verb {
	const char *name;
	enum scn_do what;
	bool (*read)(struct line *l, struct scn_step *s);
};

static bool
no(struct line *l, const char *what)
{
	if (l->at < l->n)
		return err_set(l->err, MW_INVALID, 0, "%s: %.40s", what,
		    l->words[l->at]);
	return err_set(l->err, MW_INVALID, 0, "%s is missing", what);
}

/* The next word if it is that one. */
static bool
word(struct line *l, const char *is)
{
	if (l->at == l->n || !str_eq(l->words[l->at], is))
		return false;
	l->at++;
	return true;
}

static bool
text(struct line *l, char *out, size_t size, const char *what)
{
	if (l->at == l->n || strlen(l->words[l->at]) >= size)
		return no(l, what);
	str_copy(out, size, l->words[l->at++]);
	return true;
}

static bool
number(struct line *l, int64_t min, int64_t max, int64_t *out, const char *what)
{
	const char *s = l->at < l->n ? l->words[l->at] : "";

	if (!num_parse_i64(s, strlen(s), min, max, out))
		return no(l, what);
	l->at++;
	return true;
}

/* "300ms", "90s", "10m", "2h", "10y" */
static bool
duration(struct line *l, int64_t max, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = {
		{ "ms", NS_PER_MS },
		{ "s", NS_PER_S },
		{ "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S },
		{ "y", INT64_C(31557600) * NS_PER_S },
	};
	const char *s = l->at < l->n ? l->words[l->at] : "";
	size_t digits = strspn(s, "0123456789");

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_eq(s + digits, units[i].unit))
			continue;
		if (!num_parse_i64(s, digits, 0, max / units[i].ns, out))
			break;
		*out *= units[i].ns;
		l->at++;
		return true;
	}
	return no(l, "a time such as 90s, within its limit");
}

static bool
compare(struct line *l, struct scn_step *s)
{
	s->cmp = word(l, "<=") ? SCN_LE : word(l, ">=") ? SCN_GE : SCN_EQ;
	return number(l, 0, 1000000, &s->n[0], "a number");
}

static bool
operation(struct line *l, enum csp_op *out)
{
	for (int i = 0; l->at < l->n && i < CSP_OP_COUNT; i++) {
		if (!str_eq(l->words[l->at], csp_op_name((enum csp_op)i)))
			continue;
		*out = (enum csp_op)i;
		l->at++;
		return true;
	}
	return false;
}

static bool
a_vm(struct line *l, struct scn_step *s)
{
	return text(l, s->vm, sizeof s->vm, "a VM such as g-1");
}

/* ---- what happens ---------------------------------------------------------- */

/* wish 2 [1 [1]] [spec NAME] [policy NAME] [allow remove|replace] [refused] */
static bool
read_wish(struct line *l, struct scn_step *s)
{
	if (!number(l, 0, 100, &s->n[s->nn++], "a number of VMs"))
		return false;
	while (s->nn < SIM_CONNS && l->at < l->n &&
	    strchr("0123456789", l->words[l->at][0])) {
		if (!number(l, 0, 100, &s->n[s->nn++], "a number of VMs"))
			return false;
	}
	for (;;) {
		if (word(l, "spec")) {
			if (!text(l, s->word, sizeof s->word, "a spec"))
				return false;
		} else if (word(l, "policy")) {
			if (l->at == l->n ||
			    !lc_policy_parse(l->words[l->at], &s->policy))
				return no(l, "a policy");
			l->at++;
		} else if (word(l, "allow")) {
			if (word(l, "remove"))
				s->flags |= LC_ALLOW_REMOVE;
			else if (word(l, "replace"))
				s->flags |= LC_ALLOW_REPLACE;
			else
				return no(l, "remove or replace");
		} else {
			s->refused = word(l, "refused");
			return true;
		}
	}
}

/* do VERB [VM] [refused] */
static bool
read_act(struct line *l, struct scn_step *s)
{
	if (l->at == l->n || !lc_act_parse(l->words[l->at], &s->act))
		return no(l, "a verb such as suspend");
	l->at++;
	s->refused = word(l, "refused");
	if (s->refused || l->at == l->n)
		return true;
	if (!a_vm(l, s))
		return false;
	s->refused = word(l, "refused");
	return true;
}

static bool
read_abort(struct line *l, struct scn_step *s)
{
	s->refused = word(l, "refused");
	return true;
}

/* fault NAME [OPERATION] [nth N] [for TIME] */
static bool
read_fault(struct line *l, struct scn_step *s)
{
	s->n[0] = 1;
	s->op = CSP_OP_COUNT;
	s->fault = l->at < l->n ? sim_fault_of(l->words[l->at]) : SIM_FAULTS;
	if (s->fault == SIM_FAULTS)
		return no(l, "a fault such as answer-lost");
	l->at++;
	(void)operation(l, &s->op);
	if (word(l, "nth") && !number(l, 1, 100000, &s->n[0], "a number"))
		return false;
	return !word(l, "for") || duration(l, SCN_TIME_MAX, &s->ns);
}

/* kill | power  [nth N] [for TIME | for ever] */
static bool
read_kill(struct line *l, struct scn_step *s)
{
	s->ns = 5 * NS_PER_S;
	if (word(l, "nth") && !number(l, 1, 1000000, &s->n[0], "a number"))
		return false;
	if (!word(l, "for"))
		return true;
	if (word(l, "ever")) {
		s->ns = -1;
		return true;
	}
	return duration(l, SCN_TIME_MAX, &s->ns);
}

static bool
read_power(struct line *l, struct scn_step *s)
{
	s->power = true;
	return read_kill(l, s);
}

static bool
read_nothing(struct line *l, struct scn_step *s)
{
	(void)l;
	(void)s;
	return true;
}

/* clock forward|back TIME */
static bool
read_clock(struct line *l, struct scn_step *s)
{
	bool back = word(l, "back");

	if (!back && !word(l, "forward"))
		return no(l, "forward or back");
	if (!duration(l, INT64_C(36525) * 86400 * NS_PER_S, &s->ns))
		return false;
	s->ns = back ? -s->ns : s->ns;
	return true;
}

/* portal VM stopped|running|gone|error */
static bool
read_portal(struct line *l, struct scn_step *s)
{
	static const struct {
		const char *name;
		enum lc_class cls;
	} to[] = {
		{ "stopped", LC_C_STOPPED },
		{ "running", LC_C_RUN },
		{ "gone", LC_C_GONE },
		{ "error", LC_C_ERROR },
	};

	if (!a_vm(l, s))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		if (word(l, to[i].name)) {
			s->cls = to[i].cls;
			return true;
		}
	}
	return no(l, "stopped, running, gone or error");
}

static bool
read_hide(struct line *l, struct scn_step *s)
{
	return a_vm(l, s) && duration(l, SCN_TIME_MAX, &s->ns);
}

/* outage CONNECTION TIME */
static bool
read_outage(struct line *l, struct scn_step *s)
{
	return number(l, 1, SIM_CONNS, &s->n[0], "a connection, 1 to 3") &&
	    duration(l, SCN_TIME_MAX, &s->ns);
}

static const struct verb verbs[] = {
	{ "wish", SCN_WISH, read_wish },
	{ "do", SCN_ACT, read_act },
	{ "abort", SCN_ABORT, read_abort },
	{ "fault", SCN_FAULT, read_fault },
	{ "kill", SCN_KILL, read_kill },
	{ "power", SCN_KILL, read_power },
	{ "start", SCN_START, read_nothing },
	{ "clock", SCN_CLOCK, read_clock },
	{ "portal", SCN_PORTAL, read_portal },
	{ "hide", SCN_HIDE, read_hide },
	{ "outage", SCN_OUTAGE, read_outage },
	{ "backup", SCN_BACKUP, read_nothing },
	{ "restore", SCN_RESTORE, read_nothing },
	{ "mark", SCN_MARK, read_nothing },
};

/* ---- what must be so ------------------------------------------------------- */

/* vm VM STATUS|none */
static bool
read_vm(struct line *l, struct scn_step *s)
{
	if (!a_vm(l, s))
		return false;
	s->none = word(l, "none");
	if (s->none)
		return true;
	for (int i = 0; i < LC_STATUS_COUNT; i++) {
		if (word(l, lc_status_name((enum lc_status)i))) {
			s->status = (enum lc_status)i;
			return true;
		}
	}
	return no(l, "a status such as Running");
}

/* why VM WORD: its status's reason contains the word */
static bool
read_why(struct line *l, struct scn_step *s)
{
	return a_vm(l, s) && text(l, s->word, sizeof s->word, "a reason");
}

/* phase VM creating|running|terminating|dead */
static bool
read_phase(struct line *l, struct scn_step *s)
{
	static const char *const names[LC_P_COUNT] = { "none", "creating",
		"running", "terminating", "dead" };

	if (!a_vm(l, s))
		return false;
	for (int i = 0; i < LC_P_COUNT; i++) {
		if (word(l, names[i])) {
			s->phase = (enum lc_phase)i;
			return true;
		}
	}
	return no(l, "a phase such as creating");
}

static bool
read_gen(struct line *l, struct scn_step *s)
{
	return a_vm(l, s) && compare(l, s);
}

/* group STATUS|none, in the deck's form */
static bool
read_group(struct line *l, struct scn_step *s)
{
	s->none = word(l, "none");
	return s->none || text(l, s->word, sizeof s->word, "a group's status");
}

/* live VM|all NUMBER */
static bool
read_live(struct line *l, struct scn_step *s)
{
	if (!word(l, "all") && !a_vm(l, s))
		return false;
	return compare(l, s);
}

static bool
read_calls(struct line *l, struct scn_step *s)
{
	return operation(l, &s->op) ? compare(l, s)
				    : no(l, "an operation such as vm_create");
}

/* told KIND NUMBER: events in committed transactions */
static bool
read_told(struct line *l, struct scn_step *s)
{
	static const char *const names[LC_EV_COUNT] = {
		[LC_EV_DESIRED] = "desired",
		[LC_EV_INTENT] = "intent",
		[LC_EV_ANSWER] = "answer",
		[LC_EV_STATUS] = "status",
		[LC_EV_GROUP] = "group",
		[LC_EV_DEADLINE] = "deadline",
		[LC_EV_ADOPT] = "adopt",
		[LC_EV_FENCE] = "fence",
		[LC_EV_ORPHAN] = "orphan",
		[LC_EV_EXTERNAL] = "external",
		[LC_EV_THROTTLED] = "throttled",
		[LC_EV_ACTION_END] = "action-end",
	};

	for (int i = 0; i < LC_EV_COUNT; i++) {
		if (names[i] && word(l, names[i])) {
			s->event = (enum lc_event_kind)i;
			return compare(l, s);
		}
	}
	return no(l, "an event such as adopt");
}

/* orphans terminate|quarantine NUMBER */
static bool
read_orphans(struct line *l, struct scn_step *s)
{
	return text(l, s->word, sizeof s->word, "a decision") && compare(l, s);
}

/* action none|running */
static bool
read_action(struct line *l, struct scn_step *s)
{
	s->none = word(l, "none");
	return s->none || word(l, "running") || no(l, "none or running");
}

/* process up|down */
static bool
read_process(struct line *l, struct scn_step *s)
{
	s->none = word(l, "down");
	return s->none || word(l, "up") || no(l, "up or down");
}

static const struct verb expectations[] = {
	{ "vm", SCN_VM, read_vm },
	{ "why", SCN_WHY, read_why },
	{ "phase", SCN_PHASE, read_phase },
	{ "gen", SCN_GEN, read_gen },
	{ "group", SCN_GROUP, read_group },
	{ "live", SCN_LIVE, read_live },
	{ "calls", SCN_CALLS, read_calls },
	{ "told", SCN_TOLD, read_told },
	{ "orphans", SCN_ORPHANS, read_orphans },
	{ "action", SCN_ACTION, read_action },
	{ "process", SCN_PROCESS, read_process },
};

/* ---- lines ----------------------------------------------------------------- */

static bool
read_verb(struct line *l, struct scn_step *s, const struct verb *v, size_t n,
    const char *what)
{
	for (size_t i = 0; i < n; i++) {
		if (word(l, v[i].name)) {
			s->what = v[i].what;
			return v[i].read(l, s);
		}
	}
	return no(l, what);
}

/* Lines that describe the world: true if this is one, *ok if it is right. */
static bool
setup(struct line *l, bool *ok)
{
	static const char *const classes[SIM_CLASSES] = { "T", "N", "L", "G" };
	struct sim_opt *o = &l->out->opt;
	int64_t seed;

	*ok = true;
	if (word(l, "clouds")) {
		*ok = l->out->n == 0;
		for (o->nconns = 0; *ok && l->at < l->n; o->nconns++) {
			int c = o->nconns < SIM_CONNS ? 0 : SIM_CLASSES;

			while (c < SIM_CLASSES && !word(l, classes[c]))
				c++;
			*ok = c < SIM_CLASSES;
			if (*ok)
				o->cls[o->nconns] = (enum sim_class)c;
			else
				break;
		}
		*ok = *ok && o->nconns > 0;
		if (!*ok)
			no(l,
			    "clouds T, N, L or G, at most 3, before all else");
		return true;
	}
	if (word(l, "replace-vanished")) {
		o->replace_vanished = true;
		return true;
	}
	if (word(l, "beyond-bounds")) {
		o->beyond = true;
		return true;
	}
	if (word(l, "new-database")) {
		o->fresh = true;
		return true;
	}
	if (word(l, "seed")) {
		*ok = number(l, 0, INT64_MAX, &seed, "a number");
		if (*ok)
			o->seed = (uint64_t)seed;
		return true;
	}
	return false;
}

static bool
read_step(struct line *l, struct scn_step *s)
{
	static const struct {
		const char *name;
		enum scn_when when;
	} whens[] = {
		{ "at", SCN_AT },
		{ "after", SCN_AFTER },
		{ "by", SCN_BY },
		{ "within", SCN_WITHIN },
	};

	for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
		if (!word(l, whens[i].name))
			continue;
		s->when = whens[i].when;
		if (!duration(l, SCN_TIME_MAX, &s->t))
			return false;
		break;
	}
	if (word(l, "expect"))
		return read_verb(l, s, expectations, ARRAY_LEN(expectations),
		    "an expectation");
	if (s->when == SCN_BY || s->when == SCN_WITHIN)
		return no(l, "expect");
	return read_verb(l, s, verbs, ARRAY_LEN(verbs), "a step");
}

/* Words end at blanks, the line at a '#'. */
static bool
split(struct line *l)
{
	char *p = l->text;

	for (;;) {
		p += strspn(p, " \t\r");
		if (*p == '\0' || *p == '#')
			return true;
		if (l->n == WORDS_MAX)
			return err_set(l->err, MW_INVALID, 0,
			    "more than %d words", WORDS_MAX);
		l->words[l->n++] = p;
		p += strcspn(p, " \t\r");
		if (*p)
			*p++ = '\0';
	}
}

static bool
read_line(struct line *l, int line)
{
	struct scenario *o = l->out;
	struct scn_step *s = &o->steps[o->n];
	bool ok;

	if (!split(l))
		return false;
	if (l->n == 0)
		return true;
	if (setup(l, &ok))
		return ok && (l->at == l->n || no(l, "too much"));
	if (o->n == SCN_STEPS_MAX)
		return err_set(l->err, MW_LIMIT, 0, "more than %d steps",
		    SCN_STEPS_MAX);
	*s = (struct scn_step){ .line = line, .ns = -1 };
	if (!read_step(l, s))
		return false;
	if (l->at < l->n)
		return no(l, "too much");
	o->n++;
	return true;
}

bool
scn_parse(const char *file, const char *text, size_t n, struct scenario *out,
    struct mw_err *err)
{
	int line = 0;

	memset(out, 0, sizeof *out);
	sim_opt_defaults(&out->opt);
	out->opt.plain = true;
	out->opt.nconns = 1;
	out->opt.cls[0] = SIM_T;
	if (n > SCN_BYTES_MAX)
		return err_set(err, MW_LIMIT, 0, "%s: more than %d bytes", file,
		    SCN_BYTES_MAX);
	while (n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;
		struct line l = { .out = out, .err = err };
		bool ok;

		line++;
		ok = len < sizeof l.text && !memchr(text, '\0', len);
		if (!ok)
			err_set(err, MW_INVALID, 0,
			    "a line of text has at most %zu bytes",
			    sizeof l.text - 1);
		memcpy(l.text, text, ok ? len : 0);
		if (!ok || !read_line(&l, line))
			return err_wrap(err, "%s:%d", file, line);
		text += end ? len + 1 : len;
		n -= end ? len + 1 : len;
	}
	if (out->n == 0)
		return err_set(err, MW_INVALID, 0, "%s: no steps", file);
	return true;
}
