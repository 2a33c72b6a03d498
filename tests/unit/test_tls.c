/*
 * test_tls.c - the private CA and mutual TLS over a socket pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define COORD "mw://dep/coordinator"
#define AGENT "mw://dep/ns/m/1/2"

struct ca {
	struct str key, cert;
};

struct id {
	struct str key, cert;
	char serial[33];
};

static void
make_ca(struct ca *ca)
{
	struct mw_err err;

	*ca = (struct ca){ STR_INIT, STR_INIT };
	assert_true(tls_key_new(&ca->key, &err));
	assert_true(tls_ca_new(str_cstr(&ca->key), "dep", &ca->cert, &err));
}

static void
make_id(const struct ca *ca, struct id *id, const char *uri, bool server,
    int64_t lifetime_s)
{
	struct str csr = STR_INIT;
	struct mw_err err;

	*id = (struct id){ STR_INIT, STR_INIT, "" };
	assert_true(tls_key_new(&id->key, &err));
	assert_true(tls_csr_new(str_cstr(&id->key), &csr, &err));
	if (!tls_sign(str_cstr(&ca->key), str_cstr(&ca->cert), str_cstr(&csr),
		uri, server, lifetime_s, &id->cert, id->serial, &err))
		fail_msg("%s", err.msg);
	str_free(&csr);
}

static void
free_id(struct id *id)
{
	str_free(&id->key);
	str_free(&id->cert);
}

static void
free_ca(struct ca *ca)
{
	str_free(&ca->key);
	str_free(&ca->cert);
}

struct end {
	struct frame_link *link;
	SSL_CTX *ctx;
	bool up, down;
	struct str got;
	struct mw_err why;
};

static void
on_frame(void *arg, const uint8_t *p, size_t n)
{
	str_addn(&((struct end *)arg)->got, p, n);
}

static void
on_down(void *arg, const struct mw_err *why)
{
	((struct end *)arg)->down = true;
	((struct end *)arg)->why = *why;
}

static void
on_up(void *arg)
{
	((struct end *)arg)->up = true;
}

static const struct frame_ops ops = { on_frame, on_down, on_up };

static void
open_end(struct loop *l, struct end *e, const struct ca *ca,
    const struct id *id, bool server, int fd)
{
	struct mw_err err;
	SSL *ssl;

	e->ctx = tls_ctx_new(server, str_cstr(&ca->cert), str_cstr(&id->cert),
	    str_cstr(&id->key), &err);
	if (e->ctx == NULL)
		fail_msg("%s", err.msg);
	ssl = SSL_new(e->ctx);
	assert_non_null(ssl);
	e->link = frame_new(l,
	    bufferevent_openssl_socket_new(loop_base(l), fd, ssl,
		server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE),
	    1000, 10000, &ops, e);
}

struct pair {
	struct loop *loop;
	struct end server, client;
};

static void
open_pair(struct pair *p, const struct ca *sca, const struct id *sid,
    const struct ca *cca, const struct id *cid)
{
	int fd[2];

	*p = (struct pair){ .loop = loop_new() };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fd),
	    0);
	open_end(p->loop, &p->server, sca, sid, true, fd[0]);
	open_end(p->loop, &p->client, cca, cid, false, fd[1]);
}

static void
close_pair(struct pair *p)
{
	frame_close(p->server.link);
	frame_close(p->client.link);
	loop_free(p->loop);
	SSL_CTX_free(p->server.ctx);
	SSL_CTX_free(p->client.ctx);
	str_free(&p->server.got);
	str_free(&p->client.got);
}

#define AWAIT(p, cond)                                              \
	do {                                                        \
		int64_t end_ = clock_mono_ns() + 20 * NS_PER_S;     \
		while (!(cond)) {                                   \
			if (clock_mono_ns() > end_)                 \
				fail_msg("waited in vain: " #cond); \
			event_base_loop(loop_base((p)->loop),       \
			    EVLOOP_NONBLOCK);                       \
		}                                                   \
	} while (0)

static SSL *
ssl_of(struct end *e)
{
	return bufferevent_openssl_get_ssl(frame_bev(e->link));
}

static void
frames_over_mutual_tls(void **state)
{
	char uri[256], serial[33];
	struct mw_err err;
	struct id coord, agent;
	struct pair p;
	struct ca ca;

	(void)state;
	make_ca(&ca);
	make_id(&ca, &coord, COORD, true, 3600);
	make_id(&ca, &agent, AGENT, false, 3600);
	open_pair(&p, &ca, &coord, &ca, &agent);
	AWAIT(&p, p.server.up && p.client.up);
	assert_true(frame_send(p.client.link, "hello", 5));
	AWAIT(&p, p.server.got.len == 5);
	assert_true(frame_send(p.server.link, "welcome", 7));
	AWAIT(&p, p.client.got.len == 7);
	assert_true(
	    tls_peer_uri(ssl_of(&p.server), uri, sizeof uri, serial, &err));
	assert_string_equal(uri, AGENT);
	assert_string_equal(serial, agent.serial);
	assert_true(
	    tls_peer_uri(ssl_of(&p.client), uri, sizeof uri, serial, &err));
	assert_string_equal(uri, COORD);
	assert_string_equal(serial, coord.serial);
	assert_string_equal(SSL_get_version(ssl_of(&p.server)), "TLSv1.3");
	assert_false(tls_peer_uri(ssl_of(&p.server), uri, 5, serial, &err));
	close_pair(&p);
	free_id(&coord);
	free_id(&agent);
	free_ca(&ca);
}

/* Neither side may get a frame through. */
static void
expect_refusal(const struct ca *sca, const struct id *sid, const struct ca *cca,
    const struct id *cid)
{
	struct pair p;

	open_pair(&p, sca, sid, cca, cid);
	AWAIT(&p, p.server.down || p.client.down);
	frame_send(p.client.link, "x", 1);
	AWAIT(&p, p.server.down);
	assert_int_equal(p.server.got.len, 0);
	assert_int_equal(p.client.got.len, 0);
	close_pair(&p);
	ERR_clear_error();
}

static void
refuses_other_ca_wrong_use_and_expired(void **state)
{
	struct id coord, agent, foreign, expired, as_server;
	struct ca ca, other;

	(void)state;
	make_ca(&ca);
	make_ca(&other);
	make_id(&ca, &coord, COORD, true, 3600);
	make_id(&ca, &agent, AGENT, false, 3600);
	make_id(&other, &foreign, AGENT, false, 3600);
	make_id(&ca, &expired, AGENT, false, -60);
	make_id(&ca, &as_server, AGENT, true, 3600);
	expect_refusal(&ca, &coord, &ca, &foreign);
	expect_refusal(&ca, &coord, &other, &agent);
	expect_refusal(&ca, &coord, &ca, &expired);
	expect_refusal(&ca, &coord, &ca, &as_server);
	expect_refusal(&ca, &agent, &ca, &agent); /* agent as server */
	free_id(&coord);
	free_id(&agent);
	free_id(&foreign);
	free_id(&expired);
	free_id(&as_server);
	free_ca(&ca);
	free_ca(&other);
}

static int64_t
expiry_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	struct tm tm;

	assert_non_null(cert);
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm), 1);
	X509_free(cert);
	BIO_free(bio);
	return (int64_t)timegm(&tm) * NS_PER_S;
}

static void
signs_only_sound_requests(void **state)
{
	struct str key = STR_INIT, csr = STR_INIT, cert = STR_INIT;
	int64_t expiry, now = clock_wall_ns();
	char serial[33];
	struct mw_err err;
	struct ca ca;

	(void)state;
	make_ca(&ca);
	assert_true(tls_key_new(&key, &err));
	assert_true(tls_csr_new(str_cstr(&key), &csr, &err));
#define SIGN(pem, uri)                                                   \
	tls_sign(str_cstr(&ca.key), str_cstr(&ca.cert), pem, uri, false, \
	    86400, &cert, serial, &err)
	assert_true(SIGN(str_cstr(&csr), AGENT));
	expiry = expiry_of(str_cstr(&cert));
	assert_true(expiry > now + 86390 * NS_PER_S);
	assert_true(expiry < now + 86500 * NS_PER_S);
	assert_false(SIGN(str_cstr(&csr), "http://x"));
	assert_false(SIGN(str_cstr(&csr), "mw://a b"));
	assert_false(SIGN("nonsense", AGENT));
	assert_int_equal(err.code, MW_INVALID);
	/* One flipped character in the middle breaks the signature. */
	csr.p[csr.len / 2] = csr.p[csr.len / 2] == 'A' ? 'B' : 'A';
	assert_false(SIGN(str_cstr(&csr), AGENT));
	assert_int_equal(err.code, MW_INVALID);
#undef SIGN
	assert_null(tls_ctx_new(true, str_cstr(&ca.cert), str_cstr(&ca.cert),
	    str_cstr(&key), &err)); /* key of another certificate */
	str_free(&key);
	str_free(&csr);
	str_free(&cert);
	free_ca(&ca);
}

static void
compares(void **state)
{
	(void)state;
	assert_true(tls_equal("abc", "abc", 3));
	assert_false(tls_equal("abc", "abd", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_over_mutual_tls),
		cmocka_unit_test(refuses_other_ca_wrong_use_and_expired),
		cmocka_unit_test(signs_only_sound_requests),
		cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
