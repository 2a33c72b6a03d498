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
		T(an_ssh_key_stays_the_same_until_it_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
