/*
 * test_vm_key.c - host keys: the same bytes as ssh-keygen writes, and a parser
 * that refuses everything else. The key below was made for this test only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pure/alloc.h"
#include "twin/vm_key.h"

#include <string.h>

static const char golden[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACBqDG16xMozBtCe+kFiW++vPIGX6n5JB6Pzvl36ytrj3wAAAJBqvqbBar6m\n"
    "wQAAAAtzc2gtZWQyNTUxOQAAACBqDG16xMozBtCe+kFiW++vPIGX6n5JB6Pzvl36ytrj3w\n"
    "AAAEC+84VWDfx8uYgQDGCVoVGBgENnd3XAzxQcPIQTSjdce2oMbXrEyjMG0J76QWJb7688\n"
    "gZfqfkkHo/O+XfrK2uPfAAAACXJvb3RAdm0tYQECAwQ=\n"
    "-----END OPENSSH PRIVATE KEY-----\n";
static const char seed_hex[] =
    "bef385560dfc7cb988100c6095a151818043677775c0cf141c3c84134a375c7b";
static const char pub_hex[] =
    "6a0c6d7ac4ca3306d09efa41625befaf3c8197ea7e4907a3f3be5dfacadae3df";

static void
writes_what_ssh_keygen_writes(void **state)
{
	struct str s = STR_INIT;
	uint8_t seed[32], pub[32];

	(void)state;
	assert_true(str_unhex(seed_hex, seed, 32));
	assert_true(str_unhex(pub_hex, pub, 32));
	vm_key_format(seed, pub, 0x6abea6c1, "root@vm-a", &s);
	assert_string_equal(str_cstr(&s), golden);
	str_reset(&s);
	vm_key_public(pub, "root@vm-a", &s);
	assert_string_equal(str_cstr(&s),
	    "ssh-ed25519 "
	    "AAAAC3NzaC1lZDI1NTE5AAAAIGoMbXrEyjMG0J76QWJb7688gZfqfkkHo/O+"
	    "XfrK2uPf root@vm-a");
	str_reset(&s);
	vm_key_fingerprint(pub, &s);
	assert_string_equal(str_cstr(&s),
	    "SHA256:Gny2wYBCVm6sPjBYOi7dEguZW0AGzmIpWBTnpO31hfA");
	str_free(&s);
}

static void
reads_keys_back(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	uint8_t want[32], got[32];

	(void)state;
	assert_true(str_unhex(pub_hex, want, 32));
	assert_true(vm_key_parse(golden, got, &err));
	assert_memory_equal(want, got, 32);
	assert_true(vm_key_new("a comment", &s, want, &err));
	assert_true(vm_key_parse(str_cstr(&s), got, &err));
	assert_memory_equal(want, got, 32);
	str_free(&s);
}

static void
refuses_what_is_no_plain_ed25519_key(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	uint8_t pub[32];
	size_t i, body = strlen("-----BEGIN OPENSSH PRIVATE KEY-----\n");
	char *bad;

	(void)state;
	assert_false(vm_key_parse("", pub, &err));
	assert_false(vm_key_parse("ssh-ed25519 AAAA", pub, &err));
	assert_int_equal(err.code, MW_INVALID);
	/* cut anywhere before the end line */
	for (i = 0; i + 35 < strlen(golden); i += 7) {
		bad = xstrndup(golden, i);
		assert_false(vm_key_parse(bad, pub, &err));
		free(bad);
	}
	/* magic, cipher, lengths: the first 100 characters matter */
	for (i = body; i < body + 100; i++) {
		bad = xstrdup(golden);
		if (bad[i] != '\n') {
			bad[i] = bad[i] == '!' ? '?' : '!';
			assert_false(vm_key_parse(bad, pub, &err));
		}
		free(bad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_ssh_keygen_writes),
		cmocka_unit_test(reads_keys_back),
		cmocka_unit_test(refuses_what_is_no_plain_ed25519_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
