/*
 * SSH keys as text: OpenSSH's formats, fingerprints, host keys in boot logs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/remote/ssh_key.h"

#include <string.h>

/* Made by ssh-keygen -t ed25519, fingerprint by ssh-keygen -l. */
#define LINE                                       \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKGk" \
	"eJ5OG3jFxBBexQ7zGpDqazqx6tmslZuvkqLebwU9"
#define PRINT "SHA256:6xHvV77qTmpIoI2eYj0hGAW+FDih5nzdq2FNv0Hz80g"

static void
fingerprint_is_that_of_ssh_keygen(void **state)
{
	char print[SSH_FINGERPRINT_LEN];
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_true(ssh_key_fingerprint(LINE, print, &err));
	assert_string_equal(print, PRINT);
	assert_true(ssh_key_fingerprint(LINE " some comment", print, &err));
	assert_string_equal(print, PRINT);
	assert_false(ssh_key_fingerprint("ssh-ed25519", print, &err));
	assert_false(ssh_key_fingerprint("ssh-ed25519 A", print, &err));
	assert_false(ssh_key_fingerprint("", print, &err));
}

static void
new_keys_differ_and_are_well_formed(void **state)
{
	static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	struct str a = STR_INIT, b = STR_INIT, pa = STR_INIT, pb = STR_INIT;
	char print[SSH_FINGERPRINT_LEN];
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_true(ssh_key_new("me", &a, &pa, &err));
	assert_true(ssh_key_new("me", &b, &pb, &err));
	assert_true(str_starts(str_cstr(&a), head));
	assert_true(str_starts(str_cstr(&pa), "ssh-ed25519 AAAAC3NzaC1lZDI1"));
	assert_true(ssh_key_fingerprint(str_cstr(&pa), print, &err));
	assert_false(ssh_key_equal(str_cstr(&pa), str_cstr(&pb)));
	assert_string_not_equal(str_cstr(&a), str_cstr(&b));
	str_free(&a);
	str_free(&b);
	str_free(&pa);
	str_free(&pb);
}

static void
equality_ignores_comments_only(void **state)
{
	(void)state;
	assert_true(ssh_key_equal(LINE, LINE " root@vm"));
	assert_false(ssh_key_equal(LINE, "ssh-rsa AAAA"));
	assert_false(ssh_key_equal(LINE, NULL));
	assert_false(ssh_key_equal("", ""));
	assert_false(ssh_key_equal("x", "x"));
}

static void
blobs_become_lines(void **state)
{
	static const unsigned char blob[] = { 0, 0, 0, 3, 'a', '-', 'b', 9 };
	static const unsigned char bad[] = { 0, 0, 0, 3, 'a', ' ', 'b', 9 };
	static const unsigned char cut[] = { 0, 0, 0, 9, 'a' };
	char line[SSH_HOST_KEY_MAX];
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	assert_true(ssh_key_line(blob, sizeof blob, line, &err));
	assert_string_equal(line, "a-b AAAAA2EtYgk=");
	assert_false(ssh_key_line(bad, sizeof bad, line, &err));
	assert_false(ssh_key_line(cut, sizeof cut, line, &err));
	assert_false(ssh_key_line(blob, 3, line, &err));
}

#define BEGIN "-----BEGIN SSH HOST KEY KEYS-----\r\n"
#define END "-----END SSH HOST KEY KEYS-----\r\n"
#define ECDSA "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY="

static void
consoles_show_host_keys(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "boot\n" BEGIN ECDSA " root\r\n" LINE " root@vm\r\n" END,
		    LINE },
		{ BEGIN ECDSA "\r\n" END, ECDSA },
		{ BEGIN "ssh-rsa AAAA\r\n" END, NULL },
		{ BEGIN LINE "\r\n", NULL }, /* not complete yet */
		{ LINE "\n", NULL },
		{ "", NULL },
		{ END BEGIN, NULL },
	};
	char line[SSH_HOST_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		bool got =
		    ssh_key_from_console(t[i].text, strlen(t[i].text), line);

		assert_int_equal(got, t[i].want != NULL);
		if (got)
			assert_string_equal(line, t[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint_is_that_of_ssh_keygen),
		cmocka_unit_test(new_keys_differ_and_are_well_formed),
		cmocka_unit_test(equality_ignores_comments_only),
		cmocka_unit_test(blobs_become_lines),
		cmocka_unit_test(consoles_show_host_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
