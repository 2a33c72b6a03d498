/*
 * link.c - see link.h. Owns the listener, the TLS context and the peers.
 *
 * Promises: no frame is looked at before the certificate was verified and its
 * (slot, gen) is alive; a handshake and a hello have a deadline; one link per
 * (slot, gen), the newest wins; a peer that sends too fast is not read for a
 * while, one that does not read is closed.
 */
#include "coordinator/link/link_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/str.h"
#include "common/proto.h"
#include "common/tls.h"
#include "coordinator/link/agents.h"
#include "coordinator/ca.h"
#include "coordinator/coord.h"
#include "lifecycle/lifecycle.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FRAME_MAX 4096
#define QUEUE_MAX ((size_t)8 * 1024 * 1024)
#define HELLO_DEADLINE_NS (15 * NS_PER_S)
#define BYE_NS NS_PER_S
#define ACCEPTS_PER_S 300.0
#define PEERS_MAX 20000
#define FRAMES_PER_S 20.0
#define FRAMES_BURST 200.0

static void on_accept(struct evconnlistener *ls, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg);
static void on_accept_error(struct evconnlistener *ls, void *arg);
static void on_rest(void *arg);
static bool may_accept(struct link *l);
static void on_up(void *arg);
static bool identify(struct peer *p, struct mw_err *err);
static void on_frame(void *arg, const uint8_t *bytes, size_t n);
static void on_down(void *arg, const struct mw_err *why);
static void on_timer(void *arg);
static void pay(struct peer *p);
static struct peer **hash_place(const struct link *l, int64_t slot);
static void hash_remove(struct peer *p);
static void peer_free(void *arg);
static void peer_close(struct peer *p);

static const struct frame_ops ops = { on_frame, on_down, on_up };

struct link *
link_new(struct coord *c, struct mw_err *err)
{
	struct link *l = xcalloc(1, sizeof *l);
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)c->conf.link_port) };
	socklen_t len = sizeof sa;

	l->c = c;
	l->hash = xcalloc(LINK_HASH, sizeof *l->hash);
	l->tls = ca_server_ctx(c->ca, err);
	if (!l->tls)
		goto fail;
	if (inet_pton(AF_INET, c->conf.link_address, &sa.sin_addr) != 1) {
		err_set(err, MW_INVALID, 0, "link.address %s is not numeric",
		    c->conf.link_address);
		goto fail;
	}
	l->listener = evconnlistener_new_bind(loop_base(c->loop), on_accept, l,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    1024, (struct sockaddr *)&sa, sizeof sa);
	if (!l->listener) {
		err_set(err, MW_CONFLICT, EVUTIL_SOCKET_ERROR(),
		    "cannot listen on %s:%d: %s", c->conf.link_address,
		    (int)c->conf.link_port,
		    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
		goto fail;
	}
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	l->rest = loop_timer_new(c->loop, on_rest, l);
	if (getsockname(evconnlistener_get_fd(l->listener),
		(struct sockaddr *)&sa, &len) == 0)
		l->port = ntohs(sa.sin_port);
	l->accepts_at = clock_mono_ns();
	l->accepts = ACCEPTS_PER_S;
	return l;
fail:
	link_free(l);
	return NULL;
}

void
link_free(struct link *l)
{
	if (!l)
		return;
	if (l->listener)
		evconnlistener_free(l->listener);
	while (l->peers)
		peer_close(l->peers);
	loop_timer_free(l->rest);
	SSL_CTX_free(l->tls);
	free(l->hash);
	free(l);
}

uint16_t
link_port(const struct link *l)
{
	return l->port;
}

bool
link_send(struct link *l, int64_t slot, int64_t gen, json_t *take_msg)
{
	struct peer *p = link_find(l, slot, gen);

	if (!p) {
		json_decref(take_msg);
		return false;
	}
	return peer_send(p, take_msg);
}

void
link_drop(struct link *l, int64_t slot, int64_t gen, const char *code,
    const char *message)
{
	struct peer *p = link_find(l, slot, gen);

	if (p)
		peer_bye(p, code, message, 60000);
}

void
link_stats(const struct link *l, struct link_stats *out)
{
	*out = l->stats;
}

struct peer *
link_find(const struct link *l, int64_t slot, int64_t gen)
{
	for (struct peer *p = *hash_place(l, slot); p; p = p->hash_next)
		if (p->slot == slot && p->gen == gen)
			return p;
	return NULL;
}

bool
peer_send(struct peer *p, json_t *take_msg)
{
	char *text = json_text(take_msg, false);
	bool ok = frame_send(p->f, text, strlen(text));

	free(text);
	json_decref(take_msg);
	return ok;
}

void
peer_bye(struct peer *p, const char *code, const char *message,
    int64_t reconnect_after_ms)
{
	json_t *j = json_object();

	json_put_str(j, "type", "bye");
	json_put_str(j, "code", code);
	json_put_str(j, "message", message);
	json_put_int(j, "reconnectAfterMs", reconnect_after_ms);
	peer_send(p, j);
	hash_remove(p);
	p->state = PEER_BYE;
	p->l->stats.refused++;
	loop_timer_set(p->timer, BYE_NS);
}

/* At once; p is freed on a later turn. */
static void
peer_close(struct peer *p)
{
	bool ready = p->state == PEER_READY;

	hash_remove(p);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	p->l->stats.open--;
	p->state = PEER_BYE;
	frame_close(p->f);
	loop_timer_clear(p->timer);
	if (ready)
		agents_on_down(p->l->c->agents, p->slot, p->gen);
	loop_reap(p->l->c->loop, peer_free, p);
}

void
peer_ready(struct peer *p)
{
	struct peer *old = link_find(p->l, p->slot, p->gen), **place;

	if (old && old != p) {
		log_info("link", p->ip, "a newer link takes over");
		old->state = PEER_BYE; /* it is the link that ends, not the
					  agent */
		peer_close(old);
	}
	place = hash_place(p->l, p->slot);
	p->hash_next = *place;
	*place = p;
	p->state = PEER_READY;
	loop_timer_clear(p->timer);
	frame_set_max(p->f, FRAME_MAX);
}

void
peer_pause(struct peer *p, int64_t ms)
{
	p->paused = true;
	bufferevent_disable(frame_bev(p->f), EV_READ);
	loop_timer_set(p->timer, ms * NS_PER_MS);
}

static void
on_accept(struct evconnlistener *ls, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct link *l = arg;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(void *)sa;
	struct bufferevent *bev;
	struct peer *p;
	SSL *ssl;
	int one = 1, idle = 60, deaf = PROTO_LINK_DEAF_MS;

	(void)ls;
	(void)len;
	l->stats.accepted++;
	/* Before TLS: a handshake costs milliseconds, this costs nothing. */
	if (!may_accept(l)) {
		l->stats.refused++;
		close(fd);
		return;
	}
	ssl = SSL_new(l->tls);
	if (!ssl)
		abort();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &deaf, sizeof deaf);
	bev = bufferevent_openssl_socket_new(loop_base(l->c->loop), fd, ssl,
	    BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!bev)
		abort();
	p = xcalloc(1, sizeof *p);
	p->l = l;
	p->serial = ++l->next_serial;
	inet_ntop(AF_INET, &in->sin_addr, p->ip, sizeof p->ip);
	p->bucket = FRAMES_BURST;
	p->bucket_at = clock_mono_ns();
	p->next = l->peers;
	p->link = &l->peers;
	if (p->next)
		p->next->link = &p->next;
	l->peers = p;
	l->stats.open++;
	p->timer = loop_timer_new(l->c->loop, on_timer, p);
	loop_timer_set(p->timer, HELLO_DEADLINE_NS);
	p->f = frame_new(l->c->loop, bev, FIRST_FRAME_MAX, QUEUE_MAX, &ops, p);
}

/* Out of descriptors: the same error would come at once and for ever. */
static void
on_accept_error(struct evconnlistener *ls, void *arg)
{
	struct link *l = arg;

	log_warn("link", NULL, "cannot accept: %s\taction=rest",
	    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(ls);
	loop_timer_set(l->rest, NS_PER_S);
}

static void
on_rest(void *arg)
{
	struct link *l = arg;

	evconnlistener_enable(l->listener);
}

static bool
may_accept(struct link *l)
{
	int64_t now = clock_mono_ns();

	l->accepts += (double)(now - l->accepts_at) / 1e9 * ACCEPTS_PER_S;
	if (l->accepts > ACCEPTS_PER_S)
		l->accepts = ACCEPTS_PER_S;
	l->accepts_at = now;
	if (l->accepts < 1 || l->stats.open >= PEERS_MAX)
		return false;
	l->accepts -= 1;
	return true;
}

static void
on_up(void *arg)
{
	struct peer *p = arg;
	struct mw_err err = MW_ERR_INIT;

	p->state = PEER_HELLO;
	if (identify(p, &err))
		return;
	log_warn("link", p->ip, "refused: %s", err.msg);
	peer_bye(p, err_code_name(err.code), err.msg, 60000);
}

/* Who it is, by its certificate, and whether that VM still exists. */
static bool
identify(struct peer *p, struct mw_err *err)
{
	const struct coord *c = p->l->c;
	SSL *ssl = bufferevent_openssl_get_ssl(frame_bev(p->f));
	char uri[512], serial[33], deployment[64];
	const struct lc_slot *s;

	if (!tls_peer_uri(ssl, uri, sizeof uri, serial, err) ||
	    !proto_uri_parse(uri, deployment, &p->slot, &p->gen, err))
		return false;
	if (strcmp(deployment, c->deployment) != 0)
		return err_set(err, MW_DENIED, 0,
		    "the certificate is of another deployment");
	s = p->slot > 0 ? lc_slot_find(c->lc, p->slot) : NULL;
	if (!s || s->inst.gen != p->gen || s->inst.phase == LC_P_DEAD)
		return err_set(err, MW_DENIED, 0,
		    "the certificate is of a VM that is gone");
	return true;
}

static void
on_frame(void *arg, const uint8_t *bytes, size_t n)
{
	struct peer *p = arg;

	if (p->state != PEER_HELLO && p->state != PEER_READY)
		return;
	p->l->stats.frames++;
	pay(p);
	peer_message(p, bytes, n);
}

static void
on_down(void *arg, const struct mw_err *why)
{
	struct peer *p = arg;

	if (p->state == PEER_NEW)
		p->l->stats.refused++;
	if (why->code == MW_PROTO)
		p->l->stats.broken++;
	log_debug("link", p->ip, "link ended: %s", why->msg);
	peer_close(p);
}

static void
on_timer(void *arg)
{
	struct peer *p = arg;

	if (p->state != PEER_READY) {
		if (p->state != PEER_BYE)
			p->l->stats.refused++;
		peer_close(p);
		return;
	}
	p->paused = false;
	bufferevent_enable(frame_bev(p->f), EV_READ);
}

/* One frame from the bucket; who is in debt is not read until it is paid. */
static void
pay(struct peer *p)
{
	int64_t now = clock_mono_ns();

	p->bucket += (double)(now - p->bucket_at) / 1e9 * FRAMES_PER_S;
	if (p->bucket > FRAMES_BURST)
		p->bucket = FRAMES_BURST;
	p->bucket_at = now;
	p->bucket -= 1;
	if (p->bucket < 0 && !p->paused && p->state == PEER_READY)
		peer_pause(p, (int64_t)(-p->bucket / FRAMES_PER_S * 1e3) + 50);
}

static struct peer **
hash_place(const struct link *l, int64_t slot)
{
	return &l->hash[(uint64_t)slot % LINK_HASH];
}

static void
hash_remove(struct peer *p)
{
	struct peer **at = hash_place(p->l, p->slot);

	while (*at && *at != p)
		at = &(*at)->hash_next;
	if (*at)
		*at = p->hash_next;
}

static void
peer_free(void *arg)
{
	struct peer *p = arg;

	loop_timer_free(p->timer);
	free(p->pending);
	free(p);
}
