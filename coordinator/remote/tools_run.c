/*
 * tools_run.c - programs for benchmarks on a VM, as an operation on a login
 * (remote_int.h): what tools.sh finds, what is missing by the table of
 * tools.h, and which packages the VM's own package manager added.
 */
#include "coordinator/remote/remote_int.h"

#include "common/pure/alloc.h"
#include "common/pure/tools.h"
#include "coordinator/remote/install_msg.h"
#include "coordinator/remote/tools.sh.h"

#include <string.h>

#define PROBE_MS 30000
/* longer than the limit in tools.sh, twice: lists, packages */
#define INSTALL_MS 1200000
#define OUTPUT_MAX ((size_t)256 * 1024)
#define STDERR_MAX 1024
#define OS_MAX 512

struct tools {
	struct remote_job job; /* first */
	char *command;
	void (*done)(void *arg, const struct remote_end *end);
	struct pack_waiter waiter;
	bool waiting_pack;
	struct remote_pack *pack; /* NULL: milkyway-dblite cannot be brought */
	struct str line, os, added, err_text;
	size_t output;
	bool ok_seen;
};

static struct tools *
of(struct remote_job *job)
{
	return container_of(job, struct tools, job);
}

static void
run(struct tools *t)
{
	job_phase(&t->job, REMOTE_TOOLS, PROBE_MS);
	ssh_exec(t->job.ssh, t->command);
}

static void
on_pack(struct pack_waiter *w, struct remote_pack *pack,
    const struct mw_err *err)
{
	struct tools *t = container_of(w, struct tools, waiter);

	(void)err;
	t->waiting_pack = false;
	t->pack = pack;
	run(t);
}

static void
op_begin(struct remote_job *job)
{
	struct tools *t = of(job);

	str_reset(&t->line);
	str_reset(&t->os);
	str_reset(&t->err_text);
	t->output = 0;
	t->ok_seen = false;
	if (t->pack) {
		run(t);
		return;
	}
	job_phase(job, REMOTE_TOOLS, PROBE_MS);
	t->waiting_pack = true;
	t->waiter.done = on_pack;
	pack_get(job->remote, &t->waiter);
}

static void
leave_pack_queue(struct tools *t)
{
	if (t->waiting_pack)
		TAILQ_REMOVE(&t->job.remote->pack_waiters, &t->waiter, link);
	t->waiting_pack = false;
}

static bool
op_cut(struct remote_job *job, bool timed_out)
{
	struct tools *t = of(job);

	leave_pack_queue(t);
	if (!timed_out)
		return true;
	job_fail(job, true, "timeout", MW_TIMEOUT,
	    "the package manager took too long");
	return false;
}

static void
op_deliver(struct remote_job *job)
{
	struct tools *t = of(job);

	leave_pack_queue(t);
	job->end.packages = str_cstr(&t->added);
	t->done(job->arg, &job->end);
	pack_unref(t->pack);
	str_free(&t->line);
	str_free(&t->os);
	str_free(&t->added);
	str_free(&t->err_text);
	free(t->command);
	job_free_head(job);
	free(t);
}

/* Names of the packages that are missing; false: one of them is in none, and
 * err says so. */
static bool
wanted(const struct tools_probe *p, const struct tools_os *os,
    const struct tools_distro *d, struct str *names, struct mw_err *err)
{
	const struct {
		bool here;
		enum tool tool;
	} tools[] = { { p->sysbench, TOOL_SYSBENCH },
		{ p->mariadb, TOOL_MARIADB } };
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		const char *package = d ? d->package[tools[i].tool] : NULL;

		if (tools[i].here)
			continue;
		if (!package) {
			tools_missing(tools[i].tool, os, text, sizeof text);
			return err_set(err, MW_UNSUPPORTED, 0, "%s", text);
		}
		str_addf(names, "%s%s", names->len ? " " : "", package);
	}
	return true;
}

static void
on_probe(struct tools *t, const struct tools_probe *p)
{
	const struct tools_distro *d;
	struct str names = STR_INIT, plan = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	struct tools_os os;
	bool lite = t->pack && t->pack->lite_gz &&
	    strcmp(p->lite, t->pack->lite_sha) != 0;

	tools_os_parse(str_cstr(&t->os), t->os.len, &os);
	d = tools_distro(&os);
	if (!wanted(p, &os, d, &names, &err)) {
		job_fail(&t->job, true, "noPackage", err.code, "%s", err.msg);
	} else if (!names.len && !lite) {
		job_succeed(&t->job); /* the script ends with its input */
	} else {
		t->job.end.changed = true;
		str_addf(&plan, "plan %s %zu %s %s\n", d ? d->manager : "-",
		    lite ? t->pack->lite_gz_len : 0,
		    lite ? t->pack->lite_sha : "-", str_cstr(&names));
		job_phase(&t->job, REMOTE_TOOLS, INSTALL_MS);
		ssh_write(t->job.ssh, plan.p, plan.len, true);
		if (lite)
			ssh_write(t->job.ssh, t->pack->lite_gz,
			    t->pack->lite_gz_len, false);
		ssh_write_eof(t->job.ssh);
	}
	str_free(&names);
	str_free(&plan);
}

static void
escaped_fail(struct tools *t, const char *code, const char *text)
{
	struct str s = STR_INIT;
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == ' ')
		n--;
	str_add_escaped(&s, text, n, 240);
	/* Another try would not find another mirror: someone must look. */
	job_fail(&t->job, true, code, MW_REMOTE, "%s", str_cstr(&s));
	str_free(&s);
}

static void
on_line(struct tools *t, const char *line)
{
	struct tools_probe probe;
	struct mw_err err = MW_ERR_INIT;
	const char *text;
	char code[32];

	if (str_starts(line, "mw os ") && t->os.len < OS_MAX) {
		str_addf(&t->os, "%.*s\n", OS_MAX, line + 6);
	} else if (install_fail_parse(line, code, &text)) {
		if (strcmp(code, "cut") == 0)
			job_again(&t->job, false);
		else
			escaped_fail(t, code, text);
	} else if (str_starts(line, "mw tools ")) {
		if (tools_probe_parse(line, &probe, &err))
			on_probe(t, &probe);
		else
			job_fail(&t->job, false, "proto", err.code, "%s",
			    err.msg);
	} else if (install_package_parse(line, "added", &text)) {
		str_addf(&t->added, "%s%s", t->added.len ? " " : "", text);
	} else if (strcmp(line, "mw ok") == 0) {
		t->ok_seen = true;
	}
}

static void
op_data(struct remote_job *job, bool is_stderr, const char *p, size_t n)
{
	struct tools *t = of(job);

	if (is_stderr) {
		size_t room = STDERR_MAX - t->err_text.len;

		str_addn(&t->err_text, p, n < room ? n : room);
		return;
	}
	t->output += n;
	if (t->output > OUTPUT_MAX) {
		job_fail(job, true, "proto", MW_PROTO,
		    "the VM says more than the script can");
		return;
	}
	for (size_t i = 0; i < n && job->state == JOB_WORK; i++) {
		if (p[i] != '\n') {
			str_addc(&t->line, p[i] ? p[i] : ' ');
			continue;
		}
		on_line(t, str_cstr(&t->line));
		str_reset(&t->line);
	}
}

static void
op_exec_end(struct remote_job *job, int code)
{
	struct tools *t = of(job);
	struct str s = STR_INIT;

	if (job->state != JOB_WORK)
		return;
	if (t->ok_seen) {
		job_succeed(job);
		return;
	}
	str_add_escaped(&s, t->err_text.p, t->err_text.len, 200);
	if (str_starts(str_cstr(&t->err_text), "sudo:"))
		job_fail(job, true, "noSudo", MW_DENIED,
		    "the login may not act as root: %s", str_cstr(&s));
	else
		job_fail(job, true, "script", MW_REMOTE,
		    "the installation of tools ended with %d: %s", code,
		    str_cstr(&s));
	str_free(&s);
}

static const struct remote_op tools_op = {
	.begin = op_begin,
	.data = op_data,
	.exec_end = op_exec_end,
	.cut = op_cut,
	.deliver = op_deliver,
};

struct remote_job *
remote_tools(struct remote *r, const struct remote_target *target,
    void (*done)(void *arg, const struct remote_end *end), void *arg)
{
	struct tools *t = xcalloc(1, sizeof *t);

	t->command = job_command(tools_sh);
	t->done = done;
	t->job.arg = arg;
	job_start(r, &t->job, &tools_op, target);
	return &t->job;
}
