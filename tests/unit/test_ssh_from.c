/*
 * test_ssh_from.c - from where VMs let SSH in, for every pair of ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pure/mw.h"
#include "common/pure/str.h"
#include "coordinator/cloud/ssh_from.h"

#include <string.h>

static void
test_settings(void **state)
{
	static const char *const good[] = { NULL, "", "auto", "any",
		"203.0.113.7/32", "10.0.0.0/8", "128.0.0.0/1" };
	static const char *const bad[] = { "anywhere", "ANY", "0.0.0.0/0",
		"203.0.113.7", "203.0.113.7/33", "203.0.113.7/24", "1.2.3/8",
		"/8", "10.0.0.0/", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/+8",
		"10.0.0.0/08x", "::/0", "2001:db8::/32",
		"1111111111111111111/8" };
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(ssh_from_check(good[i], &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err = (struct mw_err)MW_ERR_INIT;
		if (ssh_from_check(bad[i], &err))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(err.code, MW_INVALID);
		assert_non_null(strstr(err.msg, "any"));
	}
}

static const struct {
	const char *setting, *local, *peer;
	bool proxied;
	enum ssh_from how;
	const char *out; /* HIDDEN: a word of the message */
} table[] = {
	/* what somebody wrote counts, whatever is seen */
	{ "any", "", "", false, SSH_FROM_KNOWN, "0.0.0.0/0" },
	{ "any", "10.1.2.3", "52.1.1.1", true, SSH_FROM_KNOWN, "0.0.0.0/0" },
	{ "198.51.100.0/24", "10.1.2.3", "52.1.1.1", false, SSH_FROM_KNOWN,
	    "198.51.100.0/24" },
	/* nothing was called yet */
	{ "auto", "", "", false, SSH_FROM_UNSEEN, NULL },
	{ NULL, "", "", false, SSH_FROM_UNSEEN, NULL },
	{ "", "", "", false, SSH_FROM_UNSEEN, NULL },
	/* a public address here */
	{ "auto", "8.8.4.4", "52.1.1.1", false, SSH_FROM_KNOWN, "8.8.4.4/32" },
	{ "auto", "8.8.4.4", "10.0.0.1", false, SSH_FROM_KNOWN, "8.8.4.4/32" },
	{ NULL, "100.63.255.255", "52.1.1.1", false, SSH_FROM_KNOWN,
	    "100.63.255.255/32" },
	{ NULL, "172.32.0.1", "52.1.1.1", false, SSH_FROM_KNOWN,
	    "172.32.0.1/32" },
	/* one network */
	{ "auto", "10.1.2.3", "10.9.9.9", false, SSH_FROM_KNOWN,
	    "10.1.2.3/32" },
	{ "auto", "192.168.1.5", "172.31.0.1", false, SSH_FROM_KNOWN,
	    "192.168.1.5/32" },
	{ "auto", "127.0.0.1", "127.0.0.1", false, SSH_FROM_KNOWN,
	    "127.0.0.1/32" },
	{ "auto", "10.1.2.3", "169.254.10.1", false, SSH_FROM_KNOWN,
	    "10.1.2.3/32" },
	{ "auto", "100.64.0.9", "100.127.255.255", false, SSH_FROM_KNOWN,
	    "100.64.0.9/32" },
	/* something translates in between */
	{ "auto", "192.168.1.5", "52.1.1.1", false, SSH_FROM_HIDDEN,
	    "192.168.1.5" },
	{ NULL, "10.0.0.2", "52.1.1.1", false, SSH_FROM_HIDDEN, "10.0.0.2" },
	{ "auto", "172.17.0.2", "52.1.1.1", false, SSH_FROM_HIDDEN, "--ssh-" },
	{ "auto", "100.64.0.9", "52.1.1.1", false, SSH_FROM_HIDDEN, "any" },
	{ "auto", "169.254.0.9", "52.1.1.1", false, SSH_FROM_HIDDEN, "CIDR" },
	{ "auto", "127.0.0.1", "52.1.1.1", false, SSH_FROM_HIDDEN,
	    "cloud.ssh_from" },
	{ "auto", "198.18.0.1", "52.1.1.1", false, SSH_FROM_HIDDEN, "public" },
	/* the other end is not the cloud, or not of its family */
	{ "auto", "10.1.2.3", "10.9.9.9", true, SSH_FROM_HIDDEN, "proxy" },
	{ "auto", "8.8.4.4", "52.1.1.1", true, SSH_FROM_HIDDEN, "proxy" },
	{ "auto", "2001:db8::1", "2001:db8::2", false, SSH_FROM_HIDDEN,
	    "IPv6" },
	{ "auto", "10.1.2.3", "::1", false, SSH_FROM_HIDDEN, "IPv6" },
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct ssh_ends ends = { .proxied = table[i].proxied };
		struct mw_err err = MW_ERR_INIT;
		char out[SSH_FROM_LEN] = "";

		str_copy(ends.local, sizeof ends.local, table[i].local);
		str_copy(ends.peer, sizeof ends.peer, table[i].peer);
		if (ssh_from_decide(table[i].setting, &ends, out, &err) !=
		    table[i].how)
			fail_msg("row %zu: %s %s", i, out, err.msg);
		if (table[i].how == SSH_FROM_KNOWN) {
			assert_string_equal(out, table[i].out);
			assert_int_equal(err.code, MW_OK);
		} else {
			assert_string_equal(out, "");
		}
		if (table[i].how == SSH_FROM_HIDDEN) {
			assert_int_equal(err.code, MW_INVALID);
			assert_non_null(strstr(err.msg, table[i].out));
			/* it fits with all its ways out */
			assert_non_null(strstr(err.msg, "for everywhere"));
		}
	}
}

static void
test_members(void **state)
{
	char out[SSH_FROM_LEN];

	(void)state;
	assert_true(ssh_from_member("172.24.4.1", "172.24.4.20", out));
	assert_string_equal(out, "172.24.4.1/32");
	assert_true(ssh_from_member("8.8.4.4", "52.1.1.1", out));
	assert_string_equal(out, "8.8.4.4/32");
	assert_true(ssh_from_member("8.8.4.4", "10.0.0.1", out));
	assert_false(ssh_from_member("10.0.0.2", "52.1.1.1", out));
	assert_false(ssh_from_member("", "52.1.1.1", out));
	assert_false(ssh_from_member("10.0.0.2", "", out));
	assert_false(ssh_from_member("10.0.0.2", "fe80::1", out));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
