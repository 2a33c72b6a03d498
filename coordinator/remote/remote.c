/*
 * remote.c - see remote.h. Owns the jobs from start to done(), the limits, the
 * logins and their retries. What happens after a login is an operation
 * (remote_int.h).
 */
#include "coordinator/remote/remote_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"

#include <stdarg.h>
#include <string.h>

#define SSH_MAX 128
#define SSH_KEX_MAX 16
#define WAIT_MS 300000
/* cloud-init may still write the key when sshd greets already */
#define REFUSED_NS (120 * NS_PER_S)
#define BACKOFF_MAX_NS (15 * NS_PER_S)
#define WORK_TRIES 5
#define ODD_TRIES 4

static void pump(struct remote *r);
static void on_deliver(void *arg);
static void on_job_timer(void *arg);
static void on_ssh(void *arg, enum ssh_event ev);
static void on_ssh_data(void *arg, bool is_stderr, const char *p, size_t n);

const char *
remote_step_name(enum remote_step s)
{
	static const char *const names[REMOTE_STEP_COUNT] = {
		[REMOTE_WAIT_SSH] = "waitSsh",
		[REMOTE_HOST_KEY] = "hostKey",
		[REMOTE_LOGIN] = "login",
		[REMOTE_PROBE] = "probe",
		[REMOTE_UPLOAD] = "upload",
		[REMOTE_ENROLL] = "enroll",
		[REMOTE_START] = "start",
		[REMOTE_TOOLS] = "tools",
		[REMOTE_RUN] = "run",
	};

	return names[s];
}

struct remote *
remote_new(const struct remote_conf *conf)
{
	struct remote *r = xcalloc(1, sizeof *r);

	r->conf = *conf;
	r->agent_dir = xstrdup(conf->agent_dir);
	if (r->conf.ssh_max <= 0)
		r->conf.ssh_max = SSH_MAX;
	if (r->conf.ssh_kex_max <= 0)
		r->conf.ssh_kex_max = SSH_KEX_MAX;
	TAILQ_INIT(&r->all);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->kex_waiting);
	TAILQ_INIT(&r->ended);
	TAILQ_INIT(&r->pack_waiters);
	rng_seed(&r->rng, clock_random_u64());
	r->deliver = loop_timer_new(conf->loop, on_deliver, r);
	return r;
}

void
remote_free(struct remote *r)
{
	if (!r)
		return;
	r->freeing = true;
	while (!TAILQ_EMPTY(&r->all))
		remote_cancel(TAILQ_FIRST(&r->all));
	on_deliver(r);
	if (r->runs)
		r->runs_free(r->runs);
	loop_timer_free(r->deliver);
	pack_unref(r->pack);
	if (r->packing)
		return; /* the pool's job still holds it and frees it */
	free(r->agent_dir);
	free(r);
}

void
remote_stats(const struct remote *r, size_t *open, size_t *waiting)
{
	const struct remote_job *job;

	*open = r->conns;
	*waiting = 0;
	TAILQ_FOREACH(job, &r->waiting, link)
	(*waiting)++;
}

char *
job_command(const char *script)
{
	return xasprintf("sh -c 'eval \"$1\"' sh '%s'", script);
}

/* Begin and end ----------------------------------------------------------- */

static void
copy_users(struct remote_job *job, const struct remote_target *t)
{
	static const char *const usual[] = { "ubuntu", "debian", "ec2-user",
		"azureuser", "cb-user", "rocky", "centos", "opc", "root" };
	const char *const *list = t->nusers ? t->users : usual;

	job->nusers = t->nusers ? t->nusers : ARRAY_LEN(usual);
	job->users = xcalloc(job->nusers, sizeof *job->users);
	for (size_t i = 0; i < job->nusers; i++)
		job->users[i] = xstrdup(list[i]);
}

void
job_start(struct remote *r, struct remote_job *job, const struct remote_op *op,
    const struct remote_target *t)
{
	int64_t ms = t->wait_ms > 0 ? t->wait_ms : WAIT_MS;

	job->remote = r;
	job->op = op;
	job->name = xstrdup(t->name);
	job->address = xstrdup(t->address);
	job->port = t->port;
	job->private_key = xstrdup(t->private_key);
	job->pinned =
	    t->host_key && t->host_key[0] ? xstrdup(t->host_key) : NULL;
	job->pin = t->pin;
	job->pin_arg = t->pin_arg;
	copy_users(job, t);
	job->timer = loop_timer_new(r->conf.loop, on_job_timer, job);
	job->wait_until_ns = clock_mono_ns() + ms * NS_PER_MS;
	job->end.step = REMOTE_WAIT_SSH;
	job->state = JOB_WAITING;
	TAILQ_INSERT_TAIL(&r->all, job, all);
	TAILQ_INSERT_TAIL(&r->waiting, job, link);
	if (job->on_step)
		job->on_step(job->arg, REMOTE_WAIT_SSH);
	pump(r);
}

void
job_free_head(struct remote_job *job)
{
	for (size_t i = 0; i < job->nusers; i++)
		free(job->users[i]);
	free(job->users);
	free(job->name);
	free(job->address);
	if (job->private_key)
		explicit_bzero(job->private_key, strlen(job->private_key));
	free(job->private_key);
	free(job->pinned);
	loop_timer_free(job->timer);
}

/* Gives back connection and turn, leaves the queues. */
static void
release(struct remote_job *job)
{
	struct remote *r = job->remote;

	if (job->state == JOB_WAITING)
		TAILQ_REMOVE(&r->waiting, job, link);
	if (job->state == JOB_KEX_WAIT)
		TAILQ_REMOVE(&r->kex_waiting, job, link);
	if (job->has_kex)
		r->kexes--;
	if (job->has_conn)
		r->conns--;
	job->has_kex = job->has_conn = false;
	ssh_close(job->ssh);
	job->ssh = NULL;
	loop_timer_clear(job->timer);
}

static void
end(struct remote_job *job)
{
	struct remote *r = job->remote;

	if (job->state == JOB_ENDED)
		return;
	release(job);
	job->state = JOB_ENDED;
	TAILQ_REMOVE(&r->all, job, all);
	TAILQ_INSERT_TAIL(&r->ended, job, link);
	loop_timer_set(r->deliver, 0);
	pump(r);
}

static void
on_deliver(void *arg)
{
	struct remote *r = arg;
	struct remote_job *job;

	while ((job = TAILQ_FIRST(&r->ended))) {
		TAILQ_REMOVE(&r->ended, job, link);
		job->op->deliver(job);
	}
}

void
job_succeed(struct remote_job *job)
{
	job->end.ok = true;
	end(job);
}

void
job_fail(struct remote_job *job, bool definite, const char *reason,
    enum mw_code code, const char *fmt, ...)
{
	char text[sizeof job->end.err.msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	job->end.definite = definite;
	str_copy(job->end.reason, sizeof job->end.reason, reason);
	err_set(&job->end.err, code, 0, "%s", text);
	log_warn("ssh", job->name,
	    "%s failed: %s\treason=%s definite=%d action=%s",
	    remote_step_name(job->end.step), text, reason, definite,
	    definite ? "stop" : "report");
	end(job);
}

void
remote_cancel(struct remote_job *job)
{
	if (job->state == JOB_ENDED)
		return;
	job->end.canceled = true;
	str_copy(job->end.reason, sizeof job->end.reason, "canceled");
	err_set(&job->end.err, MW_CANCELED, 0, "canceled");
	end(job);
}

void
job_phase(struct remote_job *job, enum remote_step s, int64_t ms)
{
	bool fresh = job->end.step != s;

	job->end.step = s;
	loop_timer_set(job->timer, ms * NS_PER_MS);
	if (fresh && job->on_step)
		job->on_step(job->arg, s);
}

/* Retries ----------------------------------------------------------------- */

/* Full jitter over 1, 2, 4, 8, 15 s. False: there is no time left. */
static bool
back_off(struct remote_job *job)
{
	unsigned n = job->tries < 4 ? job->tries : 4;
	int64_t top = NS_PER_S << n, wait;

	if (top > BACKOFF_MAX_NS)
		top = BACKOFF_MAX_NS;
	wait = (int64_t)rng_below(&job->remote->rng, (uint64_t)top);
	job->tries++;
	if (clock_mono_ns() + wait >= job->wait_until_ns)
		return false;
	release(job);
	job->state = JOB_BACKOFF;
	loop_timer_set(job->timer, wait);
	pump(job->remote);
	return true;
}

static void
requeue(struct remote_job *job)
{
	release(job);
	job->state = JOB_WAITING;
	TAILQ_INSERT_TAIL(&job->remote->waiting, job, link);
	pump(job->remote);
}

void
job_again(struct remote_job *job, bool timed_out)
{
	if (job->state == JOB_ENDED)
		return;
	if (!job->op->cut(job, timed_out))
		return; /* the operation ended it */
	if (++job->work_tries < WORK_TRIES && back_off(job))
		return;
	job_fail(job, false, timed_out ? "timeout" : "cut",
	    timed_out ? MW_TIMEOUT : MW_UNREACHABLE, "%s",
	    timed_out                 ? "it took too long"
		: job->end.err.msg[0] ? job->end.err.msg
				      : "the connection was lost");
}

static void
on_job_timer(void *arg)
{
	struct remote_job *job = arg;

	if (job->state == JOB_BACKOFF)
		requeue(job);
	else if (job->state == JOB_WORK)
		job_again(job, true);
}

static const char *
failure_name(enum ssh_failure f)
{
	static const char *const names[] = {
		[SSH_F_NONE] = "",
		[SSH_F_REFUSED] = "refused",
		[SSH_F_UNREACHABLE] = "unreachable",
		[SSH_F_CUT] = "cut",
		[SSH_F_PROTOCOL] = "protocol",
		[SSH_F_HOST_KEY] = "hostKeyChanged",
		[SSH_F_AUTH] = "authRefused",
		[SSH_F_KEY] = "badKey",
		[SSH_F_EXEC] = "execRefused",
	};

	return names[f];
}

/* Another login may be the right one: the user of an image is not known. */
static bool
after_refusal(struct remote_job *job)
{
	int64_t now = clock_mono_ns();

	job->end.step = REMOTE_LOGIN;
	if (job->user + 1 < job->nusers) {
		job->user++;
		requeue(job);
		return true;
	}
	job->user = 0;
	if (!job->refused_since_ns)
		job->refused_since_ns = now;
	return now - job->refused_since_ns < REFUSED_NS && back_off(job);
}

static void
on_failed(struct remote_job *job)
{
	struct mw_err err = MW_ERR_INIT;
	enum ssh_failure f = ssh_failure(job->ssh, &err);
	bool definite = f == SSH_F_HOST_KEY || f == SSH_F_KEY;

	if (ssh_host_key(job->ssh)[0])
		str_copy(job->end.host_key, sizeof job->end.host_key,
		    ssh_host_key(job->ssh));
	log_debug("ssh", job->name, "%s\treason=%s try=%u", err.msg,
	    failure_name(f), job->tries);
	if (job->state == JOB_WORK && !definite) {
		job->end.err = err;
		job_again(job, false);
		return;
	}
	if (f == SSH_F_AUTH && after_refusal(job))
		return;
	if (f == SSH_F_AUTH)
		definite = true;
	/* not SSH at all, or nothing in common: time does not heal that */
	if (f == SSH_F_PROTOCOL && ++job->odd >= ODD_TRIES)
		definite = true;
	if (!definite && back_off(job))
		return;
	if (f == SSH_F_HOST_KEY) {
		job->end.host_key_changed = true;
		job->end.step = REMOTE_HOST_KEY;
	}
	job_fail(job, definite, failure_name(f), err.code, "%s", err.msg);
}

/* Connections ------------------------------------------------------------- */

static void
connect_job(struct remote_job *job)
{
	struct ssh_conf conf = {
		.loop = job->remote->conf.loop,
		.address = job->address,
		.port = job->port,
		.user = job->users[job->user],
		.private_key = job->private_key,
		.host_key = job->pinned,
		.pin = job->pin,
		.pin_arg = job->pin_arg,
		.event = on_ssh,
		.data = on_ssh_data,
		.arg = job,
	};

	job->has_conn = true;
	job->remote->conns++;
	job->state = JOB_CONNECTING;
	job->ssh = ssh_open(&conf);
}

/* Lets go what the limits allow. */
static void
pump(struct remote *r)
{
	struct remote_job *job;

	if (r->pumping || r->freeing)
		return;
	r->pumping = true;
	while (r->conns < (size_t)r->conf.ssh_max &&
	    (job = TAILQ_FIRST(&r->waiting))) {
		TAILQ_REMOVE(&r->waiting, job, link);
		connect_job(job);
	}
	while (r->kexes < (size_t)r->conf.ssh_kex_max &&
	    (job = TAILQ_FIRST(&r->kex_waiting))) {
		TAILQ_REMOVE(&r->kex_waiting, job, link);
		job->has_kex = true;
		r->kexes++;
		job->state = JOB_LOGIN;
		ssh_login(job->ssh);
	}
	r->pumping = false;
}

static void
on_ready(struct remote_job *job)
{
	struct remote *r = job->remote;

	str_copy(job->end.user, sizeof job->end.user, job->users[job->user]);
	str_copy(job->end.host_key, sizeof job->end.host_key,
	    ssh_host_key(job->ssh));
	/* from now on this connection's key is the one to expect */
	if (!job->pinned)
		job->pinned = xstrdup(ssh_host_key(job->ssh));
	job->has_kex = false;
	r->kexes--;
	job->tries = 0;
	job->refused_since_ns = 0;
	job->state = JOB_WORK;
	job->op->begin(job);
	pump(r);
}

static void
on_ssh(void *arg, enum ssh_event ev)
{
	struct remote_job *job = arg;
	struct remote *r = job->remote;

	switch (ev) {
	case SSH_CONNECTED:
		job->state = JOB_KEX_WAIT;
		TAILQ_INSERT_TAIL(&r->kex_waiting, job, link);
		pump(r);
		break;
	case SSH_READY: on_ready(job); break;
	case SSH_EXEC_END:
		job->op->exec_end(job, ssh_exit_code(job->ssh));
		break;
	case SSH_FAILED: on_failed(job); break;
	}
}

static void
on_ssh_data(void *arg, bool is_stderr, const char *p, size_t n)
{
	struct remote_job *job = arg;

	job->op->data(job, is_stderr, p, n);
}
