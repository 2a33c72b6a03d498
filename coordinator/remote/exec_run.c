/*
 * exec_run.c - see exec_run.h. Owns the runs; they hang on struct remote, which
 * ends their jobs before it frees them.
 */
#include "coordinator/remote/exec_run.h"

#include "common/pure/alloc.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/remote/exec_text.h"
#include "coordinator/remote/login_key.h"
#include "coordinator/remote/remote_int.h"
#include "lifecycle/lifecycle.h"

#include <string.h>

struct exec_item {
	struct exec_run *run;
	char vm_id[LC_VM_ID_LEN];
	struct remote_job *job; /* NULL: over, or never begun */
	bool over, has_code, truncated;
	int exit_code;
	struct str out, err;
	char error[256];
	double elapsed_s;
};

struct exec_run {
	TAILQ_ENTRY(exec_run) link;
	struct coord *c;
	char id[ACTION_ID_LEN];
	char ns[LC_ID_LEN], mcis[LC_ID_LEN];
	struct exec_item *items;
	size_t n, left, good, keep;
	size_t bytes; /* of output that is kept */
	bool canceled, over;
};

TAILQ_HEAD(exec_run_list, exec_run);

struct exec_runs {
	struct exec_run_list list; /* newest first */
	size_t n;
};

static void
run_free(struct exec_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		str_free(&run->items[i].out);
		str_free(&run->items[i].err);
	}
	free(run->items);
	free(run);
}

static void
runs_free(struct exec_runs *runs)
{
	struct exec_run *run;

	while ((run = TAILQ_FIRST(&runs->list))) {
		TAILQ_REMOVE(&runs->list, run, link);
		run_free(run);
	}
	free(runs);
}

static struct exec_run *
find(struct coord *c, const char *id)
{
	struct exec_run *run;

	if (!c->remote->runs)
		return NULL;
	TAILQ_FOREACH(run, &c->remote->runs->list, link)
	{
		if (str_eq(run->id, id))
			return run;
	}
	return NULL;
}

static bool
cancel(void *arg, const char *id, struct mw_err *err)
{
	struct exec_run *run = find(arg, id);

	if (!run || run->over)
		return err_set(err, MW_CONFLICT, 0, "the command is over");
	run->canceled = true;
	for (size_t i = 0; i < run->n; i++) {
		if (run->items[i].job)
			remote_cancel(run->items[i].job);
	}
	return true;
}

static struct exec_runs *
runs_of(struct coord *c)
{
	struct remote *r = c->remote;

	if (!r->runs) {
		r->runs = xcalloc(1, sizeof *r->runs);
		r->runs_free = runs_free;
		TAILQ_INIT(&r->runs->list);
		actions_on_cancel(c->actions, "exec", cancel, c);
	}
	return r->runs;
}

/* The oldest that are over make room, for their number and for the bytes of
 * what all printed; the newest stays whatever its size. */
static void
trim(struct exec_runs *runs)
{
	struct exec_run *run, *prev;
	size_t bytes = 0;

	TAILQ_FOREACH(run, &runs->list, link)
	bytes += run->bytes;
	for (run = TAILQ_LAST(&runs->list, exec_run_list);
	     run && run != TAILQ_FIRST(&runs->list) &&
	     (runs->n > EXEC_RUNS_KEEP || bytes > EXEC_BYTES_KEEP);
	     run = prev) {
		prev = TAILQ_PREV(run, exec_run_list, link);
		if (!run->over)
			continue;
		bytes -= run->bytes;
		TAILQ_REMOVE(&runs->list, run, link);
		runs->n--;
		run_free(run);
	}
}

/* Ends ---------------------------------------------------------------------- */

static void
run_end(struct exec_run *run)
{
	const char *outcome = run->good == run->n ? "ok"
	    : run->good                           ? "partial"
						  : "failed";
	enum action_state state = run->canceled ? ACTION_CANCELED
	    : run->good                         ? ACTION_DONE
						: ACTION_FAILED;

	run->over = true;
	actions_end(run->c->actions, run->id, state, outcome, NULL);
	trim(run->c->remote->runs);
}

static void
item_over(struct exec_item *it, bool good)
{
	struct exec_run *run = it->run;

	it->job = NULL;
	it->over = true;
	run->left--;
	run->good += good;
	/* the process ends: nobody listens any more */
	if (run->c->remote->freeing)
		return;
	actions_step(run->c->actions, run->id, it->vm_id, "run",
	    good ? ACTION_DONE : ACTION_FAILED, it->error);
	actions_progress(run->c->actions, run->id,
	    (int64_t)(run->n - run->left), (int64_t)run->n);
	if (run->left == 0)
		run_end(run);
}

static void
keep_output(struct exec_item *it, struct str *to, const struct str *from)
{
	size_t n = from->len < it->run->keep ? from->len : it->run->keep;

	it->truncated = it->truncated || n < from->len;
	exec_add_utf8(to, from->p, n);
	it->run->bytes += to->len;
}

static void
on_done(void *arg, const struct remote_end *end, const struct remote_output *o)
{
	struct exec_item *it = arg;

	it->truncated = o->truncated;
	it->exit_code = o->exit_code;
	it->has_code = end->ok;
	it->elapsed_s = (double)o->elapsed_ns / (double)NS_PER_S;
	keep_output(it, &it->out, &o->out);
	keep_output(it, &it->err, &o->err);
	if (!end->ok)
		str_copy(it->error, sizeof it->error, end->err.msg);
	item_over(it, end->ok && o->exit_code == 0);
}

/* Beginning ----------------------------------------------------------------- */

static bool
selected(const struct lc_slot *s, json_t *selector)
{
	struct mw_err err = MW_ERR_INIT;
	const char *k;
	json_t *labels, *v;
	bool fits = true;

	if (!selector || json_object_size(selector) == 0)
		return true;
	labels = json_parse(s->row.labels, strlen(s->row.labels), JSON_BODY_MAX,
	    &err);
	json_object_foreach(selector, k, v) fits =
	    fits && json_equal(json_object_get(labels, k), v);
	json_decref(labels);
	return fits;
}

static bool
text_for(const struct exec_ask *ask, const struct lc_slot *s,
    const char *region, struct str *out, struct mw_err *err)
{
	struct exec_vars vars = { s->inst.public_ip, region, s->vm_id,
		s->row.index };
	struct str word = STR_INIT;
	bool ok = true;
	json_t *arg;
	size_t i;

	if (ask->command)
		return exec_expand(out, ask->command, &vars, err);
	json_array_foreach(ask->argv, i, arg)
	{
		str_reset(&word);
		ok = ok &&
		    exec_expand(&word, json_string_value(arg), &vars, err);
		if (i)
			str_addc(out, ' ');
		exec_quote(out, str_cstr(&word));
	}
	str_free(&word);
	return ok;
}

static bool
begin_item(struct exec_item *it, const struct exec_ask *ask,
    const struct lc_slot *s, struct mw_err *err)
{
	struct coord *c = it->run->c;
	const struct conn_row *conn = conns_get(c->conns, s->inst.connection);
	const char *users[] = { s->inst.ssh_user };
	struct remote_target t = {
		.name = s->vm_id,
		.address = s->inst.public_ip,
		.port = s->inst.ssh_port,
		.users = users,
		.nusers = s->inst.ssh_user[0] ? 1 : 0,
		.host_key = s->inst.host_key,
		.wait_ms = 20000,
	};
	struct str text = STR_INIT, key = STR_INIT;
	bool ok = false;

	if (s->inst.phase != LC_P_RUNNING || s->inst.cls != LC_C_RUN ||
	    !s->inst.public_ip[0]) {
		err_set(err, MW_CONFLICT, 0, "the VM does not run");
	} else if (!s->inst.host_key[0]) {
		/* who is there was never established: see the installation */
		err_set(err, MW_CONFLICT, 0, "its host key is not known yet");
	} else if (text_for(ask, s, conn ? conn->region : NULL, &text, err) &&
	    login_key(c, s->inst.connection, s->inst.csp_id,
		s->mcis->row.key_id, &key, err)) {
		t.private_key = str_cstr(&key);
		it->job = remote_exec(c->remote, &t, str_cstr(&text),
		    ask->timeout_ms, on_done, it);
		ok = true;
	}
	login_key_wipe(&key);
	str_free(&text);
	return ok;
}

static size_t
count(const struct lc_mcis *m, json_t *selector)
{
	size_t n = 0;

	for (const struct lc_slot *s = m->slots; s; s = s->next)
		n += selected(s, selector);
	return n;
}

static struct exec_run *
run_new(struct coord *c, const struct exec_ask *ask, size_t n)
{
	struct exec_run *run = xcalloc(1, sizeof *run);
	struct exec_runs *runs = runs_of(c);
	char *path = xasprintf("/v1/ns/%s/mcis/%s", ask->ns, ask->mcis);

	run->c = c;
	run->n = run->left = n;
	run->items = xcalloc(n, sizeof *run->items);
	run->keep = EXEC_RUN_BYTES / (2 * n);
	str_copy(run->ns, sizeof run->ns, ask->ns);
	str_copy(run->mcis, sizeof run->mcis, ask->mcis);
	actions_new(c->actions, "exec", path, (int64_t)n, run->id);
	TAILQ_INSERT_HEAD(&runs->list, run, link);
	runs->n++;
	free(path);
	return run;
}

/* With a limit on these, a new run is never the one that trim() frees. */
static size_t
under_way(struct coord *c)
{
	struct exec_runs *runs = runs_of(c);
	struct exec_run *run;
	size_t n = 0;

	TAILQ_FOREACH(run, &runs->list, link)
	n += !run->over;
	return n;
}

bool
exec_run_start(struct coord *c, const struct exec_ask *ask,
    char id[ACTION_ID_LEN], struct mw_err *err)
{
	struct lc_mcis *m = lc_mcis_find(c->lc, ask->ns, ask->mcis);
	struct exec_run *run;
	size_t i = 0, n;

	if (!m)
		return err_set(err, MW_NOT_FOUND, 0, "there is no MCIS %s",
		    ask->mcis);
	n = count(m, ask->selector);
	if (n == 0)
		return err_set(err, MW_NOT_FOUND, 0,
		    "no VM of %s has these labels", ask->mcis);
	if (under_way(c) >= EXEC_RUNS_KEEP)
		return err_set(err, MW_LIMIT, 0, "%d commands are under way",
		    EXEC_RUNS_KEEP);
	run = run_new(c, ask, n);
	str_copy(id, ACTION_ID_LEN, run->id);
	for (const struct lc_slot *s = m->slots; s; s = s->next) {
		struct exec_item *it = &run->items[i];
		struct mw_err why = MW_ERR_INIT;

		if (!selected(s, ask->selector))
			continue;
		i++;
		it->run = run;
		str_copy(it->vm_id, sizeof it->vm_id, s->vm_id);
		if (begin_item(it, ask, s, &why))
			continue;
		str_copy(it->error, sizeof it->error, why.msg);
		item_over(it, false);
	}
	return true;
}

/* Looking ------------------------------------------------------------------- */

static json_t *
item_json(const struct exec_item *it)
{
	json_t *j = json_object();

	json_put_str(j, "vmId", it->vm_id);
	if (it->over && it->has_code)
		json_put_int(j, "exitCode", it->exit_code);
	else
		json_put(j, "exitCode", NULL);
	json_put_str(j, "stdout", str_cstr(&it->out));
	json_put_str(j, "stderr", str_cstr(&it->err));
	json_put_bool(j, "truncated", it->truncated);
	json_put_str(j, "error", it->error[0] ? it->error : NULL);
	json_put_num(j, "elapsedS", it->elapsed_s);
	return j;
}

json_t *
exec_run_json(struct coord *c, const char *ns, const char *mcis, const char *id)
{
	const struct exec_run *run = find(c, id);
	json_t *j, *items;

	if (!run || !str_eq(run->ns, ns) || !str_eq(run->mcis, mcis))
		return NULL;
	j = json_object();
	items = json_array();
	for (size_t i = 0; i < run->n; i++)
		json_array_append_new(items, item_json(&run->items[i]));
	json_put_str(j, "commandId", run->id);
	json_put_str(j, "state",
	    !run->over          ? "running"
		: run->canceled ? "canceled"
		: run->good     ? "done"
				: "failed");
	json_put(j, "items", items);
	return j;
}
