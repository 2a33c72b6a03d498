/*
 * ca.c - see ca.h. Files below the state directory: ca.key and ca.pem, and
 * ssh/<key id> with its .pub. The coordinator's own key is new at each start
 * and lives in memory only.
 */
#include "coordinator/ca.h"

#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/tls.h"
#include "coordinator/remote/ssh_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#define PEM_MAX 65536
#define SERVER_LIFETIME_S (INT64_C(365) * 86400)

struct ca {
	char *dir, *deployment;
	struct str key, cert;
};

static bool load(struct ca *ca, struct mw_err *err);
static bool make(struct ca *ca, const char *key_file, const char *cert_file,
    struct mw_err *err);
static void wipe(struct str *s);
static char *key_path(const struct ca *ca, const char *key_id,
    const char *suffix);
static bool make_pair(const char *priv, const char *pub, const char *key_id,
    struct mw_err *err);

struct ca *
ca_open(const char *state_dir, const char *deployment, struct mw_err *err)
{
	struct ca *ca = xcalloc(1, sizeof *ca);
	char *ssh = xasprintf("%s/ssh", state_dir);
	bool ok;

	ca->dir = xstrdup(state_dir);
	ca->deployment = xstrdup(deployment);
	ok = file_mkdirs(ssh, 0700, err) && load(ca, err);
	free(ssh);
	if (!ok) {
		ca_free(ca);
		return NULL;
	}
	return ca;
}

void
ca_free(struct ca *ca)
{
	if (!ca)
		return;
	wipe(&ca->key);
	str_free(&ca->cert);
	free(ca->deployment);
	free(ca->dir);
	free(ca);
}

const char *
ca_bundle(const struct ca *ca)
{
	return str_cstr(&ca->cert);
}

char *
ca_agent_uri(const struct ca *ca, const char *ns, const char *mcis,
    int64_t slot, int64_t gen)
{
	return xasprintf("mw://%s/%s/%s/%lld/%lld", ca->deployment, ns, mcis,
	    (long long)slot, (long long)gen);
}

bool
ca_sign_csr(const struct ca *ca, const char *csr_pem, const char *uri,
    struct str *cert_pem, char serial_hex[33], struct mw_err *err)
{
	return tls_sign(str_cstr(&ca->key), str_cstr(&ca->cert), csr_pem, uri,
	    false, CA_AGENT_LIFETIME_S, cert_pem, serial_hex, err);
}

SSL_CTX *
ca_server_ctx(const struct ca *ca, struct mw_err *err)
{
	struct str key = STR_INIT, csr = STR_INIT, cert = STR_INIT;
	char *uri = xasprintf("mw://%s/coordinator", ca->deployment);
	char serial[33];
	SSL_CTX *ctx = NULL;

	if (tls_key_new(&key, err) && tls_csr_new(str_cstr(&key), &csr, err) &&
	    tls_sign(str_cstr(&ca->key), str_cstr(&ca->cert), str_cstr(&csr),
		uri, true, SERVER_LIFETIME_S, &cert, serial, err))
		ctx = tls_ctx_new(true, str_cstr(&ca->cert), str_cstr(&cert),
		    str_cstr(&key), err);
	wipe(&key);
	str_free(&csr);
	str_free(&cert);
	free(uri);
	return ctx;
}

bool
ca_ssh_key(const struct ca *ca, const char *key_id, struct str *public_key,
    struct str *private_key, struct mw_err *err)
{
	char *priv, *pub;
	bool ok;

	if (!id_valid(key_id))
		return err_set(err, MW_INVALID, 0, "bad key name");
	priv = key_path(ca, key_id, "");
	pub = key_path(ca, key_id, ".pub");
	/* The public half is written last: with it the pair is complete. */
	ok = access(pub, F_OK) == 0 || make_pair(priv, pub, key_id, err);
	if (ok && public_key)
		ok = file_read(pub, PEM_MAX, public_key, err);
	if (ok && private_key)
		ok = file_read(priv, PEM_MAX, private_key, err);
	free(priv);
	free(pub);
	return ok || err_wrap(err, "SSH key %s", key_id);
}

void
ca_ssh_key_forget(const struct ca *ca, const char *key_id)
{
	char *priv, *pub;

	if (!id_valid(key_id))
		return;
	priv = key_path(ca, key_id, "");
	pub = key_path(ca, key_id, ".pub");
	if ((unlink(pub) < 0 && errno != ENOENT) ||
	    (unlink(priv) < 0 && errno != ENOENT))
		log_warn("ca", key_id, "cannot remove a key\terrno=%d", errno);
	free(priv);
	free(pub);
}

static bool
load(struct ca *ca, struct mw_err *err)
{
	char *key = xasprintf("%s/ca.key", ca->dir);
	char *cert = xasprintf("%s/ca.pem", ca->dir);
	bool ok;

	/* The certificate is written last: with it the CA is complete. */
	if (access(cert, F_OK) < 0 && errno == ENOENT)
		ok = make(ca, key, cert, err);
	else
		ok = file_read(key, PEM_MAX, &ca->key, err) &&
		    file_read(cert, PEM_MAX, &ca->cert, err);
	free(key);
	free(cert);
	return ok || err_wrap(err, "private CA");
}

static bool
make(struct ca *ca, const char *key_file, const char *cert_file,
    struct mw_err *err)
{
	if (!tls_key_new(&ca->key, err) ||
	    !tls_ca_new(str_cstr(&ca->key), ca->deployment, &ca->cert, err) ||
	    !file_write(key_file, ca->key.p, ca->key.len, 0600, err) ||
	    !file_write(cert_file, ca->cert.p, ca->cert.len, 0644, err))
		return false;
	log_info("ca", NULL, "made the private CA\tfile=%s", cert_file);
	return true;
}

static void
wipe(struct str *s)
{
	if (s->p)
		OPENSSL_cleanse(s->p, s->cap);
	str_free(s);
}

static char *
key_path(const struct ca *ca, const char *key_id, const char *suffix)
{
	return xasprintf("%s/ssh/%s%s", ca->dir, key_id, suffix);
}

static bool
make_pair(const char *priv, const char *pub, const char *key_id,
    struct mw_err *err)
{
	struct str private_pem = STR_INIT, public_line = STR_INIT;
	bool ok;

	ok = ssh_key_new(key_id, &private_pem, &public_line, err) &&
	    file_write(priv, private_pem.p, private_pem.len, 0600, err) &&
	    file_write(pub, public_line.p, public_line.len, 0644, err);
	wipe(&private_pem);
	str_free(&public_line);
	return ok;
}
