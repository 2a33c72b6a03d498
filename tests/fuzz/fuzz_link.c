/*
 * fuzz_link.c - what an agent may say: hello, beat and RTT results, from bytes
 * to structs. The world around the two files is cut off below.
 */
#include "coordinator/link/agents.c"
#include "coordinator/measure/bench_in.c"

#include "common/frame.h"

#include <stdlib.h>

static struct lc_mcis mcis;
static struct lc_slot slot = {
	.mcis = &mcis,
	.vm_id = "vm-1",
	.row.group = "g",
	.row.spec = { "c-1", "s", "i", "" },
	.inst.host_id = "",
};
static struct coord coord;
static struct agents registry = { .c = &coord };
static struct bench runs = { .c = &coord };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lc_slot *
lc_slot_find(const struct lc *lc, int64_t slot_id)
{
	(void)lc;
	return slot_id == 1 ? &slot : NULL;
}

void
store_submit(struct store *s, struct store_job *take_job)
{
	struct mw_err err = MW_ERR_INIT;

	(void)s;
	take_job->done(take_job, true, &err);
}

bool
store_run_now(struct store *s,
    bool (*run)(struct db *db, void *arg, struct mw_err *err), void *arg,
    struct mw_err *err)
{
	(void)s;
	(void)run;
	(void)arg;
	(void)err;
	return true;
}

bool
db_agent_put(struct db *db, const struct db_agent *a, struct mw_err *err)
{
	(void)db;
	(void)a;
	(void)err;
	return true;
}

bool
db_agent_delete(struct db *db, int64_t slot_id, int64_t gen, struct mw_err *err)
{
	(void)db;
	(void)slot_id;
	(void)gen;
	(void)err;
	return true;
}

bool
db_agent_each(struct db *db, void (*each)(void *arg, const struct db_agent *a),
    void *arg, struct mw_err *err)
{
	(void)db;
	(void)each;
	(void)arg;
	(void)err;
	return true;
}

bool
db_result_put(struct db *db, const struct db_result *r, bool *stored,
    bool *wanted, struct mw_err *err)
{
	(void)db;
	(void)r;
	(void)err;
	*stored = *wanted = false;
	return true;
}

uint64_t
events_emit(struct events *e, const struct event *ev)
{
	(void)e;
	(void)ev;
	return 0;
}

void
env_real_agent_up(struct env_real *e, int64_t slot_id, int64_t gen,
    const char *boot_id)
{
	(void)e;
	(void)slot_id;
	(void)gen;
	if (!boot_id)
		abort();
}

void
link_drop(struct link *l, int64_t slot_id, int64_t gen, const char *code,
    const char *message)
{
	(void)l;
	(void)slot_id;
	(void)gen;
	(void)code;
	(void)message;
}

const struct conn_row *
conns_get(const struct conns *cs, const char *id)
{
	(void)cs;
	(void)id;
	return NULL;
}

const struct spec_row *
conns_spec(const struct conns *cs, const char *connection, const char *name)
{
	(void)cs;
	(void)connection;
	(void)name;
	return NULL;
}

struct run *
bench_find(const struct bench *b, const char *name)
{
	(void)b;
	(void)name;
	return NULL;
}

struct bench_job *
run_job(const struct run *r, int64_t slot_id, int64_t gen)
{
	(void)r;
	(void)slot_id;
	(void)gen;
	return NULL;
}

bool
job_open(const struct bench_job *j)
{
	(void)j;
	return false;
}

void
job_step(struct bench *b, struct bench_job *j, enum job_state to,
    const char *step)
{
	(void)b;
	(void)j;
	(void)to;
	(void)step;
}

void
job_end(struct bench *b, struct bench_job *j, enum job_state to,
    const char *error)
{
	(void)b;
	(void)j;
	(void)to;
	(void)error;
}

void
job_check(struct bench *b, struct bench_job *j)
{
	(void)b;
	(void)j;
}

void
bench_pump(struct bench *b)
{
	(void)b;
}

static void
stored(void *arg, bool ok)
{
	(void)arg;
	(void)ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mw_err err = MW_ERR_INIT;
	json_t *msg;
	bool ok;

	if (!coord.bench) {
		log_init("fuzz", LOG_ERROR);
		coord.conf.agent_ttl_ms = 1000;
		coord.bench = &runs;
		runs.c = &coord;
	}
	msg = json_parse((const char *)data, size, FRAME_MAX, &err);
	if (!msg)
		return 0;
	ok = agents_on_hello(&registry, 1, 1, msg, &err);
	if (ok && !agents_get(&registry, 1, 1))
		abort();
	json_decref(agents_json(agents_get(&registry, 1, 1)));
	err = (struct mw_err)MW_ERR_INIT;
	ok = agents_on_beat(&registry, 1, 1, msg, &err);
	bench_on_rtt(&runs, 1, 1, "ab", 1, msg, stored, NULL);
	json_decref(msg);
	return 0;
}
