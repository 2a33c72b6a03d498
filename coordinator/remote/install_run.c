/*
 * install_run.c - install and uninstall of the agent, as operations on a login
 * (remote_int.h). One exec channel does the whole installation: probe, plan,
 * upload, certificate request, certificate, start; see install.sh. A VM with
 * the same binaries, the same configuration and a running agent is left alone.
 */
#include "coordinator/remote/remote_int.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "coordinator/remote/install.sh.h"
#include "coordinator/remote/install_msg.h"
#include "coordinator/remote/uninstall.sh.h"

#include <string.h>

#define PROBE_MS 30000
#define UPLOAD_MS 240000
#define ENROLL_MS 60000
#define START_MS 60000
#define UNINSTALL_MS 90000
#define OUTPUT_MAX ((size_t)64 * 1024)
#define STDERR_MAX 1024
#define CLOCK_WARN_S 60
/* free space beyond the binaries themselves: key, spool, log */
#define SPARE_KIB 4096

struct install {
	struct remote_job job; /* first */
	char *command, *agent_json, *ca_pem, *stamp;
	bool uninstall, force, remove_tools;
	bool (*sign)(void *arg, const char *csr_pem, struct str *cert_pem,
	    struct mw_err *err);
	void (*done)(void *arg, const struct remote_end *end);
	struct pack_waiter waiter;
	bool waiting_pack;
	struct remote_pack *pack;
	struct str line, err_text, csr, kept;
	size_t output;
	bool in_csr, ok_seen, nothing;
};

static void on_pack(struct pack_waiter *w, struct remote_pack *pack,
    const struct mw_err *err);

static struct install *
of(struct remote_job *job)
{
	return container_of(job, struct install, job);
}

/* Beginning and end of an attempt ----------------------------------------- */

static void
reset(struct install *in)
{
	str_reset(&in->line);
	str_reset(&in->err_text);
	str_reset(&in->csr);
	str_reset(&in->kept);
	in->output = 0;
	in->in_csr = in->ok_seen = in->nothing = false;
}

static void
run(struct install *in)
{
	job_phase(&in->job, in->uninstall ? REMOTE_RUN : REMOTE_PROBE,
	    in->uninstall ? UNINSTALL_MS : PROBE_MS);
	ssh_exec(in->job.ssh, in->command);
	if (!in->uninstall)
		return;
	if (in->remove_tools)
		ssh_write(in->job.ssh, "removeTools\n", 12, false);
	ssh_write_eof(in->job.ssh);
}

static void
op_begin(struct remote_job *job)
{
	struct install *in = of(job);

	reset(in);
	if (in->uninstall || in->pack) {
		run(in);
		return;
	}
	job_phase(job, REMOTE_PROBE, PROBE_MS);
	in->waiting_pack = true;
	in->waiter.done = on_pack;
	pack_get(job->remote, &in->waiter);
}

static void
on_pack(struct pack_waiter *w, struct remote_pack *pack,
    const struct mw_err *err)
{
	struct install *in = container_of(w, struct install, waiter);

	in->waiting_pack = false;
	in->pack = pack;
	if (!pack)
		job_fail(&in->job, true, "noAgent", err->code, "%s", err->msg);
	else
		run(in);
}

static void
leave_pack_queue(struct install *in)
{
	if (in->waiting_pack)
		TAILQ_REMOVE(&in->job.remote->pack_waiters, &in->waiter, link);
	in->waiting_pack = false;
}

static bool
op_cut(struct remote_job *job, bool timed_out)
{
	(void)timed_out;
	leave_pack_queue(of(job));
	return true;
}

static void
op_deliver(struct remote_job *job)
{
	struct install *in = of(job);

	leave_pack_queue(in);
	job->end.packages = str_cstr(&in->kept);
	in->done(job->arg, &job->end);
	pack_unref(in->pack);
	str_free(&in->line);
	str_free(&in->err_text);
	str_free(&in->csr);
	str_free(&in->kept);
	free(in->command);
	free(in->agent_json);
	free(in->ca_pem);
	free(in->stamp);
	job_free_head(job);
	free(in);
}

/* The dialogue ------------------------------------------------------------ */

static void
escaped_fail(struct install *in, const char *code, const char *text)
{
	struct str s = STR_INIT;

	str_add_escaped(&s, text, strlen(text), 240);
	job_fail(&in->job, install_fail_definite(code), code, MW_REMOTE, "%s",
	    str_cstr(&s));
	str_free(&s);
}

static void
warn_clock(const struct install *in, const struct install_probe *p)
{
	int64_t skew = p->now_s - clock_wall_ns() / NS_PER_S;

	if (skew > CLOCK_WARN_S || skew < -CLOCK_WARN_S)
		log_warn("ssh", in->job.name,
		    "the VM's clock is wrong\tskew_s=%lld action=go_on",
		    (long long)skew);
}

/* False: the VM cannot be installed on, and the job has ended. */
static bool
check(struct install *in, const struct install_probe *p, bool upload)
{
	const struct remote_pack *pack = in->pack;
	int64_t need =
	    (int64_t)((pack->agent_size + pack->ping_size) / 1024) + SPARE_KIB;

	if (strcmp(p->arch, pack->arch) != 0) {
		job_fail(&in->job, true, "wrongArch", MW_UNSUPPORTED,
		    "the VM is %s, the agent was built for %s", p->arch,
		    pack->arch);
		return false;
	}
	if (upload && !p->gzip) {
		job_fail(&in->job, true, "noTool", MW_REMOTE,
		    "gzip is missing");
		return false;
	}
	if ((upload && p->free_kib < need) || p->state_kib < SPARE_KIB) {
		job_fail(&in->job, true, "noSpace", MW_REMOTE,
		    "%lld KiB free in /opt, %lld in /var/lib; %lld are needed",
		    (long long)p->free_kib, (long long)p->state_kib,
		    (long long)need);
		return false;
	}
	return true;
}

static void
on_probe(struct install *in, const struct install_probe *p)
{
	const struct remote_pack *pack = in->pack;
	bool upload = strcmp(p->agent, pack->agent_sha) != 0 ||
	    strcmp(p->ping, pack->ping_sha) != 0;
	bool enroll = in->force || !p->cert || strcmp(p->stamp, in->stamp) != 0;
	struct str plan = STR_INIT;

	warn_clock(in, p);
	if (!upload && !enroll && p->up) {
		in->nothing = true;
		job_succeed(&in->job);
		return;
	}
	if (!check(in, p, upload))
		return;
	in->job.end.changed = true;
	str_addf(&plan, "plan %zu %zu %s %s %s %d\n", upload ? pack->gz_len : 0,
	    pack->agent_size, pack->agent_sha, pack->ping_sha, in->stamp,
	    enroll);
	ssh_write(in->job.ssh, plan.p, plan.len, true);
	str_free(&plan);
	if (upload)
		ssh_write(in->job.ssh, pack->gz, pack->gz_len, false);
	if (!enroll)
		ssh_write_eof(in->job.ssh);
	job_phase(&in->job,
	    upload       ? REMOTE_UPLOAD
		: enroll ? REMOTE_ENROLL
			 : REMOTE_START,
	    upload ? UPLOAD_MS : ENROLL_MS);
}

/* {"config":{...},"cert":"...","ca":"..."} */
static void
on_csr(struct install *in)
{
	struct mw_err err = MW_ERR_INIT;
	struct str cert = STR_INIT;
	json_t *j = NULL, *config;
	char *text;

	config = json_parse(in->agent_json, strlen(in->agent_json),
	    JSON_BODY_MAX, &err);
	if (!config ||
	    !in->sign(in->job.arg, str_cstr(&in->csr), &cert, &err)) {
		json_decref(config);
		job_fail(&in->job, false, "sign", err.code, "%s", err.msg);
		goto out;
	}
	j = json_object();
	json_put(j, "config", config);
	json_put_str(j, "cert", str_cstr(&cert));
	json_put_str(j, "ca", in->ca_pem);
	text = json_text(j, true);
	ssh_write(in->job.ssh, text, strlen(text), true);
	ssh_write_eof(in->job.ssh);
	free(text);
out:
	json_decref(j);
	str_free(&cert);
}

static void
on_line(struct install *in, const char *line)
{
	struct install_probe probe;
	struct mw_err err = MW_ERR_INIT;
	const char *text;
	char code[32];

	if (in->in_csr && strcmp(line, "mw csrEnd") != 0) {
		str_addf(&in->csr, "%s\n", line);
	} else if (in->in_csr) {
		in->in_csr = false;
		on_csr(in);
	} else if (install_fail_parse(line, code, &text)) {
		if (strcmp(code, "cut") == 0)
			job_again(&in->job, false);
		else
			escaped_fail(in, code, text);
	} else if (in->uninstall &&
	    install_package_parse(line, "kept", &text)) {
		str_addf(&in->kept, "%s%s", in->kept.len ? " " : "", text);
	} else if (in->uninstall) {
		in->ok_seen = in->ok_seen || strcmp(line, "mw ok") == 0;
	} else if (str_starts(line, "mw probe ")) {
		if (install_probe_parse(line, &probe, &err))
			on_probe(in, &probe);
		else
			job_fail(&in->job, false, "proto", err.code, "%s",
			    err.msg);
	} else if (strcmp(line, "mw uploaded") == 0) {
		job_phase(&in->job, REMOTE_ENROLL, ENROLL_MS);
	} else if (strcmp(line, "mw csr") == 0) {
		in->in_csr = true;
	} else if (strcmp(line, "mw enrolled") == 0) {
		job_phase(&in->job, REMOTE_START, START_MS);
	} else if (strcmp(line, "mw ok") == 0) {
		in->ok_seen = true;
	}
}

static void
op_data(struct remote_job *job, bool is_stderr, const char *p, size_t n)
{
	struct install *in = of(job);

	if (is_stderr) {
		size_t room = STDERR_MAX - in->err_text.len;

		str_addn(&in->err_text, p, n < room ? n : room);
		return;
	}
	in->output += n;
	if (in->output > OUTPUT_MAX) {
		job_fail(job, true, "proto", MW_PROTO,
		    "the VM says more than the script can");
		return;
	}
	for (size_t i = 0; i < n && job->state == JOB_WORK; i++) {
		if (p[i] != '\n') {
			str_addc(&in->line, p[i] ? p[i] : ' ');
			continue;
		}
		on_line(in, str_cstr(&in->line));
		str_reset(&in->line);
	}
}

static void
op_exec_end(struct remote_job *job, int code)
{
	struct install *in = of(job);
	struct str s = STR_INIT;

	if (job->state != JOB_WORK)
		return;
	if (in->ok_seen) {
		job->end.changed = true;
		job_succeed(job);
		return;
	}
	str_add_escaped(&s, in->err_text.p, in->err_text.len, 200);
	if (job->end.step <= REMOTE_PROBE || in->uninstall) {
		bool sudo = str_starts(str_cstr(&in->err_text), "sudo:");

		job_fail(job, true, sudo ? "noSudo" : "noShell", MW_DENIED,
		    "the login may not act as root (exit %d): %s", code,
		    str_cstr(&s));
	} else {
		job_fail(job, false, "script", MW_REMOTE,
		    "the installation ended with %d: %s", code, str_cstr(&s));
	}
	str_free(&s);
}

static const struct remote_op install_op = {
	.begin = op_begin,
	.data = op_data,
	.exec_end = op_exec_end,
	.cut = op_cut,
	.deliver = op_deliver,
};

/* Starting ---------------------------------------------------------------- */

/* Changes with everything that an enrolment brings to the VM. */
static char *
stamp_of(const char *agent_json, const char *ca_pem)
{
	struct str s = STR_INIT;
	char *hex = xmalloc(DIGEST_HEX_LEN);

	str_addf(&s, "%s\n%s", agent_json, ca_pem);
	digest_sha256_hex(s.p, s.len, hex);
	str_free(&s);
	return hex;
}

struct remote_job *
remote_install(struct remote *r, const struct remote_install_req *req)
{
	struct install *in = xcalloc(1, sizeof *in);

	in->command = job_command(install_sh);
	in->agent_json = xstrdup(req->agent_json);
	in->ca_pem = xstrdup(req->ca_pem);
	in->stamp = stamp_of(req->agent_json, req->ca_pem);
	in->force = req->force;
	in->sign = req->sign;
	in->done = req->done;
	in->job.on_step = req->step;
	in->job.arg = req->arg;
	job_start(r, &in->job, &install_op, &req->target);
	return &in->job;
}

struct remote_job *
remote_uninstall(struct remote *r, const struct remote_target *target,
    bool remove_tools, void (*done)(void *arg, const struct remote_end *end),
    void *arg)
{
	struct install *in = xcalloc(1, sizeof *in);

	in->command = job_command(uninstall_sh);
	in->uninstall = true;
	in->remove_tools = remove_tools;
	in->done = done;
	in->job.arg = arg;
	job_start(r, &in->job, &install_op, target);
	return &in->job;
}
