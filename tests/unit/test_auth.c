/*
 * test_auth.c - tokens, roles, rates; events and their history; the CA's
 * files. One store each, no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/tls.h"
#include "coordinator/auth.h"
#include "coordinator/ca.h"
#include "coordinator/coord.h"
#include "coordinator/store/db_events.h"
#include "coordinator/events.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct coord coord;
static char dir[64];
static int64_t fake_ns = 1000 * NS_PER_S;

static int64_t
fake_mono(void)
{
	return fake_ns;
}

static int64_t
fake_wall(void)
{
	return 1700000000 * NS_PER_S;
}

static void
open_all(void)
{
	struct mw_err err = MW_ERR_INIT;
	char path[128];

	coord.conf.state_dir = dir;
	coord.conf.api_rate = 500;
	coord.loop = loop_new();
	snprintf(path, sizeof path, "%s/db", dir);
	coord.store = store_open(coord.loop, path, &err);
	assert_non_null(coord.store);
	coord.auth = auth_new(&coord, &err);
	assert_non_null(coord.auth);
	coord.events = events_new(&coord, &err);
	assert_non_null(coord.events);
}

static void
close_all(void)
{
	store_close(coord.store);
	events_free(coord.events);
	auth_free(coord.auth);
	loop_free(coord.loop);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/mw-auth.XXXXXX");
	assert_non_null(mkdtemp(dir));
	open_all();
	return 0;
}

static int
teardown(void **state)
{
	struct mw_err err = MW_ERR_INIT;

	(void)state;
	clock_fake(NULL, NULL);
	close_all();
	assert_true(file_remove_tree(dir, &err));
	return 0;
}

static bool
may(const char *token, enum auth_role role, enum mw_code *code)
{
	struct mw_err err = MW_ERR_INIT;
	char header[128];
	const char *who;
	bool ok;

	snprintf(header, sizeof header, "Bearer %s", token);
	ok = auth_check(coord.auth, header, "127.0.0.1", role, &who, &err);
	assert_true(!ok || role == ROLE_OPEN || who != NULL);
	*code = err.code;
	return ok;
}

static void
first_start_writes_one_admin_token(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	char path[128];
	enum mw_code code;
	struct stat st;

	(void)state;
	snprintf(path, sizeof path, "%s/token", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(file_read(path, 1000, &text, &err));
	assert_int_equal(text.len, 3 + 8 + 1 + 43 + 1);
	text.p[--text.len] = 0;
	assert_true(may(text.p, ROLE_ADMIN, &code));
	close_all();
	open_all();
	assert_true(may(text.p, ROLE_ADMIN, &code));
	str_free(&text);
}

static void
roles_are_ordered(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char token[80];
	enum mw_code code;

	(void)state;
	for (int has = ROLE_VIEWER; has < ROLE_COUNT; has++) {
		assert_true(auth_token_make(coord.auth, "test",
		    (enum auth_role)has, token, &err));
		for (int need = ROLE_OPEN; need < ROLE_COUNT; need++)
			assert_int_equal(may(token, (enum auth_role)need,
					     &code),
			    has >= need);
	}
}

static void
wrong_texts_are_refused_then_slowed_down(void **state)
{
	static const char *const bad[] = { "", "x", "mw_", "mw_00000000_",
		"mw_00000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"\xff\xff" };
	struct mw_err err = MW_ERR_INIT;
	const char *who;
	char token[80];
	enum mw_code code;

	(void)state;
	clock_fake(fake_mono, fake_wall);
	assert_true(auth_token_make(coord.auth, "t", ROLE_VIEWER, token, &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(may(bad[i], ROLE_VIEWER, &code));
		assert_int_equal(code, i < 5 ? MW_DENIED : MW_LIMIT);
	}
	assert_true(may(token, ROLE_VIEWER, &code));
	fake_ns += 61 * NS_PER_S;
	assert_false(may("x", ROLE_VIEWER, &code));
	assert_int_equal(code, MW_DENIED);
	assert_false(
	    auth_check(coord.auth, NULL, "p", ROLE_VIEWER, &who, &err));
	assert_false(
	    auth_check(coord.auth, token, "p", ROLE_VIEWER, &who, &err));
}

static void
one_token_has_a_rate(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	char token[80];
	enum mw_code code = MW_OK;
	int passed = 0;

	(void)state;
	clock_fake(fake_mono, fake_wall);
	assert_true(auth_token_make(coord.auth, "t", ROLE_VIEWER, token, &err));
	while (may(token, ROLE_VIEWER, &code))
		passed++;
	assert_int_equal(code, MW_LIMIT);
	assert_in_range(passed, 900, 1100);
	fake_ns += NS_PER_S;
	assert_true(may(token, ROLE_VIEWER, &code));
}

static void
turn_until(uint64_t seq)
{
	int64_t end = clock_mono_ns() + 20 * NS_PER_S;

	while (events_last(coord.events) < seq && clock_mono_ns() < end)
		event_base_loop(loop_base(coord.loop), EVLOOP_ONCE);
	assert_true(events_last(coord.events) >= seq);
}

static bool
list_all(struct db *db, void *arg, struct mw_err *err)
{
	struct db_event_filter f = { .after = 2, .limit = 2, .types = "b,c" };
	int64_t next;

	return db_event_list(db, &f, arg, &next, err) && next == 5;
}

static void
events_keep_their_numbers_over_a_restart(void **state)
{
	static const char *const types[] = { "a", "b", "c" };
	struct mw_err err = MW_ERR_INIT;
	struct str items = STR_INIT;
	uint64_t seq = 0;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		struct event ev = { .type = types[i % 3], .ns = "default" };

		seq = events_emit(coord.events, &ev);
	}
	assert_int_equal(seq, 7);
	turn_until(7);
	close_all();
	open_all();
	assert_int_equal(events_last(coord.events), 7);
	/* a b c a b c a: after 2 the first two of b, c are 3 and 5 */
	assert_true(store_run_now(coord.store, list_all, &items, &err));
	assert_non_null(strstr(items.p, "\"seq\":3"));
	assert_non_null(strstr(items.p, "\"seq\":5"));
	assert_null(strstr(items.p, "\"seq\":6"));
	str_free(&items);
	seq = events_emit(coord.events, &(struct event){ .type = "d" });
	assert_int_equal(seq, 8);
	turn_until(8);
}

static void
the_ca_is_made_once_and_signs_for_its_uri_only(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str key = STR_INIT, csr = STR_INIT, cert = STR_INIT;
	struct ca *a, *b;
	char serial[33], *uri, path[128];
	struct stat st;
	SSL_CTX *ctx;

	(void)state;
	a = ca_open(dir, "adeploy", &err);
	assert_non_null(a);
	b = ca_open(dir, "adeploy", &err);
	assert_non_null(b);
	assert_string_equal(ca_bundle(a), ca_bundle(b));
	snprintf(path, sizeof path, "%s/ca.key", dir);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof path, "%s/ca.key.sealed", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	uri = ca_agent_uri(a, "default", "m1", 7, 2);
	assert_string_equal(uri, "mw://adeploy/default/m1/7/2");
	assert_true(tls_key_new(&key, &err));
	assert_true(tls_csr_new(key.p, &csr, &err));
	assert_true(ca_sign_csr(a, csr.p, uri, &cert, serial, &err));
	assert_false(ca_sign_csr(a, "junk", uri, &cert, serial, &err));
	ctx = ca_server_ctx(a, &err);
	assert_non_null(ctx);
	SSL_CTX_free(ctx);
	free(uri);
	str_free(&key);
	str_free(&csr);
	str_free(&cert);
	ca_free(a);
	ca_free(b);
}

static void
an_ssh_key_stays_the_same_until_it_is_forgotten(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str p1 = STR_INIT, p2 = STR_INIT, s1 = STR_INIT;
	struct ca *ca = ca_open(dir, "adeploy", &err);

	(void)state;
	assert_non_null(ca);
	assert_true(ca_ssh_key(ca, "k1", &p1, &s1, &err));
	assert_true(ca_ssh_key(ca, "k1", &p2, NULL, &err));
	assert_string_equal(p1.p, p2.p);
	assert_true(str_starts(p1.p, "ssh-ed25519 "));
	assert_non_null(strstr(s1.p, "OPENSSH PRIVATE KEY"));
	ca_ssh_key_forget(ca, "k1");
	str_reset(&p2);
	assert_true(ca_ssh_key(ca, "k1", &p2, NULL, &err));
	assert_string_not_equal(p1.p, p2.p);
	assert_false(ca_ssh_key(ca, "../ca", &p2, NULL, &err));
	str_free(&p1);
	str_free(&p2);
	str_free(&s1);
	ca_free(ca);
}

static void
in_dir(const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", dir, name);
}

/* A coordinator that starts with these files; NULL if it refuses. */
static struct ca *
opened(struct mw_err *err)
{
	*err = (struct mw_err)MW_ERR_INIT;
	return ca_open(dir, "adeploy", err);
}

static void
plain_keys_are_sealed_at_the_start(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str ca_key = STR_INIT, ssh = STR_INIT, got = STR_INIT;
	char plain_ca[160], plain_ssh[160], sealed[160];
	struct ca *ca = opened(&err);

	(void)state;
	assert_non_null(ca);
	assert_true(ca_ssh_key(ca, "mw-k1", NULL, &ssh, &err));
	ca_free(ca);
	assert_true(ca_unseal(dir, "ca.key", &ca_key, &err));
	/* as an earlier version left them */
	in_dir("ca.key", plain_ca);
	in_dir("ssh/mw-k1", plain_ssh);
	assert_true(file_write(plain_ca, ca_key.p, ca_key.len, 0600, &err));
	assert_true(file_write(plain_ssh, ssh.p, ssh.len, 0600, &err));
	in_dir("ca.key.sealed", sealed);
	assert_int_equal(unlink(sealed), 0);
	in_dir("ssh/mw-k1.sealed", sealed);
	assert_int_equal(unlink(sealed), 0);
	ca = opened(&err);
	assert_non_null(ca);
	/* a start that fails later leaves them to the earlier version */
	assert_int_equal(access(plain_ca, F_OK), 0);
	assert_int_equal(access(plain_ssh, F_OK), 0);
	assert_true(ca_seal_plain(ca, &err));
	assert_int_equal(access(plain_ca, F_OK), -1);
	assert_int_equal(access(plain_ssh, F_OK), -1);
	assert_true(ca_ssh_key(ca, "mw-k1", NULL, &got, &err));
	assert_string_equal(got.p, ssh.p);
	ca_free(ca);
	/* killed before the plain one was removed */
	assert_true(file_write(plain_ca, ca_key.p, ca_key.len, 0600, &err));
	ca = opened(&err);
	assert_non_null(ca);
	assert_true(ca_seal_plain(ca, &err));
	assert_int_equal(access(plain_ca, F_OK), -1);
	ca_free(ca);
	str_reset(&got);
	assert_true(ca_unseal(dir, "ca.key", &got, &err));
	assert_string_equal(got.p, ca_key.p);
	assert_false(ca_unseal(dir, "seal.key", &got, &err));
	assert_false(ca_unseal(dir, "ssh/../ca", &got, &err));
	str_free(&ca_key);
	str_free(&ssh);
	str_free(&got);
}

static void
flip(const char *path, size_t at)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;

	assert_true(file_read(path, 65536, &s, &err));
	s.p[at] ^= 1;
	assert_true(file_write(path, s.p, s.len, 0600, &err));
	str_free(&s);
}

static void
keys_that_are_damaged_swapped_or_foreign_are_refused(void **state)
{
	struct mw_err err = MW_ERR_INIT;
	struct str got = STR_INIT;
	char a[160], b[160], key[160], away[160];
	struct ca *ca = opened(&err);

	(void)state;
	assert_non_null(ca);
	assert_true(ca_ssh_key(ca, "mw-a", NULL, NULL, &err));
	assert_true(ca_ssh_key(ca, "mw-b", NULL, NULL, &err));
	in_dir("ssh/mw-a.sealed", a);
	in_dir("ssh/mw-b.sealed", b);
	flip(a, 40);
	assert_false(ca_ssh_key(ca, "mw-a", NULL, &got, &err));
	assert_non_null(strstr(err.msg, "mw-a is damaged"));
	flip(a, 40);
	assert_int_equal(rename(a, b), 0);
	assert_false(ca_ssh_key(ca, "mw-b", NULL, &got, &err));
	assert_non_null(strstr(err.msg, "another name"));
	assert_int_equal(got.len, 0);
	ca_free(ca);
	in_dir("ca.key.sealed", a);
	flip(a, 40);
	assert_null(opened(&err));
	assert_non_null(strstr(err.msg, "private CA"));
	assert_non_null(strstr(err.msg, "damaged"));
	flip(a, 40);
	in_dir("seal.key", key);
	in_dir("seal.away", away);
	assert_int_equal(rename(key, away), 0);
	assert_null(opened(&err));
	assert_non_null(strstr(err.msg, "seal.key"));
	assert_non_null(strstr(err.hint, "docs/backup.md"));
	assert_int_equal(access(key, F_OK), -1); /* none is made instead */
	setenv("MILKYWAY_SEAL_KEY", away, 1);
	ca = opened(&err);
	assert_non_null(ca);
	ca_free(ca);
	flip(away, 3);
	assert_null(opened(&err));
	assert_non_null(strstr(err.msg, "another master key"));
	setenv("MILKYWAY_SEAL_KEY", "/nowhere", 1);
	assert_null(opened(&err));
	assert_non_null(strstr(err.hint, "MILKYWAY_SEAL_KEY"));
	unsetenv("MILKYWAY_SEAL_KEY");
	str_free(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		T(first_start_writes_one_admin_token),
		T(roles_are_ordered),
		T(wrong_texts_are_refused_then_slowed_down),
		T(one_token_has_a_rate),
		T(events_keep_their_numbers_over_a_restart),
		T(the_ca_is_made_once_and_signs_for_its_uri_only),
		T(plain_keys_are_sealed_at_the_start),
		T(keys_that_are_damaged_swapped_or_foreign_are_refused),
		T(an_ssh_key_stays_the_same_until_it_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
