/*
 * test_status.c - golden tables: native states of every cloud, VM status by
 * pending action, group status in both forms, legal verbs, what is billed; and
 * docs/lifecycle.md, which is made from them. With "print" it prints that file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "lifecycle/priv.h"
#include "tests/unit/lifecycle_doc.h"

#include <stdio.h>
#include <string.h>

/* ---- tables -------------------------------------------------------------- */

/* clang-format off */
/* Words are separated by bars. AWS terminated is Terminated, GCP TERMINATED is
 * Suspended; Azure: deleting, failed, creating win over the power state;
 * OpenStack: the task wins over the status. */
static const struct {
	const char *csp;
	enum lc_class cls;
	const char *words;
} words[] = {
	{ "aws", LC_C_BOOT,
	    "pending" },
	{ "aws", LC_C_RUN,
	    "running" },
	{ "aws", LC_C_STOPPING,
	    "stopping" },
	{ "aws", LC_C_STOPPED,
	    "stopped" },
	{ "aws", LC_C_DELETING,
	    "shutting-down" },
	{ "aws", LC_C_GONE,
	    "terminated" },
	{ "aws", LC_C_KEEP,
	    "RUNNING||stopping " },
	{ "gcp", LC_C_BOOT,
	    "PROVISIONING|STAGING" },
	{ "gcp", LC_C_RUN,
	    "RUNNING|REPAIRING" },
	{ "gcp", LC_C_STOPPING,
	    "STOPPING|SUSPENDING" },
	{ "gcp", LC_C_STOPPED,
	    "TERMINATED|STOPPED|SUSPENDED" },
	{ "gcp", LC_C_DELETING,
	    "DEPROVISIONING" },
	{ "gcp", LC_C_KEEP,
	    "terminated" },
	{ "azure", LC_C_BOOT,
	    "PowerState/starting|ProvisioningState/creating|"
	    "PowerState/running,ProvisioningState/creating" },
	{ "azure", LC_C_RUN,
	    "PowerState/running|"
	    "ProvisioningState/succeeded,PowerState/running" },
	{ "azure", LC_C_STOPPING,
	    "PowerState/stopping|PowerState/deallocating" },
	{ "azure", LC_C_STOPPED,
	    "PowerState/stopped|PowerState/deallocated|"
	    "ProvisioningState/succeeded PowerState/deallocated" },
	{ "azure", LC_C_DELETING,
	    "ProvisioningState/deleting|"
	    "PowerState/running,ProvisioningState/deleting|"
	    "ProvisioningState/deleting;ProvisioningState/failed" },
	{ "azure", LC_C_ERROR,
	    "ProvisioningState/failed|"
	    "ProvisioningState/failed PowerState/running" },
	{ "azure", LC_C_KEEP,
	    "ProvisioningState/updating|ProvisioningState/migrating|"
	    "PowerState/unknown|XPowerState/running|PowerState/runningX" },
	{ "openstack", LC_C_BOOT,
	    "BUILD|BUILD/scheduling|BUILD/null|BUILD/networking|"
	    "BUILD/block_device_mapping|BUILD/spawning|"
	    "SHUTOFF/powering-on|SUSPENDED/resuming" },
	{ "openstack", LC_C_RUN,
	    "ACTIVE|ACTIVE/null" },
	{ "openstack", LC_C_STOPPING,
	    "ACTIVE/powering-off|ACTIVE/suspending" },
	{ "openstack", LC_C_STOPPED,
	    "SHUTOFF|SUSPENDED|PAUSED|SHELVED|SHELVED_OFFLOADED" },
	{ "openstack", LC_C_REBOOT,
	    "REBOOT|REBOOT/rebooting|HARD_REBOOT|"
	    "HARD_REBOOT/rebooting_hard|ACTIVE/rebooting" },
	{ "openstack", LC_C_DELETING,
	    "ACTIVE/deleting|BUILD/deleting|ERROR/deleting|"
	    "SHUTOFF/soft-deleting|SOFT_DELETED" },
	{ "openstack", LC_C_GONE,
	    "DELETED" },
	{ "openstack", LC_C_ERROR,
	    "ERROR|ERROR/null" },
	{ "openstack", LC_C_KEEP,
	    "RESIZE|VERIFY_RESIZE|MIGRATING|RESCUE|REBUILD|UNKNOWN|"
	    "RESIZE/resize_prep" },
	{ "nhn", LC_C_BOOT,
	    "BUILD|BUILD/scheduling|BUILD/null|BUILD/networking|"
	    "BUILD/block_device_mapping|BUILD/spawning|"
	    "SHUTOFF/powering-on|SUSPENDED/resuming" },
	{ "nhn", LC_C_RUN,
	    "ACTIVE|ACTIVE/null" },
	{ "nhn", LC_C_STOPPING,
	    "ACTIVE/powering-off|ACTIVE/suspending" },
	{ "nhn", LC_C_STOPPED,
	    "SHUTOFF|SUSPENDED|PAUSED|SHELVED|SHELVED_OFFLOADED" },
	{ "nhn", LC_C_REBOOT,
	    "REBOOT|REBOOT/rebooting|HARD_REBOOT|"
	    "HARD_REBOOT/rebooting_hard|ACTIVE/rebooting" },
	{ "nhn", LC_C_DELETING,
	    "ACTIVE/deleting|BUILD/deleting|ERROR/deleting|"
	    "SHUTOFF/soft-deleting|SOFT_DELETED" },
	{ "nhn", LC_C_GONE,
	    "DELETED" },
	{ "nhn", LC_C_ERROR,
	    "ERROR|ERROR/null" },
	{ "nhn", LC_C_KEEP,
	    "RESIZE|VERIFY_RESIZE|MIGRATING|RESCUE|REBUILD|UNKNOWN|"
	    "RESIZE/resize_prep" },
	{ "kt", LC_C_BOOT,
	    "BUILD|BUILD/scheduling|BUILD/null|BUILD/networking|"
	    "BUILD/block_device_mapping|BUILD/spawning|"
	    "SHUTOFF/powering-on|SUSPENDED/resuming" },
	{ "kt", LC_C_RUN,
	    "ACTIVE|ACTIVE/null" },
	{ "kt", LC_C_STOPPING,
	    "ACTIVE/powering-off|ACTIVE/suspending" },
	{ "kt", LC_C_STOPPED,
	    "SHUTOFF|SUSPENDED|PAUSED|SHELVED|SHELVED_OFFLOADED" },
	{ "kt", LC_C_REBOOT,
	    "REBOOT|REBOOT/rebooting|HARD_REBOOT|"
	    "HARD_REBOOT/rebooting_hard|ACTIVE/rebooting" },
	{ "kt", LC_C_DELETING,
	    "ACTIVE/deleting|BUILD/deleting|ERROR/deleting|"
	    "SHUTOFF/soft-deleting|SOFT_DELETED" },
	{ "kt", LC_C_GONE,
	    "DELETED" },
	{ "kt", LC_C_ERROR,
	    "ERROR|ERROR/null" },
	{ "kt", LC_C_KEEP,
	    "RESIZE|VERIFY_RESIZE|MIGRATING|RESCUE|REBUILD|UNKNOWN|"
	    "RESIZE/resize_prep" },
	{ "alibaba", LC_C_BOOT,
	    "Pending|Starting" },
	{ "alibaba", LC_C_RUN,
	    "Running" },
	{ "alibaba", LC_C_STOPPING,
	    "Stopping" },
	{ "alibaba", LC_C_STOPPED,
	    "Stopped" },
	{ "alibaba", LC_C_KEEP,
	    "running|Deleted" },
	{ "tencent", LC_C_BOOT,
	    "PENDING|STARTING" },
	{ "tencent", LC_C_RUN,
	    "RUNNING" },
	{ "tencent", LC_C_STOPPING,
	    "STOPPING" },
	{ "tencent", LC_C_STOPPED,
	    "STOPPED" },
	{ "tencent", LC_C_REBOOT,
	    "REBOOTING" },
	{ "tencent", LC_C_DELETING,
	    "TERMINATING" },
	{ "tencent", LC_C_GONE,
	    "SHUTDOWN" },
	{ "tencent", LC_C_ERROR,
	    "LAUNCH_FAILED" },
	{ "tencent", LC_C_KEEP,
	    "RESCUE_MODE|ENTER_RESCUE_MODE|EXIT_RESCUE_MODE|shut-down" },
	{ "ibm", LC_C_BOOT,
	    "pending|starting|resuming" },
	{ "ibm", LC_C_RUN,
	    "running" },
	{ "ibm", LC_C_STOPPING,
	    "stopping|pausing" },
	{ "ibm", LC_C_STOPPED,
	    "stopped|paused" },
	{ "ibm", LC_C_REBOOT,
	    "restarting" },
	{ "ibm", LC_C_DELETING,
	    "deleting" },
	{ "ibm", LC_C_ERROR,
	    "failed" },
	{ "ibm", LC_C_KEEP,
	    "unknown" },
	{ "ncp", LC_C_BOOT,
	    "init|creating|booting|setting up" },
	{ "ncp", LC_C_RUN,
	    "running" },
	{ "ncp", LC_C_STOPPING,
	    "shutting down" },
	{ "ncp", LC_C_STOPPED,
	    "stopped" },
	{ "ncp", LC_C_REBOOT,
	    "rebooting|hard rebooting" },
	{ "ncp", LC_C_DELETING,
	    "hard shutting down|terminating" },
	{ "ncp", LC_C_KEEP,
	    "changingSpec|copying|repairing" },
	{ "cloudit", LC_C_BOOT,
	    "CREATING|STARTING" },
	{ "cloudit", LC_C_RUN,
	    "RUNNING" },
	{ "cloudit", LC_C_STOPPING,
	    "STOPPING" },
	{ "cloudit", LC_C_STOPPED,
	    "STOPPED" },
	{ "cloudit", LC_C_REBOOT,
	    "REBOOTING" },
	{ "cloudit", LC_C_DELETING,
	    "DESTROYING" },
	{ "cloudit", LC_C_ERROR,
	    "FAILED" },
	{ "cloudit", LC_C_KEEP,
	    "PAUSED" },
	{ "ktclassic", LC_C_BOOT,
	    "creating|starting|booting" },
	{ "ktclassic", LC_C_RUN,
	    "running" },
	{ "ktclassic", LC_C_STOPPING,
	    "stopping" },
	{ "ktclassic", LC_C_STOPPED,
	    "stopped" },
	{ "ktclassic", LC_C_REBOOT,
	    "rebooting" },
	{ "ktclassic", LC_C_DELETING,
	    "Terminating" },
	{ "ktclassic", LC_C_ERROR,
	    "Error" },
	{ "spider", LC_C_BOOT,
	    "Creating|Resuming|Booting" },
	{ "spider", LC_C_RUN,
	    "Running" },
	{ "spider", LC_C_STOPPING,
	    "Suspending" },
	{ "spider", LC_C_STOPPED,
	    "Suspended" },
	{ "spider", LC_C_REBOOT,
	    "Rebooting" },
	{ "spider", LC_C_DELETING,
	    "Terminating" },
	{ "spider", LC_C_GONE,
	    "Terminated|NotExist|Deleted" },
	{ "spider", LC_C_ERROR,
	    "Error" },
	{ "spider", LC_C_KEEP,
	    "Failed|Failed. |Unknown|" },
	{ "static", LC_C_RUN,
	    "running|reachable" },
	{ "static", LC_C_GONE,
	    "released" },
	{ "static", LC_C_KEEP,
	    "unreachable" },
	{ "nowhere", LC_C_KEEP,
	    "running" },
	{ "", LC_C_KEEP,
	    "running" },
	{ "stack nhn", LC_C_KEEP,
	    "ACTIVE" },
};

#define COLUMNS 6
static const enum lc_status golden[][COLUMNS + 1] = {
	/* class, none, create, suspend, resume, reboot, terminate */
	{ (enum lc_status)LC_C_BOOT, LC_CREATING, LC_CREATING, LC_SUSPENDING,
	    LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	{ (enum lc_status)LC_C_RUN, LC_RUNNING, LC_RUNNING, LC_SUSPENDING,
	    LC_RUNNING, LC_REBOOTING, LC_TERMINATING },
	{ (enum lc_status)LC_C_STOPPING, LC_SUSPENDING, LC_SUSPENDING,
	    LC_SUSPENDING, LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	{ (enum lc_status)LC_C_STOPPED, LC_SUSPENDED, LC_SUSPENDED,
	    LC_SUSPENDED, LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	{ (enum lc_status)LC_C_REBOOT, LC_REBOOTING, LC_CREATING, LC_REBOOTING,
	    LC_RESUMING, LC_REBOOTING, LC_TERMINATING },
	{ (enum lc_status)LC_C_DELETING, LC_TERMINATING, LC_TERMINATING,
	    LC_TERMINATING, LC_TERMINATING, LC_TERMINATING, LC_TERMINATING },
	{ (enum lc_status)LC_C_GONE, LC_UNDEFINED, LC_UNDEFINED, LC_UNDEFINED,
	    LC_UNDEFINED, LC_UNDEFINED, LC_TERMINATED },
	{ (enum lc_status)LC_C_ERROR, LC_FAILED, LC_FAILED, LC_FAILED, LC_FAILED,
	    LC_FAILED, LC_TERMINATING },
};

static const struct {
	int64_t counts[LC_STATUS_COUNT];
	const char *deck, *tumblebug;
} groups[] = {
	{ { [LC_RUNNING] = 100 }, "Running-(100/100)", "Running:100 (R:100/100)" },
	{ { [LC_RUNNING] = 9, [LC_FAILED] = 1 }, "Failed-(1/10)",
	    "Partial-Running:9 (R:9/10)" },
	{ { [LC_RUNNING] = 7, [LC_SUSPENDED] = 3 }, "Partial-Running-(7/10)",
	    "Partial-Running:7 (R:7/10)" },
	{ { [LC_RUNNING] = 5, [LC_SUSPENDED] = 5 }, "Partial-Suspended-(5/10)",
	    "Partial-Suspended:5 (R:5/10)" },
	{ { [LC_RUNNING] = 5, [LC_FAILED] = 5 }, "Failed-(5/10)",
	    "Partial-Failed:5 (R:5/10)" },
	{ { [LC_RUNNING] = 4, [LC_CREATING] = 4, [LC_UNDEFINED] = 2 },
	    "Partial-Creating-(4/10)", "Partial-Running:4 (R:4/10)" },
	{ { [LC_TERMINATED] = 2, [LC_TERMINATING] = 2 },
	    "Partial-Terminating-(2/4)", "Partial-Terminated:2 (R:0/4)" },
	{ { [LC_FAILED] = 3 }, "Failed-(3/3)", "Failed:3 (R:0/3)" },
	{ { 0 }, "Empty", "Empty" },
};
/* clang-format on */

static void
native_words_have_their_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		char *copy = xstrdup(words[i].words), *rest = copy, *w;

		while ((w = strsep(&rest, "|")) != NULL) {
			enum lc_class c = lc_class_of(words[i].csp, w);

			if (c != words[i].cls)
				fail_msg("%s \"%s\": %s, not %s", words[i].csp,
				    w, lc_class_name(c),
				    lc_class_name(words[i].cls));
		}
		free(copy);
	}
	assert_int_equal(lc_class_of("aws", NULL), LC_C_KEEP);
	assert_int_equal(lc_class_of(NULL, "running"), LC_C_KEEP);
}

/* Every word of the product's table is in the one above. */
static void
every_word_is_tested(void **state)
{
	const char *csps, *native;
	enum lc_class cls;
	bool task;

	(void)state;
	for (size_t i = 0; lc_word_at(i, &csps, &native, &cls, &task); i++) {
		bool found = false;

		for (size_t k = 0; !found && k < ARRAY_LEN(words); k++)
			found = words[k].csp[0] && strstr(csps, words[k].csp) &&
			    words[k].cls == cls &&
			    strstr(words[k].words, native);
		if (!found)
			fail_msg("%s%s is not tested", csps, native);
	}
}

static void
unknown_words_are_told_from_known_ones(void **state)
{
	(void)state;
	assert_true(lc_word_known("openstack", "RESIZE"));
	assert_true(lc_word_known("azure", "ProvisioningState/updating"));
	assert_true(lc_word_known("aws", "pending"));
	assert_true(lc_word_known("nowhere", "anything"));
	assert_false(lc_word_known("aws", "wobbling"));
	assert_false(lc_word_known("openstack", "WOBBLING/deleted"));
	assert_true(lc_word_known("openstack", "WOBBLING/deleting"));
}

static void
status_follows_class_and_verb(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
		for (int v = 0; v < COLUMNS; v++)
			assert_int_equal(
			    lc_status_of((enum lc_class)golden[i][0],
				(enum lc_verb)v, false),
			    golden[i][v + 1]);
	}
	/* A machine that ever ran and boots again is not a new one. */
	assert_int_equal(lc_status_of(LC_C_BOOT, LC_V_NONE, true), LC_RESUMING);
}

static void
group_strings_of_both_styles(void **state)
{
	char out[LC_GROUP_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		lc_group_deck(groups[i].counts, out);
		assert_string_equal(out, groups[i].deck);
		lc_group_tumblebug(groups[i].counts, out);
		assert_string_equal(out, groups[i].tumblebug);
	}
}

static void
every_status_but_terminated_has_a_legal_verb(void **state)
{
	(void)state;
	for (int st = 0; st < LC_STATUS_COUNT; st++) {
		for (int exists = 0; exists < 2; exists++) {
			bool legal = false;

			for (int v = LC_V_SUSPEND; v <= LC_V_TERMINATE; v++)
				legal |= lc_verb_answer((enum lc_status)st,
					     exists, (enum lc_verb)v) == LC_GO;
			if (st == LC_TERMINATED)
				assert_false(legal);
			else if (st == LC_TERMINATING)
				assert_int_equal(lc_verb_answer(LC_TERMINATING,
						     exists, LC_V_TERMINATE),
				    LC_JOIN);
			else
				assert_true(legal);
		}
	}
}

/* Its deadline has a setting, and when it passes there is a way out. */
static void
every_state_on_the_way_ends(void **state)
{
	static const enum lc_status on_the_way[] = { LC_CREATING, LC_SUSPENDING,
		LC_RESUMING, LC_REBOOTING, LC_TERMINATING };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(on_the_way); i++) {
		bool found = false;

		for (int v = LC_V_CREATE; v < LC_V_COUNT; v++) {
			const struct lc_way *w = lc_verb_way((enum lc_verb)v);

			found |= w->during == on_the_way[i] &&
			    w->done != w->during && w->setting[0] &&
			    w->expired[0];
		}
		assert_true(found);
	}
	assert_null(lc_verb_way(LC_V_NONE));
}

/* ---- billing ------------------------------------------------------------- */

static const struct {
	const char *csp, *native;
	enum lc_phase phase;
	enum lc_class cls;
	int compute, disk, ip;
	const char *reason;
} bills[] = {
	{ "aws", "running", LC_P_RUNNING, LC_C_RUN, 1, 1, 1, NULL },
	{ "aws", "stopped", LC_P_RUNNING, LC_C_STOPPED, 0, 1, 1, NULL },
	{ "gcp", "TERMINATED", LC_P_RUNNING, LC_C_STOPPED, 0, 1, 1, NULL },
	{ "gcp", "SUSPENDED", LC_P_RUNNING, LC_C_STOPPED, 1, 1, 1, NULL },
	{ "azure", "PowerState/stopped", LC_P_RUNNING, LC_C_STOPPED, 1, 1, 1,
	    NULL },
	{ "azure", "PowerState/deallocated", LC_P_RUNNING, LC_C_STOPPED, 0, 1,
	    1, NULL },
	{ "alibaba", "Stopped", LC_P_RUNNING, LC_C_STOPPED, -1, 1, 1,
	    "stopModeUnknown" },
	{ "tencent", "STOPPED", LC_P_RUNNING, LC_C_STOPPED, -1, 1, 1,
	    "stopModeUnknown" },
	{ "openstack", "SHUTOFF", LC_P_RUNNING, LC_C_STOPPED, -1, 1, 1,
	    "providerRuleUnknown" },
	{ "ncp", "stopped", LC_P_RUNNING, LC_C_STOPPED, -1, 1, 1,
	    "providerRuleUnknown" },
	/* Not proven gone: billed, whatever we call it. */
	{ "aws", "terminated", LC_P_RUNNING, LC_C_GONE, 1, 1, 1, NULL },
	{ "openstack", "ERROR", LC_P_RUNNING, LC_C_ERROR, 1, 1, 1, NULL },
	{ "aws", "stopped", LC_P_TERMINATING, LC_C_STOPPED, 1, 1, 1, NULL },
	{ "aws", "", LC_P_CREATING, LC_C_KEEP, 1, 1, 1, NULL },
	{ "aws", "", LC_P_DEAD, LC_C_GONE, 0, 0, 0, NULL },
	{ "static", "reachable", LC_P_RUNNING, LC_C_RUN, -1, -1, -1,
	    "notACloud" },
};

static void
what_is_billed_hangs_on_the_clouds_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bills); i++) {
		struct lc_slot s = { .inst = { .phase = bills[i].phase,
					 .cls = bills[i].cls,
					 .native = bills[i].native,
					 .attempted = true,
					 .public_ip = "10.0.0.1" } };
		struct lc_billed b;

		lc_billed_of(bills[i].csp, &s, &b);
		if (b.compute != bills[i].compute || b.disk != bills[i].disk ||
		    b.ip != bills[i].ip || !str_eq(b.reason, bills[i].reason))
			fail_msg("%s %s: %d %d %d %s", bills[i].csp,
			    bills[i].native, b.compute, b.disk, b.ip,
			    b.reason ? b.reason : "");
		/* News that is too old is no news. */
		s.stale = true;
		lc_billed_of(bills[i].csp, &s, &b);
		if (bills[i].phase == LC_P_RUNNING && bills[i].disk > 0)
			assert_int_equal(b.compute, 1);
	}
}

/* ---- the document -------------------------------------------------------- */

static void
the_document_is_made_from_these_tables(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str want = STR_INIT, have = STR_INIT;

	(void)state;
	lifecycle_doc(&want);
	assert_true(file_read("docs/lifecycle.md", 1 << 20, &have, &err));
	if (!str_eq(str_cstr(&want), str_cstr(&have)))
		fail_msg(
		    "docs/lifecycle.md is out of date: make lifecycle-doc");
	str_free(&want);
	str_free(&have);
}

static int
print(void)
{
	struct str t = STR_INIT;

	lifecycle_doc(&t);
	fputs(str_cstr(&t), stdout);
	str_free(&t);
	return 0;
}

#define T(f) cmocka_unit_test(f)
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(native_words_have_their_class),
		T(every_word_is_tested),
		T(unknown_words_are_told_from_known_ones),
		T(status_follows_class_and_verb),
		T(group_strings_of_both_styles),
		T(every_status_but_terminated_has_a_legal_verb),
		T(every_state_on_the_way_ends),
		T(what_is_billed_hangs_on_the_clouds_word),
		T(the_document_is_made_from_these_tables),
	};

	if (argc > 1 && str_eq(argv[1], "print"))
		return print();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
