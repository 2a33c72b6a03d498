/*
 * test_digest.c - digests and base64 against the vectors of their standards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/digest.h"

#include <string.h>

static void
sha256_as_in_fips_180(void **state)
{
	char hex[DIGEST_HEX_LEN];

	(void)state;
	digest_sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	digest_sha256_hex("", 0, hex);
	assert_string_equal(hex,
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test case 2; RFC 2202, test case 2; a key without a byte. */
static void
hmac_as_in_the_rfcs(void **state)
{
	static const char text[] = "what do ya want for nothing?";
	uint8_t out[DIGEST_LEN];
	char hex[DIGEST_HEX_LEN];

	(void)state;
	digest_hmac_sha256("Jefe", 4, text, 28, out);
	digest_hex(out, DIGEST_LEN, hex);
	assert_string_equal(hex,
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843");
	digest_hmac_sha1("Jefe", 4, text, 28, out);
	digest_hex(out, DIGEST_SHA1_LEN, hex);
	assert_string_equal(hex, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	digest_hmac_sha256(NULL, 0, "", 0, out);
	digest_hex(out, DIGEST_LEN, hex);
	assert_string_equal(hex,
	    "b613679a0814d9ec772f95d778c35fc5"
	    "ff1697c493715653c6c712144292c5ad");
}

/* RFC 4648, section 10. */
static void
base64_as_in_the_rfc(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xef", "/+8=" } };
	struct str s = STR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		str_reset(&s);
		digest_add_base64(&s, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(str_cstr(&s), pairs[i][1]);
	}
	str_reset(&s);
	digest_add_base64url(&s, "\xff\xef", 2);
	assert_string_equal(str_cstr(&s), "_-8");
	str_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_as_in_fips_180),
		cmocka_unit_test(hmac_as_in_the_rfcs),
		cmocka_unit_test(base64_as_in_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
