/*
 * identity.c - key, certificate and configuration of this agent.
 * Promises: the private key never leaves the folder and is 0600; files are
 * replaced whole; what is accepted was checked first. Called by main.c and
 * agent.c.
 */
#include "agent/link/identity.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/proto.h"
#include "common/pure/ids.h"
#include "common/pure/when.h"
#include "common/tls.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PEM_MAX 65536
#define CONFIG_MAX 16384
#define CLOCK_OFF_NS (60 * NS_PER_S)

static void
path_of(char *out, size_t size, const char *dir, const char *name)
{
	snprintf(out, size, "%s/%s", dir, name);
}

static bool
read_part(const char *dir, const char *name, size_t max, struct str *out,
    struct mw_err *err)
{
	char path[512];

	path_of(path, sizeof path, dir, name);
	return file_read(path, max, out, err);
}

/* As root in a user's folder the file becomes that user's. */
static bool
write_part(const char *dir, const char *name, const char *text, size_t n,
    struct mw_err *err)
{
	char path[512];
	struct stat st;

	path_of(path, sizeof path, dir, name);
	if (!file_write(path, text, n, 0600, err))
		return false;
	if (geteuid() == 0 && stat(dir, &st) == 0 && st.st_uid != 0 &&
	    lchown(path, st.st_uid, st.st_gid) != 0)
		return err_set(err, MW_INTERNAL, errno, "chown %s: %s", path,
		    strerror(errno));
	return true;
}

static bool
parse_config(json_t *j, struct identity *id, struct mw_err *err)
{
	struct json_at at;
	const char *addr, *deployment, *uri;
	char in_uri[64];
	int64_t port, echo, slot, gen;
	uint32_t ip;

	if (!json_at_root(&at, j, err) ||
	    !json_get_str(&at, "coordinator", true, 15, &addr, err) ||
	    !json_get_int(&at, "port", true, PROTO_LINK_PORT, 1, 65535, &port,
		err) ||
	    !json_get_str(&at, "deployment", true, sizeof id->deployment - 1,
		&deployment, err) ||
	    !json_get_str(&at, "uri", true, sizeof id->uri - 1, &uri, err) ||
	    !json_get_int(&at, "echoPort", true, PROTO_ECHO_PORT, 0, 65535,
		&echo, err))
		return false;
	if (!id_ipv4_parse(addr, &ip))
		return err_set(err, MW_INVALID, 0,
		    "coordinator must be a numeric IPv4 address");
	if (!proto_uri_parse(uri, in_uri, &slot, &gen, err) ||
	    strcmp(in_uri, deployment) != 0)
		return err_set(err, MW_INVALID, 0,
		    "uri is not an agent of deployment %s", deployment);
	str_copy(id->coordinator, sizeof id->coordinator, addr);
	str_copy(id->deployment, sizeof id->deployment, deployment);
	str_copy(id->uri, sizeof id->uri, uri);
	id->port = (uint16_t)port;
	id->echo_port = (uint16_t)echo;
	return true;
}

bool
identity_parse_config(const char *p, size_t n, struct identity *id,
    struct mw_err *err)
{
	json_t *j = json_parse(p, n, CONFIG_MAX, err);
	bool ok = j != NULL && parse_config(j, id, err);

	json_decref(j);
	return ok;
}

bool
identity_load(const char *dir, struct identity *id, struct mw_err *err)
{
	struct str config = STR_INIT;
	bool ok;

	memset(id, 0, sizeof *id);
	ok = read_part(dir, "agent.json", CONFIG_MAX, &config, err) &&
	    identity_parse_config(str_cstr(&config), config.len, id, err) &&
	    read_part(dir, "key.pem", PEM_MAX, &id->key, err) &&
	    read_part(dir, "cert.pem", PEM_MAX, &id->cert, err) &&
	    read_part(dir, "ca.pem", PEM_MAX, &id->ca, err);
	str_free(&config);
	if (!ok) {
		identity_free(id);
		err_hint(err,
		    "the coordinator enrolls agents when it "
		    "installs them");
	}
	return ok;
}

void
identity_free(struct identity *id)
{
	if (id->key.p != NULL)
		OPENSSL_cleanse(id->key.p, id->key.cap);
	str_free(&id->key);
	str_free(&id->cert);
	str_free(&id->ca);
}

static X509 *
read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return x;
}

static bool
time_ns(const ASN1_TIME *t, int64_t *ns)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*ns = (int64_t)timegm(&tm) * NS_PER_S;
	return true;
}

static bool
cert_times(const char *pem, int64_t *from_ns, int64_t *to_ns,
    struct mw_err *err)
{
	X509 *x = read_cert(pem);
	bool ok = x != NULL && time_ns(X509_get0_notBefore(x), from_ns) &&
	    time_ns(X509_get0_notAfter(x), to_ns);

	X509_free(x);
	return ok ? true : err_set(err, MW_INVALID, 0, "not a certificate");
}

bool
identity_renew_at(const char *cert_pem, int64_t *wall_ns, struct mw_err *err)
{
	int64_t from, to;

	if (!cert_times(cert_pem, &from, &to, err))
		return false;
	*wall_ns = from + (to - from) / 2;
	return true;
}

/* The certificate is for the key and signed by the CA. */
static bool
identity_check(const struct identity *id, struct mw_err *err)
{
	/* The context refuses a certificate that is not for the key. */
	SSL_CTX *ctx = tls_ctx_new(false, str_cstr(&id->ca),
	    str_cstr(&id->cert), str_cstr(&id->key), err);
	X509 *x = ctx != NULL ? read_cert(str_cstr(&id->cert)) : NULL;
	X509_STORE_CTX *sc = X509_STORE_CTX_new();
	int64_t from, to, now = clock_wall_ns();
	bool ok = false;

	if (ctx == NULL || x == NULL || sc == NULL ||
	    !cert_times(str_cstr(&id->cert), &from, &to, err))
		goto out;
	if (now < from - CLOCK_OFF_NS || now > to + CLOCK_OFF_NS) {
		char text[WHEN_LEN];

		when_format(now, text);
		err_set(err, MW_INVALID, 0,
		    "the certificate is not valid at %s, the time of this "
		    "machine's clock",
		    text);
		err_hint(err, "set the clock of the VM");
		goto out;
	}
	if (X509_STORE_CTX_init(sc, SSL_CTX_get_cert_store(ctx), x, NULL) !=
		1 ||
	    X509_verify_cert(sc) != 1) {
		err_set(err, MW_DENIED, 0, "certificate: %s",
		    X509_verify_cert_error_string(
			X509_STORE_CTX_get_error(sc)));
		goto out;
	}
	ok = true;
out:
	if (!ok && err->code == MW_OK)
		err_set(err, MW_INVALID, 0, "not a certificate");
	X509_STORE_CTX_free(sc);
	X509_free(x);
	SSL_CTX_free(ctx);
	return ok;
}

bool
identity_renew(const char *dir, struct identity *id, const char *key,
    const char *cert, const char *ca, struct mw_err *err)
{
	struct identity next = *id;
	bool ok;

	next.key = next.cert = next.ca = (struct str)STR_INIT;
	str_add(&next.key, key);
	str_add(&next.cert, cert);
	str_add(&next.ca, ca);
	/* A crash between the files leaves a key that does not fit its
	 * certificate: then the VM is enrolled again. So the key is last but
	 * one and everything was checked before. */
	ok = identity_check(&next, err) &&
	    write_part(dir, "ca.pem", next.ca.p, next.ca.len, err) &&
	    write_part(dir, "key.pem", next.key.p, next.key.len, err) &&
	    write_part(dir, "cert.pem", next.cert.p, next.cert.len, err);
	if (!ok) {
		identity_free(&next);
		return false;
	}
	identity_free(id);
	*id = next;
	return true;
}

bool
identity_print_csr(const char *dir, struct mw_err *err)
{
	struct str key = STR_INIT, csr = STR_INIT;
	struct mw_err none = MW_ERR_INIT;
	bool ok = file_mkdirs(dir, 0700, err);

	umask(077);
	if (ok && !read_part(dir, "key.pem", PEM_MAX, &key, &none)) {
		str_reset(&key);
		ok = tls_key_new(&key, err) &&
		    write_part(dir, "key.pem", key.p, key.len, err);
	}
	ok = ok && tls_csr_new(str_cstr(&key), &csr, err);
	if (ok)
		fputs(str_cstr(&csr), stdout);
	if (key.p != NULL)
		OPENSSL_cleanse(key.p, key.cap);
	str_free(&key);
	str_free(&csr);
	return ok;
}

static bool
read_stdin(struct str *in, struct mw_err *err)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(0, buf, sizeof buf)) > 0) {
		str_addn(in, buf, (size_t)n);
		if (in->len > PEM_MAX)
			return err_set(err, MW_LIMIT, 0, "input is too long");
	}
	return n == 0
	    ? true
	    : err_set(err, MW_INTERNAL, errno, "stdin: %s", strerror(errno));
}

static bool
take_answer(const char *dir, json_t *j, struct identity *id, struct mw_err *err)
{
	struct json_at at, config;
	const char *cert, *ca;
	char *text;
	bool ok;

	if (!json_at_root(&at, j, err) ||
	    !json_at_key(&config, &at, "config", true, err) ||
	    !json_get_str(&at, "cert", true, PEM_MAX, &cert, err) ||
	    !json_get_str(&at, "ca", true, PEM_MAX, &ca, err) ||
	    !parse_config(config.obj, id, err) ||
	    !read_part(dir, "key.pem", PEM_MAX, &id->key, err))
		return false;
	str_add(&id->cert, cert);
	str_add(&id->ca, ca);
	if (!identity_check(id, err))
		return false;
	text = json_pretty(config.obj);
	ok = write_part(dir, "ca.pem", ca, strlen(ca), err) &&
	    write_part(dir, "cert.pem", cert, strlen(cert), err) &&
	    write_part(dir, "agent.json", text, strlen(text), err);
	free(text);
	return ok;
}

bool
identity_accept(const char *dir, struct mw_err *err)
{
	struct identity id = { .port = 0 };
	struct str in = STR_INIT;
	json_t *j = NULL;
	bool ok;

	umask(077);
	ok = read_stdin(&in, err) &&
	    (j = json_parse(str_cstr(&in), in.len, PEM_MAX, err)) != NULL &&
	    take_answer(dir, j, &id, err);
	json_decref(j);
	str_free(&in);
	identity_free(&id);
	return ok;
}
