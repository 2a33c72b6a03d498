/*
 * twin_vm.c - component test of the emulated network and the VMs: real
 * namespaces, real sshd, real logins. Prints one line per case. Needs root.
 * usage: twin_vm INIT_PROGRAM
 */
#include "tests/component/twin_lab.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "twin/cgroup.h"
#include "twin/vm_key.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SITES = 3,
	VMS = 3,
	BOOT_MS = 20000,
	STOP_MS = 15000
};

/* in us */
static const int32_t rtt[SITES * SITES] = { 500, 20000, 60000, 20000, 500,
	WAN_UNKNOWN, 60000, WAN_UNKNOWN, 500 };

static struct lab lab;
static struct vm *vm[VMS];
static struct str out;
static int failures;

static void
check(bool ok, const char *what)
{
	printf("%s - %s\n", ok ? "ok" : "not ok", what);
	if (!ok) {
		failures++;
		if (out.len > 0)
			printf("# last output: %s\n", str_cstr(&out));
	}
	fflush(stdout);
}

/* A busy machine may answer late, never early. */
static bool
rtt_is(const struct vm *from, uint32_t to, int n, double want)
{
	double ms = -1;
	int i;

	for (i = 0; i < 20; i++) {
		ms = lab_ping(&lab, from, to, n);
		if (ms <= want - 2 || ms < want + 15)
			break;
	}
	return ms > want - 2 && ms < want + 15;
}

static struct vm_conf
vm_conf_of(struct lab *l, unsigned slot, char name[16])
{
	static const struct vm_file rc = { "/etc/rc.local",
		"#!/bin/sh\necho started >>/var/rc.count\n", 0755 };

	snprintf(name, 16, "vm-%c", (int)('a' + slot));
	return (struct vm_conf){ .name = name,
		.slot = slot,
		.site = slot % SITES,
		.network = 1,
		.user = LAB_USER,
		.authorized_keys = str_cstr(&l->pub),
		.vcpu = 1,
		.cpu_millicores = 500,
		.memory_mib = 128,
		.disk_mib = 64,
		.pids_max = 100,
		.boot_json = "{\"emulated\":\"measured\"}\n",
		.files = &rc,
		.nfiles = 1 };
}

static bool
vms_start(struct lab *l, struct vm **v, size_t n)
{
	struct mw_err err = MW_ERR_INIT;
	char name[16];
	size_t i;

	for (i = 0; i < n; i++) {
		struct vm_conf c = vm_conf_of(l, (unsigned)i, name);

		c.reboot_on_panic = i == 1;
		l->pending++;
		if (!vm_create(l->set, &c, &v[i], &err) ||
		    !vm_start(v[i], lab_done, l, &err)) {
			fprintf(stderr, "%s\n", err.msg);
			return false;
		}
	}
	if (!lab_settle(l, BOOT_MS)) {
		fprintf(stderr, "%s\n%s\n", l->why, vm_console(v[0]));
		return false;
	}
	return true;
}

static bool
ssh_says(struct vm *v, const char *command, const char *want)
{
	return lab_ssh(&lab, v, command, &out) == 0 &&
	    strcmp(str_cstr(&out), want) == 0;
}

static void
test_login(void)
{
	struct str line = STR_INIT;

	check(ssh_says(vm[0], "id -un", LAB_USER "\n"),
	    "a login as the image user, host key pinned");
	check(ssh_says(vm[0], "sudo -n id -u", "0\n"), "sudo without password");
	check(ssh_says(vm[1], "hostname", "vm-b\n"), "own host name");
	str_addf(&line, "%s\n", vm_boot_id(vm[0]));
	check(ssh_says(vm[0], "cat /proc/sys/kernel/random/boot_id", line.p),
	    "own boot id");
	check(ssh_says(vm[0],
		  "nproc; getconf _NPROCESSORS_ONLN; "
		  "grep -c ^processor /proc/cpuinfo",
		  "1\n1\n1\n"),
	    "the VM shows its own number of CPUs");
	check(ssh_says(vm[0], "grep MemTotal /proc/meminfo",
		  "MemTotal:         131072 kB\n"),
	    "the VM shows its own memory");
	check(ssh_says(vm[0], "cat /run/milkyway-twin.json",
		  "{\"emulated\":\"measured\"}\n"),
	    "the VM says that it is emulated");
	check(ssh_says(vm[0], "sudo cat /var/rc.count", "started\n"),
	    "rc.local ran at boot");
	check(lab_ssh(&lab, vm[0],
		  "sudo sysctl -qw kernel.threads-max=1000; "
		  "sudo sh -c 'echo b >/proc/sysrq-trigger'; "
		  "ls /etc/ssh/ssh_host_rsa_key /work",
		  &out) != 0,
	    "the host's settings and files are out of reach");
	check(lab_ssh(&lab, vm[0], "sh -c 'tail /dev/zero'", &out) == 137,
	    "memory beyond the limit is refused by the kernel");
	check(strstr(vm_console(vm[0]), vm_host_key_public(vm[0])) != NULL,
	    "the console shows the host key");
	str_free(&line);
}

static void
test_network(void)
{
	struct wan_end a = { WAN_SITE, 0 }, b = { WAN_SITE, 1 };
	struct wan_end host = { WAN_HOST, 1 }, any = { WAN_ANY, 0 };
	struct wan_link slow = { .set = WAN_SET_RTT, .rtt_us = 120000 };
	struct wan_link cut = { .set = WAN_SET_CUT, .cut = true };
	struct wan_link lossy = { .set = WAN_SET_LOSS, .loss_ppm = 1000000 };
	struct mw_err err = MW_ERR_INIT;

	check(rtt_is(vm[0], vm_address(vm[1]), 5, 20),
	    "RTT of the matrix, 20 ms");
	check(rtt_is(vm[2], vm_address(vm[0]), 5, 60),
	    "RTT of the matrix, 60 ms");
	check(lab_ping(&lab, vm[1], vm_address(vm[2]), 2) < 0,
	    "an unknown pair is unreachable");
	check(rtt_is(vm[0], vm_private_address(vm[1]), 3, 20),
	    "private addresses work within a network");
	check(wan_link_set(lab.wan, a, b, &slow, &err) &&
		rtt_is(vm[0], vm_address(vm[1]), 3, 120),
	    "a changed RTT counts at once");
	check(wan_link_set(lab.wan, host, any, &cut, &err) &&
		lab_ping(&lab, vm[0], vm_address(vm[1]), 2) < 0,
	    "a partitioned host is unreachable");
	wan_link_unset_all(lab.wan);
	check(wan_link_set(lab.wan, b, a, &lossy, &err) &&
		lab_ping(&lab, vm[0], vm_address(vm[1]), 2) < 0,
	    "all is lost at 100 % loss");
	wan_link_unset_all(lab.wan);
	check(rtt_is(vm[0], vm_address(vm[1]), 3, 20),
	    "without rules the matrix counts again");
}

static bool
wan_is_back(void *arg)
{
	struct wan_stats st;

	wan_stats(lab.wan, &st);
	return st.pid > 0 && st.pid != *(int *)arg;
}

static void
test_wan_killed(void)
{
	struct wan_stats st;

	wan_stats(lab.wan, &st);
	kill(st.pid, SIGKILL);
	check(lab_until(&lab, wan_is_back, &st.pid, 5000),
	    "a killed network process is started again");
	check(rtt_is(vm[0], vm_address(vm[1]), 3, 20),
	    "VMs keep their network over it");
}

static void
test_freeze(void)
{
	struct mw_err err = MW_ERR_INIT;

	check(vm_freeze(vm[1], &err) && vm_frozen(vm[1]) &&
		lab_ping(&lab, vm[0], vm_address(vm[1]), 2) < 0,
	    "a frozen VM answers nothing");
	check(vm_thaw(vm[1], &err) && rtt_is(vm[0], vm_address(vm[1]), 3, 20),
	    "a thawed VM answers");
}

static void
test_reboot(void)
{
	struct mw_err err = MW_ERR_INIT;
	char *id = xstrdup(vm_boot_id(vm[0]));
	char *key = xstrdup(vm_host_key_public(vm[0]));

	lab_ssh(&lab, vm[0], "echo kept >kept; sudo touch /usr/local/bin/new",
	    &out);
	str_reset(&out);
	check(vm_diff(vm[0], &out, &err) &&
		strcmp(str_cstr(&out), "A /usr/local/bin/new\n") == 0,
	    "diff shows what was installed, and nothing else");
	lab.pending++;
	check(vm_reboot(vm[0], lab_done, &lab, &err) &&
		lab_settle(&lab, BOOT_MS),
	    "reboot by the cloud");
	check(strcmp(id, vm_boot_id(vm[0])) != 0, "a reboot has a new boot id");
	check(strcmp(key, vm_host_key_public(vm[0])) == 0 &&
		ssh_says(vm[0], "cat kept; sudo cat /var/rc.count",
		    "kept\nstarted\nstarted\n"),
	    "disk and host key are kept");
	free(id);
	id = xstrdup(vm_boot_id(vm[0]));
	lab_events_clear(&lab);
	lab_ssh(&lab, vm[0], "sudo reboot", &out);
	check(lab_event(&lab, vm[0], VM_EV_REBOOT, STOP_MS) &&
		lab_event(&lab, vm[0], VM_EV_UP, BOOT_MS) &&
		strcmp(id, vm_boot_id(vm[0])) != 0 &&
		ssh_says(vm[0], "cat kept", "kept\n"),
	    "reboot from inside");
	lab_events_clear(&lab);
	lab_ssh(&lab, vm[0], "sudo poweroff", &out);
	check(lab_event(&lab, vm[0], VM_EV_POWEROFF, STOP_MS) &&
		vm_state(vm[0]) == VM_OFF,
	    "power-off from inside");
	lab.pending++;
	check(vm_start(vm[0], lab_done, &lab, &err) &&
		lab_settle(&lab, BOOT_MS) &&
		ssh_says(vm[0], "cat kept", "kept\n"),
	    "start after power-off");
	lab.pending++;
	check(vm_stop(vm[0], lab_done, &lab, &err) &&
		lab_settle(&lab, STOP_MS) && vm_state(vm[0]) == VM_OFF,
	    "stop by the cloud");
	check(!vm_stop(vm[0], lab_done, &lab, &err) && err.code == MW_CONFLICT,
	    "a stopped VM cannot be stopped");
	lab.pending++;
	check(vm_start(vm[0], lab_done, &lab, &err) &&
		lab_settle(&lab, BOOT_MS),
	    "start by the cloud");
	free(id);
	free(key);
}

static void
test_panic(void)
{
	struct mw_err err = MW_ERR_INIT;

	lab_events_clear(&lab);
	check(vm_panic(vm[1], &err) &&
		lab_event(&lab, vm[1], VM_EV_CRASH, 5000) &&
		lab_event(&lab, vm[1], VM_EV_UP, BOOT_MS) &&
		ssh_says(vm[1], "hostname", "vm-b\n"),
	    "a panic reboots where that is wished");
	check(vm_panic(vm[2], &err) &&
		lab_event(&lab, vm[2], VM_EV_CRASH, 5000) &&
		vm_state(vm[2]) == VM_OFF,
	    "a panic leaves the VM off elsewhere");
	lab.pending++;
	check(vm_start(vm[2], lab_done, &lab, &err) &&
		lab_settle(&lab, BOOT_MS),
	    "a crashed VM can be started");
}

static void
test_faults(void)
{
	struct vm_ssh_fault bad = { .refuse = true }, none = { 0 };
	struct mw_err err = MW_ERR_INIT;
	char *old = xstrdup(vm_host_key_public(vm[0]));

	vm_ssh_fault(vm[0], &bad);
	check(lab_ssh(&lab, vm[0], "true", &out) == 255 &&
		strstr(str_cstr(&out), "refused"),
	    "fault: connection refused");
	bad = (struct vm_ssh_fault){ .no_keys = true, .no_sudo = true };
	vm_ssh_fault(vm[0], &bad);
	check(lab_ssh(&lab, vm[0], "true", &out) == 255 &&
		strstr(str_cstr(&out), "Permission denied"),
	    "fault: no authorized keys");
	bad = (struct vm_ssh_fault){ .no_sudo = true, .drop_after_kib = 200 };
	vm_ssh_fault(vm[0], &bad);
	check(lab_ssh(&lab, vm[0], "sudo -n true", &out) == 1,
	    "fault: no sudo");
	check(lab_ssh(&lab, vm[0], "head -c 100000000 /dev/zero", &out) == 0,
	    "the drop fault counts what the client sends only");
	vm_ssh_fault(vm[0], &none);
	check(ssh_says(vm[0], "sudo -n id -u", "0\n"), "faults end");
	check(vm_new_host_key(vm[0], &err) &&
		strcmp(old, vm_host_key_public(vm[0])) != 0 &&
		ssh_says(vm[0], "id -un", LAB_USER "\n"),
	    "a new host key is in use at once");
	check(vm_fill_disk(vm[0], &err) &&
		lab_ssh(&lab, vm[0],
		    "for i in 1 2 3 4 5 6 7 8 9; do head -c 1000000 "
		    "/dev/zero >big || exit 3; sleep 0.1; done",
		    &out) == 3,
	    "a full disk takes no more");
	free(old);
}

static bool
no_leaf(void *arg)
{
	struct cgroup_trees t;
	char path[2 * CGROUP_PATH_MAX], run[64];
	size_t i;

	(void)arg;
	cgroup_run_name(getpid(), run);
	cgroup_trees_find(&t);
	for (i = 0; i < t.n; i++) {
		cgroup_path(&t, i, run, "vm-1", path);
		if (access(path, F_OK) == 0)
			return false;
	}
	snprintf(path, sizeof path, "%s/%s/vm-1", lab.state, run);
	return access(path, F_OK) != 0;
}

static void
test_destroy(void)
{
	struct mw_err err = MW_ERR_INIT;
	char name[16];
	struct vm_conf c = vm_conf_of(&lab, 0, name);

	lab.pending++;
	vm_destroy(vm[0], lab_done, &lab);
	check(lab_settle(&lab, 5000), "destroy a running VM");
	check(lab_until(&lab, no_leaf, NULL, 5000),
	    "its cgroups and files are gone");
	lab.pending++;
	check(vm_create(lab.set, &c, &vm[0], &err) &&
		vm_start(vm[0], lab_done, &lab, &err) &&
		lab_settle(&lab, BOOT_MS) &&
		lab_ssh(&lab, vm[0], "cat kept", &out) == 1,
	    "another VM in its place has a new disk");
}

/* `twin_vm hold INIT STATE`: three VMs until somebody kills us. */
static int
hold(const char *init, const char *state)
{
	struct lab_conf conf = { .init_path = init,
		.state_dir = state,
		.nsites = SITES,
		.rtt_us = rtt };
	struct mw_err err = MW_ERR_INIT;

	if (!lab_open(&lab, &conf, &err) || !vms_start(&lab, vm, VMS)) {
		fprintf(stderr, "hold: %s\n", err.msg);
		return 1;
	}
	printf("%s %d %d %d\n", lab.dir, (int)vm_pid(vm[0]), (int)vm_pid(vm[1]),
	    (int)vm_pid(vm[2]));
	fflush(stdout);
	loop_run(lab.loop);
	return 0;
}

struct remains {
	char run[64];
	const char *state;
	int pid[VMS];
};

static bool
nothing_left(void *arg)
{
	const struct remains *r = arg;
	char path[3 * CGROUP_PATH_MAX];
	struct cgroup_trees t;
	size_t i;

	for (i = 0; i < VMS; i++)
		if (kill(r->pid[i], 0) == 0)
			return false;
	cgroup_trees_find(&t);
	for (i = 0; i < t.n; i++) {
		snprintf(path, sizeof path, "%s/%s", t.tree[i].path, r->run);
		if (access(path, F_OK) == 0)
			return false;
	}
	snprintf(path, sizeof path, "%s/%s", r->state, r->run);
	return access(path, F_OK) != 0 && if_nametoindex(LAB_IFNAME) == 0;
}

static void
test_killed(const char *self, const char *init)
{
	char state[] = "/tmp/milkyway-state.XXXXXX", line[256] = "", dir[128];
	struct remains r = { .state = state };
	int fd[2] = { -1, -1 }, st;
	ssize_t n = -1;
	pid_t pid;

	if (!mkdtemp(state) || pipe2(fd, O_CLOEXEC)) {
		check(false, "set up for the kill test");
		return;
	}
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], 1);
		execl(self, self, "hold", init, state, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	cgroup_run_name(pid, r.run);
	n = read(fd[0], line, sizeof line - 1);
	close(fd[0]);
	check(n > 0 &&
		sscanf(line, "%127s %d %d %d", dir, &r.pid[0], &r.pid[1],
		    &r.pid[2]) == 4 &&
		!nothing_left(&r),
	    "another twin with disks on a directory");
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	check(lab_until(&lab, nothing_left, &r, 10000),
	    "SIGKILL of control leaves no process, device, cgroup or file");
	snprintf(line, sizeof line, "%.100s/key", dir);
	unlink(line);
	snprintf(line, sizeof line, "%.100s/key.pub", dir);
	unlink(line);
	rmdir(dir);
	rmdir(state);
}

int
main(int argc, char **argv)
{
	struct lab_conf conf = { .nsites = SITES, .rtt_us = rtt };
	struct mw_err err = MW_ERR_INIT;
	int64_t t0;

	if (lab_role(argc, argv) >= 0)
		return 1;
	if (argc == 4 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], argv[3]);
	if (argc != 2) {
		fprintf(stderr, "usage: twin_vm INIT_PROGRAM\n");
		return 2;
	}
	conf.init_path = argv[1];
	if (geteuid() != 0) {
		printf("skip - emulated VMs, this needs root\n");
		return 0;
	}
	if (!lab_open(&lab, &conf, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	t0 = clock_mono_ns();
	check(vms_start(&lab, vm, VMS), "three VMs boot");
	printf("# in %.1f ms\n", (double)(clock_mono_ns() - t0) / 1e6);
	if (failures == 0) {
		test_login();
		test_network();
		test_wan_killed();
		test_freeze();
		test_reboot();
		test_panic();
		test_faults();
		test_destroy();
		/* still on its way when all is freed */
		vm_destroy(vm[1], NULL, NULL);
	}
	lab_close(&lab);
	check(if_nametoindex(LAB_IFNAME) == 0, "the device is gone");
	memset(&lab, 0, sizeof lab);
	lab.loop = loop_new();
	test_killed("/proc/self/exe", argv[1]);
	loop_free(lab.loop);
	str_free(&out);
	return failures > 0;
}
