/*
 * rig_cloud.h - the imitated clouds with a fake clock and fake machines, for
 * test_cloud.c and test_cloud_fault.c. A machine does what it is told when the
 * test says so, with rig_complete().
 */
#ifndef MW_TESTS_RIG_CLOUD_H
#define MW_TESTS_RIG_CLOUD_H

#include "twin/cloud.h"

struct vm {
	enum vm_state state, next;
	unsigned slot;
	bool frozen;
	void *user;
	vm_done *done;
	void *arg;
	struct vm_ssh_fault ssh;
	unsigned boots;
	char boot_id[16];
};

/* Clouds of the world, by index. */
enum {
	AWS,
	GCP,
	AZURE,
	STACK
};

extern struct rig {
	struct vm *last_vm; /* the newest */
	size_t living; /* machines */
	bool create_fails;
	int64_t now_ns;
	struct world *world;
	struct faults *faults;
	struct clouds *clouds;
} rig;

int rig_setup(void **state);
int rig_teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* The machine's pending operation ends so. */
void rig_complete(struct vm *vm, enum mw_code code);
void rig_advance_ms(int64_t ms);
void rig_add_fault(const char *text);
bool rig_try_create(size_t cloud, const char *token, const char *name,
    struct cloud_vm **out, struct cloud_err *cerr);
struct cloud_vm *rig_create(size_t cloud, const char *token, const char *name);
struct cloud_vm *rig_running(size_t cloud); /* a VM that runs */
bool rig_act(struct cloud_vm *v, enum native_verb verb, struct cloud_err *err);
void rig_must_act(struct cloud_vm *v, enum native_verb verb);
bool rig_shows_address(const struct cloud_vm *v);
void rig_end_vm(struct cloud_vm *v);

#endif
