/*
 * agents.h - registry of agents by (slot, generation): what they said of
 * themselves, when they were last heard, whether they are silent. Silence is
 * an event, never an action on a VM.
 */
#ifndef MW_COORDINATOR_AGENTS_H
#define MW_COORDINATOR_AGENTS_H

#include "common/json.h"
#include "common/pure/result.h"
#include "coordinator/store/store.h"

struct coord;
struct agents;

enum agent_state {
	AGENT_NEVER, /* no hello yet */
	AGENT_UP,
	AGENT_SILENT /* 3 beats missed */
};

struct agent {
	int64_t slot, gen;
	char *ns, *mcis, *vm; /* ids, as of its last hello */
	enum agent_state state;
	int64_t last_seen_wall_ns, last_seen_mono_ns; /* 0: not since start */
	char version[32], boot_id[64], hostname[64], arch[16], kernel[64];
	char cpu_model[96];
	int64_t vcpus, memory_mib, echo_port;
	double cpu_quota; /* cores; 0: none */
	unsigned kinds; /* 1 << enum kind */
	char missing[256]; /* names of missing tools, comma separated */
	char emulated[16]; /* "", "measured", "replay" */
	int64_t spooled;
	int64_t clock_skew_ns; /* agent's wall clock - ours, at hello */
	double load1, cpu_pct, steal_pct;
	bool busy;
};

struct agents *agents_new(struct coord *c, struct mw_err *err) mw_must_check;
void agents_free(struct agents *a);
/* NULL: never heard of. */
const struct agent *agents_get(const struct agents *a, int64_t slot,
    int64_t gen);
enum agent_state agents_state(const struct agents *a, int64_t slot,
    int64_t gen);
const char *agent_state_name(enum agent_state s); /* "up" */
size_t agents_count(const struct agents *a);
const struct agent *agents_at(const struct agents *a, size_t i);
/* The generation is over: its link is closed, its record dropped. */
void agents_forget(struct agents *a, int64_t slot, int64_t gen);

/* Called by link.c only. */
bool agents_on_hello(struct agents *a, int64_t slot, int64_t gen, json_t *msg,
    struct mw_err *err) mw_must_check;
bool agents_on_beat(struct agents *a, int64_t slot, int64_t gen, json_t *msg,
    struct mw_err *err) mw_must_check;
void agents_on_down(struct agents *a, int64_t slot, int64_t gen);
/* Interval that agents must beat in. */
int64_t agents_ttl_ms(const struct agents *a);
/* /v1/agents fields of one agent; agent may be NULL (never). */
json_t *agents_json(const struct agent *agent);

#endif
