/*
 * rig_httpd.h - the HTTP server over real sockets, client and server on one
 * loop in one thread, for test_httpd.c and test_httpd_late.c.
 */
#ifndef MW_TESTS_RIG_HTTPD_H
#define MW_TESTS_RIG_HTTPD_H

#include "common/clock.h"
#include "common/httpd.h"
#include "common/pure/str.h"

#define PATIENCE_NS (10 * NS_PER_S)
#define HOST "Host: 127.0.0.1\r\n"

struct rig {
	struct loop *loop;
	struct httpd *h;
	struct httpd_req *late; /* answered by the test */
	struct httpd_stream *stream;
	unsigned gone, calls;
};

/* GET and POST things/{id}, things/special, json, late, stream, secret (needs a
 * role); a body of 4096 bytes; each deadline is 200 ms. */
extern const struct httpd_conf rig_conf;

struct rig *rig_of(void *ctx);
void rig_start(struct rig *f, const struct httpd_conf *conf);
void rig_stop(struct rig *f);
void rig_turn(struct rig *f);

/* Turns the loop until the condition holds; fails the test if it never does. */
#define AWAIT(f, cond)                                              \
	do {                                                        \
		int64_t end_ = clock_mono_ns() + PATIENCE_NS;       \
		while (!(cond)) {                                   \
			if (clock_mono_ns() > end_)                 \
				fail_msg("waited in vain: " #cond); \
			rig_turn(f);                                \
		}                                                   \
	} while (0)

int rig_dial(const struct rig *f);
void rig_send_text(int fd, const char *text);
/* Reads what is there. False: the server has closed the connection. */
bool rig_read_some(int fd, struct str *in);
/* Until a whole reply with Content-Length (or 204) is in. */
void rig_await_reply(struct rig *f, int fd, struct str *in);
/* Sends one request on a new connection; returns the reply (static). */
const char *rig_ask(struct rig *f, const char *request);

#endif
