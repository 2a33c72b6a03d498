/*
 * cloud.h - the inventory of the imitated clouds: keys, VMs, their native
 * states over time, tokens, quotas, rates, what a list shows and when.
 *
 * Time comes from common/clock; delays of the world are multiplied by its
 * timeScale. Nothing moves by itself: clouds_run() makes what is due happen
 * and tells when to call it again (on_due asks for an earlier call). Machines
 * are made and ended through vm.h; a state that needs a machine to be up waits
 * for it.
 *
 * Every call that fails sets struct cloud_err and changes nothing.
 */
#ifndef MW_TWIN_CLOUD_H
#define MW_TWIN_CLOUD_H

#include "common/json.h"
#include "common/pure/csp.h"
#include "twin/cloud_native.h"
#include "twin/fault.h"
#include "twin/vm.h"
#include "twin/world.h"

#define CLOUD_TAGS_MAX 50
#define CLOUD_VMS_MAX 100000 /* records, the ended ones included */
#define CLOUD_HISTORY 8

struct clouds;

struct cloud_err {
	enum native_code code;
	double retry_after_s; /* throttled; 0: not told */
	char msg[240];
};

struct cloud_tag {
	char *key, *value;
};

struct cloud_seen { /* what a list showed from then on */
	int64_t at_ns;
	const char *state;
};

enum cloud_at { /* what is planned for a moment of a VM's life */
	CLOUD_AT_VANISH,
	CLOUD_AT_KEYS, /* authorized_keys appears */
	CLOUD_AT_SSH, /* port 22 opens */
	CLOUD_AT_HOST_KEY, /* the host key changes */
	CLOUD_AT_CHECK, /* did a crashed machine come back? */
	CLOUD_AT_COUNT
};

struct cloud_vm {
	char id[24];
	uint64_t seq; /* order of creation; the marker of pages */
	size_t cloud, region, spec, image, site;
	char *zone, *name, *token, *key;
	struct cloud_tag *tags;
	size_t ntags;
	uint8_t body_hash[32];
	const char *state; /* native */
	enum native_class cls;
	enum native_verb verb; /* being done while due_ns > 0 or waiting */
	bool busy;
	unsigned step;
	int64_t step_ns, due_ns; /* due 0: nothing is due */
	bool machine_pending; /* the verb waits for vm.h */
	struct mw_err machine_err;
	bool suspended; /* stopped with its memory */
	struct vm *vm; /* NULL: no machine (any more) */
	char boot_id[64]; /* the last one seen */
	uint32_t public_ip, private_ip;
	bool addressed;
	char fault[240];
	int64_t created_ns, created_wall_ns;
	int64_t listed_until_ns; /* of an ended VM */
	bool billed;
	int64_t billed_since_ns, billed_ns;
	struct cloud_seen seen[CLOUD_HISTORY]; /* ring */
	size_t nseen;
	/* faults that this VM met at create */
	bool stuck, will_fail, vanished, disk_full;
	struct vm_ssh_fault ssh;
	int64_t hidden_until_ns, addressed_from_ns, ghost_ns;
	int64_t at_ns[CLOUD_AT_COUNT]; /* 0: not planned */
	struct clouds *owner;
};

/* Of POST .../vms; parsed by cloud_parse.c, strings are owned. */
struct cloud_create {
	size_t region, spec, image;
	char *token, *name, *zone, *key;
	struct cloud_tag *tags;
	size_t ntags;
	char *authorized_keys, *host_key; /* from userData; NULL: none */
	uint8_t body_hash[32];
};

struct clouds_conf {
	const struct world *world;
	struct vm_set *vms;
	struct faults *faults;
	unsigned slots;
	unsigned cpus; /* of the host */
	char host_id[32];
	/* Called when something is due earlier than clouds_run() said. */
	void (*on_due)(void *arg);
	void *arg;
};

struct clouds *clouds_new(const struct clouds_conf *conf);
void clouds_free(struct clouds *cs); /* before vm_set_free() */
/* Makes due what is due; the next due time, or INT64_MAX. */
int64_t clouds_run(struct clouds *cs, int64_t now_ns);
/* To be given every event of vm_set_conf.on_event. */
void clouds_on_machine(struct vm *vm, enum vm_event ev);
/* Living VMs, all clouds. */
size_t clouds_alive(const struct clouds *cs);
const struct clouds_conf *clouds_conf(const struct clouds *cs);

/* The token bucket of the cloud's API. */
bool cloud_admit(struct clouds *cs, size_t cloud, struct cloud_err *err);
/* Time the cloud takes to answer a call. */
int64_t cloud_api_delay_ns(struct clouds *cs, size_t cloud);

bool cloud_key_put(struct clouds *cs, size_t cloud, size_t region,
    const char *name, const char *public_key, struct cloud_err *err);
/* The i-th key of all: *name is NULL if it is not of that region. False after
 * the last. */
bool cloud_key_at(const struct clouds *cs, size_t i, size_t cloud,
    size_t region, const char **name);
bool cloud_key_del(struct clouds *cs, size_t cloud, size_t region,
    const char *name, struct cloud_err *err);

bool cloud_create_parse(const struct world *w, size_t cloud, json_t *body,
    struct cloud_create *out, struct mw_err *err) mw_must_check;
void cloud_create_clear(struct cloud_create *req);
/* *out is a VM that was there already if token or name say so. */
bool cloud_create(struct clouds *cs, size_t cloud,
    const struct cloud_create *req, const struct fault_hits *hits,
    struct cloud_vm **out, struct cloud_err *err);
bool cloud_act(struct clouds *cs, struct cloud_vm *v, enum native_verb verb,
    const struct fault_hits *hits, struct cloud_err *err);

/* As the cloud answers a look-up by id; NULL: not found. */
struct cloud_vm *cloud_get(struct clouds *cs, size_t cloud, const char *id);
/* The truth, for the lab: any living VM by id. */
struct cloud_vm *clouds_find(struct clouds *cs, const char *id);
bool cloud_alive(const struct cloud_vm *v);

struct cloud_filter {
	size_t cloud, region; /* region WORLD_NONE: all */
	const char *token; /* NULL: any */
	const struct csp_tag *tags; /* all must match */
	size_t ntags;
	uint64_t after_seq;
	size_t limit;
	int64_t lag_ns; /* on top of the world's listLagMs */
};
/* Array of VMs as a list shows them; *next_seq 0: no further page. */
json_t *cloud_list(struct clouds *cs, const struct cloud_filter *f,
    uint64_t *next_seq);
json_t *cloud_vm_json(const struct cloud_vm *v);
/* Array of what really exists, with billedS. */
json_t *clouds_truth(struct clouds *cs);
int64_t cloud_billed_ns(const struct cloud_vm *v, int64_t now_ns);

/* The machine disappears without the cloud's doing. */
void cloud_vanish(struct cloud_vm *v);
bool cloud_fail(struct cloud_err *err, enum native_code code, const char *fmt,
    ...) mw_printf(3, 4);

#endif
