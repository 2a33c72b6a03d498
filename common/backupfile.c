/*
 * backupfile.c - see backupfile.h. POSIX.1-1988 ustar, sizes over 8 GiB in
 * GNU's base-256 form; nothing is read that the manifest does not name.
 */
#include "common/backupfile.h"

#include "common/digest.h"
#include "common/file.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"
#include "common/pure/str.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512
#define MANIFEST_MAX 65536
#define OCTAL_MAX INT64_C(0x1ffffffff) /* 11 digits */

static const char manifest_name[] = "manifest.json";
static const char db_name[] = "milkyway.db";

/* ---- headers ------------------------------------------------------------- */

static void
put_octal(uint8_t *p, size_t digits, int64_t v)
{
	for (size_t i = digits; i-- > 0; v >>= 3)
		p[i] = (uint8_t)('0' + (v & 7));
}

static unsigned
checksum(const uint8_t h[BLOCK])
{
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return sum;
}

static void
header_make(uint8_t h[BLOCK], const char *name, int64_t size)
{
	memset(h, 0, BLOCK);
	memcpy(h, name, strlen(name));
	put_octal(h + 100, 7, 0600);
	put_octal(h + 108, 7, 0);
	put_octal(h + 116, 7, 0);
	put_octal(h + 124, 11, size);
	if (size > OCTAL_MAX) {
		for (size_t i = 12; i-- > 0; size >>= 8)
			h[124 + i] = (uint8_t)(size & 0xff);
		h[124] |= 0x80;
	}
	put_octal(h + 136, 11, 0);
	h[156] = '0';
	memcpy(h + 257,
	    "ustar\0"
	    "00",
	    8);
	put_octal(h + 148, 6, checksum(h));
	h[155] = ' ';
}

static bool
get_octal(const uint8_t *p, size_t n, int64_t *out)
{
	int64_t v = 0;

	for (size_t i = 0; i < n && p[i] && p[i] != ' '; i++) {
		if (p[i] < '0' || p[i] > '7')
			return false;
		v = v << 3 | (p[i] - '0');
	}
	*out = v;
	return true;
}

static bool
header_read(const uint8_t h[BLOCK], const char *name, int64_t *size)
{
	int64_t sum;

	if (!get_octal(h + 148, 6, &sum) || sum != (int64_t)checksum(h) ||
	    h[156] != '0' || memcmp(h + 257, "ustar", 5) != 0 ||
	    memcmp(h, name, strlen(name) + 1) != 0)
		return false;
	if (!(h[124] & 0x80))
		return get_octal(h + 124, 11, size);
	*size = 0;
	for (size_t i = 4; i < 12; i++)
		*size = *size << 8 | h[124 + i];
	return *size >= 0 && h[124] == 0x80;
}

/* ---- bytes --------------------------------------------------------------- */

static bool
io_err(struct mw_err *err, const char *what, const char *path)
{
	return err_set(err,
	    errno == ENOSPC       ? MW_LIMIT
		: errno == ENOENT ? MW_NOT_FOUND
				  : MW_INTERNAL,
	    errno, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool
read_all(int fd, void *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t k = read(fd, (char *)p + at, n - at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		at += (size_t)k;
	}
	return true;
}

/* n bytes of in: hashed, and written to out unless it is -1. *wrote tells
 * which side failed. */
static bool
pump(int in, int out, int64_t n, char hex[65], bool *wrote)
{
	unsigned char buf[65536], digest[32];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = true;

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	*wrote = true;
	while (ok && n > 0) {
		size_t k = n < (int64_t)sizeof buf ? (size_t)n : sizeof buf;

		ok = read_all(in, buf, k);
		if (ok && EVP_DigestUpdate(md, buf, k) != 1)
			abort();
		if (ok && out >= 0)
			ok = *wrote = file_write_all(out, buf, k);
		n -= (int64_t)k;
	}
	if (EVP_DigestFinal_ex(md, digest, NULL) != 1)
		abort();
	EVP_MD_CTX_free(md);
	digest_hex(digest, sizeof digest, hex);
	return ok;
}

static bool
pad(int fd, int64_t size)
{
	static const uint8_t zeros[BLOCK];

	return size % BLOCK == 0 ||
	    file_write_all(fd, zeros, (size_t)(BLOCK - size % BLOCK));
}

/* ---- writing ------------------------------------------------------------- */

static char *
manifest_text(const struct backup_info *in)
{
	json_t *j = json_object();
	char *text;

	json_put_int(j, "format", BACKUPFILE_FORMAT);
	json_put_str(j, "deployment", in->deployment);
	json_put_str(j, "version", in->version);
	json_put_str(j, "madeAt", in->made_at);
	json_put_int(j, "schema", in->schema);
	json_put_int(j, "epoch", in->epoch);
	json_put_int(j, "dbBytes", in->db_bytes);
	json_put_str(j, "dbSha256", in->db_sha256);
	text = json_pretty(j);
	json_decref(j);
	return text;
}

static bool
write_members(int fd, int db, const struct backup_info *info)
{
	static const uint8_t end[2 * BLOCK];
	char *text = manifest_text(info), hex[65];
	uint8_t h[BLOCK];
	bool ok, wrote;

	header_make(h, manifest_name, (int64_t)strlen(text));
	ok = file_write_all(fd, h, BLOCK) &&
	    file_write_all(fd, text, strlen(text)) &&
	    pad(fd, (int64_t)strlen(text));
	header_make(h, db_name, info->db_bytes);
	ok = ok && file_write_all(fd, h, BLOCK) &&
	    pump(db, fd, info->db_bytes, hex, &wrote) &&
	    pad(fd, info->db_bytes) && file_write_all(fd, end, sizeof end) &&
	    fsync(fd) == 0;
	free(text);
	return ok;
}

bool
backupfile_write(const char *path, const char *db_path,
    struct backup_info *info, struct mw_err *err)
{
	char *tmp = xasprintf("%s.tmp", path);
	int db = open(db_path, O_RDONLY | O_CLOEXEC), fd = -1;
	struct stat st;
	bool ok = false, wrote;

	if (db < 0 || fstat(db, &st) != 0) {
		io_err(err, "read", db_path);
		goto out;
	}
	info->db_bytes = (int64_t)st.st_size;
	if (!pump(db, -1, info->db_bytes, info->db_sha256, &wrote) ||
	    lseek(db, 0, SEEK_SET) != 0) {
		io_err(err, "read", db_path);
		goto out;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	ok = fd >= 0 && fchmod(fd, 0600) == 0 && write_members(fd, db, info) &&
	    rename(tmp, path) == 0;
	if (!ok) {
		io_err(err, "write", path);
		unlink(tmp);
	}
out:
	if (fd >= 0)
		close(fd);
	if (db >= 0)
		close(db);
	free(tmp);
	return ok;
}

/* ---- reading ------------------------------------------------------------- */

static bool
damaged(struct mw_err *err, const char *path, const char *what)
{
	return err_set(err, MW_INVALID, 0, "%s: %s", path, what);
}

static bool
manifest_parse(const char *text, size_t n, struct backup_info *info,
    struct mw_err *err)
{
	json_t *j = json_parse(text, n, MANIFEST_MAX, err);
	const char *dep, *version, *at, *sha;
	struct json_at root;
	int64_t format;
	bool ok;

	if (!j)
		return false;
	ok = json_at_root(&root, j, err) &&
	    json_get_int(&root, "format", false, 0, 1, BACKUPFILE_FORMAT,
		&format, err) &&
	    json_get_str(&root, "deployment", true, sizeof info->deployment - 1,
		&dep, err) &&
	    json_get_str(&root, "version", true, sizeof info->version - 1,
		&version, err) &&
	    json_get_str(&root, "madeAt", true, sizeof info->made_at - 1, &at,
		err) &&
	    json_get_int(&root, "schema", false, 0, 1, 1000000, &info->schema,
		err) &&
	    json_get_int(&root, "epoch", true, 0, 0, INT64_MAX, &info->epoch,
		err) &&
	    json_get_int(&root, "dbBytes", false, 0, 512, INT64_MAX,
		&info->db_bytes, err) &&
	    json_get_str(&root, "dbSha256", true, 64, &sha, err);
	if (ok) {
		str_copy(info->deployment, sizeof info->deployment, dep);
		str_copy(info->version, sizeof info->version, version);
		str_copy(info->made_at, sizeof info->made_at, at);
		str_copy(info->db_sha256, sizeof info->db_sha256, sha);
	}
	json_decref(j);
	return ok;
}

static bool
read_manifest(int fd, const char *path, struct backup_info *info,
    struct mw_err *err)
{
	char text[MANIFEST_MAX];
	uint8_t h[BLOCK];
	int64_t size;
	size_t whole;

	if (!read_all(fd, h, BLOCK) || !header_read(h, manifest_name, &size) ||
	    size < 2 || size > MANIFEST_MAX - BLOCK)
		return damaged(err, path, "not a backup of Milkyway");
	whole = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
	if (!read_all(fd, text, whole))
		return damaged(err, path, "the backup is cut off");
	return manifest_parse(text, (size_t)size, info, err) ||
	    err_wrap(err, "%s: manifest", path);
}

bool
backupfile_read(const char *path, int out_fd, struct backup_info *info,
    struct mw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t h[BLOCK];
	int64_t size;
	char hex[65];
	bool ok = false, wrote;

	memset(info, 0, sizeof *info);
	if (fd < 0)
		return io_err(err, "read", path);
	if (!read_manifest(fd, path, info, err))
		goto out;
	if (!read_all(fd, h, BLOCK) || !header_read(h, db_name, &size) ||
	    size != info->db_bytes) {
		damaged(err, path, "the backup is damaged");
	} else if (!pump(fd, out_fd, size, hex, &wrote)) {
		if (wrote)
			damaged(err, path, "the backup is cut off");
		else
			io_err(err, "write", "the database");
	} else if (strcmp(hex, info->db_sha256) != 0) {
		damaged(err, path,
		    "the backup is damaged: its database has another SHA-256 "
		    "than the manifest says");
	} else {
		ok = true;
	}
out:
	close(fd);
	return ok;
}
