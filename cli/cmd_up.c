/*
 * cmd_up.c - a first try without a cloud account: starts the twin and the
 * coordinator on this machine, and stops them again.
 *
 * Everything lives in one directory (--dir): token, database, logs, the twin's
 * socket. `up` twice changes nothing; `down` leaves the database.
 */
#include "cli/cli.h"

#include "common/clock.h"
#include "common/file.h"
#include "common/pure/alloc.h"
#include "common/pure/num.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char *
cli_beside(const char *name)
{
	char here[PATH_MAX], *slash, *path;
	ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);

	if (n > 0) {
		here[n] = 0;
		slash = strrchr(here, '/');
		if (slash) {
			*slash = 0;
			path = xasprintf("%s/%s", here, name);
			if (access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	return xstrdup(name);
}

/* Starts a daemon: own session, output to the log, standard input closed. */
static bool
daemon_start(char *const argv[], const char *log, pid_t *pid,
    struct mw_err *err)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || null < 0)
		return err_set(err, MW_INTERNAL, errno, "%s: %s", log,
		    strerror(errno));
	*pid = fork();
	if (*pid == 0) {
		setsid();
		dup2(null, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(fd);
	close(null);
	if (*pid < 0)
		return err_set(err, MW_INTERNAL, errno, "fork: %s",
		    strerror(errno));
	return true;
}

/* Last lines of a log, for the error message. */
static void
show_log(const char *log)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	size_t from, lines = 0;

	if (!file_read(log, 64u << 20, &s, &err))
		return;
	for (from = s.len; from > 0 && lines < 6; from--)
		if (s.p[from - 1] == '\n' && from < s.len)
			lines++;
	fprintf(stderr, "  from %s:\n%s", log, str_cstr(&s) + from);
	str_free(&s);
}

/* True when probe() says so within seconds; false early if pid ended. */
static bool
wait_for(bool (*probe)(struct cli *c, const char *arg), struct cli *c,
    const char *arg, pid_t pid, int seconds)
{
	int64_t until = clock_mono_ns() + seconds * NS_PER_S;

	while (clock_mono_ns() < until && !cli_interrupted()) {
		struct timespec nap = { 0, 20 * NS_PER_MS };

		if (probe(c, arg))
			return true;
		if (pid > 0 && waitpid(pid, NULL, WNOHANG) == pid)
			return probe(c, arg);
		nanosleep(&nap, NULL);
	}
	return false;
}

static bool
twin_answers(struct cli *c, const char *sock)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *s = NULL;
	bool ok = cli_call_unix(c, sock, "GET", "/v1/status", NULL, &s, &err);

	json_decref(s);
	return ok;
}

static bool
coordinator_ready(struct cli *c, const char *arg)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *s = NULL;
	bool ok;

	(void)arg;
	free(c->token);
	c->token = NULL; /* may have been made just now */
	ok = cli_call(c, "GET", "/v1/version", NULL, &s, &err);
	json_decref(s);
	return ok;
}

/* A twin that is up keeps its world until `down`. */
static bool
twin_is(struct cli *c, const char *sock, const char *name, struct mw_err *err)
{
	json_t *s = NULL;
	bool ok = cli_call_unix(c, sock, "GET", "/v1/status", NULL, &s, err);

	if (ok && !str_eq(js(s, "world"), name)) {
		ok = err_set(err, MW_CONFLICT, 0,
		    "the twin is up with world %s, not %s", js(s, "world"),
		    name);
		err_hint(err, "milkyway down, then up again");
	} else if (ok) {
		fprintf(stderr, "twin: already up\n");
	}
	json_decref(s);
	return ok;
}

/* world: its file; name: what the file calls it. */
static bool
twin_up(struct cli *c, const char *world, const char *name, struct mw_err *err)
{
	char *sock = xasprintf("%s/twin.sock", c->dir);
	char *state = xasprintf("%s/twin", c->dir);
	char *log = xasprintf("%s/twin.log", c->dir),
	     *prog = cli_beside("milkyway-twin");
	char *argv[] = { prog, (char *)"up", (char *)"--world",
		(char *)(uintptr_t)world, (char *)"--state", state,
		(char *)"--socket", sock, NULL };
	bool ok = true;
	pid_t pid = 0;

	if (twin_answers(c, sock)) {
		ok = twin_is(c, sock, name, err);
		goto out;
	}
	ok = daemon_start(argv, log, &pid, err);
	if (ok && !wait_for(twin_answers, c, sock, pid, 20)) {
		show_log(log);
		err_set(err, MW_INTERNAL, 0, "the twin did not start");
		ok = err_hint(err, "%s doctor", prog);
	}
	if (ok)
		fprintf(stderr, "twin: up, world %s\n", world);
out:
	free(sock);
	free(state);
	free(log);
	free(prog);
	return ok;
}

/* No token is needed to see it. */
static bool
coordinator_rescue(struct cli *c)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	char *token = c->token;
	bool yes;

	c->token = (char *)"none";
	yes = cli_text(c, "/healthz", &s, &err) &&
	    str_starts(str_cstr(&s), "rescue");
	c->token = token;
	str_free(&s);
	return yes;
}

static bool
coordinator_answers(struct cli *c, const char *arg)
{
	return coordinator_ready(c, arg) || coordinator_rescue(c);
}

/* Its own words: what is wrong, and the way out. It stays up for `orphans`
 * and for `down`. */
static bool
say_rescue(struct cli *c, struct mw_err *err)
{
	fprintf(stderr,
	    "coordinator: up in rescue mode; end it with: "
	    "milkyway down\n");
	if (cli_call(c, "GET", "/v1/version", NULL, NULL, err))
		err_set(err, MW_INTERNAL, 0, "rescue mode");
	return false;
}

/* What `up` has started and what did not get ready ends with it. */
static void
end_daemon(pid_t pid)
{
	int64_t until = clock_mono_ns() + 20 * NS_PER_S;

	if (waitpid(pid, NULL, WNOHANG) != 0)
		return; /* it has ended */
	kill(pid, SIGTERM);
	while (clock_mono_ns() < until && waitpid(pid, NULL, WNOHANG) == 0) {
		struct timespec nap = { 0, 20 * NS_PER_MS };

		nanosleep(&nap, NULL);
	}
}

/* Until it answers. The pidfile is there from the start, for `down`. */
static bool
coordinator_wait(struct cli *c, pid_t pid, const char *log, struct mw_err *err)
{
	char *pidfile = xasprintf("%s/milkywayd.up", c->dir);
	struct str text = STR_INIT;
	bool ok;

	str_addf(&text, "%d\n", (int)pid);
	ok = file_write(pidfile, text.p, text.len, 0600, err);
	if (ok && !wait_for(coordinator_answers, c, NULL, pid, 20)) {
		/* A large database is read through, or brought up. */
		ok = kill(pid, 0) == 0 && !cli_interrupted() &&
		    fprintf(stderr, "coordinator: still starts; see %s\n",
			log) > 0 &&
		    wait_for(coordinator_answers, c, NULL, pid, 580);
		if (!ok) {
			show_log(log);
			err_set(err, MW_INTERNAL, 0,
			    "the coordinator did not start");
		}
	}
	if (!ok) {
		end_daemon(pid);
		unlink(pidfile);
	}
	str_free(&text);
	free(pidfile);
	return ok;
}

/* advertise: the address of this machine that agents dial and that the link
 * listens on; "" leaves both to the coordinator. */
static bool
coordinator_up(struct cli *c, const char *advertise, const char *config,
    bool *rescue, struct mw_err *err)
{
	char *log = xasprintf("%s/milkywayd.log", c->dir);
	char *prog = cli_beside("milkywayd");
	char *tell = xasprintf("link.advertise=%s", advertise);
	char *listen = xasprintf("link.address=%s", advertise);
	char *argv[] = { prog, (char *)"--state-dir", (char *)(uintptr_t)c->dir,
		NULL, NULL, NULL, NULL, NULL, NULL, NULL };
	size_t n = 3;
	bool ok = true;
	pid_t pid = 0;

	*rescue = coordinator_rescue(c);
	if (!*rescue && coordinator_ready(c, NULL)) {
		fprintf(stderr, "coordinator: already up\n");
	} else if (!*rescue) {
		if (advertise[0]) {
			argv[n++] = (char *)"--set", argv[n++] = tell;
			argv[n++] = (char *)"--set", argv[n++] = listen;
		}
		if (config) {
			argv[n++] = (char *)"--config";
			argv[n++] = (char *)(uintptr_t)config;
		}
		ok = daemon_start(argv, log, &pid, err) &&
		    coordinator_wait(c, pid, log, err);
	}
	*rescue = ok && coordinator_rescue(c);
	if (*rescue)
		ok = say_rescue(c, err);
	free(log);
	free(prog);
	free(tell);
	free(listen);
	return ok;
}

/* The twin's sites become connections. The exit status. */
static int
twin_discover(struct cli *c)
{
	char *sock = xasprintf("%s/twin.sock", c->dir);
	json_t *body = json_object(), *end = NULL;
	int rc;

	json_put_str(body, "driver", "twin");
	json_put_str(body, "endpoint", sock);
	free(sock);
	rc = cli_act(c, "POST", "/v1/connections/discover", body, &end);
	json_decref(end);
	return rc;
}

static int
run_up(struct cli *c, int argc, char **argv)
{
	const char *world = NULL, *advertise = "", *config = NULL;
	bool no_twin = false, rescue = false;
	const struct cli_opt opts[] = {
		{ "world", 'w', OPT_STR, &world },
		{ "no-twin", 0, OPT_FLAG, &no_twin },
		{ "advertise", 0, OPT_STR, &advertise },
		{ "config", 0, OPT_STR, &config },
	};
	const struct cli_cmd *cmd = cli_cmd(cmds_up, "up");
	struct mw_err err = MW_ERR_INIT;
	json_t *body;
	char *name = NULL;
	bool ok;
	int rc;

	if (cli_opts(c, cmd, argc, argv, opts, ARRAY_LEN(opts), 0, 0) < 0)
		return 2;
	if (!world == !no_twin)
		return cli_usage(cmd, "--world FILE, or --no-twin");
	if (world) {
		body = cli_load(world, FILE_WORLD, 64u << 20, &err);
		if (!body)
			return cli_fail(&err);
		name = xstrdup(js(body, "name"));
		json_decref(body);
	}
	if (!no_twin && geteuid() != 0) {
		err_set(&err, MW_DENIED, 0,
		    "the twin makes namespaces and devices: it needs root");
		err_hint(&err,
		    "sudo milkyway up ..., or --no-twin for hosts "
		    "of your own");
		free(name);
		return cli_fail(&err);
	}
	ok = file_mkdirs(c->dir, 0700, &err) &&
	    (no_twin || twin_up(c, world, name, &err)) &&
	    coordinator_up(c, no_twin ? advertise : "10.200.0.1", config,
		&rescue, &err);
	free(name);
	if (!ok) {
		rc = cli_fail(&err);
		return rescue ? EXIT_NO : rc;
	}
	if (!no_twin) {
		rc = twin_discover(c);
		if (rc)
			return rc;
	}
	printf("API    %s\ntoken  %s/token\nlogs   %s/*.log\n",
	    c->url ? c->url : "http://127.0.0.1:7470", c->dir, c->dir);
	printf("next   milkyway connection list\n"
	       "       milkyway mcis create -f FILE\n");
	return 0;
}

static bool
gone(struct cli *c, const char *path)
{
	(void)c;
	return access(path, F_OK) != 0;
}

/* Its socket goes first; its devices last, with its process. */
static bool
twin_down(struct cli *c, struct mw_err *err)
{
	char *sock = xasprintf("%s/twin.sock", c->dir), *proc = NULL;
	struct mw_err ignore = MW_ERR_INIT;
	json_t *s = NULL;
	bool ok = true;

	if (access(sock, F_OK) == 0 &&
	    cli_call_unix(c, sock, "GET", "/v1/status", NULL, &s, &ignore)) {
		proc = xasprintf("/proc/%lld", (long long)ji(s, "pid", 0));
		ok = cli_call_unix(c, sock, "POST", "/v1/shutdown", NULL, NULL,
		    err);
		if (ok &&
		    (!wait_for(gone, c, sock, 0, 20) ||
			!wait_for(gone, c, proc, 0, 20)))
			ok = err_set(err, MW_TIMEOUT, 0,
			    "the twin does not end; see %s/twin.log", c->dir);
		if (ok)
			fprintf(stderr, "twin: down\n");
	}
	json_decref(s);
	free(proc);
	free(sock);
	return ok;
}

/* Stops the coordinator that `up` started; never another process. */
static bool
coordinator_down(struct cli *c, struct mw_err *err)
{
	char *pidfile = xasprintf("%s/milkywayd.up", c->dir), *proc = NULL;
	struct mw_err ignore = MW_ERR_INIT;
	struct str s = STR_INIT;
	int64_t pid = 0;
	bool ok = true;

	if (!file_read(pidfile, 32, &s, &ignore) || s.len < 2 ||
	    !num_parse_i64(s.p, s.len - 1, 2, INT32_MAX, &pid))
		goto out;
	proc = xasprintf("/proc/%lld/comm", (long long)pid);
	str_reset(&s);
	if (file_read(proc, 32, &s, &ignore) &&
	    str_starts(str_cstr(&s), "milkywayd")) {
		kill((pid_t)pid, SIGTERM);
		proc[strlen(proc) - strlen("/comm")] = 0;
		if (!wait_for(gone, c, proc, 0, 20))
			ok = err_set(err, MW_TIMEOUT, 0,
			    "milkywayd (pid %lld) does not end",
			    (long long)pid);
		else
			fprintf(stderr, "coordinator: down\n");
	}
	if (ok)
		unlink(pidfile);
out:
	str_free(&s);
	free(pidfile);
	free(proc);
	return ok;
}

static int
run_down(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	char *path, *sock;
	bool ok;

	if (cli_opts(c, cli_cmd(cmds_up, "down"), argc, argv, NULL, 0, 0, 0) <
	    0)
		return 2;
	path = xasprintf("%s/milkywayd.up", c->dir);
	sock = xasprintf("%s/twin.sock", c->dir);
	if (access(path, F_OK) != 0 && access(sock, F_OK) != 0)
		fprintf(stderr, "nothing is up in %s\n", c->dir);
	free(path);
	free(sock);
	ok = coordinator_down(c, &err);
	if (!twin_down(c, &err) || !ok)
		return cli_fail(&err);
	return 0;
}

static int
run_status(struct cli *c, int argc, char **argv)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *v = NULL, *t = NULL, *m = NULL, *out, *x;
	char *sock, *path;
	size_t i;
	int rc = 0;

	if (cli_opts(c, cli_cmd(cmds_up, "status"), argc, argv, NULL, 0, 0, 0) <
	    0)
		return 2;
	sock = xasprintf("%s/twin.sock", c->dir);
	path = cli_ns_path(c, "/mcis");
	if (!path) {
		free(sock);
		return 2;
	}
	if (!cli_call(c, "GET", "/v1/version", NULL, &v, &err) ||
	    !cli_call(c, "GET", path, NULL, &m, &err)) {
		rc = cli_fail(&err);
		goto out;
	}
	if (access(sock, F_OK) == 0 &&
	    !cli_call_unix(c, sock, "GET", "/v1/status", NULL, &t, &err))
		fprintf(stderr, "twin: %s\n", err.msg);
	if (c->out == OUT_JSON) {
		out = json_object();
		json_put(out, "coordinator", json_incref(v));
		json_put(out, "twin", t ? json_incref(t) : NULL);
		json_put(out, "mcis", json_incref(ja(m, "items")));
		cli_print_json(out);
		json_decref(out);
		goto out;
	}
	printf("coordinator  %s  deployment %s\n", js(v, "version"),
	    js(v, "deployment"));
	if (t) {
		printf("twin         world %s, %lld VMs, RTT %s, error ",
		    js(t, "world"), (long long)ji(t, "vms", 0),
		    js(t, "rttQuality"));
		if (json_is_number(json_object_get(t, "errorP50Us")))
			printf("p50 %.0f us p99 %.0f us\n",
			    round(jnum(t, "errorP50Us", 0)) + 0.0, /* not -0 */
			    jnum(t, "errorP99Us", 0));
		else
			printf("unknown (%s)\n", js(t, "errorReason"));
	}
	json_array_foreach(ja(m, "items"), i, x)
	    printf("%-12s %s\n", js(x, "name"), js(x, "status"));
out:
	free(sock);
	free(path);
	json_decref(v);
	json_decref(t);
	json_decref(m);
	return rc;
}

const struct cli_cmd cmds_up[] = {
	{ "up", "--world FILE | --no-twin",
	    "start twin and coordinator on this machine", run_up,
	    "  -w, --world FILE   the emulated clouds (docs/world-format.md)\n"
	    "  --no-twin          only the coordinator, for hosts of your own\n"
	    "  --advertise ADDR   address of this machine that your hosts can dial\n"
	    "  --config FILE      settings (milkywayd --print-config)\n"
	    "  --dir DIR          database, token, logs (/var/lib/milkyway)\n\n"
	    "  sudo milkyway up --world bench-data/worlds/deck17.json\n" },
	{ "down", "", "stop them; the database stays, the twin's VMs end",
	    run_down, "" },
	{ "status", "", "what runs, and how each group is", run_status, "" },
	{ NULL, NULL, NULL, NULL, NULL },
};
