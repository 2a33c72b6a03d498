/*
 * http_url.c - which addresses a connection may name, and which proxy the
 * environment puts before them. URLs are parsed by libcurl, which also makes
 * the calls: what is judged here is what is called.
 */
#include "drivers/http_int.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* libcurl takes "localhost" for this machine without asking anybody. */
static bool
host_is_local(char *host)
{
	size_t n = strlen(host);
	struct in6_addr v6;
	struct in_addr v4;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (host[0] == '[' && n > 2) {
		host[n - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, &v6) == 1 &&
		    IN6_IS_ADDR_LOOPBACK(&v6);
	}
	return inet_pton(AF_INET, host, &v4) == 1 &&
	    ntohl(v4.s_addr) >> 24 == 127;
}

/* A part that is not there is NULL. */
static char *
part(CURLU *u, CURLUPart what)
{
	char *text = NULL;

	return curl_url_get(u, what, &text, 0) == CURLUE_OK ? text : NULL;
}

enum http_url
http_url_kind(const char *url)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL;
	enum http_url kind = HTTP_URL_BAD;
	size_t scheme_len = strcspn(url, ":");
	bool local;

	/* libcurl takes "https:/host" and "https:///host" as well */
	if (strncmp(url + scheme_len, "://", 3) != 0 ||
	    url[scheme_len + 3] == '/')
		scheme_len = 0;
	if (u && scheme_len > 0 && !strchr(url, '#') &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) ==
		CURLUE_OK) {
		scheme = part(u, CURLUPART_SCHEME);
		host = part(u, CURLUPART_HOST);
	}
	if (scheme && host && host[0]) {
		local = host_is_local(host);
		if (str_eq(scheme, "https"))
			kind = local ? HTTP_URL_LOCAL : HTTP_URL_HTTPS;
		else if (str_eq(scheme, "http") && local)
			kind = HTTP_URL_PLAIN;
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return kind;
}

/* In the order in which libcurl asks; only https:// leaves this machine. */
static const char *
proxy_of_environment(void)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY" };
	const char *v = NULL;

	for (size_t i = 0; i < ARRAY_LEN(names) && (!v || !v[0]); i++)
		v = getenv(names[i]);
	return v && v[0] ? v : NULL;
}

/* Ports that are not given: https://curl.se/libcurl/c/CURLOPT_PROXY.html */
long
http_proxy_port(const char *url)
{
	const char *proxy = proxy_of_environment();
	char *scheme = NULL, *port = NULL;
	int64_t n = 0;
	CURLU *u;

	if (!proxy || http_url_kind(url) != HTTP_URL_HTTPS)
		return 0;
	u = curl_url();
	if (u &&
	    curl_url_set(u, CURLUPART_URL, proxy,
		CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK) {
		scheme = part(u, CURLUPART_SCHEME);
		port = part(u, CURLUPART_PORT);
		n = scheme && str_eq(scheme, "https") ? 443 : 1080;
		if (port && !num_parse_i64(port, strlen(port), 1, 65535, &n))
			n = 0;
	}
	curl_free(scheme);
	curl_free(port);
	curl_url_cleanup(u);
	return (long)n;
}
