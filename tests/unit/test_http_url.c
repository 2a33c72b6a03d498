/*
 * Which addresses a connection may name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drivers/http_int.h"

static const struct {
	const char *url;
	enum http_url kind;
} urls[] = {
	{ "https://cloud.example:5000/v3", HTTP_URL_HTTPS },
	{ "https://ec2.us-east-1.amazonaws.com/", HTTP_URL_HTTPS },
	{ "https://[2001:db8::1]:5000/v3", HTTP_URL_HTTPS },
	{ "https://192.0.2.1", HTTP_URL_HTTPS },
	{ "HTTPS://cloud.example/", HTTP_URL_HTTPS },
	{ "https://127.0.0.1.example.com/", HTTP_URL_HTTPS },
	{ "https://127.0.0.1:5000/", HTTP_URL_LOCAL },
	{ "https://localhost/", HTTP_URL_LOCAL },
	{ "https://[::1]/", HTTP_URL_LOCAL },
	{ "http://127.0.0.1:5555", HTTP_URL_PLAIN },
	{ "http://127.0.0.1:5555/x?y=1", HTTP_URL_PLAIN },
	{ "http://127.255.1.2/", HTTP_URL_PLAIN },
	{ "http://localhost:8080/", HTTP_URL_PLAIN },
	{ "http://LOCALHOST/", HTTP_URL_PLAIN },
	{ "http://[::1]:80/", HTTP_URL_PLAIN },
	{ "http://127.evil.example.com/", HTTP_URL_BAD },
	{ "http://127.0.0.1.example.com/", HTTP_URL_BAD },
	{ "http://127.0.0.1@example.com/", HTTP_URL_BAD },
	{ "http://127.0.0.1:80@example.com/", HTTP_URL_BAD },
	{ "http://localhost.example.com/", HTTP_URL_BAD },
	{ "http://localhost@example.com/", HTTP_URL_BAD },
	{ "http://localhostx/", HTTP_URL_BAD },
	{ "http://user@127.0.0.1/", HTTP_URL_BAD },
	{ "https://user:secret@cloud.example/", HTTP_URL_BAD },
	{ "https://@cloud.example/", HTTP_URL_BAD },
	{ "http://example.com#@127.0.0.1/", HTTP_URL_BAD },
	{ "http://example.com\\@127.0.0.1/", HTTP_URL_BAD },
	{ "http://127.0.0.1\\.example.com/", HTTP_URL_BAD },
	{ "http://127.0.0.1%2eexample.com/", HTTP_URL_BAD },
	{ "http://10.0.0.1/", HTTP_URL_BAD },
	{ "http://128.0.0.1/", HTTP_URL_BAD },
	{ "http://0.0.0.0/", HTTP_URL_BAD },
	{ "http://[::]/", HTTP_URL_BAD },
	{ "http://[::2]/", HTTP_URL_BAD },
	{ "http://[::ffff:192.0.2.1]/", HTTP_URL_BAD },
	{ "http://cloud.example:5000/v3", HTTP_URL_BAD },
	{ "https:/cloud.example/", HTTP_URL_BAD },
	{ "https:///cloud.example/", HTTP_URL_BAD },
	{ "https://", HTTP_URL_BAD },
	{ "https://a b/", HTTP_URL_BAD },
	{ "ftp://127.0.0.1/", HTTP_URL_BAD },
	{ "file:///etc/passwd", HTTP_URL_BAD },
	{ "//127.0.0.1/", HTTP_URL_BAD },
	{ "127.0.0.1:80", HTTP_URL_BAD },
	{ "", HTTP_URL_BAD },
};

static void
hosts_are_taken_as_a_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		enum http_url kind = http_url_kind(urls[i].url);

		if (kind != urls[i].kind)
			fail_msg("%s: %d, not %d", urls[i].url, (int)kind,
			    (int)urls[i].kind);
	}
}

static const struct {
	const char *name, *value, *url;
	long port;
} proxies[] = {
	{ "https_proxy", "http://proxy.example:3128", "https://a.example/",
	    3128 },
	{ "https_proxy", "proxy.example:3128", "https://a.example/", 3128 },
	{ "HTTPS_PROXY", "http://proxy.example", "https://a.example/", 1080 },
	{ "all_proxy", "https://proxy.example", "https://a.example/", 443 },
	{ "ALL_PROXY", "socks5h://127.0.0.1:1081", "https://a.example/", 1081 },
	{ "ALL_PROXY", "socks5://user:word@127.0.0.1", "https://a.example/",
	    1080 },
	{ "ALL_PROXY", "", "https://a.example/", 0 },
	{ "http_proxy", "http://proxy.example:3128", "https://a.example/", 0 },
	{ "https_proxy", "http://proxy.example:3128", "https://127.0.0.1/", 0 },
	{ "all_proxy", "http://proxy.example:3128", "http://localhost/", 0 },
};

static void
proxies_of_the_environment_are_seen(void **state)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY", "http_proxy" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		long port;

		setenv(proxies[i].name, proxies[i].value, 1);
		port = http_proxy_port(proxies[i].url);
		unsetenv(proxies[i].name);
		if (port != proxies[i].port)
			fail_msg("%s=%s, %s: %ld", proxies[i].name,
			    proxies[i].value, proxies[i].url, port);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_taken_as_a_whole),
		cmocka_unit_test(proxies_of_the_environment_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
