/*
 * env_call.c - the lifecycle's calls to clouds and its installations.
 *
 * A create waits for what it needs in its cloud (prereq.h) and fails as unsent
 * if that cannot be had. Before the first login the host key is looked for in
 * the boot log.
 */
#include "coordinator/env_int.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/link/agents.h"
#include "coordinator/ca.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/link/link.h"
#include "coordinator/cloud/prereq.h"
#include "coordinator/remote/login_key.h"
#include "coordinator/remote/remote.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONSOLE_MS 10000
#define USERS_MAX 12

/* One request of the core to install an agent. */
struct install {
	struct env_real *e;
	uint64_t id;
	int64_t slot_id, gen, port, deadline_ns;
	char ns[LC_ID_LEN], mcis[LC_ID_LEN], address[LC_ADDR_LEN];
	char name[LC_ID_LEN + LC_VM_ID_LEN + 1], key_id[LC_ID_LEN];
	char connection[LC_WORD_LEN], csp_id[LC_WORD_LEN];
	char user_names[USERS_MAX][LC_ID_LEN];
	const char *users[USERS_MAX];
	size_t nusers;
	char host_key[LC_KEY_LEN];
	char *uri;
	struct remote_job *job;
	bool canceled;
	struct install *next;
};

static void on_answer(struct csp_answer *a, void *arg);
static void on_console(struct csp_answer *a, void *arg);
static void begin(struct install *in);
static void on_done(void *arg, const struct remote_end *end);
static void answer_install(struct install *in,
    const struct lc_install_result *r);

/* ---- clouds -------------------------------------------------------------- */

/* Ends a create that never left. */
static void
unsent(struct env_real *e, const struct csp_req *q,
    const struct csp_answer *why, const char *message)
{
	struct csp_answer *a = csp_answer_new(q);

	a->cls = CSP_DEFINITE;
	a->reason = CSP_R_UNSENT;
	if (why && why->cls == CSP_THROTTLED) {
		a->cls = CSP_THROTTLED;
		a->retry_after_ms = why->retry_after_ms;
	} else if (why && why->cls == CSP_DEFINITE) {
		a->reason = why->reason;
	} else if (why && why->cls == CSP_CONFLICT &&
	    why->reason == CSP_R_EXISTS) {
		a->reason = CSP_R_INVALID;
	}
	a->message = arena_strdup(a->arena, message);
	lc_on_csp(e->c->lc, a);
	csp_answer_free(a);
}

/* All that a create needs is there, or something stands in the way. */
static void
on_ready(struct csp_req *q, const struct csp_answer *why, const char *message,
    void *arg)
{
	struct env_real *e = arg;

	if (why) {
		unsent(e, q, why, message);
		csp_req_free(q);
	} else {
		conns_submit(e->c->conns, q, on_answer, e);
	}
}

void
env_csp(void *ctx, struct csp_req *q)
{
	struct env_real *e = ctx;

	if (e->stopped)
		csp_req_free(q);
	else if (q->op == CSP_VM_CREATE)
		prereq_need(e->c->prereq, q, on_ready, e);
	else
		conns_submit(e->c->conns, q, on_answer, e);
}

static void
on_answer(struct csp_answer *a, void *arg)
{
	struct env_real *e = arg;

	/* Someone may have deleted our key, group or network in the cloud, or
	 * they are not visible there yet. */
	if (a->op == CSP_VM_CREATE &&
	    ((a->cls == CSP_DEFINITE && a->reason == CSP_R_INVALID) ||
		(a->cls == CSP_CONFLICT && a->reason == CSP_R_BUSY)))
		prereq_doubt(e->c->prereq);
	if (!e->stopped)
		lc_on_csp(e->c->lc, a);
	csp_answer_free(a);
}

/* The MCIS is gone: what its VMs needed goes, too. */
void
env_row_durable(struct env_real *e, const struct lc_row *row)
{
	if (row->kind != LC_ROW_MCIS_DELETE)
		return;
	prereq_end(e->c->prereq, row->u.mcis.key_id);
	ca_ssh_key_forget(e->c->ca, row->u.mcis.key_id);
}

/* ---- installations ------------------------------------------------------- */

void
env_install(void *ctx, const struct lc_install *req)
{
	struct env_real *e = ctx;
	struct install *in = xcalloc(1, sizeof *in);
	struct csp_req *q;
	char *name = xasprintf("%s/%s", req->mcis, req->vm_id);

	in->e = e;
	in->id = req->id;
	in->slot_id = req->slot_id;
	in->gen = req->gen;
	in->port = req->port;
	in->deadline_ns = req->deadline_ns;
	str_copy(in->name, sizeof in->name, name);
	free(name);
	str_copy(in->ns, sizeof in->ns, req->ns);
	str_copy(in->mcis, sizeof in->mcis, req->mcis);
	str_copy(in->address, sizeof in->address, req->address);
	str_copy(in->key_id, sizeof in->key_id, req->key_id);
	str_copy(in->connection, sizeof in->connection, req->connection);
	str_copy(in->csp_id, sizeof in->csp_id, req->csp_id);
	for (size_t i = 0; i < req->nusers && i < USERS_MAX; i++) {
		str_copy(in->user_names[i], LC_ID_LEN, req->users[i]);
		in->users[in->nusers++] = in->user_names[i];
	}
	in->next = e->installs;
	e->installs = in;
	if (req->pinned)
		str_copy(in->host_key, sizeof in->host_key, req->pinned);
	q = csp_req_new(CSP_CONSOLE, req->connection);
	q->csp_id = arena_strdup(q->arena, req->csp_id);
	q->deadline_ms = CONSOLE_MS;
	conns_submit(e->c->conns, q, on_console, in);
}

static void
on_console(struct csp_answer *a, void *arg)
{
	struct install *in = arg;
	struct env_real *e = in->e;
	char line[SSH_HOST_KEY_MAX];

	if (!e->stopped && !in->host_key[0] && a->cls == CSP_OK && a->text &&
	    ssh_key_from_console(a->text, strlen(a->text), line) &&
	    lc_on_host_key(e->c->lc, in->id, line, "console"))
		str_copy(in->host_key, sizeof in->host_key, line);
	csp_answer_free(a);
	if (e->stopped)
		return;
	begin(in);
}

/* Our address as that VM sees it: what the operator says, or the source
 * address of the way to it. */
static void
own_address(const struct coord *c, const char *vm, char out[LC_ADDR_LEN])
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(9) };
	socklen_t len = sizeof sa;
	int fd;

	str_copy(out, LC_ADDR_LEN, c->conf.link_address);
	if (c->conf.advertise && c->conf.advertise[0]) {
		str_copy(out, LC_ADDR_LEN, c->conf.advertise);
		return;
	}
	if (!str_eq(out, "0.0.0.0") ||
	    inet_pton(AF_INET, vm, &sa.sin_addr) != 1)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		inet_ntop(AF_INET, &sa.sin_addr, out, LC_ADDR_LEN);
	close(fd);
}

static char *
agent_json(const struct install *in)
{
	const struct coord *c = in->e->c;
	json_t *j = json_object();
	char address[LC_ADDR_LEN], *text;

	own_address(c, in->address, address);
	json_put_str(j, "coordinator", address);
	json_put_int(j, "port",
	    c->link ? link_port(c->link) : c->conf.link_port);
	json_put_str(j, "deployment", c->deployment);
	json_put_str(j, "uri", in->uri);
	json_put_int(j, "echoPort", ECHO_PORT);
	text = json_text(j, true);
	json_decref(j);
	return text;
}

static bool
on_pin(void *arg, const char *host_key)
{
	struct install *in = arg;

	return !in->e->stopped &&
	    lc_on_host_key(in->e->c->lc, in->id, host_key, "firstUse");
}

static bool
on_sign(void *arg, const char *csr_pem, struct str *cert_pem,
    struct mw_err *err)
{
	struct install *in = arg;
	char serial[33];

	return ca_sign_csr(in->e->c->ca, csr_pem, in->uri, cert_pem, serial,
	    err);
}

static void
on_step(void *arg, enum remote_step s)
{
	struct install *in = arg;

	if (!in->e->stopped)
		lc_on_install_step(in->e->c->lc, in->id, remote_step_name(s));
}

static void
begin(struct install *in)
{
	struct coord *c = in->e->c;
	struct mw_err err = MW_ERR_INIT;
	struct str private_key = STR_INIT;
	int64_t left_ms = (in->deadline_ns - clock_mono_ns()) / NS_PER_MS;
	struct remote_install_req q = {
		.target = {
			.name = in->name,
			.address = in->address,
			.port = in->port,
			.users = in->users,
			.nusers = in->nusers,
			.host_key = in->host_key[0] ? in->host_key : NULL,
			.pin = on_pin,
			.pin_arg = in,
			.wait_ms = left_ms > 1000 ? left_ms : 1000,
		},
		.ca_pem = ca_bundle(c->ca),
		.sign = on_sign,
		.step = on_step,
		.done = on_done,
		.arg = in,
	};
	char *json;

	if (in->canceled ||
	    !login_key(c, in->connection, in->csp_id, in->key_id, &private_key,
		&err)) {
		struct lc_install_result r = { .id = in->id,
			.definite = !in->canceled,
			.step = "login",
			.reason = in->canceled ? "canceled" : err.msg };

		answer_install(in, &r);
		login_key_wipe(&private_key);
		return;
	}
	in->uri = ca_agent_uri(c->ca, in->ns, in->mcis, in->slot_id, in->gen);
	json = agent_json(in);
	q.target.private_key = str_cstr(&private_key);
	q.agent_json = json;
	in->job = remote_install(c->remote, &q);
	free(json);
	login_key_wipe(&private_key);
}

static void
on_done(void *arg, const struct remote_end *end)
{
	struct install *in = arg;
	char *why = xasprintf("%s%s%s", end->reason,
	    end->reason[0] && end->err.msg[0] ? ": " : "", end->err.msg);
	struct lc_install_result r = {
		.id = in->id,
		.ok = end->ok,
		.definite = end->definite || end->host_key_changed,
		.step = end->host_key_changed ? "hostKey"
					      : remote_step_name(end->step),
		.reason = end->ok ? "" : why,
		.host_key = end->host_key[0] ? end->host_key : NULL,
		.user = end->user[0] ? end->user : NULL,
	};

	struct env_real *e = in->e;
	int64_t slot_id = in->slot_id, gen = in->gen;
	const struct agent *agent;

	in->job = NULL;
	answer_install(in, &r);
	free(why);
	/* an agent that was left alone says no new hello */
	agent = end->ok && !end->changed && !e->stopped
	    ? agents_get(e->c->agents, slot_id, gen)
	    : NULL;
	if (agent && agent->state == AGENT_UP)
		env_real_agent_up(e, slot_id, gen, agent->boot_id);
}

static void
answer_install(struct install *in, const struct lc_install_result *r)
{
	struct env_real *e = in->e;
	struct install **at = &e->installs;

	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	if (!e->stopped)
		lc_on_install(e->c->lc, r);
	free(in->uri);
	free(in);
}

/* Its address may be new. A generation that ends needs no agent. */
void
env_inst_changed(struct env_real *e, const struct lc_inst_row *row)
{
	const struct lc_slot *s = lc_slot_find(e->c->lc, row->slot_id);

	if (s)
		prereq_members(e->c->prereq, s->mcis->row.key_id);
	if (row->phase == LC_P_CREATING || row->phase == LC_P_RUNNING)
		return;
	for (struct install *in = e->installs; in; in = in->next) {
		if (in->slot_id != row->slot_id || in->gen != row->gen ||
		    in->canceled)
			continue;
		in->canceled = true;
		if (in->job)
			remote_cancel(in->job);
	}
}

/* ---- the end ------------------------------------------------------------- */

void
env_stop_calls(struct env_real *e)
{
	loop_timer_clear(e->timer);
}

void
env_free_calls(struct env_real *e)
{
	while (e->installs) {
		struct install *in = e->installs;

		e->installs = in->next;
		free(in->uri);
		free(in);
	}
}
