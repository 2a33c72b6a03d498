/*
 * link_int.h - one agent link, shared by link.c (connections, identity,
 * limits) and link_msg.c (what agents say).
 */
#ifndef MW_COORDINATOR_LINK_INT_H
#define MW_COORDINATOR_LINK_INT_H

#include "common/frame.h"
#include "coordinator/link/link.h"

#include <event2/listener.h>
#include <openssl/ssl.h>

#define LINK_PENDING_MAX 4096 /* results on their way into the store */

enum peer_state {
	PEER_NEW, /* TLS handshake */
	PEER_HELLO, /* certificate is fine, hello awaited */
	PEER_READY,
	PEER_BYE /* refused: waits for the peer to read why */
};

/* A result that is not committed yet, in the order of arrival. */
struct pending {
	int64_t seq;
	bool done;
};

struct peer {
	struct link *l;
	struct frame_link *f;
	enum peer_state state;
	uint64_t serial; /* of this link; never reused */
	int64_t slot, gen;
	char ip[16];
	struct loop_timer *timer; /* deadline, later the end of a pause */
	bool paused;
	double bucket; /* frames it may still send; debt pauses it */
	int64_t bucket_at;
	int64_t bad_since;
	unsigned bad, renewals;
	char boot[40]; /* spool id of the pending results */
	struct pending *pending; /* ring: number n lies at n % cap */
	uint64_t first; /* number of the oldest */
	size_t npending, pending_cap;
	int64_t acked;
	struct peer *next, **link; /* all peers */
	struct peer *hash_next;
};

struct link {
	struct coord *c;
	struct evconnlistener *listener;
	struct loop_timer *rest; /* of the listener, when accept failed */
	SSL_CTX *tls;
	uint16_t port;
	uint64_t next_serial;
	double accepts; /* handshakes that may start now */
	int64_t accepts_at;
	struct peer *peers;
	struct peer **hash; /* ready peers by slot */
	struct link_stats stats;
};

#define LINK_HASH 16384

struct peer *link_find(const struct link *l, int64_t slot, int64_t gen);
bool peer_send(struct peer *p, json_t *take_msg);
/* Says bye and closes soon after; p is not READY any more. */
void peer_bye(struct peer *p, const char *code, const char *message,
    int64_t reconnect_after_ms);
/* Makes the peer the one link of its (slot, gen). */
void peer_ready(struct peer *p);
/* Stops reading for a while. */
void peer_pause(struct peer *p, int64_t ms);

/* link_msg.c: one frame. May close the peer. */
void peer_message(struct peer *p, const uint8_t *bytes, size_t n);

#endif
