/*
 * tls.c - keys, certificates and TLS contexts of the private CA.
 * Promises: P-256 and SHA-256 only; a request decides nothing but its key; no
 * configuration file of OpenSSL is read (it would change what we promise).
 */
#include "common/tls.h"

#include "common/clock.h"
#include "common/digest.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CA_LIFETIME_S (INT64_C(10) * 365 * 86400)
#define BACKDATE_S 3600 /* clocks of new VMs are often behind */
#define SERIAL_BYTES 16
#define URI_MAX 255

/* Idempotent and thread-safe; must come before any other call. */
static void
init(void)
{
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		abort();
}

void
tls_err(struct mw_err *err, enum mw_code code, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	err_set(err, code, 0, "%s: %s", what,
	    reason != NULL ? reason : "OpenSSL gives no reason");
	ERR_clear_error();
}

static void
bio_to_str(BIO *bio, struct str *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	str_reset(out);
	str_addn(out, p, (size_t)n);
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = NULL;

	/* An empty passphrase: without it OpenSSL asks on the terminal. */
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	return key;
}

static X509 *
read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = NULL;

	if (bio != NULL)
		cert = PEM_read_bio_X509(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	return cert;
}

bool
tls_key_new(struct str *key_pem, struct mw_err *err)
{
	EVP_PKEY *key;
	BIO *bio = NULL;
	bool ok = false;

	init();
	key = EVP_EC_gen("P-256");
	bio = BIO_new(BIO_s_mem());
	if (key == NULL || bio == NULL ||
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) !=
		1) {
		tls_err(err, MW_INTERNAL, "make a key");
		goto out;
	}
	bio_to_str(bio, key_pem);
	ok = true;
out:
	BIO_free(bio);
	EVP_PKEY_free(key);
	return ok;
}

bool
tls_csr_new(const char *key_pem, struct str *csr_pem, struct mw_err *err)
{
	EVP_PKEY *key;
	X509_REQ *req = NULL;
	BIO *bio = NULL;
	bool ok = false;

	init();
	key = read_key(key_pem);
	req = X509_REQ_new();
	bio = BIO_new(BIO_s_mem());
	if (key == NULL || req == NULL || bio == NULL ||
	    X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(req, key) != 1 ||
	    X509_REQ_sign(req, key, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509_REQ(bio, req) != 1) {
		tls_err(err, MW_INVALID, "make a certificate request");
		goto out;
	}
	bio_to_str(bio, csr_pem);
	ok = true;
out:
	BIO_free(bio);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return ok;
}

static bool
set_serial(X509 *cert, char serial_hex[33])
{
	uint8_t bytes[SERIAL_BYTES];
	BIGNUM *bn;
	bool ok;

	clock_random(bytes, sizeof bytes);
	/* Positive and of full length, so that its text has one form. */
	bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
	bn = BN_bin2bn(bytes, sizeof bytes, NULL);
	ok = bn != NULL &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	digest_hex(bytes, sizeof bytes, serial_hex);
	return ok;
}

static bool
set_lifetime(X509 *cert, int64_t lifetime_s)
{
	time_t now = (time_t)(clock_wall_ns() / NS_PER_S);

	return ASN1_TIME_set(X509_getm_notBefore(cert), now - BACKDATE_S) !=
	    NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(cert), now + lifetime_s) != NULL;
}

static bool
add_name(X509_NAME *name, const char *common_name)
{
	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
		   (const unsigned char *)"Milkyway", -1, -1, 0) == 1 &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		(const unsigned char *)common_name, -1, -1, 0) == 1;
}

/* value is always a constant of this file. */
static bool
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* Built by hand: in a configuration string a comma would start a new name. */
static bool
add_uri(X509 *cert, const char *uri)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool ok = false;

	if (names == NULL || name == NULL || text == NULL ||
	    ASN1_STRING_set(text, uri, -1) != 1)
		goto out;
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	text = NULL;
	if (sk_GENERAL_NAME_push(names, name) <= 0)
		goto out;
	name = NULL;
	ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
		 X509V3_ADD_APPEND) == 1;
out:
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return ok;
}

bool
tls_ca_new(const char *key_pem, const char *deployment, struct str *cert_pem,
    struct mw_err *err)
{
	char serial[33];
	EVP_PKEY *key;
	X509 *cert = NULL;
	BIO *bio = NULL;
	bool ok = false;

	init();
	key = read_key(key_pem);
	cert = X509_new();
	bio = BIO_new(BIO_s_mem());
	if (key == NULL || cert == NULL || bio == NULL ||
	    X509_set_version(cert, X509_VERSION_3) != 1 ||
	    !set_serial(cert, serial) || !set_lifetime(cert, CA_LIFETIME_S) ||
	    !add_name(X509_get_subject_name(cert), deployment) ||
	    X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
	    X509_set_pubkey(cert, key) != 1 ||
	    !add_ext(cert, cert, NID_basic_constraints,
		"critical,CA:TRUE,pathlen:0") ||
	    !add_ext(cert, cert, NID_key_usage,
		"critical,keyCertSign,cRLSign") ||
	    !add_ext(cert, cert, NID_subject_key_identifier, "hash") ||
	    X509_sign(cert, key, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509(bio, cert) != 1) {
		tls_err(err, MW_INTERNAL, "make the CA certificate");
		goto out;
	}
	bio_to_str(bio, cert_pem);
	ok = true;
out:
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

/* The key of a request that is properly signed by it, P-256 only. Borrowed. */
static EVP_PKEY *
check_request(X509_REQ *req, struct mw_err *err)
{
	EVP_PKEY *key = req != NULL ? X509_REQ_get0_pubkey(req) : NULL;
	char group[32];
	size_t n;

	if (key == NULL || X509_REQ_verify(req, key) != 1) {
		tls_err(err, MW_INVALID, "certificate request");
		return NULL;
	}
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1 ||
	    strcmp(group, SN_X9_62_prime256v1) != 0) {
		err_set(err, MW_INVALID, 0,
		    "certificate request: the key is not P-256");
		return NULL;
	}
	return key;
}

static X509_REQ *
read_request(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_REQ *req = NULL;

	if (bio != NULL)
		req = PEM_read_bio_X509_REQ(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	return req;
}

static X509 *
make_leaf(EVP_PKEY *key, X509 *ca, const char *san_uri, bool server,
    int64_t lifetime_s, char serial_hex[33])
{
	X509 *cert = X509_new();

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_serial(cert, serial_hex) && set_lifetime(cert, lifetime_s) &&
	    add_name(X509_get_subject_name(cert),
		server ? "coordinator" : "agent") &&
	    X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	    X509_set_pubkey(cert, key) == 1 &&
	    add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	    add_ext(cert, ca, NID_ext_key_usage,
		server ? "serverAuth" : "clientAuth") &&
	    add_ext(cert, ca, NID_subject_key_identifier, "hash") &&
	    add_ext(cert, ca, NID_authority_key_identifier, "keyid") &&
	    add_uri(cert, san_uri))
		return cert;
	X509_free(cert);
	return NULL;
}

static bool
uri_ok(const char *uri)
{
	size_t n = strnlen(uri, URI_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (uri[i] <= 0x20 || uri[i] >= 0x7f)
			return false;
	return n <= URI_MAX && str_starts(uri, "mw://");
}

bool
tls_sign(const char *ca_key_pem, const char *ca_cert_pem, const char *csr_pem,
    const char *san_uri, bool server, int64_t lifetime_s, struct str *cert_pem,
    char serial_hex[33], struct mw_err *err)
{
	X509_REQ *req = NULL;
	EVP_PKEY *ca_key = NULL, *key;
	X509 *ca = NULL, *cert = NULL;
	BIO *bio = NULL;
	bool ok = false;

	init();
	if (!uri_ok(san_uri))
		return err_set(err, MW_INVALID, 0, "not an identity: mw://...");
	req = read_request(csr_pem);
	key = check_request(req, err);
	if (key == NULL)
		goto out;
	ca_key = read_key(ca_key_pem);
	ca = read_cert(ca_cert_pem);
	bio = BIO_new(BIO_s_mem());
	if (ca_key == NULL || ca == NULL || bio == NULL ||
	    X509_check_private_key(ca, ca_key) != 1) {
		tls_err(err, MW_INTERNAL, "read the CA");
		goto out;
	}
	cert = make_leaf(key, ca, san_uri, server, lifetime_s, serial_hex);
	if (cert == NULL || X509_sign(cert, ca_key, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509(bio, cert) != 1) {
		tls_err(err, MW_INTERNAL, "sign a certificate");
		goto out;
	}
	bio_to_str(bio, cert_pem);
	ok = true;
out:
	BIO_free(bio);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	X509_REQ_free(req);
	return ok;
}

static bool
ctx_setup(SSL_CTX *ctx, X509 *ca, X509 *cert, EVP_PKEY *key)
{
	static const unsigned char session_id[] = "milkyway";

	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
	    SSL_CTX_set_session_id_context(ctx, session_id,
		sizeof session_id - 1) == 1 &&
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1 &&
	    SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1;
}

SSL_CTX *
tls_ctx_new(bool server, const char *ca_pem, const char *cert_pem,
    const char *key_pem, struct mw_err *err)
{
	X509 *ca, *cert;
	EVP_PKEY *key;
	SSL_CTX *ctx;

	init();
	ca = read_cert(ca_pem);
	cert = read_cert(cert_pem);
	key = read_key(key_pem);
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (ca == NULL || cert == NULL || key == NULL || ctx == NULL ||
	    !ctx_setup(ctx, ca, cert, key)) {
		tls_err(err, MW_INVALID, "TLS context");
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_PKEY_free(key);
	X509_free(cert);
	X509_free(ca);
	return ctx;
}

static bool
serial_of(X509 *cert, char serial_hex[33])
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	uint8_t bytes[SERIAL_BYTES];
	bool ok = bn != NULL &&
	    BN_bn2binpad(bn, bytes, sizeof bytes) == (int)sizeof bytes;

	BN_free(bn);
	if (!ok)
		return false;
	digest_hex(bytes, sizeof bytes, serial_hex);
	return true;
}

/* The one URI of the certificate; false if it has none, several, or another
 * kind of name beside it. */
static bool
uri_of(X509 *cert, char *uri, size_t size)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool ok = false;

	if (names != NULL && sk_GENERAL_NAME_num(names) == 1) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
		int type;
		ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);

		if (type == GEN_URI) {
			const unsigned char *p = ASN1_STRING_get0_data(text);
			size_t n = (size_t)ASN1_STRING_length(text);

			ok = n < size && memchr(p, '\0', n) == NULL;
			if (ok) {
				memcpy(uri, p, n);
				uri[n] = '\0';
				ok = uri_ok(uri);
			}
		}
	}
	GENERAL_NAMES_free(names);
	return ok;
}

bool
tls_peer_uri(SSL *ssl, char *uri, size_t size, char serial_hex[33],
    struct mw_err *err)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	bool ok = cert != NULL && SSL_get_verify_result(ssl) == X509_V_OK &&
	    uri_of(cert, uri, size) && serial_of(cert, serial_hex);

	X509_free(cert);
	if (!ok)
		err_set(err, MW_DENIED, 0,
		    "the peer's certificate carries no identity");
	return ok;
}

bool
tls_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
