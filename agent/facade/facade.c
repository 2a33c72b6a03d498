/*
 * facade.c - process, HTTP and queue of the drop-in for CB-Milkyway. Promises:
 * every request that the server took is answered once; the working folder is
 * gone at the end, and a leftover of a killed process goes at the next start.
 * Called by main.c.
 */
#include "agent/facade/facade_int.h"

#include "agent/host/confine.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAX 16
#define BODY_MAX_BYTES ((size_t)64 * 1024)
#define CONNECTIONS_MAX 64
#define PER_ADDRESS_MAX 32
#define REPLY_MS (3600 * INT64_C(1000)) /* the client waits for ever */
#define STOP_NS (15 * NS_PER_S)
#define JSON_TYPE "application/json; charset=UTF-8"
#define ERROR_TEXT "Error in excuting the benchmark: "
#define ENDING "the agent ends"

static void start_next(struct facade *f);

double
facade_elapsed_s(const struct facade *f)
{
	return (double)(clock_mono_ns() - f->current->start_ns) / NS_PER_S;
}

/* Answers. */

static void
add_cors(struct httpd_req *req)
{
	httpd_reply_header(req, "Access-Control-Allow-Origin", "*");
}

static void
reply(struct httpd_req *req, int status, json_t *take_body)
{
	char *text = json_text(take_body, true);

	json_decref(take_body);
	add_cors(req);
	httpd_reply(req, status, JSON_TYPE, text, strlen(text));
	free(text);
}

static void
reply_error(struct httpd_req *req, const char *what, const char *why)
{
	struct str s = STR_INIT;

	str_addf(&s, ERROR_TEXT "%s%s", what, why);
	reply(req, 404, facade_message(str_cstr(&s)));
	str_free(&s);
}

/* What the server answers by itself, in the original's words where it has
 * some. */
static char *
problem(struct httpd_req *req, int status, const struct mw_err *err,
    const char **type, void *ctx)
{
	json_t *j = facade_message(status == 404 ? "Not Found"
		: status == 405                  ? "Method Not Allowed"
						 : err->msg);
	char *text = json_text(j, true);

	(void)ctx;
	json_decref(j);
	add_cors(req);
	*type = JSON_TYPE;
	return text;
}

/* The queue. */

static void
task_free(struct facade_task *t)
{
	facade_hosts_free(&t->hosts);
	free(t);
}

static void
end_current(struct facade *f, bool ok)
{
	struct facade_task *t = f->current;

	log_info("facade", NULL, "%s %s\tseconds=%.1f",
	    facade_action_path(t->action), ok ? "done" : "failed",
	    facade_elapsed_s(f));
	f->current = NULL;
	json_decref(f->results);
	f->results = NULL;
	task_free(t);
	if (f->stopping)
		facade_stop_step(f);
	else
		start_next(f);
}

void
facade_done_json(struct facade *f, json_t *take_body)
{
	reply(f->current->req, 200, take_body);
	end_current(f, true);
}

void
facade_done(struct facade *f, const char *result)
{
	facade_done_json(f,
	    facade_answer(f->current->action, result, &f->params,
		facade_elapsed_s(f)));
}

void
facade_failed(struct facade *f, const char *what, const char *why)
{
	reply_error(f->current->req, what, why);
	end_current(f, false);
}

/* Takes out those whose client has gone; it was asked for by nobody else. */
static void
drop_gone(struct facade *f)
{
	struct facade_task **at = &f->queue;

	while (*at != NULL) {
		struct facade_task *t = *at;

		if (httpd_left(t->req)) {
			*at = t->next;
			f->waiting--;
			reply_error(t->req, "the client left", "");
			task_free(t);
		} else {
			at = &t->next;
		}
	}
}

static void
run_current(void *arg)
{
	struct facade *f = arg;
	enum facade_action a;

	if (f->current == NULL)
		return;
	a = f->current->action;
	if (f->stopping)
		facade_failed(f, facade_action_error(a), " " ENDING);
	else if (a == FACADE_RTT || a == FACADE_MRTT)
		facade_rtt_start(f);
	else
		facade_bench_start(f);
}

static void
start_next(struct facade *f)
{
	struct facade_task *t;

	drop_gone(f);
	t = f->queue;
	if (t == NULL || f->current != NULL)
		return;
	f->queue = t->next;
	f->waiting--;
	f->current = t;
	t->next = NULL;
	t->start_ns = clock_mono_ns();
	/* From the loop, so that tasks that fail at once do not pile up. */
	loop_reap(f->loop, run_current, f);
}

static void
enqueue(struct facade *f, struct facade_task *t)
{
	struct facade_task **at = &f->queue;
	char why[80];

	if (f->waiting == QUEUE_MAX)
		drop_gone(f);
	if (f->stopping || f->waiting == QUEUE_MAX) {
		snprintf(why, sizeof why, " %d requests are waiting already",
		    QUEUE_MAX);
		reply_error(t->req, facade_action_error(t->action),
		    f->stopping ? " " ENDING : why);
		task_free(t);
		return;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = t;
	f->waiting++;
	start_next(f);
}

/* Requests. */

static void
h_root(struct httpd_req *req, void *ctx)
{
	static const char text[] = "Hello, World! This is cb-tumblebug Agent";

	(void)ctx;
	add_cors(req);
	httpd_reply(req, 200, "text/plain; charset=UTF-8", text,
	    sizeof text - 1);
}

static void
h_options(struct httpd_req *req, void *ctx)
{
	(void)ctx;
	add_cors(req);
	httpd_reply_header(req, "Access-Control-Allow-Methods",
	    "GET,PUT,POST,DELETE");
	httpd_reply(req, 204, NULL, NULL, 0);
}

static void
install(struct facade *f, struct httpd_req *req)
{
	int64_t start_ns = clock_mono_ns();
	const char *missing = NULL;

	if (!sysinfo_tool("sysbench", f->sysbench, sizeof f->sysbench))
		missing = "sysbench";
	else if (!dbbench_available())
		missing = "mariadb-server-core";
	if (missing != NULL) {
		struct str s = STR_INIT;

		str_addf(&s,
		    "Error in installation: %s is not installed: "
		    "apt-get install %s",
		    missing, missing);
		reply(req, 404, facade_message(str_cstr(&s)));
		str_free(&s);
		return;
	}
	reply(req, 200,
	    facade_answer(FACADE_INSTALL, "The installation is complete",
		&f->params, (double)(clock_mono_ns() - start_ns) / NS_PER_S));
}

static bool
take_body(struct httpd_req *req, struct facade_task *t)
{
	struct mw_err err = MW_ERR_INIT;
	struct str s = STR_INIT;
	size_t n;
	const char *body = httpd_body(req, &n);
	json_t *ignored;

	/* httpd_json() for its look at the type. */
	if (httpd_json(req, &ignored, &err) &&
	    facade_parse_hosts(body, n, t->action == FACADE_MRTT, &t->hosts,
		&err))
		return true;
	str_addf(&s, "Error in request binding %s%s%s", err.pointer,
	    err.pointer[0] != '\0' ? " " : "", err.msg);
	reply(req, 404, facade_message(str_cstr(&s)));
	str_free(&s);
	return false;
}

static void
h_action(struct httpd_req *req, void *ctx)
{
	struct facade *f = ctx;
	enum facade_action a;
	struct facade_task *t;

	if (strcmp(httpd_method(req), "GET") != 0) { /* HEAD */
		reply(req, 405, facade_message("Method Not Allowed"));
		return;
	}
	if (!facade_action_find(httpd_path(req), &a)) {
		reply(req, 404, facade_message("Not Found"));
		return;
	}
	if (a == FACADE_INSTALL) {
		install(f, req);
		return;
	}
	if (facade_needs_sysbench(a) &&
	    !sysinfo_tool("sysbench", f->sysbench, sizeof f->sysbench)) {
		reply_error(req, "not initialized", "");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->f = f;
	t->action = a;
	t->req = req;
	if ((a == FACADE_RTT || a == FACADE_MRTT) && !take_body(req, t))
		task_free(t);
	else
		enqueue(f, t);
}

static bool
accept_peer(uint32_t ip, void *ctx)
{
	struct facade *f = ctx;

	return !f->stopping && facade_allowed(&f->conf.allow, ip);
}

/* Start and end. */

void
facade_stop_step(struct facade *f)
{
	if (f->current == NULL && f->child == NULL && f->db == NULL)
		loop_stop(f->loop);
}

static void
on_stop_deadline(void *arg)
{
	struct facade *f = arg;

	log_warn("facade", NULL, "not all has ended in time, ending anyway");
	loop_stop(f->loop);
}

static void
on_signal(int sig, void *arg)
{
	struct facade *f = arg;

	if (f->stopping)
		return;
	log_info("facade", NULL, "signal %d: ending", sig);
	f->stopping = true;
	loop_timer_set(f->stop_by, STOP_NS);
	while (f->queue != NULL) {
		struct facade_task *t = f->queue;

		f->queue = t->next;
		reply_error(t->req, facade_action_error(t->action), " " ENDING);
		task_free(t);
	}
	f->waiting = 0;
	facade_bench_cancel(f);
	facade_rtt_cancel(f);
	facade_stop_step(f);
}

/* A folder of ours alone: a lock says that somebody uses it, and what a killed
 * process left in it goes now. */
static bool
make_folder(struct facade *f, uint16_t port, struct mw_err *err)
{
	struct stat st;

	if (snprintf(f->dir, sizeof f->dir, "%s/milkyway-facade-%lu-%u",
		f->conf.dir, (unsigned long)geteuid(),
		port) >= (int)sizeof f->dir)
		return err_set(err, MW_INVALID, 0, "--dir is too long");
	snprintf(f->work, sizeof f->work, "%s/work", f->dir);
	if (mkdir(f->dir, 0700) != 0 && errno != EEXIST)
		return err_set(err, MW_INVALID, errno, "%s: %s", f->dir,
		    strerror(errno));
	f->lock = open(f->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f->lock < 0 || fstat(f->lock, &st) != 0)
		return err_set(err, MW_INVALID, errno, "%s: %s", f->dir,
		    strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 0077) != 0)
		return err_set(err, MW_DENIED, 0, "%s is not ours alone",
		    f->dir);
	if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, MW_EXISTS, errno,
		    "another facade works in %s", f->dir);
	f->folder_ours = true;
	return file_remove_tree(f->work, err) &&
	    file_mkdirs(f->work, 0700, err);
}

static const struct httpd_route *
make_routes(size_t *n)
{
	static struct httpd_route routes[2 * (FACADE_ACTIONS + 1)];

	*n = 0;
	for (int i = 0; i <= FACADE_ACTIONS; i++) {
		const char *path = i < FACADE_ACTIONS
		    ? facade_action_path((enum facade_action)i)
		    : "/";

		routes[(*n)++] = (struct httpd_route){ "GET", path,
			i < FACADE_ACTIONS ? h_action : h_root, 0 };
		routes[(*n)++] =
		    (struct httpd_route){ "OPTIONS", path, h_options, 0 };
	}
	return routes;
}

static bool
open_port(struct facade *f, struct mw_err *err)
{
	struct httpd_conf conf = { .port = f->conf.port,
		.ctx = f,
		.accept = accept_peer,
		.problem = problem,
		.body_max = BODY_MAX_BYTES,
		.connections = CONNECTIONS_MAX,
		.per_address = PER_ADDRESS_MAX,
		.reply_deadline_ms = REPLY_MS };

	conf.address = f->conf.address != NULL   ? f->conf.address
	    : facade_allow_local(&f->conf.allow) ? "127.0.0.1"
						 : "0.0.0.0";
	conf.routes = make_routes(&conf.nroutes);
	f->httpd = httpd_new(f->loop, &conf, err);
	if (f->httpd == NULL || !make_folder(f, httpd_port(f->httpd), err))
		return false;
	log_info("facade", NULL, "serving\taddress=%s port=%u networks=%zu",
	    conf.address, httpd_port(f->httpd), f->conf.allow.n);
	return true;
}

static bool
start(struct facade *f, struct mw_err *err)
{
	struct mw_err ping = MW_ERR_INIT;
	struct sysinfo_facts facts;

	/* Before root is given up: it keeps the right to send ICMP. */
	if (!pinger_start(f->loop, f->conf.uid, f->conf.gid, &f->pinger, &ping))
		log_warn("facade", NULL, "no milkyway-ping: %s", ping.msg);
	if (!confine_drop(f->conf.uid, f->conf.gid, false, err))
		return false;
	sysinfo_read(&facts, "");
	f->params.sysbench = f->sysbench;
	f->params.cpus = facts.vcpus;
	f->params.seconds = f->conf.seconds;
	f->stop_by = loop_timer_new(f->loop, on_stop_deadline, f);
	loop_on_signal(f->loop, on_signal, f);
	return open_port(f, err);
}

static void
clean_up(struct facade *f)
{
	struct mw_err err = MW_ERR_INIT;

	httpd_free(f->httpd);
	rtt_free(f->rtt);
	pinger_free(f->pinger);
	loop_timer_free(f->stop_by);
	if (f->folder_ours && !file_remove_tree(f->dir, &err))
		log_warn("facade", NULL, "cannot remove %s: %s", f->dir,
		    err.msg);
	if (f->lock >= 0)
		close(f->lock);
}

bool
facade_run(const struct facade_conf *conf, struct mw_err *err)
{
	struct facade *f = xcalloc(1, sizeof *f);
	bool ok;

	f->conf = *conf;
	f->lock = -1;
	f->loop = loop_new();
	ok = start(f, err);
	if (ok)
		loop_run(f->loop);
	clean_up(f);
	loop_free(f->loop);
	free(f);
	return ok;
}
