/*
 * ssh.h - one SSH connection, non-blocking on the loop (libssh2): connect,
 * key exchange, host key check, public key login, then one exec channel at a
 * time.
 *
 * The server is a stranger: only exec channels, a short list of algorithms,
 * at most SSH_TURN_BYTES per callback, deadlines for connect and login. Called
 * by remote.c only.
 */
#ifndef MW_COORDINATOR_SSH_H
#define MW_COORDINATOR_SSH_H

#include "common/loop.h"
#include "common/pure/err.h"
#include "coordinator/remote/ssh_key.h"

#define SSH_TURN_BYTES ((size_t)64 * 1024)
#define SSH_CONNECT_MS 10000
#define SSH_LOGIN_MS 20000

struct ssh;

enum ssh_event {
	SSH_CONNECTED, /* TCP is there: call ssh_login() when it may begin */
	SSH_READY, /* logged in */
	SSH_EXEC_END, /* the command is over: ssh_exit_code() */
	SSH_FAILED, /* the connection is dead: ssh_failure() */
};

enum ssh_failure {
	SSH_F_NONE,
	SSH_F_REFUSED, /* no TCP connection */
	SSH_F_UNREACHABLE, /* or no answer in time */
	SSH_F_CUT, /* it ended, or fell silent, after the connect */
	SSH_F_PROTOCOL, /* no common algorithm, not an SSH server */
	SSH_F_HOST_KEY, /* not the pinned one; nothing was sent after it */
	SSH_F_AUTH, /* this user with this key: no */
	SSH_F_KEY, /* our private key cannot be used */
	SSH_F_EXEC, /* the server refuses the command */
};

/* Borrowed strings must live as long as the connection. */
struct ssh_conf {
	struct loop *loop;
	const char *address; /* numeric IPv4 */
	int64_t port;
	const char *user, *private_key;
	const char *host_key; /* pin, or NULL: pin() is asked */
	bool (*pin)(void *arg, const char *host_key); /* NULL: any key */
	void *pin_arg;
	void (*event)(void *arg, enum ssh_event ev);
	/* Output of the command; may come until SSH_EXEC_END. */
	void (*data)(void *arg, bool is_stderr, const char *p, size_t n);
	void *arg;
};

/* Starts to connect; events come later, never from inside a call. */
struct ssh *ssh_open(const struct ssh_conf *conf);
/* No event follows. Safe inside callbacks. NULL is fine. */
void ssh_close(struct ssh *s);
void ssh_login(struct ssh *s);
/* One at a time, when ready. The text must live until SSH_EXEC_END. */
void ssh_exec(struct ssh *s, const char *command);
/* Input of the command. take_copy: copied; else it must live on. */
void ssh_write(struct ssh *s, const void *p, size_t n, bool take_copy);
void ssh_write_eof(struct ssh *s);
/* -1: ended by a signal. */
int ssh_exit_code(const struct ssh *s);
enum ssh_failure ssh_failure(const struct ssh *s, struct mw_err *err);
/* The server's key as a line, "" before the key exchange. */
const char *ssh_host_key(const struct ssh *s);

#endif
