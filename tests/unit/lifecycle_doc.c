/*
 * lifecycle_doc.c - prints the tables of lifecycle/fsm.c and status.c as
 * docs/lifecycle.md. `make lifecycle-doc` writes it, test_status compares it.
 */
#include "tests/unit/lifecycle_doc.h"

#include "lifecycle/priv.h"

#include <string.h>

static const char intro[] =
    "# Lifecycle\n\n"
    "Made from the tables in `lifecycle/fsm.c` and `lifecycle/status.c` by\n"
    "`make lifecycle-doc`; a test compares it. Do not edit it.\n\n"
    "A VM has one of ten states. It is never a guess: it follows from the last\n"
    "word of the cloud and from the action that is pending. A word that is not\n"
    "in a table, an error, an answer that cannot be read: the last known state\n"
    "stays (told once, event `lifecycle.unknown`). No news for 900 s: Undefined,\n"
    "reason `stale`. Terminated is said only of what was seen gone.\n\n";

static const char status_text[] =
    "## State of an MCIS or a group\n\n"
    "n = all its VMs that are wanted, not proven gone, or Terminated and not yet\n"
    "refined. JSON has the counts (`statusCounts`); the text has two forms,\n"
    "`?statusStyle=deck|tumblebug`:\n\n"
    "- deck (default): no VM `Empty`; any Failed `Failed-(f/n)`; all alike\n"
    "  `S-(n/n)`; else `Partial-M-(m/n)`, M = the most frequent, of equal ones the\n"
    "  worst: Failed, Undefined, Terminating, Terminated, Suspending, Suspended,\n"
    "  Rebooting, Resuming, Creating, Running.\n"
    "- tumblebug: `[Partial-]M:m (R:r/n)`, r = Running, M = the first maximum of\n"
    "  Failed, Suspended, Running, Terminated, Creating, Suspending, Resuming,\n"
    "  Rebooting, Terminating, Undefined.\n\n"
    "| VMs | deck | tumblebug |\n|---|---|---|\n";

static const char group_text[] =
    "## Groups\n\n"
    "A verb on an MCIS or a group is asked of each VM by the table above; those\n"
    "that answer no are named (`refused`), the rest goes on. If none can, the\n"
    "answer is 409 with the states and what runs. One action runs on an MCIS at\n"
    "a time; only terminate and delete take its place.\n\n"
    "- **create, scale** make the VMs what the file or the number says. The same\n"
    "  file again calls no cloud. `onPartialFailure`: `continue` keeps what runs\n"
    "  (outcome partial, exit 12), `rollback` takes back all that the action\n"
    "  made, `refine` drops what failed (partial). A create has failed when it\n"
    "  was refused three times (no capacity, quota, invalid: once) or passed its\n"
    "  deadline.\n"
    "- **refine** drops Failed and Terminated VMs, and terminates them first if\n"
    "  they are not proven gone.\n"
    "- **reconcile** looks at every VM, then ends; a VM that failed, vanished or\n"
    "  lost its agent is tried again first. A list that fails changes nothing\n"
    "  and is told.\n"
    "- **abort** ends what runs: a create takes back what it added.\n"
    "- A VM that somebody else ended is Undefined until reconcile\n"
    "  (`onVanish: report`) or replaced at once (`replace`), after the old one\n"
    "  was terminated and seen gone.\n\n";

static const char *const answers[] = { [LC_GO] = "go",
	[LC_JOIN] = "join",
	[LC_NOOP] = "nothing to do",
	[LC_NO] = "no" };

static void
picture(struct str *t)
{
	str_add(t,
	    "```mermaid\nstateDiagram-v2\n    [*] --> Creating: create\n");
	for (int st = 0; st < LC_STATUS_COUNT; st++) {
		for (int v = LC_V_SUSPEND; v <= LC_V_TERMINATE; v++) {
			enum lc_verb verb = (enum lc_verb)v;

			if (lc_verb_answer((enum lc_status)st, true, verb) ==
			    LC_GO)
				str_addf(t, "    %s --> %s: %s\n",
				    lc_status_name((enum lc_status)st),
				    lc_status_name(lc_verb_way(verb)->during),
				    lc_verb_name(verb));
		}
	}
	for (int v = LC_V_CREATE; v < LC_V_COUNT; v++) {
		const struct lc_way *w = lc_verb_way((enum lc_verb)v);

		str_addf(t, "    %s --> %s: seen\n", lc_status_name(w->during),
		    lc_status_name(w->done));
	}
	str_add(t,
	    "    Creating --> Failed: refused, or deadline\n"
	    "    Failed --> Creating: reconcile, or the same file\n"
	    "    Running --> Undefined: vanished, or no news\n"
	    "    Undefined --> Creating: reconcile\n"
	    "    Terminated --> [*]: refine\n```\n\n");
}

static void
verbs(struct str *t)
{
	str_add(t,
	    "## Verbs\n\n"
	    "go: 202. join: 202 with the action that runs already. nothing "
	    "to do: 200,\n`changed: false`. no: 409; the hint names the "
	    "running action and the seconds\nthat are left. Terminate is "
	    "always possible.\n\n"
	    "| state | suspend | resume | reboot | terminate |\n"
	    "|---|---|---|---|---|\n");
	for (int st = 0; st <= LC_STATUS_COUNT; st++) {
		bool made = st < LC_STATUS_COUNT;
		enum lc_status s = made ? (enum lc_status)st : LC_FAILED;

		str_addf(t, "| %s%s |", lc_status_name(s),
		    made ? "" : ", never made");
		for (int v = LC_V_SUSPEND; v <= LC_V_TERMINATE; v++)
			str_addf(t, " %s |",
			    answers[lc_verb_answer(s, made, (enum lc_verb)v)]);
		str_addc(t, '\n');
	}
	str_add(t,
	    "\n## Deadlines\n\n"
	    "They count from the begin of the action, and again after a "
	    "restart; a throttling\ncloud moves them, to three times their "
	    "length at most.\n\n"
	    "| action | state | ends in | setting | when it passes |\n"
	    "|---|---|---|---|---|\n");
	for (int v = LC_V_CREATE; v < LC_V_COUNT; v++) {
		const struct lc_way *w = lc_verb_way((enum lc_verb)v);

		str_addf(t, "| %s | %s | %s | `%s` | %s |\n",
		    lc_verb_name((enum lc_verb)v), lc_status_name(w->during),
		    lc_status_name(w->done), w->setting, w->expired);
	}
	str_add(t,
	    "| agent install | - | - | `lifecycle.install_s` | "
	    "`installState` failed; the VM stays Running |\n\n");
}

static void
classes(struct str *t)
{
	str_add(t,
	    "## From the cloud's word to the state\n\n"
	    "Each word has a class; class and pending action give the "
	    "state.\n\n"
	    "| class | none | create | suspend | resume | reboot | "
	    "terminate |\n|---|---|---|---|---|---|---|\n");
	for (int c = LC_C_BOOT; c < LC_C_COUNT; c++) {
		str_addf(t, "| %s |", lc_class_name((enum lc_class)c));
		for (int v = 0; v < LC_V_COUNT; v++)
			str_addf(t, " %s |",
			    lc_status_name(lc_status_of((enum lc_class)c,
				(enum lc_verb)v, false)));
		str_addc(t, '\n');
	}
	str_add(t,
	    "| KEEP | the last known state in every column | | | | | "
	    "|\n\nBOOT without an action is Resuming if the VM ever ran. "
	    "A cloud that does not\nfind a VM says nothing yet: only five "
	    "times in a row, over the time in which\nits lists may be "
	    "late, are GONE.\n\n");
}

static void
words(struct str *t)
{
	const char *csps, *native, *last = "";
	enum lc_class cls;
	bool task;

	str_add(t, "| cloud | word | class |\n|---|---|---|\n");
	for (size_t i = 0; lc_word_at(i, &csps, &native, &cls, &task); i++) {
		bool same = str_eq(csps, last) && !task;

		str_addf(t, "| %.*s%s | `%s` | %s |\n",
		    same ? 0 : (int)strlen(csps) - 2, csps + 1,
		    task ? ", task_state (wins)" : "", native,
		    lc_class_name(cls));
		last = csps;
	}
	str_add(t,
	    "\nAzure tells two codes: the first of the table that is among "
	    "them counts.\n\n");
}

static void
groups(struct str *t)
{
	static const int64_t rows[][LC_STATUS_COUNT] = {
		{ [LC_RUNNING] = 100 },
		{ [LC_RUNNING] = 9, [LC_FAILED] = 1 },
		{ [LC_RUNNING] = 7, [LC_SUSPENDED] = 3 },
		{ [LC_RUNNING] = 5, [LC_SUSPENDED] = 5 },
		{ [LC_RUNNING] = 4, [LC_CREATING] = 4, [LC_UNDEFINED] = 2 },
		{ [LC_TERMINATED] = 2, [LC_TERMINATING] = 2 },
	};
	char deck[LC_GROUP_LEN], bug[LC_GROUP_LEN];

	str_add(t, status_text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *sep = "";

		str_add(t, "| ");
		for (int st = 0; st < LC_STATUS_COUNT; st++) {
			if (rows[i][st] == 0)
				continue;
			str_addf(t, "%s%lld %s", sep, (long long)rows[i][st],
			    lc_status_name((enum lc_status)st));
			sep = ", ";
		}
		lc_group_deck(rows[i], deck);
		lc_group_tumblebug(rows[i], bug);
		str_addf(t, " | `%s` | `%s` |\n", deck, bug);
	}
	str_addc(t, '\n');
}

static void
bills(struct str *t)
{
	const struct lc_bill *b;

	str_add(t,
	    "## What is billed\n\n"
	    "`billed{compute,disk,ip}` is true, false or null with a "
	    "reason, and hangs on the\ncloud's word, never on ours. A VM "
	    "that is not proven gone is billed: also\nUndefined, "
	    "Terminating, overdue, and Failed ones that exist. Disks stay "
	    "billed\nwhile a VM is stopped, addresses while they are "
	    "shown. Processors of stopped VMs\n(the clouds' own words "
	    "about their prices, not measured):\n\n"
	    "| cloud | stopped as | compute |\n|---|---|---|\n");
	for (size_t i = 0; (b = lc_bill_at(i)) != NULL; i++)
		str_addf(t, "| %s | `%s` | %s%s%s |\n", b->csp, b->native,
		    b->compute > 0        ? "billed"
			: b->compute == 0 ? "not billed"
					  : "unknown",
		    b->reason ? ", " : "", b->reason ? b->reason : "");
	str_add(t, "| all others | any | unknown, providerRuleUnknown |\n");
}

void
lifecycle_doc(struct str *t)
{
	str_add(t, intro);
	picture(t);
	verbs(t);
	str_add(t, group_text);
	groups(t);
	classes(t);
	words(t);
	bills(t);
}
