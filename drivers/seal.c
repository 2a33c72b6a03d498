/*
 * seal.c - see seal.h. Owns the master key while the process runs; it is wiped
 * at the end.
 */
#include "drivers/seal.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "mwseal1\n"
#define MAGIC_N 8
#define VERSION_N 8 /* of the SHA-256 that names a key */
#define NONCE_N 12
#define TAG_N 16
#define HEAD_N (MAGIC_N + VERSION_N + NONCE_N)
#define FILE_MAX (HEAD_N + SEAL_TEXT_MAX + TAG_N)

static const struct {
	const char *aad;
	const char *folder, *suffix; /* of its files, in the state directory */
	const char *noun;
	const char *lost; /* the way out without it */
} kinds[SEAL_KINDS] = {
	[SEAL_CREDENTIAL] = { "credential", "credentials/", "",
	    "sealed credential", "add the connection again" },
	[SEAL_CA] = { "ca", "", ".key.sealed", "sealed key of the private CA",
	    "remove ca.pem and ca.key.sealed: a new CA is made, and agents are "
	    "installed anew" },
	[SEAL_SSH] = { "ssh", "ssh/", ".sealed", "sealed SSH key",
	    "without it nobody can log in to the VMs of that MCIS" },
};

struct seal {
	char *dir;
	struct cred_vault vault;
	bool loaded;
	uint8_t key[SEAL_KEY_BYTES];
	uint8_t version[VERSION_N];
};

static bool
unseal(void *ctx, const char *name, struct str *json, struct mw_err *err)
{
	return seal_get(ctx, name, json, err);
}

struct seal *
seal_new(const char *state_dir)
{
	struct seal *s = xcalloc(1, sizeof *s);

	s->dir = xstrdup(state_dir);
	s->vault = (struct cred_vault){ .ctx = s, .unseal = unseal };
	return s;
}

void
seal_free(struct seal *s)
{
	if (!s)
		return;
	OPENSSL_cleanse(s->key, sizeof s->key);
	free(s->dir);
	free(s);
}

const struct cred_vault *
seal_vault(struct seal *s)
{
	return &s->vault;
}

/* ---- the master key ------------------------------------------------------ */

/* A name for the key that tells nothing about it. */
static void
name_key(struct seal *s)
{
	static const char label[] = "milkyway seal key version";
	uint8_t text[sizeof label + SEAL_KEY_BYTES], hash[32];

	memcpy(text, label, sizeof label);
	memcpy(text + sizeof label, s->key, SEAL_KEY_BYTES);
	SHA256(text, sizeof text, hash);
	OPENSSL_cleanse(text, sizeof text);
	memcpy(s->version, hash, VERSION_N);
	s->loaded = true;
}

/* ENOENT is told in err->sys. */
static bool
read_key(struct seal *s, const char *path, bool ours, struct mw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	bool ok;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set(err, errno == ENOENT ? MW_NOT_FOUND : MW_DENIED, errno,
		    "cannot open the master key %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	ok = S_ISREG(st.st_mode) && (!ours || (st.st_mode & 077) == 0) &&
	    (st.st_uid == geteuid() || st.st_uid == 0);
	if (!ok) {
		err_set(err, MW_DENIED, 0,
		    "others may read the master key %s, or it is not ours",
		    path);
		err_hint(err, "chmod 400 %s", path);
	} else if (st.st_size != SEAL_KEY_BYTES ||
	    read(fd, s->key, SEAL_KEY_BYTES) != SEAL_KEY_BYTES) {
		ok = false;
		err_set(err, MW_DENIED, 0,
		    "the master key %s is not %d bytes long", path,
		    SEAL_KEY_BYTES);
	}
	close(fd);
	if (ok)
		name_key(s);
	return ok;
}

/* Durable before anything is sealed with it. */
static bool
make_key(struct seal *s, const char *path, struct mw_err *err)
{
	clock_random(s->key, sizeof s->key);
	if (!file_write(path, s->key, sizeof s->key, 0400, err))
		return false;
	name_key(s);
	return true;
}

static bool
has_files(const char *state_dir, const char *sub, const char *suffix)
{
	char *dir = xasprintf("%s/%s", state_dir, sub);
	size_t k = strlen(suffix);
	struct dirent *e;
	DIR *d = opendir(dir);
	bool is = false;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		is = is ||
		    (e->d_name[0] != '.' && n >= k &&
			strcmp(e->d_name + n - k, suffix) == 0);
	}
	if (d)
		closedir(d);
	free(dir);
	return is;
}

static bool
has_secrets(const struct seal *s)
{
	return has_files(s->dir, "credentials", "") ||
	    has_files(s->dir, "ssh", ".sealed") ||
	    has_files(s->dir, ".", ".key.sealed");
}

/* The key that somebody else keeps: systemd, or a file of that name. */
static bool
foreign_key(struct seal *s, struct mw_err *why)
{
	const char *systemd = getenv("CREDENTIALS_DIRECTORY");
	const char *named = getenv("MILKYWAY_SEAL_KEY");
	char *path;
	bool ok;

	if (named && *named) {
		if (read_key(s, named, true, why))
			return true;
		why->code = MW_DENIED; /* none is made instead */
		return err_hint(why, "$MILKYWAY_SEAL_KEY names it");
	}
	if (!systemd || !*systemd)
		return err_set(why, MW_NOT_FOUND, 0, "no such key");
	path = xasprintf("%s/milkyway-seal", systemd);
	ok = read_key(s, path, false, why);
	free(path);
	return ok;
}

/* A key that is lost is not replaced in silence: what it sealed is lost. */
static bool
need_key(struct seal *s, bool make, struct mw_err *err)
{
	struct mw_err why = MW_ERR_INIT;
	char *path;
	bool ok;

	if (s->loaded || foreign_key(s, &why))
		return true;
	if (why.code != MW_NOT_FOUND) {
		*err = why;
		return false;
	}
	path = xasprintf("%s/seal.key", s->dir);
	why = (struct mw_err)MW_ERR_INIT;
	ok = read_key(s, path, true, &why);
	if (!ok && why.code == MW_NOT_FOUND && make && !has_secrets(s)) {
		ok = make_key(s, path, err);
	} else if (!ok) {
		*err = why;
		if (!err->hint[0])
			err_hint(err,
			    "put the key back; without it what it sealed is "
			    "lost: docs/backup.md, \"Keys\"");
	}
	free(path);
	return ok;
}

/* ---- sealing ------------------------------------------------------------- */

static char *
path_of(const struct seal *s, enum seal_kind kind, const char *name)
{
	return xasprintf("%s/%s%s%s", s->dir, kinds[kind].folder, name,
	    kinds[kind].suffix);
}

static void
aad_of(const struct seal *s, enum seal_kind kind, const char *name,
    struct str *aad)
{
	str_addf(aad, "%s|%s|", kinds[kind].aad, name);
	str_add_hex(aad, s->version, VERSION_N);
}

/* enc: in = text, out = text + tag. Else the reverse; false: not authentic. */
static bool
gcm(const struct seal *s, enum seal_kind kind, const char *name, bool enc,
    const uint8_t *nonce, const uint8_t *in, size_t n, uint8_t *out,
    uint8_t tag[TAG_N])
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	struct str aad = STR_INIT;
	int len = 0, last = 0;
	bool ok;

	aad_of(s, kind, name, &aad);
	ok = x &&
	    EVP_CipherInit_ex(x, EVP_aes_256_gcm(), NULL, s->key, nonce, enc) ==
		1 &&
	    EVP_CipherUpdate(x, NULL, &len, (const uint8_t *)str_cstr(&aad),
		(int)aad.len) == 1 &&
	    EVP_CipherUpdate(x, out, &len, in, (int)n) == 1 &&
	    (enc ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_SET_TAG, TAG_N, tag) ==
		    1) &&
	    EVP_CipherFinal_ex(x, out + len, &last) == 1 &&
	    (!enc ||
		EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_GET_TAG, TAG_N, tag) == 1);
	EVP_CIPHER_CTX_free(x);
	str_free(&aad);
	return ok;
}

static bool
check_name(const char *name, struct mw_err *err)
{
	return id_valid(name) ||
	    err_set(err, MW_INVALID, 0,
		"a sealed credential's name is [a-z]([-a-z0-9]{0,61}[a-z0-9])?");
}

bool
seal_put(struct seal *s, const char *name, const void *text, size_t n,
    struct mw_err *err)
{
	return seal_put_as(s, SEAL_CREDENTIAL, name, text, n, err);
}

bool
seal_put_as(struct seal *s, enum seal_kind kind, const char *name,
    const void *text, size_t n, struct mw_err *err)
{
	uint8_t *box;
	char *dir, *path;
	bool ok;

	if (!check_name(name, err))
		return false;
	if (n == 0 || n > SEAL_TEXT_MAX)
		return err_set(err, MW_INVALID, 0,
		    "a secret is at most %d bytes long", SEAL_TEXT_MAX);
	if (!need_key(s, true, err))
		return false;
	box = xcalloc(1, HEAD_N + n + TAG_N);
	memcpy(box, MAGIC, MAGIC_N);
	memcpy(box + MAGIC_N, s->version, VERSION_N);
	clock_random(box + MAGIC_N + VERSION_N, NONCE_N);
	dir = xasprintf("%s/%s", s->dir, kinds[kind].folder);
	path = path_of(s, kind, name);
	ok = gcm(s, kind, name, true, box + MAGIC_N + VERSION_N, text, n,
		 box + HEAD_N, box + HEAD_N + n) ||
	    err_set(err, MW_INTERNAL, 0, "cannot seal a secret");
	ok = ok && file_mkdirs(dir, 0700, err) &&
	    file_write(path, box, HEAD_N + n + TAG_N, 0600, err);
	free(path);
	free(dir);
	free(box);
	return ok;
}

static bool
open_box(const struct seal *s, enum seal_kind kind, const char *name,
    const struct str *box, struct str *out, struct mw_err *err)
{
	const uint8_t *p = (const uint8_t *)str_cstr(box);
	size_t n = box->len - HEAD_N - TAG_N;
	uint8_t tag[TAG_N], *text;
	bool ok;

	if (box->len <= HEAD_N + TAG_N || memcmp(p, MAGIC, MAGIC_N) != 0) {
		err_set(err, MW_DENIED, 0, "the %s %s is damaged",
		    kinds[kind].noun, name);
		return err_hint(err, "put a copy of it back, or %s",
		    kinds[kind].lost);
	}
	if (memcmp(p + MAGIC_N, s->version, VERSION_N) != 0) {
		err_set(err, MW_DENIED, 0,
		    "the %s %s was sealed with another master key",
		    kinds[kind].noun, name);
		return err_hint(err, "put the former seal.key back, or %s",
		    kinds[kind].lost);
	}
	text = xcalloc(1, n + 1);
	memcpy(tag, p + HEAD_N + n, TAG_N);
	ok = gcm(s, kind, name, false, p + MAGIC_N + VERSION_N, p + HEAD_N, n,
	    text, tag);
	if (ok)
		str_addn(out, text, n);
	else
		err_set(err, MW_DENIED, 0,
		    "the %s %s is damaged, or it belongs to another name",
		    kinds[kind].noun, name);
	if (!ok)
		err_hint(err, "put a copy of it back, or %s", kinds[kind].lost);
	OPENSSL_cleanse(text, n);
	free(text);
	return ok;
}

bool
seal_get(struct seal *s, const char *name, struct str *out, struct mw_err *err)
{
	return seal_get_as(s, SEAL_CREDENTIAL, name, out, err);
}

bool
seal_get_as(struct seal *s, enum seal_kind kind, const char *name,
    struct str *out, struct mw_err *err)
{
	struct mw_err why = MW_ERR_INIT;
	struct str box = STR_INIT;
	char *path;
	bool ok;

	if (!check_name(name, err))
		return false;
	path = path_of(s, kind, name);
	ok = file_read(path, FILE_MAX, &box, &why);
	if (!ok) {
		err_set(err, why.code, why.sys, "%s %s %s (%s)",
		    why.code == MW_NOT_FOUND ? "there is no"
					     : "cannot read the",
		    kinds[kind].noun, name, path);
		err_hint(err, "put a copy of it back, or %s", kinds[kind].lost);
	}
	free(path);
	ok = ok && need_key(s, false, err) &&
	    open_box(s, kind, name, &box, out, err);
	str_free(&box);
	return ok;
}

bool
seal_remove(struct seal *s, const char *name, struct mw_err *err)
{
	return seal_remove_as(s, SEAL_CREDENTIAL, name, err);
}

bool
seal_remove_as(struct seal *s, enum seal_kind kind, const char *name,
    struct mw_err *err)
{
	char *path;
	bool ok;

	if (!check_name(name, err))
		return false;
	path = path_of(s, kind, name);
	ok = unlink(path) == 0 || errno == ENOENT ||
	    err_set(err, MW_INTERNAL, errno, "cannot remove %s: %s", path,
		strerror(errno));
	free(path);
	return ok;
}
