/*
 * driver_cases_net.c - endpoints that do not answer as far as TLS: nothing of a
 * create may have left then, and a certificate that is not trusted says so.
 */
#include "driver_cases.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4 /* fill the queue of a listener that takes nobody */

/* Listens on a port of this machine and never accepts. */
static int
listener(int backlog, struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof *sa;

	*sa = (struct sockaddr_in){ .sin_family = AF_INET };
	sa->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)sa, sizeof *sa) != 0 ||
	    listen(fd, backlog) != 0 ||
	    getsockname(fd, (struct sockaddr *)sa, &n) != 0)
		return -1;
	return fd;
}

static bool
unsent_in_time(struct suite *s)
{
	int64_t began = clock_mono_ns();
	struct csp_req *q = create(s, "none");

	q->deadline_ms = 800;
	return is(s, call(s, q), CSP_DEFINITE, CSP_R_UNSENT) &&
	    says(s, !s->answers[0]->sent, "said to be sent") &&
	    says(s,
		s->answers[0]->message && strlen(s->answers[0]->message) > 0,
		"without a word") &&
	    says(s, clock_mono_ns() - began < 5 * NS_PER_S,
		"the deadline was not kept");
}

static bool
unsent_to(struct suite *s, const char *url)
{
	struct drv_conf conf = s->conf;

	conf.endpoint = url;
	return with_conf(s, &conf, unsent_in_time);
}

static const char *
url_of(struct suite *s, const char *host, int port)
{
	snprintf(s->rule, sizeof s->rule, "https://%s:%d/%s", host, port,
	    str_eq(s->conf.driver, "openstack") ? "v3" : "");
	return s->rule;
}

static bool
c15_unknown_host(struct suite *s)
{
	return unsent_to(s, url_of(s, "no-such-host.invalid", 443));
}

static bool
c15_tls_stall(struct suite *s)
{
	struct sockaddr_in sa;
	int fd = listener(8, &sa);
	bool ok = says(s, fd >= 0, "no port") &&
	    unsent_to(s, url_of(s, "127.0.0.1", ntohs(sa.sin_port)));

	close(fd);
	return ok;
}

/* A listener whose queue is full: the kernel takes no more connections. */
static bool
c39_connect_stall(struct suite *s)
{
	struct sockaddr_in sa;
	int fd = listener(0, &sa), clients[CLIENTS];
	bool ok;

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(clients[i], (struct sockaddr *)&sa, sizeof sa);
	}
	ok = says(s, fd >= 0, "no port") &&
	    unsent_to(s, url_of(s, "127.0.0.1", ntohs(sa.sin_port)));
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	close(fd);
	return ok;
}

static void
close_target(void *arg)
{
	struct suite *s = arg;

	s->driver->close(s->conn);
	s->conn = NULL;
}

/* Closed before a byte of the create could leave. */
static bool
closed_early(struct suite *s, const char *url)
{
	struct drv_env env = { .loop = s->loop, .http = s->http };
	struct loop_timer *t = loop_timer_new(s->loop, close_target, s);
	struct drv_conf conf = s->conf;
	struct drv_conn *mine = s->conn;
	struct mw_err err = MW_ERR_INIT;
	bool ok;

	conf.endpoint = url;
	ok = s->driver->open(&env, &conf, &s->conn, &err);
	if (ok) {
		post(s, create(s, "none"));
		loop_timer_set(t, NS_PER_S / 5);
		wait_all(s);
		ok = says(s, s->nanswers == 1, "not one end") &&
		    is(s, s->answers[0], CSP_DEFINITE, CSP_R_UNSENT);
	}
	loop_timer_free(t);
	s->conn = mine;
	return ok;
}

static bool
c39_closed_early(struct suite *s)
{
	struct sockaddr_in sa[2];
	int fds[2] = { listener(8, &sa[0]), listener(0, &sa[1]) };
	int clients[CLIENTS];
	bool ok = true;

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(clients[i], (struct sockaddr *)&sa[1],
		    sizeof sa[1]);
	}
	for (int i = 0; i < 2; i++)
		ok = ok &&
		    closed_early(s,
			url_of(s, "127.0.0.1", ntohs(sa[i].sin_port)));
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	close(fds[0]);
	close(fds[1]);
	return ok;
}

static bool
is_untrusted(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VERIFY)), CSP_DEFINITE, CSP_R_UNSENT) &&
	    says(s, strstr(s->answers[0]->message, "certificate") != NULL,
		s->answers[0]->message);
}

static bool
is_trusted(struct suite *s)
{
	return is(s, call(s, req(s, CSP_VERIFY)), CSP_OK, CSP_R_NONE);
}

static bool
c40_certificates(struct suite *s)
{
	struct drv_conf conf = s->conf;
	char ca[200], url[64];
	int mine, other;

	if (!says(s, sscanf(s->tls, "%d %d %199s", &mine, &other, ca) == 3,
		"no ports and CA"))
		return false;
	str_copy(url, sizeof url, url_of(s, "127.0.0.1", mine));
	conf.endpoint = url;
	if (!with_conf(s, &conf, is_untrusted)) /* unknown CA */
		return false;
	conf.ca_file = "/nonexistent.pem";
	if (!with_conf(s, &conf, is_untrusted))
		return false;
	conf.ca_file = ca;
	if (!with_conf(s, &conf, is_trusted))
		return false;
	conf.endpoint = url_of(s, "127.0.0.1", other);
	return with_conf(s, &conf, is_untrusted); /* another name */
}

#define N(no, what, run, needs)            \
	{                                  \
		no, what, run, needs, NULL \
	}
const struct drv_case suite_net[] = {
	N(15, "unknown host: unsent", c15_unknown_host, NEEDS_HTTP),
	N(15, "a TLS handshake without end: unsent", c15_tls_stall, NEEDS_HTTP),
	N(39, "a connection that never comes about: unsent", c39_connect_stall,
	    NEEDS_HTTP),
	N(39, "closed while connecting and in the handshake: unsent",
	    c39_closed_early, NEEDS_HTTP),
	N(40, "certificates: unknown CA, another name, our own CA",
	    c40_certificates, NEEDS_TLS),
};
const size_t suite_nnet = ARRAY_LEN(suite_net);
