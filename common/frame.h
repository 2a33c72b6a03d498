/*
 * frame.h - length-prefixed frames (u32 big-endian, 1..max bytes) on a
 * bufferevent, TLS or plain. Broken framing closes the link; writing beyond
 * the queue limit closes it too (the peer does not read).
 */
#ifndef MW_COMMON_FRAME_H
#define MW_COMMON_FRAME_H

#include "common/loop.h"

#include <event2/bufferevent.h>

#define FRAME_MAX (1024 * 1024)

struct frame_link;

struct frame_ops {
	/* One whole frame. The bytes are valid during the call only. */
	void (*on_frame)(void *arg, const uint8_t *p, size_t n);
	/* Once; the link is dead, call frame_close() to free it. */
	void (*on_down)(void *arg, const struct mw_err *why);
	void (*on_up)(void *arg); /* connected and (TLS) shaken hands */
};

/* Takes bev. on_up is called later for a link that still connects. */
struct frame_link *frame_new(struct loop *l, struct bufferevent *take_bev,
    size_t max, size_t queue_max, const struct frame_ops *ops, void *arg);
bool frame_send(struct frame_link *f, const void *p, size_t n);
void frame_set_max(struct frame_link *f, size_t max);
size_t frame_queued(const struct frame_link *f);
struct bufferevent *frame_bev(struct frame_link *f);
/* Safe inside callbacks: freed on the next turn; no callback follows. */
void frame_close(struct frame_link *f);

/*
 * Pure part, for tests and fuzzing: how many bytes the first frame takes.
 * 0 = more bytes needed, SIZE_MAX = broken; else *body and *body_len are set.
 */
size_t frame_scan(const uint8_t *p, size_t n, size_t max, const uint8_t **body,
    size_t *body_len);

#endif
