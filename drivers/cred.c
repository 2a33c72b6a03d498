/*
 * cred.c - see cred.h. Owns the lookups under way; a program's output is wiped
 * as soon as it is read.
 */
#include "drivers/cred.h"

#include "common/child.h"
#include "common/json.h"
#include "common/pure/alloc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX 16
#define OTHERS_MAX 3 /* fields that are named although we know none such */
#define NAME_MAX_N 40
#define SAID_MAX 120 /* of what a program says on stderr */
#define VALUE_MAX 16384 /* a private key in PEM form is 3 KiB */

struct lookup {
	const struct cred_vault *vault;
	char *ref;
	const struct cred_field *fields;
	size_t nfields;
	cred_done_fn done;
	void *arg;
	struct cred *cred;
	struct mw_err err;
};

static void run(void *p);
static void end(struct lookup *k);

/* ---- what was found ------------------------------------------------------ */

void
cred_free(struct cred *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		OPENSSL_cleanse(c->v[i].value, strlen(c->v[i].value));
		free(c->v[i].value);
	}
	free(c->others);
	free(c);
}

const char *
cred_value(const struct cred *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->v[i].name, name) == 0)
			return c->v[i].value;
	}
	return NULL;
}

static void
put(struct cred *c, const char *name, const char *value)
{
	if (c->n == CRED_FIELDS_MAX)
		abort(); /* a table of ours is too long */
	c->v[c->n].name = name;
	c->v[c->n++].value = xstrdup(value);
}

/* Those that are expected. Always returns false. */
static bool
hint_fields(struct mw_err *err, const struct cred_field *fields, size_t n)
{
	struct str s = STR_INIT;

	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%s%s%s", i ? ", " : "", fields[i].name,
		    fields[i].required ? "" : " (optional)");
	err_hint(err, "a JSON object of texts: %s", str_cstr(&s));
	str_free(&s);
	return false;
}

static bool
complete(const struct cred *c, const struct cred_field *fields, size_t n,
    bool env, struct mw_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!fields[i].required || cred_value(c, fields[i].name))
			continue;
		if (!env) {
			err_set(err, MW_INVALID, 0,
			    "the credential has no field %s%s%s",
			    fields[i].name, c->others ? ", but has " : "",
			    c->others ? c->others : "");
			return hint_fields(err, fields, n);
		}
		err_set(err, MW_INVALID, 0, "the variable %s is not set",
		    fields[i].env ? fields[i].env : fields[i].name);
		return err_hint(err,
		    "it must be set for milkywayd, not for this shell; or use "
		    "--credential-stdin");
	}
	return true;
}

/* A misspelt name is best found by its owner. */
static void
note_others(struct cred *c, json_t *j, const struct cred_field *fields,
    size_t nfields)
{
	struct str s = STR_INIT;
	size_t n = 0, i;
	const char *key;
	json_t *v;

	json_object_foreach(j, key, v)
	{
		for (i = 0; i < nfields; i++)
			if (strcmp(key, fields[i].name) == 0)
				break;
		if (i < nfields || n++ >= OTHERS_MAX)
			continue;
		str_addf(&s, "%s", s.len ? ", " : "");
		str_add_escaped(&s, key, strlen(key), NAME_MAX_N);
	}
	if (s.len)
		c->others = str_take(&s);
	str_free(&s);
}

/* jansson's own copy of a value. */
static void
wipe(json_t *j)
{
	const char *key;
	json_t *v;

	json_object_foreach(j, key, v)
	{
		if (json_is_string(v))
			OPENSSL_cleanse((void *)(uintptr_t)json_string_value(v),
			    json_string_length(v));
	}
	json_decref(j);
}

struct cred *
cred_parse(const char *text, size_t n, const struct cred_field *fields,
    size_t nfields, struct mw_err *err)
{
	struct mw_err quiet = MW_ERR_INIT;
	json_t *j = json_parse(text, n, CRED_TEXT_MAX, &quiet);
	struct cred *c = xcalloc(1, sizeof *c);

	/* the parser's own message would quote what it found */
	if (!j || !json_is_object(j)) {
		err_set(err, MW_INVALID, 0,
		    "the credential is not a JSON object of at most %d bytes",
		    CRED_TEXT_MAX);
		hint_fields(err, fields, nfields);
		goto bad;
	}
	note_others(c, j, fields, nfields);
	for (size_t i = 0; i < nfields; i++) {
		json_t *v = json_object_get(j, fields[i].name);
		const char *s = json_string_value(v);

		if (!v)
			continue;
		if (!s || !*s || strlen(s) != json_string_length(v) ||
		    strlen(s) > VALUE_MAX) {
			err_set(err, MW_INVALID, 0,
			    "field %s of the credential is not a text",
			    fields[i].name);
			hint_fields(err, fields, nfields);
			goto bad;
		}
		put(c, fields[i].name, s);
	}
	if (!complete(c, fields, nfields, false, err))
		goto bad;
	wipe(j);
	return c;
bad:
	if (j)
		wipe(j);
	cred_free(c);
	return NULL;
}

/* ---- the forms ----------------------------------------------------------- */

static bool
read_all(int fd, struct str *out, struct mw_err *err)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0 && out->len <= CRED_TEXT_MAX)
		str_addn(out, buf, (size_t)n);
	OPENSSL_cleanse(buf, sizeof buf);
	return n == 0 ||
	    err_set(err, MW_INVALID, 0,
		"the credential cannot be read, or is too large");
}

static bool
from_file(struct lookup *k, const char *path, struct str *json)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool ok;

	if (fd < 0 || fstat(fd, &st) < 0) {
		bool no = errno == EACCES;

		err_set(&k->err, no ? MW_DENIED : MW_NOT_FOUND, errno,
		    "cannot open %s: %s", path, strerror(errno));
		err_hint(&k->err, "%s",
		    no ? "the user of milkywayd must be able to read it"
		       : "put it there; or use --credential-stdin");
		if (fd >= 0)
			close(fd);
		return false;
	}
	ok = S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 &&
	    (st.st_uid == geteuid() || st.st_uid == 0);
	if (!ok) {
		err_set(&k->err, MW_DENIED, 0,
		    "others may read %s, or it is not ours", path);
		err_hint(&k->err, "chmod 400 %s", path);
	}
	ok = ok && read_all(fd, json, &k->err);
	close(fd);
	return ok;
}

static bool
from_vault(struct lookup *k, const char *name, struct str *json)
{
	if (!k->vault)
		return err_set(&k->err, MW_UNSUPPORTED, 0,
		    "only a coordinator keeps sealed credentials");
	return k->vault->unseal(k->vault->ctx, name, json, &k->err);
}

/* No text in between. */
static bool
from_env(struct lookup *k, const char *rest, struct str *json)
{
	struct cred *c = xcalloc(1, sizeof *c);

	(void)rest;
	(void)json;
	for (size_t i = 0; i < k->nfields; i++) {
		const char *v =
		    k->fields[i].env ? getenv(k->fields[i].env) : NULL;

		if (v && *v)
			put(c, k->fields[i].name, v);
	}
	if (complete(c, k->fields, k->nfields, true, &k->err))
		k->cred = c;
	else
		cred_free(c);
	return k->cred != NULL;
}

/* The first line on stderr, what can be printed of it. */
static void
add_said(struct str *s, const struct str *said)
{
	const char *p = str_cstr(said);
	size_t n = 0;

	while (*p && isspace((unsigned char)*p))
		p++;
	while (n < SAID_MAX && isprint((unsigned char)p[n]))
		n++;
	if (n > 0)
		str_addf(s, ": %.*s", (int)n, p);
}

static void
exec_failed(struct lookup *k, const struct child_end *e)
{
	const char *prog = k->ref + strlen("exec:");
	struct str s = STR_INIT;
	int n;

	prog += strspn(prog, " \t");
	n = (int)strcspn(prog, " \t");
	n = n < SAID_MAX ? n : SAID_MAX;
	if (e->timed_out)
		str_addf(&s, "the program %.*s gave no secret within %d s", n,
		    prog, CRED_WAIT_MS / 1000);
	else if (e->cut)
		str_addf(&s, "the program %.*s printed more than %d bytes", n,
		    prog, CRED_TEXT_MAX);
	else
		str_addf(&s, "the program %.*s ended with %s %d", n, prog,
		    e->exited ? "status" : "signal", e->code);
	if (!e->cut)
		add_said(&s, &e->err);
	err_set(&k->err,
	    e->timed_out ? MW_TIMEOUT
		: e->cut ? MW_INVALID
			 : MW_REMOTE,
	    0, "%s", str_cstr(&s));
	err_hint(&k->err,
	    "run it as the user of milkywayd; it gets PATH, HOME and LC_ALL=C "
	    "alone");
	str_free(&s);
}

static void
on_exec(struct child *child, const struct child_end *e, void *arg)
{
	struct lookup *k = arg;

	(void)child;
	if (e->timed_out || e->cut || !e->exited || e->code != 0)
		exec_failed(k, e);
	else
		k->cred = cred_parse(str_cstr(&e->out), e->out.len, k->fields,
		    k->nfields, &k->err);
	if (e->out.p)
		OPENSSL_cleanse(e->out.p, e->out.len);
	end(k);
}

static void
start_exec(struct lookup *k, struct loop *l, const char *rest)
{
	char *words = xstrdup(rest), *save = NULL, *w;
	const char *argv[ARGS_MAX + 1];
	struct child_conf conf = { .argv = argv,
		.output_max = CRED_TEXT_MAX,
		.deadline_ms = CRED_WAIT_MS,
		.pdeathsig = true,
		.strict = true };
	struct child *child;
	size_t n = 0;

	for (w = strtok_r(words, " \t", &save); w && n < ARGS_MAX;
	     w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	argv[n] = NULL;
	if (n == 0)
		err_set(&k->err, MW_INVALID, 0, "exec: names no program");
	else if (!child_start(l, &conf, on_exec, k, &child, &k->err))
		err_hint(&k->err,
		    "a path, or a name in the PATH of milkywayd, that its user "
		    "may run");
	if (k->err.code != MW_OK)
		loop_reap(l, run, k); /* tells what is in k->err */
	free(words);
}

static size_t
count_words(const char *s)
{
	size_t n = 0;

	for (s += strspn(s, " \t"); *s; s += strspn(s, " \t")) {
		s += strcspn(s, " \t");
		n++;
	}
	return n;
}

static const struct {
	const char *prefix;
	bool (*get)(struct lookup *k, const char *rest, struct str *json);
} forms[] = {
	{ "file:", from_file },
	{ "env:", from_env },
	{ "exec:", NULL }, /* takes its time: start_exec() */
	{ "sealed:", from_vault },
};

/* ---- lookups ------------------------------------------------------------- */

void
cred_none(const struct mw_err *err, struct mw_err *out)
{
	char *text = xasprintf("%s%s%s%s", CRED_NONE, err->msg,
	    err->hint[0] ? CRED_WAY : "", err->hint);

	err_set(out, err->code, err->sys, "%s", text);
	free(text);
}

bool
cred_check_ref(const char *ref, struct mw_err *err)
{
	for (size_t i = 0; ref && i < ARRAY_LEN(forms); i++) {
		const char *p = forms[i].prefix;

		if (!str_starts(ref, p) ||
		    !(ref[strlen(p)] || forms[i].get == from_env))
			continue;
		if (forms[i].get || count_words(ref + strlen(p)) <= ARGS_MAX)
			return true;
		err_set(err, MW_INVALID, 0,
		    "exec: takes a program and its arguments, %d words at most",
		    ARGS_MAX);
		return err_hint(err, "put them into a script");
	}
	return err_set(err, MW_INVALID, 0,
	    "a credential is file:PATH, env:, exec:PROGRAM or sealed:NAME");
}

static void
end(struct lookup *k)
{
	k->done(k->cred, &k->err, k->arg);
	free(k->ref);
	free(k);
}

static void
run(void *p)
{
	struct lookup *k = p;
	struct str json = STR_INIT;

	for (size_t i = 0; k->err.code == MW_OK && i < ARRAY_LEN(forms); i++) {
		const char *prefix = forms[i].prefix;

		if (!forms[i].get || !str_starts(k->ref, prefix))
			continue;
		if (forms[i].get(k, k->ref + strlen(prefix), &json) && !k->cred)
			k->cred = cred_parse(str_cstr(&json), json.len,
			    k->fields, k->nfields, &k->err);
	}
	if (json.p)
		OPENSSL_cleanse(json.p, json.cap);
	str_free(&json);
	end(k);
}

void
cred_get(struct loop *l, const struct cred_vault *vault, const char *ref,
    const struct cred_field *fields, size_t nfields, cred_done_fn done,
    void *arg)
{
	struct lookup *k = xcalloc(1, sizeof *k);

	k->vault = vault;
	k->ref = xstrdup(ref ? ref : "");
	k->fields = fields;
	k->nfields = nfields;
	k->done = done;
	k->arg = arg;
	k->err = (struct mw_err)MW_ERR_INIT;
	if (cred_check_ref(ref, &k->err) && str_starts(ref, "exec:"))
		start_exec(k, l, ref + strlen("exec:"));
	else
		loop_reap(l, run, k);
}
