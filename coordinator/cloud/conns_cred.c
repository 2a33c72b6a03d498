/*
 * conns_cred.c - see conns_cred.h.
 */
#include "coordinator/cloud/conns_cred.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/cloud/conns_int.h"
#include "coordinator/coord.h"
#include "drivers/seal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 16384
#define FILE_PREFIX "file:"
#define EXEC_PREFIX "exec:"
#define SEALED_PREFIX "sealed:"

/* Links resolved: what is opened later may be another file only if somebody
 * with rights on this machine changes it. */
static bool
in_folder(const char *path, const char *dir)
{
	char *p = realpath(path, NULL), *d = realpath(dir, NULL);
	size_t n = d ? strlen(d) : 0;
	bool is = p && d && n > 0 &&
	    (strcmp(d, "/") == 0 || (strncmp(p, d, n) == 0 && p[n] == '/'));

	free(p);
	free(d);
	return is;
}

static bool
check_file(const struct conns *cs, const char *path, struct mw_err *err)
{
	const char *dir = cs->c->conf.cred_dir;

	if (path[0] != '/') {
		err_set(err, MW_INVALID, 0,
		    "file:%s is no whole path: the coordinator runs in a "
		    "folder of its own",
		    path);
		return err_hint(err, "name it from the root: file:%s/...", dir);
	}
	if (in_folder(path, dir))
		return true;
	err_set(err, MW_DENIED, 0,
	    "credential files are read from %s only, and this is none of "
	    "them",
	    dir);
	return err_hint(err,
	    "seal it: milkyway connection add NAME ... --credential-stdin "
	    "<FILE; or milkywayd --set credentials.dir=DIR");
}

bool
conns_may_use(const struct conns *cs, const char *ref, struct mw_err *err)
{
	if (!ref || !str_starts(ref, EXEC_PREFIX) || cs->c->conf.cred_exec)
		return true;
	err_set(err, MW_DENIED, 0,
	    "exec: would let whoever has an admin's API token run programs as "
	    "the coordinator's user: it is switched off");
	return err_hint(err,
	    "milkywayd --set credentials.exec=true, if that is what you want");
}

bool
conns_ref_check(const struct conns *cs, const char *ref, struct mw_err *err)
{
	if (!ref)
		return true;
	return cred_check_ref(ref, err) && conns_may_use(cs, ref, err) &&
	    (!str_starts(ref, FILE_PREFIX) ||
		check_file(cs, ref + strlen(FILE_PREFIX), err));
}

bool
conns_secret_check(const json_t *secret, struct mw_err *err)
{
	const char *key;
	const json_t *v;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)secret, key, v)
	{
		size_t len = json_string_length(v);

		n++;
		if (!json_is_string(v) || len == 0 || len > TEXT_MAX ||
		    strlen(json_string_value(v)) != len) {
			err_set(err, MW_INVALID, 0,
			    "each field of a secret is a text of 1 to %d bytes",
			    TEXT_MAX);
			return err_pointer(err, "/secret");
		}
	}
	if (n > 0 && n <= CRED_FIELDS_MAX)
		return true;
	err_set(err, MW_INVALID, 0,
	    "a secret is an object of 1 to %d texts, e.g. ClientId and "
	    "ClientSecret",
	    CRED_FIELDS_MAX);
	return err_pointer(err, "/secret");
}

void
conns_secret_text(json_t *secret, struct str *out)
{
	char *text = json_text(secret, false);
	const char *key;
	json_t *v;

	str_add(out, text);
	OPENSSL_cleanse(text, strlen(text));
	free(text);
	json_object_foreach(secret, key, v)
	    OPENSSL_cleanse((void *)(uintptr_t)json_string_value(v),
		json_string_length(v));
}

void
conns_secret_wipe(struct str *text)
{
	if (text->p)
		OPENSSL_cleanse(text->p, text->cap);
	str_free(text);
}

bool
conns_seal(struct conns *cs, const char *name, const struct str *text,
    struct mw_err *err)
{
	return seal_put(cs->seal, name, text->p, text->len, err);
}

void
conns_unseal(struct conns *cs, const char *ref)
{
	struct mw_err err = MW_ERR_INIT;

	if (!ref || !str_starts(ref, SEALED_PREFIX))
		return;
	for (size_t i = 0; i < cs->n; i++)
		if (str_eq(cs->v[i]->row.credential, ref))
			return;
	if (!seal_remove(cs->seal, ref + strlen(SEALED_PREFIX), &err))
		log_warn("conns", NULL, "%s", err.msg);
}
