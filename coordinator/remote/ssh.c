/*
 * ssh.c - see ssh.h. Owns the socket, the libssh2 session and the queue of
 * input for the running command. The state machine is a table of steps; a step
 * says whether it is done, waits for the socket, or failed.
 */
#include "coordinator/remote/ssh.h"

#include "common/pure/alloc.h"
#include "coordinator/remote/ssh_policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libssh2.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a server may say before the login is over: a banner is short. */
#define LOGIN_BYTES_MAX ((size_t)256 * 1024)

enum ssh_state {
	ST_CONNECT,
	ST_CONNECTED, /* waits for ssh_login() */
	ST_KEX,
	ST_HOST_KEY,
	ST_AUTH,
	ST_READY, /* waits for ssh_exec() */
	ST_OPEN,
	ST_EXEC,
	ST_RUN,
	ST_WAIT_CLOSED,
	ST_FREE_CHANNEL,
	ST_DEAD,
	ST_COUNT
};

enum step {
	STEP_AGAIN, /* the socket decides when it goes on */
	STEP_NEXT, /* the state changed */
	STEP_IDLE, /* the owner decides */
};

struct chunk {
	STAILQ_ENTRY(chunk) link;
	const char *p;
	size_t n, off;
	char copy[];
};

struct ssh {
	struct ssh_conf conf;
	enum ssh_state state;
	int fd;
	struct event *ev;
	struct loop_timer *deadline, *again;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	const char *command;
	STAILQ_HEAD(, chunk) input;
	size_t login_bytes, turn;
	bool starved; /* the turn's bytes are used up */
	bool eof_wanted, eof_sent, closed, stepping;
	int exit_code;
	enum ssh_failure failure;
	struct mw_err err;
	char host_key[SSH_HOST_KEY_MAX];
};

static void run_steps(struct ssh *s);
static void on_io(evutil_socket_t fd, short what, void *arg);
static void on_again(void *arg);
static void on_deadline(void *arg);

/* Failure and end --------------------------------------------------------- */

static void
drop_session(struct ssh *s)
{
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
	if (s->session) {
		/* A dead socket makes libssh2 free at once what it would
		 * otherwise first close politely, with EAGAIN and a leak. */
		shutdown(s->fd, SHUT_RDWR);
		s->turn = SSH_TURN_BYTES;
		libssh2_session_free(s->session);
	}
	s->session = NULL;
	s->channel = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void
fail(struct ssh *s, enum ssh_failure why, enum mw_code code, int sys,
    const char *what)
{
	s->failure = why;
	err_set(&s->err, code, sys, "%s", what);
	s->state = ST_DEAD;
	loop_timer_clear(s->deadline);
}

/* With libssh2's own text, which may quote the server. */
static enum step
fail_lib(struct ssh *s, enum ssh_failure why, const char *what)
{
	struct str text = STR_INIT;
	char *msg = NULL;
	int len = 0;

	libssh2_session_last_error(s->session, &msg, &len, 0);
	str_addf(&text, "%s: ", what);
	str_add_escaped(&text, msg, len > 0 ? (size_t)len : 0, 200);
	fail(s, why, why == SSH_F_CUT ? MW_UNREACHABLE : MW_REMOTE, 0,
	    str_cstr(&text));
	str_free(&text);
	return STEP_NEXT;
}

static bool
is_cut(int rc)
{
	return rc == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
	    rc == LIBSSH2_ERROR_SOCKET_RECV ||
	    rc == LIBSSH2_ERROR_SOCKET_SEND ||
	    rc == LIBSSH2_ERROR_SOCKET_NONE ||
	    rc == LIBSSH2_ERROR_BANNER_RECV ||
	    rc == LIBSSH2_ERROR_BANNER_NONE ||
	    rc == LIBSSH2_ERROR_CHANNEL_CLOSED;
}

static void
ssh_free(void *p)
{
	struct ssh *s = p;
	struct chunk *c;

	drop_session(s);
	while ((c = STAILQ_FIRST(&s->input))) {
		STAILQ_REMOVE_HEAD(&s->input, link);
		free(c);
	}
	loop_timer_free(s->deadline);
	loop_timer_free(s->again);
	free(s);
}

void
ssh_close(struct ssh *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	loop_timer_clear(s->deadline);
	loop_timer_clear(s->again);
	if (s->session && s->failure != SSH_F_HOST_KEY && !s->stepping)
		libssh2_session_disconnect(s->session, "done");
	if (s->ev)
		event_del(s->ev);
	loop_reap(s->conf.loop, ssh_free, s);
}

/* Socket ------------------------------------------------------------------ */

/* libssh2 would read as long as bytes come; a turn has its limit. */
static ssize_t
take_bytes(libssh2_socket_t fd, void *buf, size_t len, int flags,
    void **abstract)
{
	struct ssh *s = *abstract;
	ssize_t n;

	if (s->turn == 0) {
		s->starved = true;
		return -EAGAIN;
	}
	if (s->state < ST_READY && s->login_bytes > LOGIN_BYTES_MAX)
		return -ECONNRESET;
	n = recv(fd, buf, len < s->turn ? len : s->turn, flags);
	if (n < 0)
		return -errno;
	s->turn -= (size_t)n;
	s->login_bytes += (size_t)n;
	return n;
}

static ssize_t
give_bytes(libssh2_socket_t fd, const void *buf, size_t len, int flags,
    void **abstract)
{
	struct ssh *s = *abstract;
	ssize_t n;

	if (s->turn == 0) {
		s->starved = true;
		return -EAGAIN;
	}
	n = send(fd, buf, len < s->turn ? len : s->turn, flags | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	s->turn -= (size_t)n;
	return n;
}

static void
watch(struct ssh *s, short what)
{
	if (!s->ev) {
		s->ev = event_new(loop_base(s->conf.loop), s->fd,
		    (short)(what | EV_PERSIST), on_io, s);
	} else {
		event_del(s->ev);
		event_assign(s->ev, loop_base(s->conf.loop), s->fd,
		    (short)(what | EV_PERSIST), on_io, s);
	}
	event_add(s->ev, NULL);
}

/* While the owner decides we listen for the end of the connection, unless
 * something unread waits: that would spin. */
static void
arm(struct ssh *s, enum step last)
{
	int dir;

	if (s->starved) {
		event_del(s->ev);
		loop_timer_set(s->again, 0);
		return;
	}
	if (last == STEP_IDLE) {
		event_del(s->ev);
		return;
	}
	if (s->state == ST_CONNECT) {
		watch(s, EV_WRITE);
		return;
	}
	dir = libssh2_session_block_directions(s->session);
	watch(s,
	    (short)(EV_READ |
		(dir & LIBSSH2_SESSION_BLOCK_OUTBOUND ? EV_WRITE : 0)));
}

/* Steps ------------------------------------------------------------------- */

static enum step
step_connect(struct ssh *s)
{
	socklen_t len = sizeof(int);
	int e = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len);
	if (e) {
		fail(s, e == ECONNREFUSED ? SSH_F_REFUSED : SSH_F_UNREACHABLE,
		    MW_UNREACHABLE, e, "cannot connect");
		return STEP_NEXT;
	}
	loop_timer_clear(s->deadline);
	s->state = ST_CONNECTED;
	s->conf.event(s->conf.arg, SSH_CONNECTED);
	return s->state == ST_CONNECTED ? STEP_IDLE : STEP_NEXT;
}

static enum step
step_kex(struct ssh *s)
{
	int rc = libssh2_session_handshake(s->session, s->fd);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	if (rc)
		return fail_lib(s, is_cut(rc) ? SSH_F_CUT : SSH_F_PROTOCOL,
		    "key exchange");
	s->state = ST_HOST_KEY;
	return STEP_NEXT;
}

/* Nothing may be sent to a server with another key: it is not our VM. */
static enum step
step_host_key(struct ssh *s)
{
	char want[SSH_FINGERPRINT_LEN] = "", have[SSH_FINGERPRINT_LEN] = "";
	struct mw_err err = MW_ERR_INIT;
	const char *blob;
	char text[200];
	size_t n = 0;
	int type = 0;

	blob = libssh2_session_hostkey(s->session, &n, &type);
	if (!blob || !ssh_key_line(blob, n, s->host_key, &err)) {
		fail(s, SSH_F_PROTOCOL, MW_PROTO, 0, "unreadable host key");
		return STEP_NEXT;
	}
	if (s->conf.host_key
		? ssh_key_equal(s->conf.host_key, s->host_key)
		: !s->conf.pin || s->conf.pin(s->conf.pin_arg, s->host_key)) {
		s->state = ST_AUTH;
		return STEP_NEXT;
	}
	if (!ssh_key_fingerprint(s->host_key, have, &err) ||
	    (s->conf.host_key &&
		!ssh_key_fingerprint(s->conf.host_key, want, &err)))
		want[0] = '\0';
	snprintf(text, sizeof text, "the host key changed: it is %s, not %s",
	    have, want[0] ? want : "the pinned one");
	fail(s, SSH_F_HOST_KEY, MW_DENIED, 0, text);
	return STEP_NEXT;
}

static enum step
step_auth(struct ssh *s)
{
	int rc = libssh2_userauth_publickey_frommemory(s->session, s->conf.user,
	    strlen(s->conf.user), NULL, 0, s->conf.private_key,
	    strlen(s->conf.private_key), NULL);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
	    rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
		return fail_lib(s, SSH_F_AUTH, "login refused");
	if (rc)
		return fail_lib(s, is_cut(rc) ? SSH_F_CUT : SSH_F_KEY, "login");
	loop_timer_clear(s->deadline);
	s->state = ST_READY;
	s->conf.event(s->conf.arg, SSH_READY);
	return s->state == ST_READY ? STEP_IDLE : STEP_NEXT;
}

static enum step
step_open(struct ssh *s)
{
	s->channel = libssh2_channel_open_session(s->session);
	if (s->channel) {
		s->state = ST_EXEC;
		return STEP_NEXT;
	}
	if (libssh2_session_last_errno(s->session) == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	return fail_lib(s,
	    is_cut(libssh2_session_last_errno(s->session)) ? SSH_F_CUT
							   : SSH_F_EXEC,
	    "channel");
}

static enum step
step_exec(struct ssh *s)
{
	int rc = libssh2_channel_exec(s->channel, s->command);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	if (rc)
		return fail_lib(s, is_cut(rc) ? SSH_F_CUT : SSH_F_EXEC,
		    "command");
	s->state = ST_RUN;
	return STEP_NEXT;
}

/* What the command reads. False: an error. */
static bool
feed(struct ssh *s)
{
	struct chunk *c;
	ssize_t n;
	int rc;

	while ((c = STAILQ_FIRST(&s->input))) {
		n = libssh2_channel_write(s->channel, c->p + c->off,
		    c->n - c->off);
		if (n == LIBSSH2_ERROR_EAGAIN)
			return true;
		/* the command closed its input: its output says why */
		if (n == LIBSSH2_ERROR_CHANNEL_EOF_SENT ||
		    n == LIBSSH2_ERROR_CHANNEL_CLOSED)
			n = (ssize_t)(c->n - c->off);
		if (n < 0)
			return false;
		c->off += (size_t)n;
		if (c->off < c->n)
			continue;
		STAILQ_REMOVE_HEAD(&s->input, link);
		free(c);
	}
	if (s->eof_wanted && !s->eof_sent) {
		rc = libssh2_channel_send_eof(s->channel);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return true;
		s->eof_sent = true;
	}
	return true;
}

/* False: an error. */
static bool
drain(struct ssh *s, int stream)
{
	char buf[16384];
	ssize_t n;

	while (!s->closed && s->state == ST_RUN) {
		n = libssh2_channel_read_ex(s->channel, stream, buf,
		    sizeof buf);
		if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
			return true;
		if (n < 0)
			return false;
		s->conf.data(s->conf.arg, stream != 0, buf, (size_t)n);
	}
	return true;
}

static enum step
step_run(struct ssh *s)
{
	if (!feed(s) || !drain(s, 0) || !drain(s, SSH_EXTENDED_DATA_STDERR))
		return fail_lib(s, SSH_F_CUT, "connection lost");
	if (s->closed || s->state != ST_RUN)
		return STEP_NEXT;
	if (libssh2_channel_eof(s->channel)) {
		s->state = ST_WAIT_CLOSED;
		return STEP_NEXT;
	}
	return STEP_AGAIN;
}

/* The exit status may come after the end of the output. */
static enum step
step_wait_closed(struct ssh *s)
{
	char *sig = NULL;
	int rc = libssh2_channel_wait_closed(s->channel);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	if (rc)
		return fail_lib(s, SSH_F_CUT, "connection lost");
	s->exit_code = libssh2_channel_get_exit_status(s->channel);
	libssh2_channel_get_exit_signal(s->channel, &sig, NULL, NULL, NULL,
	    NULL, NULL);
	if (sig) {
		s->exit_code = -1;
		libssh2_free(s->session, sig);
	}
	s->state = ST_FREE_CHANNEL;
	return STEP_NEXT;
}

static enum step
step_free_channel(struct ssh *s)
{
	struct chunk *c;

	if (libssh2_channel_free(s->channel) == LIBSSH2_ERROR_EAGAIN)
		return STEP_AGAIN;
	s->channel = NULL;
	while ((c = STAILQ_FIRST(&s->input))) {
		STAILQ_REMOVE_HEAD(&s->input, link);
		free(c);
	}
	s->state = ST_READY;
	s->conf.event(s->conf.arg, SSH_EXEC_END);
	return s->state == ST_READY ? STEP_IDLE : STEP_NEXT;
}

static enum step
step_idle(struct ssh *s)
{
	(void)s;
	return STEP_IDLE;
}

static enum step (*const steps[ST_COUNT])(struct ssh *s) = {
	[ST_CONNECT] = step_connect,
	[ST_CONNECTED] = step_idle,
	[ST_KEX] = step_kex,
	[ST_HOST_KEY] = step_host_key,
	[ST_AUTH] = step_auth,
	[ST_READY] = step_idle,
	[ST_OPEN] = step_open,
	[ST_EXEC] = step_exec,
	[ST_RUN] = step_run,
	[ST_WAIT_CLOSED] = step_wait_closed,
	[ST_FREE_CHANNEL] = step_free_channel,
};

static void
run_steps(struct ssh *s)
{
	enum step last = STEP_NEXT;

	s->turn = SSH_TURN_BYTES;
	s->starved = false;
	s->stepping = true;
	while (last == STEP_NEXT && s->state != ST_DEAD && !s->closed)
		last = steps[s->state](s);
	s->stepping = false;
	if (s->closed)
		return;
	if (s->state == ST_DEAD) {
		drop_session(s);
		s->conf.event(s->conf.arg, SSH_FAILED);
		return;
	}
	arm(s, last);
}

/* Goes on on a later turn: never from inside a call of the owner. */
static void
kick(struct ssh *s)
{
	if (!s->closed)
		loop_timer_set(s->again, 0);
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_steps(arg);
}

static void
on_again(void *arg)
{
	struct ssh *s = arg;

	if (s->state == ST_DEAD)
		s->conf.event(s->conf.arg, SSH_FAILED);
	else
		run_steps(s);
}

static void
on_deadline(void *arg)
{
	struct ssh *s = arg;
	bool early = s->state == ST_CONNECT;

	fail(s, early ? SSH_F_UNREACHABLE : SSH_F_CUT, MW_TIMEOUT, 0,
	    early ? "no answer to the connect"
		  : "the SSH server did not finish the login in time");
	drop_session(s);
	s->conf.event(s->conf.arg, SSH_FAILED);
}

/* Owner's calls ----------------------------------------------------------- */

static void
start_connect(struct ssh *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int one = 1;

	sin.sin_port = htons((uint16_t)(s->conf.port ? s->conf.port : 22));
	if (inet_pton(AF_INET, s->conf.address, &sin.sin_addr) != 1) {
		fail(s, SSH_F_UNREACHABLE, MW_INVALID, 0,
		    "not a numeric IPv4 address");
		return;
	}
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		fail(s, SSH_F_UNREACHABLE, MW_INTERNAL, errno, "socket");
		return;
	}
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(s->fd, (struct sockaddr *)&sin, sizeof sin) != 0 &&
	    errno != EINPROGRESS) {
		fail(s,
		    errno == ECONNREFUSED ? SSH_F_REFUSED : SSH_F_UNREACHABLE,
		    MW_UNREACHABLE, errno, "cannot connect");
		return;
	}
	watch(s, EV_WRITE);
}

struct ssh *
ssh_open(const struct ssh_conf *conf)
{
	struct ssh *s = xcalloc(1, sizeof *s);

	s->conf = *conf;
	s->fd = -1;
	s->state = ST_CONNECT;
	STAILQ_INIT(&s->input);
	s->deadline = loop_timer_new(conf->loop, on_deadline, s);
	s->again = loop_timer_new(conf->loop, on_again, s);
	start_connect(s);
	if (s->state == ST_DEAD)
		loop_timer_set(s->again, 0);
	else
		loop_timer_set(s->deadline, SSH_CONNECT_MS * NS_PER_MS);
	return s;
}

void
ssh_login(struct ssh *s)
{
	union {
		ssize_t (*fn)(libssh2_socket_t, void *, size_t, int, void **);
		void *p;
	} take = { .fn = take_bytes };
	union {
		ssize_t (
		    *fn)(libssh2_socket_t, const void *, size_t, int, void **);
		void *p;
	} give = { .fn = give_bytes };

	if (s->state != ST_CONNECTED)
		return;
	s->session = libssh2_session_init_ex(NULL, NULL, NULL, s);
	if (!s->session)
		abort();
	libssh2_session_set_blocking(s->session, 0);
	libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_RECV, take.p);
	libssh2_session_callback_set(s->session, LIBSSH2_CALLBACK_SEND, give.p);
	s->state = ST_KEX;
	if (!ssh_policy_set(s->session, s->conf.host_key))
		fail(s, SSH_F_PROTOCOL, MW_INTERNAL, 0,
		    "libssh2 lacks an algorithm we need");
	else
		loop_timer_set(s->deadline, SSH_LOGIN_MS * NS_PER_MS);
	kick(s);
}

void
ssh_exec(struct ssh *s, const char *command)
{
	if (s->state != ST_READY)
		return;
	s->command = command;
	s->eof_wanted = s->eof_sent = false;
	s->exit_code = -1;
	s->state = ST_OPEN;
	kick(s);
}

void
ssh_write(struct ssh *s, const void *p, size_t n, bool take_copy)
{
	struct chunk *c = xmalloc(sizeof *c + (take_copy ? n : 0));

	c->n = n;
	c->off = 0;
	c->p = p;
	if (take_copy) {
		memcpy(c->copy, p, n);
		c->p = c->copy;
	}
	STAILQ_INSERT_TAIL(&s->input, c, link);
	kick(s);
}

void
ssh_write_eof(struct ssh *s)
{
	s->eof_wanted = true;
	kick(s);
}

int
ssh_exit_code(const struct ssh *s)
{
	return s->exit_code;
}

enum ssh_failure
ssh_failure(const struct ssh *s, struct mw_err *err)
{
	*err = s->err;
	return s->failure;
}

const char *
ssh_host_key(const struct ssh *s)
{
	return s->host_key;
}
