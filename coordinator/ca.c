/*
 * ca.c - see ca.h. Files below the state directory: ca.key.sealed and ca.pem,
 * ssh/<key id>.sealed and ssh/<key id>.pub. The coordinator's own key is new at
 * each start and lives in memory only.
 */
#include "coordinator/ca.h"

#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/tls.h"
#include "coordinator/remote/ssh_key.h"
#include "drivers/seal.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX 65536
#define CA_NAME "ca"
#define SERVER_LIFETIME_S (INT64_C(365) * 86400)

struct ca {
	char *dir, *deployment;
	struct seal *seal;
	struct str key, cert;
};

static bool load(struct ca *ca, struct mw_err *err);
static bool make(struct ca *ca, const char *cert_file, struct mw_err *err);
static bool read_key(struct ca *ca, const char *plain, struct mw_err *err);
static bool seal_plain(struct ca *ca, enum seal_kind kind, const char *name,
    const char *path, struct mw_err *err);
static bool seal_folder(struct ca *ca, const char *dir, struct mw_err *err);
static void wipe(struct str *s);
static char *key_path(const struct ca *ca, const char *key_id,
    const char *suffix);
static bool make_pair(const struct ca *ca, const char *pub, const char *key_id,
    struct mw_err *err);

struct ca *
ca_open(const char *state_dir, const char *deployment, struct mw_err *err)
{
	struct ca *ca = xcalloc(1, sizeof *ca);
	char *ssh = xasprintf("%s/ssh", state_dir);
	bool ok;

	ca->dir = xstrdup(state_dir);
	ca->deployment = xstrdup(deployment);
	ca->seal = seal_new(state_dir);
	ok = file_mkdirs(ssh, 0700, err) && load(ca, err);
	free(ssh);
	if (!ok) {
		ca_free(ca);
		return NULL;
	}
	return ca;
}

bool
ca_seal_plain(struct ca *ca, struct mw_err *err)
{
	char *ssh = xasprintf("%s/ssh", ca->dir);
	char *key = xasprintf("%s/ca.key", ca->dir);
	bool ok = (seal_plain(ca, SEAL_CA, CA_NAME, key, err) ||
		      err_wrap(err, "private CA")) &&
	    seal_folder(ca, ssh, err);

	free(ssh);
	free(key);
	return ok;
}

void
ca_free(struct ca *ca)
{
	if (!ca)
		return;
	wipe(&ca->key);
	str_free(&ca->cert);
	seal_free(ca->seal);
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
	char *pub;
	bool ok;

	if (!id_valid(key_id))
		return err_set(err, MW_INVALID, 0, "bad key name");
	pub = key_path(ca, key_id, ".pub");
	/* The public half is written last: with it the pair is complete. */
	ok = access(pub, F_OK) == 0 || make_pair(ca, pub, key_id, err);
	if (ok && public_key)
		ok = file_read(pub, PEM_MAX, public_key, err);
	if (ok && private_key)
		ok = seal_get_as(ca->seal, SEAL_SSH, key_id, private_key, err);
	free(pub);
	return ok || err_wrap(err, "SSH key %s", key_id);
}

void
ca_ssh_key_forget(const struct ca *ca, const char *key_id)
{
	struct mw_err err = MW_ERR_INIT;
	char *pub;

	if (!id_valid(key_id))
		return;
	pub = key_path(ca, key_id, ".pub");
	if (unlink(pub) < 0 && errno != ENOENT)
		log_warn("ca", key_id, "cannot remove a key\terrno=%d", errno);
	if (!seal_remove_as(ca->seal, SEAL_SSH, key_id, &err))
		log_warn("ca", key_id, "%s", err.msg);
	free(pub);
}

bool
ca_unseal(const char *state_dir, const char *what, struct str *out,
    struct mw_err *err)
{
	struct seal *s = seal_new(state_dir);
	bool ca = str_eq(what, "ca.key"), ok;

	if (!ca && !str_starts(what, "ssh/"))
		ok = err_set(err, MW_INVALID, 0,
		    "what can be unsealed is ca.key or ssh/NAME");
	else
		ok = seal_get_as(s, ca ? SEAL_CA : SEAL_SSH,
		    ca ? CA_NAME : what + strlen("ssh/"), out, err);
	seal_free(s);
	return ok;
}

static bool
load(struct ca *ca, struct mw_err *err)
{
	char *key = xasprintf("%s/ca.key", ca->dir);
	char *cert = xasprintf("%s/ca.pem", ca->dir);
	bool ok;

	/* The certificate is written last: with it the CA is complete. */
	if (access(cert, F_OK) < 0 && errno == ENOENT)
		ok = make(ca, cert, err);
	else
		ok = read_key(ca, key, err) &&
		    file_read(cert, PEM_MAX, &ca->cert, err);
	free(key);
	free(cert);
	return ok || err_wrap(err, "private CA");
}

/* A plain one is newer than a sealed one: it was put back. */
static bool
read_key(struct ca *ca, const char *plain, struct mw_err *err)
{
	if (access(plain, F_OK) == 0)
		return file_read(plain, PEM_MAX, &ca->key, err);
	return seal_get_as(ca->seal, SEAL_CA, CA_NAME, &ca->key, err);
}

static bool
make(struct ca *ca, const char *cert_file, struct mw_err *err)
{
	if (!tls_key_new(&ca->key, err) ||
	    !tls_ca_new(str_cstr(&ca->key), ca->deployment, &ca->cert, err) ||
	    !seal_put_as(ca->seal, SEAL_CA, CA_NAME, ca->key.p, ca->key.len,
		err) ||
	    !file_write(cert_file, ca->cert.p, ca->cert.len, 0644, err))
		return false;
	log_info("ca", NULL, "made the private CA\tfile=%s", cert_file);
	return true;
}

/* Of an earlier version, or put back from a copy: it is sealed, and goes when
 * that is durable. None is fine. */
static bool
seal_plain(struct ca *ca, enum seal_kind kind, const char *name,
    const char *path, struct mw_err *err)
{
	struct str text = STR_INIT;
	bool ok;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return true;
	ok = file_read(path, PEM_MAX, &text, err) &&
	    seal_put_as(ca->seal, kind, name, text.p, text.len, err);
	if (ok && unlink(path) < 0)
		ok = err_set(err, MW_INTERNAL, errno, "cannot remove %s: %s",
		    path, strerror(errno));
	if (ok)
		log_info("ca", NULL, "a plain key is sealed now\tfile=%s",
		    path);
	wipe(&text);
	return ok;
}

static bool
seal_folder(struct ca *ca, const char *dir, struct mw_err *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool ok = true;

	while (ok && d && (e = readdir(d))) {
		char *path;

		/* names with a suffix are no ids */
		if (!id_valid(e->d_name))
			continue;
		path = key_path(ca, e->d_name, "");
		ok = seal_plain(ca, SEAL_SSH, e->d_name, path, err);
		free(path);
	}
	if (d)
		closedir(d);
	return ok || err_wrap(err, "SSH keys");
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
make_pair(const struct ca *ca, const char *pub, const char *key_id,
    struct mw_err *err)
{
	struct str private_pem = STR_INIT, public_line = STR_INIT;
	bool ok;

	ok = ssh_key_new(key_id, &private_pem, &public_line, err) &&
	    seal_put_as(ca->seal, SEAL_SSH, key_id, private_pem.p,
		private_pem.len, err) &&
	    file_write(pub, public_line.p, public_line.len, 0644, err);
	wipe(&private_pem);
	str_free(&public_line);
	return ok;
}
