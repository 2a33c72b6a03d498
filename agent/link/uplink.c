/*
 * uplink.c - dials the coordinator. Promises: nothing is sent to a peer whose
 * certificate does not say mw://<deployment>/coordinator; an attempt has a
 * deadline; attempts are 1..60 s apart. Called by agent.c.
 */
#include "agent/link/uplink.h"

#include "common/clock.h"
#include "common/frame.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/proto.h"
#include "common/tls.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_NS (15 * NS_PER_S)
#define STABLE_NS (60 * NS_PER_S) /* a link of that age resets the jitter */
#define QUEUE_MAX (4 * 1024 * 1024)
#define BACKOFF_MIN_NS NS_PER_S
#define BACKOFF_MAX_NS (60 * NS_PER_S)

struct uplink {
	struct loop *loop;
	const struct identity *id;
	const struct uplink_ops *ops;
	void *arg;
	struct frame_link *link; /* NULL: waiting for the next dial */
	struct loop_timer *timer; /* next dial, or deadline of this one */
	bool up;
	unsigned attempt;
	int64_t up_since_ns;
};

static void on_timer(void *arg);

int64_t
uplink_backoff_ns(unsigned attempt, double unit)
{
	int64_t top = attempt < 6 ? NS_PER_S << attempt : BACKOFF_MAX_NS;

	if (top > BACKOFF_MAX_NS)
		top = BACKOFF_MAX_NS;
	return BACKOFF_MIN_NS +
	    (int64_t)(unit * (double)(top - BACKOFF_MIN_NS));
}

void
uplink_drop(struct uplink *u, int64_t after_ns)
{
	bool was_up = u->up;

	if (u->link != NULL)
		frame_close(u->link);
	u->link = NULL;
	u->up = false;
	if (was_up && clock_mono_ns() - u->up_since_ns > STABLE_NS)
		u->attempt = 0;
	if (after_ns < 0) {
		double unit =
		    (double)(clock_random_u64() >> 11) / (double)(1LL << 53);

		after_ns = uplink_backoff_ns(++u->attempt, unit);
	}
	loop_timer_set(u->timer, after_ns);
	if (was_up)
		u->ops->on_down(u->arg);
}

static void
on_down(void *arg, const struct mw_err *why)
{
	struct uplink *u = arg;

	log_warn("agent", u->id->coordinator, "link: %s\taction=redial",
	    why->msg);
	uplink_drop(u, -1);
}

static void
on_up(void *arg)
{
	struct uplink *u = arg;
	SSL *ssl = bufferevent_openssl_get_ssl(frame_bev(u->link));
	char uri[256], want[128], serial[33];
	struct mw_err err = MW_ERR_INIT;
	int on = 1, deaf = PROTO_LINK_DEAF_MS;
	int fd = bufferevent_getfd(frame_bev(u->link));

	snprintf(want, sizeof want, "mw://%s/coordinator", u->id->deployment);
	if (!tls_peer_uri(ssl, uri, sizeof uri, serial, &err) ||
	    strcmp(uri, want) != 0) {
		log_error("agent", u->id->coordinator,
		    "the peer is not the coordinator of %s\taction=redial",
		    u->id->deployment);
		uplink_drop(u, -1);
		return;
	}
	/* Frames are small and each is a whole message. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &deaf, sizeof deaf);
	loop_timer_clear(u->timer);
	u->up = true;
	u->up_since_ns = clock_mono_ns();
	log_info("agent", u->id->coordinator, "link is up");
	u->ops->on_up(u->arg);
}

static void
on_frame(void *arg, const uint8_t *p, size_t n)
{
	struct uplink *u = arg;

	if (u->up)
		u->ops->on_frame(u->arg, (const char *)p, n);
}

static bool
dial(struct uplink *u, struct mw_err *err)
{
	static const struct frame_ops ops = { on_frame, on_down, on_up };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(u->id->port) };
	SSL_CTX *ctx = tls_ctx_new(false, str_cstr(&u->id->ca),
	    str_cstr(&u->id->cert), str_cstr(&u->id->key), err);
	struct bufferevent *bev;
	uint32_t ip;
	SSL *ssl;

	if (ctx == NULL)
		return false;
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx); /* the SSL holds it */
	if (ssl == NULL || !id_ipv4_parse(u->id->coordinator, &ip)) {
		SSL_free(ssl);
		return err_set(err, MW_INVALID, 0, "cannot dial %s",
		    u->id->coordinator);
	}
	to.sin_addr.s_addr = htonl(ip);
	bev = bufferevent_openssl_socket_new(loop_base(u->loop), -1, ssl,
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		SSL_free(ssl);
		return err_set(err, MW_INTERNAL, 0, "no TLS link");
	}
	u->link = frame_new(u->loop, bev, FRAME_MAX, QUEUE_MAX, &ops, u);
	if (bufferevent_socket_connect(bev, (struct sockaddr *)&to,
		sizeof to) != 0) {
		frame_close(u->link);
		u->link = NULL;
		return err_set(err, MW_UNREACHABLE, 0, "cannot dial %s",
		    u->id->coordinator);
	}
	return true;
}

static void
on_timer(void *arg)
{
	struct uplink *u = arg;
	struct mw_err err = MW_ERR_INIT;

	if (u->link != NULL) {
		log_warn("agent", u->id->coordinator,
		    "no answer in %d s\taction=redial",
		    (int)(CONNECT_NS / NS_PER_S));
		uplink_drop(u, -1);
		return;
	}
	if (!dial(u, &err)) {
		log_warn("agent", u->id->coordinator, "%s\taction=redial",
		    err.msg);
		uplink_drop(u, -1);
		return;
	}
	loop_timer_set(u->timer, CONNECT_NS);
}

struct uplink *
uplink_new(struct loop *l, const struct identity *id,
    const struct uplink_ops *ops, void *arg)
{
	struct uplink *u = xcalloc(1, sizeof *u);

	u->loop = l;
	u->id = id;
	u->ops = ops;
	u->arg = arg;
	u->timer = loop_timer_new(l, on_timer, u);
	loop_timer_set(u->timer, 0);
	return u;
}

void
uplink_free(struct uplink *u)
{
	if (u == NULL)
		return;
	if (u->link != NULL)
		frame_close(u->link);
	loop_timer_free(u->timer);
	free(u);
}

bool
uplink_send_text(struct uplink *u, const char *p, size_t n)
{
	return u->up && frame_send(u->link, p, n);
}

bool
uplink_send(struct uplink *u, json_t *take_msg)
{
	char *text = u->up ? json_text(take_msg, false) : NULL;
	bool ok = text != NULL && uplink_send_text(u, text, strlen(text));

	json_decref(take_msg);
	free(text);
	return ok;
}
