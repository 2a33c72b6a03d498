/*
 * auth.c - see auth.h. Owns the token table (all rows are in memory) and the
 * rate buckets.
 */
#include "coordinator/auth.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/tls.h"
#include "coordinator/coord.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define ID_LEN 8
#define SECRET_LEN 43 /* 32 bytes in base64url */
#define TOKEN_LEN (3 + ID_LEN + 1 + SECRET_LEN)
#define BURST_S 2 /* a token may save up so many seconds */
#define FAIL_PER_MIN 5
#define FAIL_ADDRESSES 256

struct token {
	char id[ID_LEN + 1];
	uint8_t hash[32];
	enum auth_role role;
	int64_t expires; /* wall ns; 0: never */
	double bucket; /* full at first: bucket_at is long ago */
	int64_t bucket_at;
};

struct failures {
	char peer[48];
	int64_t since;
	unsigned n;
};

struct auth {
	struct coord *c;
	struct token **tokens;
	size_t n, cap;
	struct failures failed[FAIL_ADDRESSES];
};

struct put_args {
	struct token *t;
	const char *label;
};

static bool load(struct db *db, void *arg, struct mw_err *err);
static bool put(struct db *db, void *arg, struct mw_err *err);
static bool first_token(struct auth *a, struct mw_err *err);
static void make_text(char token[80]);
static bool add(struct auth *a, const char *text, const char *label,
    enum auth_role role, struct mw_err *err);
static struct token *find(struct auth *a, const char *text);
static bool take(struct token *t, double per_s);
static bool refuse(struct auth *a, const char *peer, struct mw_err *err);

static const char *const role_names[ROLE_COUNT] = { "open", "viewer", "bench",
	"operator", "admin" };

struct auth *
auth_new(struct coord *c, struct mw_err *err)
{
	struct auth *a = xcalloc(1, sizeof *a);

	a->c = c;
	if (!store_run_now(c->store, load, a, err) ||
	    (a->n == 0 && !first_token(a, err))) {
		auth_free(a);
		return NULL;
	}
	return a;
}

void
auth_free(struct auth *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->tokens[i]);
	free(a->tokens);
	free(a);
}

bool
auth_token_make(struct auth *a, const char *label, enum auth_role role,
    char token[80], struct mw_err *err)
{
	make_text(token);
	return add(a, token, label, role, err);
}

bool
auth_check(struct auth *a, const char *header, const char *peer,
    enum auth_role need, const char **who, struct mw_err *err)
{
	static const char scheme[] = "Bearer ";
	struct token *t;

	*who = NULL;
	if (need == ROLE_OPEN)
		return true;
	if (!header || !str_starts(header, scheme)) {
		err_set(err, MW_DENIED, 0, "a token is needed");
		return err_hint(err,
		    "send \"Authorization: Bearer mw_...\"; the first token "
		    "is in the file \"token\" of the state directory");
	}
	t = find(a, header + sizeof scheme - 1);
	if (!t)
		return refuse(a, peer, err);
	*who = t->id;
	if (t->role < need)
		return err_set(err, MW_DENIED, 0,
		    "this token has the role %s, %s is needed",
		    role_names[t->role], role_names[need]);
	if (!take(t, (double)a->c->conf.api_rate))
		return err_set(err, MW_LIMIT, 0,
		    "more than %d requests a second with this token",
		    (int)a->c->conf.api_rate);
	return true;
}

const char *
auth_role_name(enum auth_role role)
{
	return role_names[role];
}

static bool
load(struct db *db, void *arg, struct mw_err *err)
{
	struct auth *a = arg;
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT id, hash, role, expires FROM token");

	while (db_row(db, st, err)) {
		int64_t role = sqlite3_column_int64(st, 2);
		struct token *t;

		if (sqlite3_column_bytes(st, 1) != 32 ||
		    strlen(db_text(st, 0)) != ID_LEN || role <= ROLE_OPEN ||
		    role >= ROLE_COUNT)
			return err_set(err, MW_INTERNAL, 0,
			    "a token in the database is damaged");
		VEC_GROW(a->tokens, a->n, a->cap);
		t = a->tokens[a->n++] = xcalloc(1, sizeof *t);
		*t = (struct token){
			.role = (enum auth_role)role,
			.expires = sqlite3_column_int64(st, 3),
		};
		str_copy(t->id, sizeof t->id, db_text(st, 0));
		memcpy(t->hash, sqlite3_column_blob(st, 1), 32);
	}
	return err->code == MW_OK;
}

static bool
put(struct db *db, void *arg, struct mw_err *err)
{
	const struct put_args *p = arg;
	sqlite3_stmt *st = db_stmt(db,
	    "INSERT INTO token(id, hash, label, role, created) "
	    "VALUES(?, ?, ?, ?, ?)");

	db_bind(st, "sbsii", p->t->id, p->t->hash, sizeof p->t->hash, p->label,
	    (int64_t)p->t->role, clock_wall_ns());
	return db_exec(db, st, err);
}

/* The file comes first: a crash in between only makes another token. */
static bool
first_token(struct auth *a, struct mw_err *err)
{
	char *path = xasprintf("%s/token", a->c->conf.state_dir);
	char text[80];
	bool ok;

	make_text(text);
	text[TOKEN_LEN] = '\n';
	ok = file_write(path, text, TOKEN_LEN + 1, 0600, err);
	text[TOKEN_LEN] = 0;
	ok = ok && add(a, text, "first start", ROLE_ADMIN, err);
	if (ok)
		log_info("auth", NULL, "made the first token\tfile=%s", path);
	OPENSSL_cleanse(text, sizeof text);
	free(path);
	return ok;
}

static void
make_text(char token[80])
{
	uint8_t raw[32], id[ID_LEN / 2];
	struct str s = STR_INIT;
	char b64[48];

	clock_random(raw, sizeof raw);
	clock_random(id, sizeof id);
	str_add(&s, "mw_");
	str_add_hex(&s, id, sizeof id);
	str_addc(&s, '_');
	EVP_EncodeBlock((unsigned char *)b64, raw, sizeof raw);
	for (size_t i = 0; i < SECRET_LEN; i++)
		b64[i] = b64[i] == '+' ? '-' : b64[i] == '/' ? '_' : b64[i];
	str_addn(&s, b64, SECRET_LEN);
	str_copy(token, 80, str_cstr(&s));
	OPENSSL_cleanse(raw, sizeof raw);
	OPENSSL_cleanse(b64, sizeof b64);
	OPENSSL_cleanse(s.p, s.len);
	str_free(&s);
}

static bool
add(struct auth *a, const char *text, const char *label, enum auth_role role,
    struct mw_err *err)
{
	struct token t = { .role = role };
	struct put_args args = { &t, label };

	memcpy(t.id, text + 3, ID_LEN);
	digest_sha256(text, TOKEN_LEN, t.hash);
	if (!store_run_now(a->c->store, put, &args, err))
		return false;
	VEC_GROW(a->tokens, a->n, a->cap);
	a->tokens[a->n++] = xmemdup(&t, sizeof t);
	return true;
}

static struct token *
find(struct auth *a, const char *text)
{
	uint8_t hash[32];

	if (strlen(text) != TOKEN_LEN || !str_starts(text, "mw_"))
		return NULL;
	digest_sha256(text, TOKEN_LEN, hash);
	for (size_t i = 0; i < a->n; i++) {
		struct token *t = a->tokens[i];

		if (memcmp(t->id, text + 3, ID_LEN) == 0 &&
		    tls_equal(t->hash, hash, sizeof hash) &&
		    (!t->expires || t->expires > clock_wall_ns()))
			return t;
	}
	return NULL;
}

static bool
take(struct token *t, double per_s)
{
	int64_t now = clock_mono_ns();

	t->bucket += (double)(now - t->bucket_at) / 1e9 * per_s;
	if (t->bucket > BURST_S * per_s)
		t->bucket = BURST_S * per_s;
	t->bucket_at = now;
	if (t->bucket < 1)
		return false;
	t->bucket -= 1;
	return true;
}

/* Only failures are counted: a good token is never kept out by them. */
static bool
refuse(struct auth *a, const char *peer, struct mw_err *err)
{
	int64_t now = clock_mono_ns();
	struct failures *f = &a->failed[0];

	for (size_t i = 0; i < FAIL_ADDRESSES; i++) {
		if (str_eq(a->failed[i].peer, peer)) {
			f = &a->failed[i];
			break;
		}
		if (a->failed[i].since < f->since)
			f = &a->failed[i]; /* the oldest gives way */
	}
	if (!str_eq(f->peer, peer) || now - f->since > 60 * NS_PER_S) {
		str_copy(f->peer, sizeof f->peer, peer);
		f->since = now;
		f->n = 0;
	}
	if (++f->n > FAIL_PER_MIN)
		return err_set(err, MW_LIMIT, 0,
		    "too many wrong tokens from this address; wait a minute");
	log_warn("auth", NULL, "wrong token\tpeer=%s", peer);
	return err_set(err, MW_DENIED, 0, "this token is not known or expired");
}
