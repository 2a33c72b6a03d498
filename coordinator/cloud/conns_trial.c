/*
 * conns_trial.c - see conns_trial.h. Owns the trials under way: each has a
 * driver connection of its own, and a vault that knows the new secret alone.
 */
#include "coordinator/cloud/conns_trial.h"

#include "common/pure/alloc.h"
#include "coordinator/cloud/conns_check.h"
#include "coordinator/cloud/conns_use.h"
#include "drivers/seal.h"

#include <openssl/crypto.h>
#include <string.h>

#define LATE_NS ((CONNS_CHECK_MS + 500) * NS_PER_MS) /* of one call */

struct trial {
	struct conn_own own;
	struct loop *loop;
	struct loop_timer *timer;
	struct cred_vault vault;
	struct drv_env env;
	char *name;
	char *use; /* a connection in use that the secret opens, or NULL */
	struct str text; /* the secret */
	struct mw_err err;
	bool told;
	void (*done)(void *arg, const struct mw_err *err);
	void *arg;
};

bool
conns_trial_needed(const struct conns *cs, const char *name)
{
	char *ref = xasprintf("sealed:%s", name);
	bool is = false;

	for (size_t i = 0; i < cs->n; i++)
		is = is ||
		    (cs->v[i]->nspecs && str_eq(cs->v[i]->row.credential, ref));
	free(ref);
	return is || conns_sealed_use(cs, name);
}

static bool
unseal(void *ctx, const char *name, struct str *json, struct mw_err *err)
{
	const struct trial *t = ctx;

	(void)err;
	(void)name; /* it has no other */
	str_addn(json, t->text.p, t->text.len);
	return true;
}

static void
free_later(void *p)
{
	struct trial *t = p;

	loop_timer_free(t->timer);
	conn_free(t->own.cn);
	OPENSSL_cleanse(t->text.p, t->text.cap);
	str_free(&t->text);
	free(t->name);
	free(t->use);
	free(t);
}

static void
tell(struct trial *t)
{
	if (!t->told)
		t->done(t->arg, &t->err);
	t->told = true;
}

static void
end(struct trial *t)
{
	struct conns *cs = t->own.cs;

	conn_own_end(&t->own);
	if (!cs)
		err_set(&t->err, MW_CANCELED, 0, "the coordinator stops");
	/* too late is refused: somebody was told so */
	if (t->err.code == MW_OK && !t->told &&
	    !seal_put(cs->seal, t->name, t->text.p, t->text.len, &t->err))
		err_wrap(&t->err, "the new secret cannot be kept");
	tell(t);
	/* its driver may be on the stack */
	loop_reap(t->loop, free_later, t);
}

static void
end_later(void *p)
{
	end(p);
}

static void
on_proof(void *arg, const struct mw_err *err)
{
	struct trial *t = arg;

	if (!t->told)
		t->err = *err;
	end(t);
}

static void
on_answer(struct csp_answer *take_a, void *arg)
{
	struct trial *t = arg;

	if (!t->told)
		conns_check_words(take_a, &t->err);
	csp_answer_free(take_a);
	if (t->use && t->own.cs && !t->told && t->err.code == MW_OK) {
		loop_timer_set(t->timer, 2 * LATE_NS);
		conns_prove(&t->own, t->use, on_proof, t);
	} else {
		end(t);
	}
}

static void
on_late(void *arg)
{
	struct trial *t = arg;

	err_set(&t->err, MW_TIMEOUT, 0, "no answer in %d s",
	    CONNS_CHECK_MS / 1000);
	tell(t);
	if (t->own.cn->dc)
		t->own.cn->drv->close(t->own.cn->dc);
	t->own.cn->dc = NULL;
}

void
conns_trial(struct conns *cs, const struct conn_row *row, const char *name,
    const struct str *text, void (*done)(void *arg, const struct mw_err *err),
    void *arg)
{
	struct trial *t = xcalloc(1, sizeof *t);
	const struct conn_row *use = conns_sealed_use(cs, name);
	struct conn_row as = *row;
	struct csp_req *q;

	if (use) { /* it has to show what is held there */
		as.csp = use->csp;
		as.region = use->region;
	}
	t->use = use ? xstrdup(use->id) : NULL;
	t->loop = cs->env.loop;
	t->timer = loop_timer_new(t->loop, on_late, t);
	t->vault = (struct cred_vault){ .ctx = t, .unseal = unseal };
	t->env = cs->env;
	t->env.vault = &t->vault;
	t->name = xstrdup(name);
	str_addn(&t->text, text->p, text->len);
	t->done = done;
	t->arg = arg;
	t->err = (struct mw_err)MW_ERR_INIT;
	conn_own_add(cs, &t->own, conn_new(&as));
	t->own.adds = true;
	if (use && !str_eq(use->driver, row->driver)) {
		err_set(&t->err, MW_CONFLICT, 0,
		    "connection %s, which is in use, has that secret", use->id);
		err_hint(&t->err, "take another name");
	}
	if (t->err.code != MW_OK ||
	    !conn_open_in(cs, t->own.cn, &t->env, &t->err)) {
		loop_reap(t->loop, end_later, t);
		return;
	}
	q = csp_req_new(as.region ? CSP_VERIFY : CSP_REGIONS,
	    t->own.cn->row.id);
	q->deadline_ms = CONNS_CHECK_MS;
	loop_timer_set(t->timer, LATE_NS);
	conn_submit(t->own.cn, q, on_answer, t);
}
