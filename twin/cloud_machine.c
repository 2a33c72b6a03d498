/*
 * cloud_machine.c - what the verbs of a cloud mean for a VM's namespaces and
 * processes (vm.h). Promises: a machine exists from an accepted create to the
 * end of its VM; its slot of the network is given back when it is gone.
 */
#include "twin/cloud_int.h"

#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "twin/replay.h"

#include <math.h>
#include <string.h>

static void
on_done(struct vm *vm, const struct mw_err *err, void *arg)
{
	struct cloud_vm *v = arg;

	if (err->code == MW_CANCELED || v->vm != vm)
		return;
	if (err->code == MW_OK)
		str_copy(v->boot_id, sizeof v->boot_id, vm_boot_id(vm));
	cloud_vm_machine_done(v, err);
}

static void
on_created(struct vm *vm, const struct mw_err *err, void *arg)
{
	struct cloud_vm *v = arg;
	struct mw_err e = MW_ERR_INIT;

	if (err->code == MW_OK && v->vm == vm && v->disk_full &&
	    !vm_fill_disk(vm, &e))
		log_warn("twin", v->id, "disk not filled\terr=\"%s\"", e.msg);
	on_done(vm, err, arg);
}

static void
on_gone(struct vm *vm, const struct mw_err *err, void *arg)
{
	struct cloud_vm *v = arg;

	cloud_slot_give(v->owner, vm_slot(vm));
	v->vm = NULL;
	if (v->busy && v->verb == NATIVE_TERMINATE)
		cloud_vm_machine_done(v, err);
}

/* VM's share of the host, in cores. */
static double
cores(const struct cloud_vm *v)
{
	const struct clouds_conf *conf = &v->owner->conf;
	const struct world_spec *s =
	    &conf->world->clouds[v->cloud].specs[v->spec];

	return fmin((double)conf->cpus,
	    (double)s->vcpu * conf->world->cpu_scale);
}

/* A VM that replays burns nothing. Of several CPUs it must see more than one,
 * or else the benchmark of all of them is asked for with one thread. */
static double
quota(const struct cloud_vm *v)
{
	const struct clouds_conf *conf = &v->owner->conf;
	int64_t vcpu = conf->world->clouds[v->cloud].specs[v->spec].vcpu;

	return conf->world->replay && vcpu > 1
	    ? fmax(cores(v), fmin(2, (double)conf->cpus))
	    : cores(v);
}

static char *
boot_json(const struct cloud_vm *v)
{
	const struct clouds_conf *conf = &v->owner->conf;
	const struct world *w = conf->world;
	const struct world_cloud *c = &w->clouds[v->cloud];
	json_t *j = json_object();
	char *text;

	json_put_str(j, "emulated", w->replay ? "replay" : "measured");
	json_put_str(j, "hostId", conf->host_id);
	json_put_int(j, "hostSlots", conf->cpus);
	json_put_int(j, "hostNeed", (int64_t)ceil(cores(v)));
	json_put_str(j, "world", w->name);
	json_put_str(j, "vmId", v->id);
	json_put_str(j, "cloud", c->id);
	json_put_str(j, "region", c->regions[v->region].id);
	json_put_str(j, "spec", c->specs[v->spec].id);
	json_put_str(j, "site", w->sites[v->site].name);
	text = json_text(j, true);
	json_decref(j);
	return text;
}

/* One private network per region of a cloud. */
static uint32_t
network_of(const struct cloud_vm *v)
{
	return (uint32_t)(v->cloud * WORLD_MAX_REGIONS + v->region);
}

static char *
login_keys(const struct cloud_vm *v, const struct cloud_create *req)
{
	struct str s = STR_INIT;

	if (v->key) {
		str_add(&s,
		    cloud_key_find(v->owner, v->cloud, v->region, v->key));
		str_addc(&s, '\n');
	}
	if (req->authorized_keys)
		str_add(&s, req->authorized_keys);
	return s.p ? str_take(&s) : xstrdup("");
}

static bool
make(struct cloud_vm *v, const struct cloud_create *req, unsigned slot,
    struct mw_err *err)
{
	const struct clouds_conf *conf = &v->owner->conf;
	const struct world_cloud *c = &conf->world->clouds[v->cloud];
	const struct world_spec *s = &c->specs[v->spec];
	char *keys = login_keys(v, req), *boot = boot_json(v);
	char *shim = conf->world->replay ? replay_script(s, v->id) : NULL;
	struct vm_file file = { "/usr/local/bin/sysbench", shim, 0755 };
	struct vm_conf vc = {
		.name = v->name,
		.slot = slot,
		.site = v->site,
		.network = network_of(v),
		.user = c->images[v->image].user,
		.authorized_keys = keys,
		.host_key = req->host_key,
		.vcpu = (unsigned)s->vcpu,
		.cpu_millicores = (uint32_t)(quota(v) * 1000),
		.memory_mib = (uint32_t)s->memory_mib,
		.reboot_on_panic = true,
		.boot_json = boot,
		.files = &file,
		.nfiles = shim ? 1 : 0,
	};
	bool ok = vm_create(conf->vms, &vc, &v->vm, err);

	if (ok) {
		vm_set_user(v->vm, v);
		v->public_ip = vm_address(v->vm);
		v->private_ip = vm_private_address(v->vm);
	}
	free(shim);
	free(boot);
	free(keys);
	return ok;
}

bool
cloud_machine_make(struct cloud_vm *v, const struct cloud_create *req,
    struct mw_err *err)
{
	unsigned slot;

	if (!cloud_slot_take(v->owner, &slot))
		return err_set(err, MW_LIMIT, 0, "no free address: %u in use",
		    v->owner->conf.slots);
	if (!make(v, req, slot, err)) {
		cloud_slot_give(v->owner, slot);
		return false;
	}
	vm_ssh_fault(v->vm, &v->ssh);
	return vm_start(v->vm, on_created, v, err);
}

void
cloud_machine_end(struct cloud_vm *v)
{
	if (v->vm)
		vm_destroy(v->vm, on_gone, v);
}

static bool
start(struct cloud_vm *v, struct mw_err *err)
{
	v->machine_pending = vm_state(v->vm) == VM_OFF;
	return !v->machine_pending || vm_start(v->vm, on_done, v, err);
}

static bool
stop(struct cloud_vm *v, struct mw_err *err)
{
	/* it may have switched itself off, or be booting by itself */
	v->machine_pending = vm_state(v->vm) != VM_OFF;
	return !v->machine_pending || vm_stop(v->vm, on_done, v, err);
}

static bool
reboot(struct cloud_vm *v, struct mw_err *err)
{
	if (vm_state(v->vm) == VM_OFF)
		return start(v, err);
	v->machine_pending = vm_state(v->vm) == VM_UP;
	return !v->machine_pending || vm_reboot(v->vm, on_done, v, err);
}

static bool
suspend(struct cloud_vm *v, struct mw_err *err)
{
	if (!v->owner->conf.world->clouds[v->cloud].native->memory)
		return stop(v, err);
	return vm_frozen(v->vm) || vm_freeze(v->vm, err);
}

static bool
resume(struct cloud_vm *v, struct mw_err *err)
{
	return !vm_frozen(v->vm) || vm_thaw(v->vm, err);
}

static bool
terminate(struct cloud_vm *v, struct mw_err *err)
{
	(void)err;
	v->machine_pending = true;
	cloud_machine_end(v);
	return true;
}

bool
cloud_machine_verb(struct cloud_vm *v, enum native_verb verb,
    struct mw_err *err)
{
	static bool (*const verbs[NATIVE_VERB_COUNT])(struct cloud_vm * v,
	    struct mw_err * err) = {
		[NATIVE_STOP] = stop,
		[NATIVE_POWER_OFF] = stop,
		[NATIVE_START] = start,
		[NATIVE_DO_REBOOT] = reboot,
		[NATIVE_SUSPEND] = suspend,
		[NATIVE_RESUME] = resume,
		[NATIVE_TERMINATE] = terminate,
	};

	if (!v->vm) /* a create that failed has none */
		return true;
	return verbs[verb](v, err);
}
