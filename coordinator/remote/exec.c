/*
 * exec.c - one command on one VM, as an operation on a login (remote_int.h).
 * Output is kept up to REMOTE_OUTPUT_MAX per stream, more is read and dropped.
 * Once started, a command is never started again by itself.
 */
#include "coordinator/remote/remote_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "coordinator/remote/exec.sh.h"

#include <string.h>

struct exec {
	struct remote_job job; /* first */
	char *script, *command;
	int64_t timeout_ms, begin_ns;
	struct remote_output output;
	void (*done)(void *arg, const struct remote_end *end,
	    const struct remote_output *output);
};

static struct exec *
of(struct remote_job *job)
{
	return container_of(job, struct exec, job);
}

static void
op_begin(struct remote_job *job)
{
	struct exec *x = of(job);
	struct str head = STR_INIT;

	job_phase(job, REMOTE_RUN, x->timeout_ms);
	x->begin_ns = clock_mono_ns();
	ssh_exec(job->ssh, x->script);
	str_addf(&head, "%zu\n", strlen(x->command));
	ssh_write(job->ssh, head.p, head.len, true);
	ssh_write(job->ssh, x->command, strlen(x->command), false);
	str_free(&head);
	/* stdin stays open: its end is what kills the command */
}

static void
op_data(struct remote_job *job, bool is_stderr, const char *p, size_t n)
{
	struct exec *x = of(job);
	struct str *s = is_stderr ? &x->output.err : &x->output.out;
	size_t room = REMOTE_OUTPUT_MAX - s->len;

	if (n > room)
		x->output.truncated = true;
	str_addn(s, p, n < room ? n : room);
}

static void
op_exec_end(struct remote_job *job, int code)
{
	struct exec *x = of(job);

	x->output.exit_code = code;
	x->output.elapsed_ns = clock_mono_ns() - x->begin_ns;
	job_succeed(job);
}

static bool
op_cut(struct remote_job *job, bool timed_out)
{
	struct exec *x = of(job);

	x->output.timed_out = timed_out;
	x->output.elapsed_ns = clock_mono_ns() - x->begin_ns;
	job_fail(job, false, timed_out ? "timeout" : "cut",
	    timed_out ? MW_TIMEOUT : MW_UNREACHABLE, "%s",
	    timed_out ? "the command took too long and was ended"
		      : "the connection was lost; the command was ended");
	return false;
}

static void
op_deliver(struct remote_job *job)
{
	struct exec *x = of(job);

	x->done(job->arg, &job->end, &x->output);
	str_free(&x->output.out);
	str_free(&x->output.err);
	free(x->script);
	free(x->command);
	job_free_head(job);
	free(x);
}

static const struct remote_op exec_op = {
	.begin = op_begin,
	.data = op_data,
	.exec_end = op_exec_end,
	.cut = op_cut,
	.deliver = op_deliver,
};

struct remote_job *
remote_exec(struct remote *r, const struct remote_target *target,
    const char *command, int64_t timeout_ms,
    void (*done)(void *arg, const struct remote_end *end,
	const struct remote_output *output),
    void *arg)
{
	struct exec *x = xcalloc(1, sizeof *x);

	x->script = job_command(exec_sh);
	x->command = xstrdup(command);
	x->timeout_ms = timeout_ms;
	x->done = done;
	x->output.exit_code = -1;
	x->job.arg = arg;
	job_start(r, &x->job, &exec_op, target);
	return &x->job;
}
