/*
 * twin_lab.c - see twin_lab.h.
 */
#include "tests/component/twin_lab.h"

#include "common/child.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAB_NET UINT32_C(0x0ac60000) /* 10.198.0.0/15 */

struct run {
	bool over;
	int code;
	struct str *out;
};

static void on_event(struct vm *vm, enum vm_event ev, void *arg);
static void on_child(struct child *c, const struct child_end *end, void *arg);
static bool is_over(void *arg);
static int run(struct lab *l, const char *const argv[], struct str *out);
static bool key_make(struct lab *l, struct mw_err *err);
static int by_value(const void *a, const void *b);

int
lab_role(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "wan") == 0)
		return wan_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], "guard") == 0)
		return guard_main(argc, argv);
	return -1;
}

bool
lab_open(struct lab *l, const struct lab_conf *conf, struct mw_err *err)
{
	struct wan_conf w = { .net = LAB_NET,
		.prefix = 15,
		.nsites = conf->nsites,
		.rtt_us = conf->rtt_us,
		.host_ifname = LAB_IFNAME,
		.max_hosts = conf->max_hosts,
		.fifo_priority = 10,
		.calibrate = conf->calibrate,
		.seed = 7 };
	struct vm_set_conf s = { .init_path = conf->init_path,
		.on_event = on_event,
		.arg = l };

	memset(l, 0, sizeof *l);
	log_init("twin-test", LOG_WARN);
	str_copy(l->dir, sizeof l->dir, "/tmp/milkyway-test.XXXXXX");
	if (!mkdtemp(l->dir))
		return err_set(err, MW_INTERNAL, errno, "mkdtemp");
	snprintf(l->state, sizeof l->state, "%s",
	    conf->state_dir ? conf->state_dir : l->dir);
	l->loop = loop_new();
	if (!key_make(l, err) || !wan_start(l->loop, &w, &l->wan, err)) {
		lab_close(l);
		return false;
	}
	s.loop = l->loop;
	s.wan = l->wan;
	s.state_dir = l->state;
	s.disk = conf->state_dir ? VM_DISK_DIR : VM_DISK_TMPFS;
	if (!vm_set_new(&s, &l->set, err)) {
		lab_close(l);
		return false;
	}
	return true;
}

void
lab_close(struct lab *l)
{
	struct mw_err err = MW_ERR_INIT;

	vm_set_free(l->set);
	wan_stop(l->wan);
	if (l->loop)
		loop_free(l->loop);
	if (!file_remove_tree(l->dir, &err))
		fprintf(stderr, "%s\n", err.msg);
	str_free(&l->pub);
}

void
lab_done(struct vm *vm, const struct mw_err *err, void *lab)
{
	struct lab *l = lab;

	(void)vm;
	l->pending--;
	if (err->code != MW_OK) {
		l->failed++;
		str_copy(l->why, sizeof l->why, err->msg);
	}
}

static bool
is_settled(void *arg)
{
	return ((struct lab *)arg)->pending <= 0;
}

bool
lab_settle(struct lab *l, int64_t ms)
{
	bool ok = lab_until(l, is_settled, l, ms) && l->failed == 0;

	l->failed = 0;
	return ok;
}

bool
lab_until(struct lab *l, bool (*cond)(void *arg), void *arg, int64_t ms)
{
	int64_t until = clock_mono_ns() + ms * NS_PER_MS;
	struct timeval tick = { 0, 10000 };

	while (!cond(arg)) {
		if (clock_mono_ns() > until)
			return false;
		event_base_loopexit(loop_base(l->loop), &tick);
		event_base_loop(loop_base(l->loop), EVLOOP_ONCE);
	}
	return true;
}

void
lab_events_clear(struct lab *l)
{
	l->nevents = 0;
}

bool
lab_event(struct lab *l, struct vm *vm, enum vm_event ev, int64_t ms)
{
	int64_t until = clock_mono_ns() + ms * NS_PER_MS;
	bool never = false;
	size_t i;

	for (;;) {
		for (i = 0; i < l->nevents; i++)
			if (l->event[i].vm == vm && l->event[i].ev == ev)
				return true;
		if (clock_mono_ns() > until)
			return false;
		(void)!lab_until(l, is_over, &never, 10);
	}
}

int
lab_ssh(struct lab *l, const struct vm *vm, const char *command,
    struct str *out)
{
	char known[128], target[64], address[16], option[160];
	struct mw_err err = MW_ERR_INIT;
	struct str line = STR_INIT;
	const char *argv[] = { "ssh", "-F", "none", "-i", l->key, "-o", option,
		"-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o",
		"ConnectTimeout=5", "-o", "ConnectionAttempts=1", target,
		command, NULL };
	int code = -1;

	id_ipv4_format(vm_address(vm), address);
	snprintf(known, sizeof known, "%s/known_hosts", l->dir);
	snprintf(option, sizeof option, "UserKnownHostsFile=%s", known);
	snprintf(target, sizeof target, LAB_USER "@%s", address);
	str_addf(&line, "%s %s\n", address, vm_host_key_public(vm));
	str_reset(out);
	if (file_write(known, line.p, line.len, 0600, &err))
		code = run(l, argv, out);
	str_free(&line);
	return code;
}

/* The lines "... time=12.3 ms" of ping. */
double
lab_ping(struct lab *l, const struct vm *from, uint32_t to, int n)
{
	char command[80], address[16];
	struct str out = STR_INIT;
	double v[64], ms = -1;
	const char *p;
	int k = 0;

	id_ipv4_format(to, address);
	snprintf(command, sizeof command, "ping -n -i 0.05 -W 1 -c %d %s", n,
	    address);
	lab_ssh(l, from, command, &out);
	for (p = str_cstr(&out); (p = strstr(p, "time=")) && k < 64; k++) {
		p += strlen("time=");
		if (!num_parse_f64(p, strcspn(p, " "), 0, 1e6, &v[k]))
			break;
	}
	if (k > 0) {
		qsort(v, (size_t)k, sizeof *v, by_value);
		ms = v[k / 2];
	}
	str_free(&out);
	return ms;
}

static void
on_event(struct vm *vm, enum vm_event ev, void *arg)
{
	struct lab *l = arg;

	if (l->nevents == LAB_EVENTS)
		l->nevents = 0;
	l->event[l->nevents].vm = vm;
	l->event[l->nevents++].ev = ev;
}

static int
run(struct lab *l, const char *const argv[], struct str *out)
{
	struct child_conf conf = { .argv = argv,
		.deadline_ms = 30000,
		.merge_stderr = true };
	struct mw_err err = MW_ERR_INIT;
	struct run r = { .out = out };
	struct child *c;

	if (!child_start(l->loop, &conf, on_child, &r, &c, &err)) {
		str_add(out, err.msg);
		return -1;
	}
	if (!lab_until(l, is_over, &r.over, 40000))
		return -1;
	return r.code;
}

static void
on_child(struct child *c, const struct child_end *end, void *arg)
{
	struct run *r = arg;

	(void)c;
	str_addn(r->out, str_cstr(&end->out), end->out.len);
	r->code = end->exited ? end->code : -1;
	r->over = true;
}

static bool
is_over(void *arg)
{
	return *(bool *)arg;
}

static bool
key_make(struct lab *l, struct mw_err *err)
{
	const char *argv[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "",
		"-f", l->key, NULL };
	struct str out = STR_INIT;
	char path[96];
	int code;

	snprintf(l->key, sizeof l->key, "%s/key", l->dir);
	snprintf(path, sizeof path, "%s.pub", l->key);
	code = run(l, argv, &out);
	str_free(&out);
	return code == 0 ? file_read(path, 4096, &l->pub, err)
			 : err_set(err, MW_INTERNAL, 0, "ssh-keygen");
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}
