/*
 * vm_set.c - what the VMs of one twin share: state directory, template, guard,
 * cgroup parents, init program. Also the making and freeing of a struct vm,
 * and its accessors (vm.h).
 */
#include "twin/vm_int.h"

#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "twin/vm_key.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PIDS_MAX = 512,
	DISK_MIB = 1024,
	FILE_PATH_MAX = 250
};
#define STATE_DIR "/run/milkyway-twin"

static bool state_dir_make(struct vm_set *s, struct mw_err *err);
static bool disk_choose(struct vm_set *s, struct mw_err *err);
static bool init_open(struct vm_set *s, const char *path, struct mw_err *err);
static void cpus_find(struct vm_set *s);
static void nofile_raise(void);
static bool conf_check(const struct vm_set *s, const struct vm_conf *c,
    struct mw_err *err);
static char *cpuset_text(const struct vm_set *s, const struct vm_conf *c);
static void conf_copy(struct vm *vm, const struct vm_conf *c);

bool
vm_set_new(const struct vm_set_conf *conf, struct vm_set **out,
    struct mw_err *err)
{
	struct vm_set *s = xcalloc(1, sizeof *s);
	struct vm_leftovers left;
	struct mw_err why = MW_ERR_INIT;

	s->conf = *conf;
	s->init_fd = -1;
	cgroup_run_name(getpid(), s->run);
	str_copy(s->state_dir, sizeof s->state_dir,
	    conf->state_dir ? conf->state_dir : STATE_DIR);
	vm_sweep(s->state_dir, true, &left);
	if (left.cgroups + left.dirs > 0)
		log_info("twin", NULL,
		    "removed what a dead twin left\tcgroups=%zu dirs=%zu",
		    left.cgroups, left.dirs);
	cpus_find(s);
	nofile_raise();
	if (!init_open(s, conf->init_path, err) || !state_dir_make(s, err))
		goto fail;
	/* before the mount namespace: it must see the host's own files */
	if (!guard_start(conf->exe ? conf->exe : "/proc/self/exe", s->run,
		s->state_dir, &s->guard, err) ||
	    !root_private_mounts(err) || !root_template(s->template_dir, err))
		goto fail;
	cgroup_trees_find(&s->trees);
	s->groups = cgroup_base_make(&s->trees, s->run, &why);
	if (!s->groups)
		log_warn("twin", NULL, "VMs have no limits: %s", why.msg);
	*out = s;
	return true;
fail:
	vm_set_free(s);
	return err_wrap(err, "twin VMs");
}

void
vm_set_free(struct vm_set *s)
{
	size_t i;

	if (!s)
		return;
	vm_calls_forget(s);
	for (i = 0; i < s->n; i++)
		if (s->vms[i]->pidfd >= 0)
			vm_kill(s->vms[i]);
	while (s->n > 0) {
		struct vm *vm = s->vms[s->n - 1];

		if (vm->pidfd >= 0)
			vm_release(vm); /* waits for its end */
		if (vm->made && s->tmpfs)
			root_disk_drop(vm->dir);
		vm_free(vm);
	}
	guard_stop(s->guard);
	if (s->init_fd >= 0)
		close(s->init_fd);
	free(s->vms);
	free(s->cpus);
	free(s);
}

void
vm_set_info(const struct vm_set *s, struct vm_set_info *out)
{
	const int *w = s->trees.where;

	*out = (struct vm_set_info){
		.cgroup = s->groups ? cgroup_layout(&s->trees) : "none",
		.limit_cpu = s->groups && w[CGROUP_CPU] >= 0,
		.limit_memory = s->groups && w[CGROUP_MEMORY] >= 0,
		.limit_pids = s->groups && w[CGROUP_PIDS] >= 0,
		.limit_cpuset = s->groups && w[CGROUP_CPUSET] >= 0,
		.freeze = s->groups,
		.disk = s->tmpfs ? "tmpfs" : "dir",
		.state_dir = s->dir,
		.cpus = s->ncpus,
	};
}

bool
vm_create(struct vm_set *s, const struct vm_conf *conf, struct vm **out,
    struct mw_err *err)
{
	struct vm *vm;

	if (!conf_check(s, conf, err))
		return false;
	vm = xcalloc(1, sizeof *vm);
	vm->set = s;
	vm->pidfd = vm->sock = -1;
	conf_copy(vm, conf);
	snprintf(vm->leaf, sizeof vm->leaf, "vm-%llu",
	    (unsigned long long)++s->serial);
	snprintf(vm->dir, sizeof vm->dir, "%.200s/%s", s->dir, vm->leaf);
	vm->deadline = loop_timer_new(s->conf.loop, vm_on_deadline, vm);
	VEC_GROW(s->vms, s->n, s->cap);
	s->vms[s->n++] = vm;
	if (!vm_set_key(vm, conf->host_key, err)) {
		vm_free(vm);
		return err_wrap(err, "vm %s", conf->name);
	}
	*out = vm;
	return true;
}

bool
vm_set_key(struct vm *vm, const char *host_key, struct mw_err *err)
{
	struct str text = STR_INIT;
	char comment[80];

	snprintf(comment, sizeof comment, "root@%.64s", vm->name);
	if (host_key) {
		if (!vm_key_parse(host_key, vm->key_pub, err))
			return false;
		str_add(&text, host_key);
	} else if (!vm_key_new(comment, &text, vm->key_pub, err)) {
		return false;
	}
	free(vm->host_key);
	vm->host_key = str_take(&text);
	str_reset(&vm->key_line);
	vm_key_public(vm->key_pub, comment, &vm->key_line);
	return true;
}

void
vm_free(struct vm *vm)
{
	struct vm_set *s = vm->set;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->vms[i] == vm) {
			s->vms[i] = s->vms[--s->n];
			break;
		}
	}
	for (i = 0; i < vm->nfiles; i++) {
		free((void *)(uintptr_t)vm->files[i].path);
		free((void *)(uintptr_t)vm->files[i].content);
	}
	loop_timer_free(vm->deadline);
	root_changes_free(&vm->base);
	str_free(&vm->console);
	str_free(&vm->key_line);
	free(vm->files);
	free(vm->name);
	free(vm->user);
	free(vm->authorized_keys);
	free(vm->host_key);
	free(vm->cpuset);
	free(vm->boot_json);
	free(vm);
}

const char *
vm_name(const struct vm *vm)
{
	return vm->name;
}

enum vm_state
vm_state(const struct vm *vm)
{
	return vm->state;
}

bool
vm_frozen(const struct vm *vm)
{
	return vm->frozen;
}

unsigned
vm_slot(const struct vm *vm)
{
	return vm->slot;
}

size_t
vm_site(const struct vm *vm)
{
	return vm->site;
}

uint32_t
vm_address(const struct vm *vm)
{
	return vm->address;
}

uint32_t
vm_private_address(const struct vm *vm)
{
	return vm->private_address;
}

const char *
vm_boot_id(const struct vm *vm)
{
	return vm->boot_id;
}

const char *
vm_host_key_public(const struct vm *vm)
{
	return str_cstr(&vm->key_line);
}

pid_t
vm_pid(const struct vm *vm)
{
	return vm->pid;
}

int64_t
vm_last_boot_ns(const struct vm *vm)
{
	return vm->boot_took_ns;
}

void *
vm_user(const struct vm *vm)
{
	return vm->user_data;
}

void
vm_set_user(struct vm *vm, void *user)
{
	vm->user_data = user;
}

const char *
vm_console(const struct vm *vm)
{
	return str_cstr(&vm->console);
}

bool
vm_diff(const struct vm *vm, struct str *out, struct mw_err *err)
{
	struct root_changes now;

	if (!vm->has_base)
		return err_set(err, MW_CONFLICT, 0, "vm %s never booted",
		    vm->name);
	root_changes(vm->dir, vm->set->template_dir, &now);
	root_changes_diff(&vm->base, &now, out);
	root_changes_free(&now);
	return true;
}

static bool
state_dir_make(struct vm_set *s, struct mw_err *err)
{
	const char *d = s->state_dir;

	/* the characters that mean something in overlay options */
	if (d[0] != '/' || strpbrk(d, ":,\\\n") || strlen(d) > 120)
		return err_set(err, MW_INVALID, 0,
		    "state directory %s: an absolute path of at most 120 "
		    "bytes without ':' ',' '\\'",
		    d);
	snprintf(s->dir, sizeof s->dir, "%.120s/%s", d, s->run);
	snprintf(s->template_dir, sizeof s->template_dir, "%.200s/template",
	    s->dir);
	return file_mkdirs(s->dir, 0755, err) && disk_choose(s, err);
}

static bool
disk_choose(struct vm_set *s, struct mw_err *err)
{
	struct statfs fs;
	bool nested;

	if (statfs(s->dir, &fs))
		return err_set(err, MW_INTERNAL, errno, "%s: %s", s->dir,
		    strerror(errno));
	nested = fs.f_type == OVERLAYFS_SUPER_MAGIC;
	s->tmpfs = s->conf.disk == VM_DISK_TMPFS ||
	    (s->conf.disk == VM_DISK_AUTO &&
		(!s->conf.state_dir || nested || fs.f_type == TMPFS_MAGIC));
	if (!s->tmpfs && nested) {
		err_set(err, MW_UNSUPPORTED, 0,
		    "%s lies on an overlay, which cannot hold VM disks",
		    s->state_dir);
		return err_hint(err, "name a directory on a real disk");
	}
	return true;
}

static bool
init_open(struct vm_set *s, const char *path, struct mw_err *err)
{
	char buf[512];
	ssize_t n;
	int fd;

	if (!path) {
		n = readlink("/proc/self/exe", buf, sizeof buf - 32);
		if (n <= 0)
			return err_set(err, MW_INTERNAL, errno,
			    "/proc/self/exe");
		buf[n] = '\0';
		str_copy(strrchr(buf, '/') + 1, 24, "milkyway-twin-init");
		path = buf;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, MW_NOT_FOUND, errno, "%s: %s", path,
		    strerror(errno));
	/* above the numbers that a new VM expects its descriptors at */
	s->init_fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	return s->init_fd >= 0 ||
	    err_set(err, MW_LIMIT, errno, "descriptors: %s", strerror(errno));
}

static void
cpus_find(struct vm_set *s)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	s->cpus = xcalloc(CPU_SETSIZE, sizeof *s->cpus);
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		for (i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET((size_t)i, &set))
				s->cpus[s->ncpus++] = i;
	if (s->ncpus == 0)
		s->ncpus = 1;
}

/* Three descriptors per VM here, one in the WAN child. */
static void
nofile_raise(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool
conf_check(const struct vm_set *s, const struct vm_conf *c, struct mw_err *err)
{
	size_t i;

	if (!c->name || !id_valid(c->name))
		return err_set(err, MW_INVALID, 0, "bad VM name");
	if (!c->user || !id_valid(c->user) || strlen(c->user) > 32)
		return err_set(err, MW_INVALID, 0, "bad image user");
	if (!c->boot_json ||
	    (c->authorized_keys && strlen(c->authorized_keys) > 16384))
		return err_set(err, MW_INVALID, 0,
		    "bad boot JSON or authorized keys");
	if (c->slot >= wan_slots(s->conf.wan))
		return err_set(err, MW_LIMIT, 0, "%u VMs are the limit",
		    wan_slots(s->conf.wan));
	if (c->cpuset && strspn(c->cpuset, "0123456789,-") != strlen(c->cpuset))
		return err_set(err, MW_INVALID, 0, "bad cpuset");
	for (i = 0; i < s->n; i++)
		/* the slot of one that is destroyed is free while its callback
		 * runs */
		if (s->vms[i]->slot == c->slot &&
		    (s->vms[i]->state != VM_GONE || s->vms[i]->made))
			return err_set(err, MW_EXISTS, 0,
			    "slot %u belongs to vm %s", c->slot,
			    s->vms[i]->name);
	for (i = 0; i < c->nfiles; i++)
		if (c->files[i].path[0] != '/' ||
		    strlen(c->files[i].path) > FILE_PATH_MAX ||
		    strchr(c->files[i].path, '\n'))
			return err_set(err, MW_INVALID, 0, "bad file path");
	return true;
}

static char *
cpuset_text(const struct vm_set *s, const struct vm_conf *c)
{
	unsigned i, n = c->vcpu > 0 ? c->vcpu : 1;
	struct str t = STR_INIT;

	if (n > s->ncpus)
		n = s->ncpus;
	for (i = 0; i < n; i++)
		str_addf(&t, "%s%d", i > 0 ? "," : "",
		    s->cpus[(c->slot * n + i) % s->ncpus]);
	return str_take(&t);
}

static void
conf_copy(struct vm *vm, const struct vm_conf *c)
{
	const struct wan *w = vm->set->conf.wan;
	size_t i;

	vm->name = xstrdup(c->name);
	vm->user = xstrdup(c->user);
	vm->authorized_keys =
	    xstrdup(c->authorized_keys ? c->authorized_keys : "");
	vm->boot_json = xstrdup(c->boot_json);
	vm->cpuset = c->cpuset ? xstrdup(c->cpuset) : cpuset_text(vm->set, c);
	vm->slot = c->slot;
	vm->site = c->site;
	vm->address = c->address ? c->address : wan_slot_address(w, c->slot);
	vm->private_address = c->private_address ? c->private_address
						 : wan_slot_private(w, c->slot);
	vm->network = c->network;
	vm->vcpu = c->vcpu > 0 ? c->vcpu : 1;
	vm->memory_mib = c->memory_mib;
	vm->disk_mib = c->disk_mib > 0 ? c->disk_mib : DISK_MIB;
	vm->reboot_on_panic = c->reboot_on_panic;
	vm->limits = (struct cgroup_limits){
		.cpu_millicores = c->cpu_millicores,
		.memory_mib = c->memory_mib,
		.pids_max = c->pids_max > 0 ? c->pids_max : PIDS_MAX,
		.cpuset = vm->cpuset,
	};
	vm->nfiles = c->nfiles;
	vm->files = xcalloc(c->nfiles > 0 ? c->nfiles : 1, sizeof *vm->files);
	for (i = 0; i < c->nfiles; i++)
		vm->files[i] = (struct vm_file){
			.path = xstrdup(c->files[i].path),
			.content = xstrdup(c->files[i].content),
			.mode = c->files[i].mode,
		};
}
