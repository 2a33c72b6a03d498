/*
 * agent_ca.c - a private CA on the command line, for agent.py:
 *	agent_ca new DIR DEPLOYMENT	CA and coordinator certificate
 *	agent_ca sign DIR URI <csr	prints an agent's certificate
 *	agent_ca server DIR URI <csr	prints a server's certificate
 */
#include "common/file.h"
#include "common/tls.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
put(const char *dir, const char *name, const struct str *s, struct mw_err *err)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return file_write(path, s->p, s->len, 0600, err);
}

static bool
get(const char *dir, const char *name, struct str *s, struct mw_err *err)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return file_read(path, 65536, s, err);
}

static bool
make_ca(const char *dir, const char *deployment, struct mw_err *err)
{
	struct str ca_key = STR_INIT, ca = STR_INIT, key = STR_INIT;
	struct str csr = STR_INIT, cert = STR_INIT;
	char uri[128], serial[33];
	bool ok;

	snprintf(uri, sizeof uri, "mw://%s/coordinator", deployment);
	ok = tls_key_new(&ca_key, err) &&
	    tls_ca_new(str_cstr(&ca_key), deployment, &ca, err) &&
	    tls_key_new(&key, err) && tls_csr_new(str_cstr(&key), &csr, err) &&
	    tls_sign(str_cstr(&ca_key), str_cstr(&ca), str_cstr(&csr), uri,
		true, 3600, &cert, serial, err) &&
	    put(dir, "ca.key", &ca_key, err) && put(dir, "ca.pem", &ca, err) &&
	    put(dir, "server.key", &key, err) &&
	    put(dir, "server.pem", &cert, err);
	str_free(&ca_key);
	str_free(&ca);
	str_free(&key);
	str_free(&csr);
	str_free(&cert);
	return ok;
}

static bool
sign(const char *dir, const char *uri, bool server, struct mw_err *err)
{
	struct str ca_key = STR_INIT, ca = STR_INIT, cert = STR_INIT;
	char csr[8192], serial[33];
	ssize_t n = read(0, csr, sizeof csr - 1);
	bool ok;

	csr[n > 0 ? n : 0] = '\0';
	ok = get(dir, "ca.key", &ca_key, err) && get(dir, "ca.pem", &ca, err) &&
	    tls_sign(str_cstr(&ca_key), str_cstr(&ca), csr, uri, server, 3600,
		&cert, serial, err);
	fputs(str_cstr(&cert), stdout);
	str_free(&ca_key);
	str_free(&ca);
	str_free(&cert);
	return ok;
}

int
main(int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	bool ok = false;

	if (argc == 4 && strcmp(argv[1], "new") == 0)
		ok = make_ca(argv[2], argv[3], &err);
	else if (argc == 4 && strcmp(argv[1], "sign") == 0)
		ok = sign(argv[2], argv[3], false, &err);
	else if (argc == 4 && strcmp(argv[1], "server") == 0)
		ok = sign(argv[2], argv[3], true, &err);
	else
		err_set(&err, MW_INVALID, 0,
		    "new DIR DEPLOYMENT, sign|server DIR URI");
	if (!ok)
		fprintf(stderr, "agent_ca: %s\n", err.msg);
	return ok ? 0 : 1;
}
