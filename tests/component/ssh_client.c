/*
 * ssh_client.c - drives coordinator/remote/remote.c by hand, for ssh_install.sh.
 *
 *   ssh_client keygen FILE              an MCIS's key: FILE and FILE.pub
 *   ssh_client install|uninstall|exec [key=value ...]
 *
 * Keys: address port user key hostKey agentDir waitMs count (jobs at once)
 * command timeoutMs config force cancelMs pinRefuse=1 kex. Prints one line of
 * JSON per job. The CA is made anew in every run unless ca=FILE is given.
 */
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/tls.h"
#include "coordinator/remote/remote.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

struct client {
	struct loop *loop;
	struct remote *remote;
	const char *op;
	char **argv;
	struct str ca_key, ca_cert;
	size_t left;
	int64_t begin_ns, worst_turn_ns;
	struct remote_job **jobs;
};

static void
die(const struct mw_err *err)
{
	fprintf(stderr, "ssh_client: %s\n", err->msg);
	exit(2);
}

static const char *
get(const struct client *c, const char *key, const char *def)
{
	size_t n = strlen(key);

	for (char **a = c->argv; *a; a++) {
		if (strncmp(*a, key, n) == 0 && (*a)[n] == '=')
			return *a + n + 1;
	}
	return def;
}

static int64_t
get_int(const struct client *c, const char *key, int64_t def)
{
	const char *s = get(c, key, NULL);

	return s ? strtoll(s, NULL, 10) : def;
}

static void
keygen(const char *path)
{
	struct str priv = STR_INIT, pub = STR_INIT, pub_path = STR_INIT;
	struct mw_err err = MW_ERR_INIT;

	str_addf(&pub_path, "%s.pub", path);
	if (!ssh_key_new("milkyway", &priv, &pub, &err) ||
	    !file_write(path, priv.p, priv.len, 0600, &err))
		die(&err);
	str_addc(&pub, '\n');
	if (!file_write(str_cstr(&pub_path), pub.p, pub.len, 0644, &err))
		die(&err);
	str_free(&priv);
	str_free(&pub);
	str_free(&pub_path);
}

static void
make_ca(struct client *c)
{
	const char *path = get(c, "ca", NULL);
	struct mw_err err = MW_ERR_INIT;
	struct str cert = STR_INIT;

	str_addf(&cert, "%s.crt", path ? path : "");
	if (path && file_read(path, 65536, &c->ca_key, &err) &&
	    file_read(str_cstr(&cert), 65536, &c->ca_cert, &err))
		goto out;
	if (!tls_key_new(&c->ca_key, &err) ||
	    !tls_ca_new(str_cstr(&c->ca_key), "test", &c->ca_cert, &err))
		die(&err);
	if (path &&
	    (!file_write(path, c->ca_key.p, c->ca_key.len, 0600, &err) ||
		!file_write(str_cstr(&cert), c->ca_cert.p, c->ca_cert.len, 0600,
		    &err)))
		die(&err);
out:
	str_free(&cert);
}

static bool
sign(void *arg, const char *csr, struct str *cert, struct mw_err *err)
{
	struct client *c = arg;
	char serial[33];

	return tls_sign(str_cstr(&c->ca_key), str_cstr(&c->ca_cert), csr,
	    "mw://test/default/demo/1/1", false, 7 * 86400, cert, serial, err);
}

static void
step(void *arg, enum remote_step s)
{
	struct client *c = arg;

	fprintf(stderr, "%.3f %s\n",
	    (double)(clock_mono_ns() - c->begin_ns) / 1e9, remote_step_name(s));
}

static void
report(struct client *c, const struct remote_end *e, json_t *j)
{
	char *text;

	json_put_bool(j, "ok", e->ok);
	json_put_bool(j, "changed", e->changed);
	json_put_bool(j, "definite", e->definite);
	json_put_bool(j, "hostKeyChanged", e->host_key_changed);
	json_put_bool(j, "canceled", e->canceled);
	json_put_str(j, "step", remote_step_name(e->step));
	json_put_str(j, "reason", e->reason);
	json_put_str(j, "user", e->user);
	json_put_str(j, "hostKey", e->host_key);
	json_put_str(j, "message", e->err.msg);
	json_put_str(j, "packages", e->packages ? e->packages : "");
	json_put_num(j, "atS", (double)(clock_mono_ns() - c->begin_ns) / 1e9);
	text = json_text(j, true);
	fputs(text, stdout);
	free(text);
	json_decref(j);
	if (--c->left == 0)
		loop_stop(c->loop);
}

static void
done(void *arg, const struct remote_end *e)
{
	report(arg, e, json_object());
}

static void
exec_done(void *arg, const struct remote_end *e, const struct remote_output *o)
{
	json_t *j = json_object();

	json_put_int(j, "exitCode", o->exit_code);
	json_put_int(j, "stdoutLen", (int64_t)o->out.len);
	json_put_bool(j, "truncated", o->truncated);
	json_put_bool(j, "timedOut", o->timed_out);
	if (o->out.len < 4096) {
		json_put_str(j, "stdout", str_cstr(&o->out));
		json_put_str(j, "stderr", str_cstr(&o->err));
	}
	report(arg, e, j);
}

static bool
refuse_pin(void *arg, const char *host_key)
{
	(void)arg;
	(void)host_key;
	return false;
}

static struct remote_job *
start(struct client *c, const struct remote_target *t)
{
	struct remote_install_req req = {
		.target = *t,
		.agent_json = get(c, "config",
		    "{\"coordinator\":\"127.0.0.1\",\"port\":7471,"
		    "\"deployment\":\"test\","
		    "\"uri\":\"mw://test/default/demo/1/1\","
		    "\"echoPort\":7472}"),
		.ca_pem = str_cstr(&c->ca_cert),
		.force = get_int(c, "force", 0) != 0,
		.sign = sign,
		.step = get_int(c, "count", 1) == 1 ? step : NULL,
		.done = done,
		.arg = c,
	};

	if (strcmp(c->op, "install") == 0)
		return remote_install(c->remote, &req);
	if (strcmp(c->op, "uninstall") == 0)
		return remote_uninstall(c->remote, t,
		    get_int(c, "removeTools", 0) != 0, done, c);
	if (strcmp(c->op, "tools") == 0)
		return remote_tools(c->remote, t, done, c);
	return remote_exec(c->remote, t, get(c, "command", "true"),
	    get_int(c, "timeoutMs", 60000), exec_done, c);
}

static void
on_cancel(void *arg)
{
	struct client *c = arg;

	remote_cancel(c->jobs[0]);
}

static void
run(struct client *c)
{
	struct worker_pool *pool = worker_pool_new(c->loop, 1, 16);
	struct loop_timer *cancel = loop_timer_new(c->loop, on_cancel, c);
	const char *user = get(c, "user", NULL);
	const char *users[] = { "nobody-such", user };
	struct remote_conf conf = {
		.loop = c->loop,
		.pool = pool,
		.agent_dir = get(c, "agentDir", "."),
		.ssh_kex_max = get_int(c, "kex", 0),
	};
	struct str key = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	struct remote_target t = {
		.name = "test",
		.address = get(c, "address", "127.0.0.1"),
		.port = get_int(c, "port", 22),
		.users = user ? users + 1 : NULL,
		.nusers = user ? 1 : 0,
		.host_key = get(c, "hostKey", NULL),
		.pin = get_int(c, "pinRefuse", 0) ? refuse_pin : NULL,
		.wait_ms = get_int(c, "waitMs", 0),
	};

	if (get_int(c, "probeUsers", 0)) {
		t.users = users;
		t.nusers = 2;
	}
	if (!file_read(get(c, "key", "key"), 65536, &key, &err))
		die(&err);
	t.private_key = str_cstr(&key);
	c->remote = remote_new(&conf);
	c->left = (size_t)get_int(c, "count", 1);
	c->jobs = xcalloc(c->left, sizeof(struct remote_job *));
	c->begin_ns = clock_mono_ns();
	for (size_t i = 0, n = c->left; i < n; i++)
		c->jobs[i] = start(c, &t);
	if (get_int(c, "cancelMs", 0))
		loop_timer_set(cancel, get_int(c, "cancelMs", 0) * NS_PER_MS);
	loop_run(c->loop);
	fprintf(stderr, "worst lag %.1f ms\n",
	    (double)loop_lag_ns(c->loop) / 1e6);
	remote_free(c->remote);
	worker_pool_free(pool);
	loop_timer_free(cancel);
	free(c->jobs);
	str_free(&key);
}

int
main(int argc, char **argv)
{
	struct client c = { .argv = argv + 2 };
	struct rusage ru;

	if (argc == 3 && strcmp(argv[1], "keygen") == 0) {
		keygen(argv[2]);
		return 0;
	}
	if (argc < 2)
		return 2;
	log_init("ssh_client", LOG_DEBUG);
	c.op = argv[1];
	c.loop = loop_new();
	make_ca(&c);
	run(&c);
	getrusage(RUSAGE_SELF, &ru);
	fprintf(stderr, "peak %ld KiB, cpu %.3f s\n", ru.ru_maxrss,
	    (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	loop_free(c.loop);
	str_free(&c.ca_key);
	str_free(&c.ca_cert);
	return 0;
}
