/*
 * install.c - the agent on a VM: when it is installed, tried again, given up.
 * The executor (env->install) makes one attempt from sshd to a started agent;
 * here is decided what its end means. Silence of an agent never moves a VM.
 */
#include "lifecycle/priv.h"

#include <assert.h>
#include <string.h>

/* The number of an installation holds that of its slot. */
#define SLOTS_MAX (UINT64_C(1) << 40)

static const char wait_hello[] = "waitHello";
static const char accepted[] = "accepted"; /* a changed host key, by hand */
/* Step of an agent that its user took away: it is not brought back. */
static const char removed[] = "removed";

static void send_install(struct lc *lc, struct lc_slot *s, int64_t until_ns);
static struct lc_slot *by_install(struct lc *lc, uint64_t id);

static void
set_step(struct lc *lc, struct lc_slot *s, const char *step)
{
	struct lc_event *e;

	if (str_eq(s->inst.install_step, step))
		return;
	lc_text(lc, &s->inst.install_step, LC_STEP_LEN, step);
	lc_dirty(lc, s, DIRTY_INST);
	e = lc_event(lc, LC_EV_INSTALL, NULL, s, NULL);
	str_copy(e->to, sizeof e->to, step);
}

static void
set_state(struct lc *lc, struct lc_slot *s, enum lc_install_state st,
    const char *error)
{
	s->inst.install = st;
	lc_text(lc, &s->inst.install_error, LC_TEXT_LEN, error);
	lc_dirty(lc, s, DIRTY_INST);
	if (st == LC_I_READY)
		set_step(lc, s, "ready");
	if (st == LC_I_FAILED)
		lc_event(lc, LC_EV_INSTALL_FAILED, NULL, s, error);
	lc_member_check(lc, s);
}

bool
lc_install_over(const struct lc *lc, const struct lc_inst_row *in)
{
	return !lc->conf.install || in->install == LC_I_READY ||
	    (in->install == LC_I_NONE && str_eq(in->install_step, removed));
}

void
lc_step_install(struct lc *lc, struct lc_slot *s)
{
	int64_t now = lc_now(lc);
	int64_t until = s->install_ns + lc->conf.install_s * NS_PER_S;

	if (lc_install_over(lc, &s->inst) || s->inst.cls != LC_C_RUN ||
	    s->inst.verb != LC_V_NONE || s->inst.install == LC_I_FAILED)
		return;
	if (s->inst.install == LC_I_NONE) {
		s->install_ns = now;
		s->install_retry_ns = 0;
		s->install_tries = 0;
		s->inst.install = LC_I_RUNNING;
		set_step(lc, s, "waitSsh");
		lc_dirty(lc, s, DIRTY_INST);
		return;
	}
	if (s->installing)
		return; /* its answer comes before the deadline */
	if (s->agent_up) {
		set_state(lc, s, LC_I_READY, "");
		return;
	}
	if (now >= until) {
		set_state(lc, s, LC_I_FAILED,
		    s->inst.install_error[0]   ? s->inst.install_error
			: s->inst.public_ip[0] ? "timeout"
					       : "no public address");
		return;
	}
	if (s->install_retry_ns > now || !s->inst.public_ip[0]) {
		lc_wake(lc, s,
		    s->install_retry_ns > now && s->install_retry_ns < until
			? s->install_retry_ns
			: until);
		return;
	}
	send_install(lc, s, until);
}

static void
send_install(struct lc *lc, struct lc_slot *s, int64_t until_ns)
{
	static const char *const usual[] = { "ubuntu", "debian", "ec2-user",
		"azureuser", "cb-user", "rocky", "centos", "opc", "root" };
	const char *users[ARRAY_LEN(usual) + 2];
	struct lc_install q = {
		.id = ++lc->next_install * SLOTS_MAX +
		    (uint64_t)s->row.slot_id % SLOTS_MAX,
		.slot_id = s->row.slot_id,
		.gen = s->inst.gen,
		.ns = s->mcis->row.ns,
		.mcis = s->mcis->row.name,
		.vm_id = s->vm_id,
		.connection = s->inst.connection,
		.csp_id = s->inst.csp_id,
		.address = s->inst.public_ip,
		.port = s->inst.ssh_port ? s->inst.ssh_port : 22,
		.users = users,
		.key_id = s->mcis->row.key_id,
		.pinned = s->inst.host_key[0] ? s->inst.host_key : NULL,
		.deadline_ns = until_ns,
	};

	if (s->inst.ssh_user[0])
		users[q.nusers++] = s->inst.ssh_user;
	if (s->ssh_user_hint[0] && !str_eq(s->ssh_user_hint, s->inst.ssh_user))
		users[q.nusers++] = s->ssh_user_hint;
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		if (!str_eq(usual[i], s->inst.ssh_user) &&
		    !str_eq(usual[i], s->ssh_user_hint))
			users[q.nusers++] = usual[i];
	}
	s->install_id = q.id;
	s->installing = true;
	set_step(lc, s, "waitSsh");
	lc->env.install(lc->env.ctx, &q);
}

static struct lc_slot *
by_install(struct lc *lc, uint64_t id)
{
	struct lc_slot *s = lc_slot_find(lc, (int64_t)(id % SLOTS_MAX));

	return s && s->installing && s->install_id == id ? s : NULL;
}

void
lc_on_install_step(struct lc *lc, uint64_t id, const char *step)
{
	struct lc_slot *s = by_install(lc, id);

	if (s)
		set_step(lc, s, step);
	lc_turn(lc);
}

/* Type and key are equal, whatever the comments. */
static bool
same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, " "), m;

	m = n + (a[n] ? 1 + strcspn(a + n + 1, " \n") : 0);
	return strncmp(a, b, m) == 0 &&
	    (b[m] == '\0' || b[m] == ' ' || b[m] == '\n');
}

bool
lc_on_host_key(struct lc *lc, uint64_t id, const char *line, const char *trust)
{
	struct lc_slot *s = by_install(lc, id);

	if (!s || strlen(line) >= LC_KEY_LEN)
		return false;
	if (s->inst.host_key[0])
		return same_key(s->inst.host_key, line);
	/* the console tells the key of the first boot: the one that the
	 * operator does not want any more */
	if (str_eq(s->inst.host_key_trust, accepted) &&
	    str_eq(trust, "console"))
		return false;
	lc_text(lc, &s->inst.host_key, LC_KEY_LEN, line);
	if (!str_eq(s->inst.host_key_trust, accepted))
		lc_text(lc, &s->inst.host_key_trust, LC_TRUST_LEN, trust);
	lc_dirty(lc, s, DIRTY_INST);
	lc_turn(lc);
	return true;
}

static void
failed_attempt(struct lc *lc, struct lc_slot *s,
    const struct lc_install_result *r)
{
	struct str t = STR_INIT;

	str_addf(&t, "%s: ", r->step ? r->step : "install");
	str_add_escaped(&t, r->reason, strlen(r->reason), 160);
	lc_text(lc, &s->inst.install_error, LC_TEXT_LEN, str_cstr(&t));
	lc_dirty(lc, s, DIRTY_INST);
	if (s->inst.host_key[0] && r->host_key &&
	    !same_key(s->inst.host_key, r->host_key))
		lc_event(lc, LC_EV_HOST_KEY, NULL, s, r->reason);
	if (r->definite)
		set_state(lc, s, LC_I_FAILED, str_cstr(&t));
	else
		s->install_retry_ns = lc_now(lc) +
		    lc_backoff_ns(lc,
			s->install_tries < 4 ? s->install_tries++ : 4);
	str_free(&t);
}

void
lc_on_install(struct lc *lc, const struct lc_install_result *r)
{
	struct lc_slot *s = by_install(lc, r->id);

	if (!s) {
		lc_turn(lc);
		return;
	}
	s->installing = false;
	if (r->user && strlen(r->user) < LC_ID_LEN &&
	    !str_eq(s->inst.ssh_user, r->user)) {
		lc_text(lc, &s->inst.ssh_user, LC_ID_LEN, r->user);
		lc_dirty(lc, s, DIRTY_INST);
	}
	if (s->inst.install == LC_I_RUNNING && !r->ok) {
		failed_attempt(lc, s, r);
	} else if (s->inst.install == LC_I_RUNNING) {
		set_step(lc, s, wait_hello);
		lc_text(lc, &s->inst.install_error, 1, "");
		s->install_retry_ns = lc_now(lc) + lc->conf.hello_s * NS_PER_S;
	}
	lc_kick(lc, s);
	lc_turn(lc);
}

void
lc_on_agent(struct lc *lc, int64_t slot_id, int64_t gen, const char *boot_id)
{
	struct lc_slot *s = lc_slot_find(lc, slot_id);

	if (!s || s->inst.gen != gen || s->inst.phase != LC_P_RUNNING)
		return;
	if (s->boot_id[0] && !str_eq(s->boot_id, boot_id))
		s->reboot_confirmed = true;
	lc_text(lc, &s->boot_id, LC_ID_LEN, boot_id);
	s->agent_up = true;
	if (s->inst.install != LC_I_READY && !s->installing)
		set_state(lc, s, LC_I_READY, "");
	lc_kick(lc, s);
	lc_turn(lc);
}

bool
lc_reinstall(struct lc *lc, struct lc_slot *s, struct mw_err *err)
{
	if (s->inst.phase != LC_P_RUNNING || s->inst.cls != LC_C_RUN)
		return err_set(err, MW_CONFLICT, 0,
		    "%s is %s, an agent needs a running VM", s->vm_id,
		    lc_status_name(s->status));
	if (!s->installing) {
		s->inst.install = LC_I_NONE;
		lc_text(lc, &s->inst.install_step, 1, "");
		lc_text(lc, &s->inst.install_error, 1, "");
		s->agent_up = false;
		lc_dirty(lc, s, DIRTY_INST);
		lc_kick(lc, s);
		lc_turn(lc);
	}
	return true;
}

void
lc_on_uninstall(struct lc *lc, int64_t slot_id, int64_t gen)
{
	struct lc_slot *s = lc_slot_find(lc, slot_id);

	if (!s || s->inst.gen != gen || s->installing)
		return;
	s->agent_up = false;
	set_step(lc, s, removed);
	set_state(lc, s, LC_I_NONE, "");
	lc_turn(lc);
}

bool
lc_accept_host_key(struct lc *lc, struct lc_slot *s, uint64_t *txn,
    struct mw_err *err)
{
	*txn = 0;
	if (!s->inst.host_key[0])
		return err_set(err, MW_CONFLICT, 0, "%s has no pinned host key",
		    s->vm_id);
	if (s->installing)
		return err_set(err, MW_CONFLICT, 0,
		    "an installation uses the pin of %s", s->vm_id);
	lc_text(lc, &s->inst.host_key, 1, "");
	lc_text(lc, &s->inst.host_key_trust, LC_TRUST_LEN, accepted);
	if (s->inst.install == LC_I_FAILED)
		s->inst.install = LC_I_NONE;
	lc_dirty(lc, s, DIRTY_INST);
	lc_event(lc, LC_EV_HOST_KEY, NULL, s, "accepted");
	lc_kick(lc, s);
	*txn = lc_turn_txn(lc);
	return true;
}
