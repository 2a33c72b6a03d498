/*
 * cloud_int.h - what the files of the cloud module share.
 */
#ifndef MW_TWIN_CLOUD_INT_H
#define MW_TWIN_CLOUD_INT_H

#include "common/pure/rng.h"
#include "twin/cloud.h"

struct cloud_key {
	size_t cloud, region;
	char *name, *public_key;
};

struct cloud_bucket {
	double tokens;
	int64_t at_ns;
};

struct clouds {
	struct clouds_conf conf;
	struct rng rng;
	uint32_t nonce; /* first half of all ids of this run */
	struct cloud_vm **v; /* by seq */
	size_t n, cap;
	struct cloud_key *keys;
	size_t nkeys, keys_cap;
	struct cloud_bucket *buckets; /* per cloud */
	bool *slot_used;
	unsigned next_slot;
};

/* cloud.c */
bool cloud_slot_take(struct clouds *cs, unsigned *slot);
void cloud_slot_give(struct clouds *cs, unsigned slot);
const char *cloud_key_find(const struct clouds *cs, size_t cloud, size_t region,
    const char *name);
int64_t cloud_delay_ns(struct clouds *cs, size_t cloud, enum world_op op);
int64_t cloud_scaled_ns(const struct clouds *cs, double seconds);

/* cloud_vm.c: the life of one VM */
void cloud_vm_start_life(struct cloud_vm *v, const struct cloud_create *req,
    const struct fault_hits *hits, int64_t now_ns);
void cloud_vm_verb(struct cloud_vm *v, enum native_verb verb,
    const struct fault_hits *hits, int64_t now_ns);
int64_t cloud_vm_run(struct cloud_vm *v, int64_t now_ns); /* next due */

/* cloud_machine.c: the VM's machine */
bool cloud_machine_make(struct cloud_vm *v, const struct cloud_create *req,
    struct mw_err *err) mw_must_check;
/* Starts what the verb needs; false: err says why it cannot be. Sets
 * v->machine_pending if it takes time. */
bool cloud_machine_verb(struct cloud_vm *v, enum native_verb verb,
    struct mw_err *err) mw_must_check;
void cloud_machine_end(struct cloud_vm *v);
/* Told by cloud_machine.c: what the verb waited for is done. */
void cloud_vm_machine_done(struct cloud_vm *v, const struct mw_err *err);
/* The machine is off though nobody asked. */
void cloud_vm_machine_off(struct cloud_vm *v);

bool cloud_listed(const struct cloud_vm *v, int64_t at_ns);

#endif
