/*
 * The client of the API and the environment's proxies: the token of a
 * coordinator on this machine goes to nobody else.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

bool
cli_interrupted(void)
{
	return false;
}

/* A socket of 127.0.0.1; its port is known, whether it listens or not. */
static int
socket_new(bool listens, char url[64])
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	if (listens)
		assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	snprintf(url, 64, "http://127.0.0.1:%u", (unsigned)ntohs(sa.sin_port));
	return fd;
}

static void
proxies_do_not_get_the_token(void **state)
{
	static const char *const names[] = { "http_proxy", "all_proxy",
		"ALL_PROXY" };
	char proxy[64], url[64], token[] = "secret";
	int p = socket_new(true, proxy), closed = socket_new(false, url);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct cli c = { .url = url, .token = token };
		struct mw_err err = MW_ERR_INIT;
		json_t *out = NULL;

		setenv(names[i], proxy, 1);
		assert_false(
		    cli_call(&c, "GET", "/v1/agents", NULL, &out, &err));
		unsetenv(names[i]);
		assert_int_equal(err.code, MW_UNREACHABLE);
		assert_int_equal(accept(p, NULL, NULL), -1);
		assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
		c.token = NULL;
		cli_close(&c);
	}
	close(p);
	close(closed);
}

static void
other_paths_are_not_called(void **state)
{
	char url[64], token[] = "secret";
	int p = socket_new(true, url);
	struct cli c = { .url = url, .token = token };
	struct mw_err err = MW_ERR_INIT;
	json_t *out = NULL;

	(void)state;
	assert_false(cli_call(&c, "DELETE", "/v1/connections/../ns/a/mcis/b",
	    NULL, &out, &err));
	assert_int_equal(err.code, MW_INVALID);
	assert_int_equal(accept(p, NULL, NULL), -1);
	c.token = NULL;
	cli_close(&c);
	close(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxies_do_not_get_the_token),
		cmocka_unit_test(other_paths_are_not_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
