/*
 * test_sign.c - the published vectors of the clouds' request signatures: the suite of
 * awslabs/aws-c-auth and AWS's older one, the examples of the documentations
 * of Tencent and Alibaba Cloud, and RFC 7515 A.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/digest.h"
#include "common/pure/alloc.h"
#include "drivers/sign/sign.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define AT_2015 1440938160 /* 2015-08-30T12:36:00Z */

struct vector {
	const char *name;
	const char *method, *path;
	struct sign_pair query[3];
	struct sign_pair headers[4];
	const char *body;
	const char *token;
	const char *signature;
};

static const struct vector sigv4[] = {
	{ "vanilla", "GET", "/", { { 0 } }, { { 0 } }, "", NULL,
	    "5fa00fa31553b73ebf1942676e86291e"
	    "8372ff2a2260956d9b8aae1d763fbf31" },
	{ "query order", "GET", "/",
	    { { "Param2", "value2" }, { "Param1", "value1" } }, { { 0 } }, "",
	    NULL,
	    "b97d918cfa904a5beff61c982a1b6f45"
	    "8b799221646efd99d3219ec94cdf2500" },
	{ "query order, encoded", "GET", "/",
	    { { "Param-3", "Value3" }, { "Param", "Value2" },
		{ "\xe1\x88\xb4", "Value1" } },
	    { { 0 } }, "", NULL,
	    "371d3713e185cc334048618a97f809c9"
	    "ffe339c62934c032af5a0e595648fcac" },
	{ "query utf8", "GET", "/", { { "\xe1\x88\xb4", "bar" } }, { { 0 } },
	    "", NULL,
	    "2cdec8eed098649ff3a119c94853b13c"
	    "643bcf08f8b0a1d91e12c9027818dd04" },
	{ "path utf8", "GET", "/\xe1\x88\xb4", { { 0 } }, { { 0 } }, "", NULL,
	    "8318018e0b0f223aa2bbf98705b62bb7"
	    "87dc9c0e678f255a891fd03141be5d85" },
	{ "path with a space", "GET", "/example space/", { { 0 } }, { { 0 } },
	    "", NULL,
	    "652487583200325589f1fba4c7e578f7"
	    "2c47cb61beeca81406b39ddec1366741" },
	{ "a header three times", "GET", "/", { { 0 } },
	    { { "My-Header1", "value2" }, { "My-Header1", "value2" },
		{ "My-Header1", "value1" } },
	    "", NULL,
	    "c9d5ea9f3f72853aea855b47ea873832"
	    "890dbdd183b4468f858259531a5138ea" },
	{ "spaces in headers", "GET", "/", { { 0 } },
	    { { "My-Header1", " value1" }, { "My-Header2", " \"a   b   c\"" } },
	    "", NULL,
	    "acc3ed3afb60bb290fc8d2dd0098b991"
	    "1fcaa05412b367055dee359757a9c736" },
	{ "session token", "GET", "/", { { 0 } }, { { 0 } }, "",
	    "6e86291e8372ff2a2260956d9b8aae1d"
	    "763fbf315fa00fa31553b73ebf194267",
	    "07ec1639c89043aa0e3e2de82b96708f"
	    "198cceab042d4a97044c66dd9f74e7f8" },
	{ "POST", "POST", "/", { { 0 } }, { { 0 } }, "", NULL,
	    "5da7c1a2acd57cee7505fc6676e4e544"
	    "621c30862966e37dddb68e92efbe5d6b" },
	{ "POST with a body", "POST", "/", { { 0 } },
	    { { "content-length", "13" },
		{ "content-type", "application/x-www-form-urlencoded" },
		{ "x-amz-content-sha256",
		    "9095672bbd1f56dfc5b65f3e153adc87"
		    "31a4a654192329106275f4c7b24d0b6e" } },
	    "Param1=value1", NULL,
	    "d3875051da38690788ef43de4db0d8f2"
	    "80229d82040bfac253562e56c3f20e0b" },
	{ "POST with a charset", "POST", "/", { { 0 } },
	    { { "content-length", "13" },
		{ "content-type",
		    "application/x-www-form-urlencoded; charset=utf-8" },
		{ "x-amz-content-sha256",
		    "9095672bbd1f56dfc5b65f3e153adc87"
		    "31a4a654192329106275f4c7b24d0b6e" } },
	    "Param1=value1", NULL,
	    "328d1b9eaadca9f5818ef05e8392801e"
	    "091653bafec24fcab71e7344e7f51422" },
	{ "the shape of EC2", "POST", "/", { { 0 } },
	    { { "content-type", "application/x-www-form-urlencoded" } },
	    "Param1=value1", NULL,
	    "ff11897932ad3f4e8b18135d722051e5"
	    "ac45fc38421b1da7b9d196a0fe09473a" },
	{ "the shape of EC2, charset", "POST", "/", { { 0 } },
	    { { "content-type",
		"application/x-www-form-urlencoded; charset=utf8" } },
	    "Param1=value1", NULL,
	    "1a72ec8f64bd914b0e42e42607c7fbce"
	    "7fb2c7465f63e3092b3b0d39fa77a6fe" },
};

static size_t
pairs(const struct sign_pair *v, size_t max)
{
	size_t n = 0;

	while (n < max && v[n].name)
		n++;
	return n;
}

static const char *
header(const struct sign_out *out, const char *name)
{
	for (size_t i = 0; i < out->nheaders; i++) {
		if (strcmp(out->headers[i].name, name) == 0)
			return out->headers[i].value;
	}
	fail_msg("no header %s", name);
	return NULL;
}

static void
ends_with(const char *name, const char *text, const char *want)
{
	size_t n = strlen(text), k = strlen(want);

	if (n < k || strcmp(text + n - k, want) != 0)
		fail_msg("%s: %s", name, text);
}

static void
test_sigv4(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sigv4); i++) {
		const struct vector *v = &sigv4[i];
		struct sign_key key = { "AKIDEXAMPLE", SECRET, v->token };
		struct sign_req r = {
			.method = v->method,
			.host = "example.amazonaws.com",
			.path = v->path,
			.query = v->query,
			.nquery = pairs(v->query, 3),
			.headers = v->headers,
			.nheaders = pairs(v->headers, 4),
			.body = v->body,
			.body_len = strlen(v->body),
		};
		struct arena *a = arena_new();
		struct sign_out out;

		sign_sigv4(a, &r, &key, "us-east-1", "service", AT_2015, &out);
		ends_with(v->name, header(&out, "authorization"), v->signature);
		assert_string_equal(header(&out, "x-amz-date"),
		    "20150830T123600Z");
		if (i == 0)
			assert_string_equal(out.canonical_sha256,
			    "bb579772317eb040ac9ed261061d46c1"
			    "f17a8133879d6129b6e1c25292927e63");
		arena_free(a);
	}
}

/* The example of AWS's documentation. */
static void
test_sigv4_iam(void **state)
{
	static const struct sign_pair query[] = { { "Action", "ListUsers" },
		{ "Version", "2010-05-08" } };
	static const struct sign_pair headers[] = { { "Content-Type",
	    "application/x-www-form-urlencoded; charset=utf-8" } };
	const struct sign_key key = { "AKIDEXAMPLE", SECRET, NULL };
	const struct sign_req r = { "GET", "iam.amazonaws.com", "/", query, 2,
		headers, 1, "", 0 };
	struct arena *a = arena_new();
	struct sign_out out;

	(void)state;
	sign_sigv4(a, &r, &key, "us-east-1", "iam", AT_2015, &out);
	assert_string_equal(header(&out, "authorization"),
	    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/"
	    "aws4_request, SignedHeaders=content-type;host;x-amz-date, "
	    "Signature=5d672d79c15b13162d9279b0855cfba6"
	    "789a8edb4c82c400e06b5924a6f2b5d7");
	arena_free(a);
}

static void
test_tc3(void **state)
{
	static const char body[] =
	    "{\"Limit\": 1, \"Filters\": [{\"Values\": "
	    "[\"\\u672a\\u547d\\u540d\"], \"Name\": \"instance-name\"}]}";
	static const struct sign_pair headers[] = {
		{ "Content-Type", "application/json; charset=utf-8" },
		{ "X-TC-Action", "describeinstances" },
	};
	const struct sign_key one = { "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
		"Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", NULL };
	const struct sign_key two = { "AKID",
		"********************************", NULL };
	struct sign_req r = { "POST", "cvm.tencentcloudapi.com", "/", NULL, 0,
		headers, 1, body, sizeof body - 1 };
	struct arena *a = arena_new();
	struct sign_out out;

	(void)state;
	sign_tc3(a, &r, &one, "cvm", 1551113065, &out);
	assert_string_equal(out.canonical_sha256,
	    "5ffe6a04c0664d6b969fab9a13bdab20"
	    "1d63ee709638e2749d62a09ca18d7031");
	ends_with("two headers", header(&out, "authorization"),
	    "72e494ea809ad7a8c8f7a4507b9bddcb"
	    "aa8e581f516e8da2f66e2c5a96525168");
	assert_string_equal(header(&out, "x-tc-timestamp"), "1551113065");
	r.nheaders = 2;
	sign_tc3(a, &r, &two, "cvm", 1551113065, &out);
	assert_string_equal(out.canonical_sha256,
	    "7019a55be8395899b900fb5564e4200d"
	    "984910f34794a27cb3fb7d10ff6a1e84");
	ends_with("three headers", header(&out, "authorization"),
	    "10b1a37a7301a02ca19a647ad722d5e4"
	    "3b4b3cff309d421d85b46093f6ab6c4f");
	arena_free(a);
}

static void
test_acs3(void **state)
{
	static const struct sign_pair query[] = {
		{ "ImageId",
		    "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd" },
		{ "RegionId", "cn-shanghai" },
	};
	static const struct sign_pair headers[] = {
		{ "x-acs-action", "RunInstances" },
		{ "x-acs-version", "2014-05-26" },
	};
	const struct sign_key key = { "YourAccessKeyId", "YourAccessKeySecret",
		NULL };
	const struct sign_req r = { "POST", "ecs.cn-shanghai.aliyuncs.com", "/",
		query, 2, headers, 2, "", 0 };
	struct arena *a = arena_new();
	struct sign_out out;

	(void)state;
	sign_acs3(a, &r, &key, 1698315752, "3156853299f313e23d1673dc12e1703d",
	    &out);
	assert_string_equal(header(&out, "x-acs-date"), "2023-10-26T10:22:32Z");
	assert_string_equal(out.canonical_sha256,
	    "7ea06492da5221eba5297e897ce16e55"
	    "f964061054b7695beedaac1145b1e259");
	ends_with("acs3", header(&out, "authorization"),
	    "06563a9e1b43f5dfe96b81484da74bce"
	    "ab24a1d853912eee15083a6f0f3283c0");
	arena_free(a);
}

static void
test_alirpc(void **state)
{
	static const struct sign_pair params[] = {
		{ "AccessKeyId", "testid" },
		{ "Action", "DescribeRegions" },
		{ "Format", "XML" },
		{ "SignatureMethod", "HMAC-SHA1" },
		{ "SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf" },
		{ "SignatureVersion", "1.0" },
		{ "Timestamp", "2016-02-23T12:46:24Z" },
		{ "Version", "2014-05-26" },
	};
	const struct sign_key key = { "testid", "testsecret", NULL };
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(sign_alirpc(a, "GET", params, 8, &key),
	    "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
	assert_string_equal(sign_alirpc(a, "POST", params, 8, &key),
	    "MxbnVAM4w6sft9xjVpe/GCKueuk=");
	arena_free(a);
}

static BIGNUM *
prime(const char *base64url)
{
	uint8_t raw[192];
	char b64[256];
	size_t n = strlen(base64url);
	int len;

	for (size_t i = 0; i <= n; i++) {
		char c = base64url[i];

		b64[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	while (n % 4)
		b64[n++] = '=';
	b64[n] = '\0';
	len = EVP_DecodeBlock(raw, (const unsigned char *)b64, (int)n);
	assert_true(len >= 128);
	return BN_bin2bn(raw, 128, NULL);
}

/* The key of RFC 7515 A.2, out of its primes. */
static char *
rfc7515_key(void)
{
	BIGNUM *p = prime("4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvn"
			  "EtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQ"
			  "n7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgt"
			  "ldC-KDV5z-y2XDwGUc");
	BIGNUM *q = prime("uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT"
			  "8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62"
			  "wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypee"
			  "F6689rjcJIDEz9RWdc");
	BIGNUM *e = BN_new(), *n = BN_new(), *d, *p1 = BN_dup(p),
	       *q1 = BN_dup(q), *phi = BN_new(), *dp, *dq, *qi;
	BN_CTX *ctx = BN_CTX_new();
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *kc = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	OSSL_PARAM *params;
	char *text, *out;
	long len;

	BN_set_word(e, 65537);
	BN_sub_word(p1, 1);
	BN_sub_word(q1, 1);
	BN_mul(n, p, q, ctx);
	BN_mul(phi, p1, q1, ctx);
	d = BN_mod_inverse(NULL, e, phi, ctx);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, d);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR1, p);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_FACTOR2, q);
	dp = BN_new(), dq = BN_new();
	BN_mod(dp, d, p1, ctx);
	BN_mod(dq, d, q1, ctx);
	qi = BN_mod_inverse(NULL, q, p, ctx);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qi);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(kc), 1);
	assert_int_equal(EVP_PKEY_fromdata(kc, &key, EVP_PKEY_KEYPAIR, params),
	    1);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0,
			     NULL, NULL),
	    1);
	len = BIO_get_mem_data(bio, &text);
	out = xcalloc((size_t)len + 1, 1);
	memcpy(out, text, (size_t)len);
	BIO_free(bio);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(kc);
	BN_CTX_free(ctx);
	BN_free(p), BN_free(q), BN_free(e), BN_free(n), BN_free(d);
	BN_free(p1), BN_free(q1), BN_free(phi);
	BN_free(dp), BN_free(dq), BN_free(qi);
	return out;
}

static void
test_rs256(void **state)
{
	static const char input[] =
	    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs"
	    "DQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	char *key = rfc7515_key(), hex[DIGEST_HEX_LEN];
	struct mw_err err = MW_ERR_INIT;
	struct str sig = STR_INIT;

	(void)state;
	assert_true(digest_rs256(key, input, strlen(input), &sig, &err));
	assert_int_equal(sig.len, 256);
	digest_sha256_hex(sig.p, sig.len, hex);
	assert_string_equal(hex,
	    "6a99106182fe699f5db2df295cf00db4"
	    "db2fe8cadad4fb31de6067c4378ffe61");
	str_free(&sig);
	free(key);
}

/* The same through JSON: the header and claims of the RFC, and a key whose
 * line ends are spelled out. */
static void
test_jwt(void **state)
{
	char *key = rfc7515_key();
	struct arena *a = arena_new();
	struct str spelled = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	const char *jwt = NULL, *again = NULL;

	(void)state;
	for (const char *p = key; *p; p++) {
		if (*p == '\n')
			str_add(&spelled, "\\n");
		else
			str_addc(&spelled, *p);
	}
	assert_true(sign_jwt(a, "{\"alg\":\"RS256\"}",
	    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
	    "\"http://example.com/is_root\":true}",
	    key, &jwt, &err));
	assert_true(str_starts(jwt,
	    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs"
	    "DQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	    "cC4hiUPoj9Eetdgtv3hF80EGrhuB"));
	assert_true(sign_jwt(a, "{\"alg\":\"RS256\"}",
	    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
	    "\"http://example.com/is_root\":true}",
	    str_cstr(&spelled), &again, &err));
	assert_string_equal(jwt, again);
	assert_false(sign_jwt(a, "{}", "{}", "not a key", &again, &err));
	assert_int_equal(err.code, MW_INVALID);
	assert_null(strstr(err.msg, "not a key"));
	str_free(&spelled);
	arena_free(a);
	free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sigv4),
		cmocka_unit_test(test_sigv4_iam),
		cmocka_unit_test(test_tc3),
		cmocka_unit_test(test_acs3),
		cmocka_unit_test(test_alirpc),
		cmocka_unit_test(test_rs256),
		cmocka_unit_test(test_jwt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
