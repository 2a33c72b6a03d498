/*
 * ctl_lab.c - the tester's hand: the truth, single VMs, faults. The product
 * never calls these.
 */
#include "twin/ctl_int.h"

#include "common/pure/num.h"
#include "common/pure/str.h"

#include <math.h>
#include <string.h>

static json_t *
calls_json(const struct ctl *c)
{
	const struct world *w = c->conf.world;
	json_t *j = json_object();

	for (size_t op = 0; op < FAULT_OP_COUNT; op++) {
		uint64_t n = 0;

		for (size_t i = 0; i < w->nclouds; i++)
			n += faults_calls(c->conf.faults, i, (enum fault_op)op);
		json_put_int(j, fault_op_name((enum fault_op)op), (int64_t)n);
	}
	return j;
}

void
ctl_truth(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	json_t *j = json_object();

	json_put(j, "items", clouds_truth(c->conf.clouds));
	json_put(j, "calls", calls_json(c));
	httpd_reply_json(req, 200, j);
}

static json_t *
stats_json(const struct wan *w)
{
	json_t *j = json_object();
	struct wan_stats s;

	wan_stats(w, &s);
	json_put_int(j, "received", (int64_t)s.received);
	json_put_int(j, "sent", (int64_t)s.sent);
	json_put_int(j, "bytes", (int64_t)s.bytes);
	json_put_int(j, "dropped", (int64_t)s.dropped);
	json_put_int(j, "lost", (int64_t)s.lost);
	json_put_int(j, "cut", (int64_t)s.cut);
	json_put_int(j, "noRoute", (int64_t)s.no_route);
	json_put_int(j, "notIpv4", (int64_t)s.not_ipv4);
	json_put_int(j, "wakeups", (int64_t)s.wakeups);
	json_put_int(j, "flowEvictions", (int64_t)s.flow_evictions);
	json_put_int(j, "inFlightBytes", (int64_t)s.in_flight_bytes);
	json_put_int(j, "inFlightPackets", (int64_t)s.in_flight_packets);
	json_put_num(j, "lateP50Us", (double)s.late_p50_ns / 1e3);
	json_put_num(j, "lateP99Us", (double)s.late_p99_ns / 1e3);
	json_put_num(j, "lateMaxUs", (double)s.late_max_ns / 1e3);
	json_put_num(j, "cpuS", (double)s.cpu_ns / 1e9);
	json_put_int(j, "rssKiB", (int64_t)s.rss_kib);
	json_put_bool(j, "realtime", s.realtime);
	json_put_int(j, "restarts", s.restarts);
	json_put_int(j, "pid", s.pid);
	return j;
}

void
ctl_wan(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	const struct world *w = c->conf.world;
	json_t *j = json_object(), *sites = json_array(), *rows = json_array();

	for (size_t i = 0; i < w->nsites; i++) {
		json_t *row = json_array();

		for (size_t k = 0; k < w->nsites; k++) {
			int32_t us = wan_rtt_us(c->conf.wan, i, k);

			json_array_append_new(row,
			    us < 0 ? json_null()
				   : json_real((double)us / 1000));
		}
		json_array_append_new(rows, row);
		json_array_append_new(sites, json_string(w->sites[i].name));
	}
	json_put(j, "sites", sites);
	json_put(j, "rttMs", rows);
	json_put(j, "stats", stats_json(c->conf.wan));
	httpd_reply_json(req, 200, j);
}

/* The VM of the path with its machine; false: answered. */
static bool
lab_vm(struct ctl *c, struct httpd_req *req, bool machine,
    struct cloud_vm **out)
{
	const char *id = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;

	*out = clouds_find(c->conf.clouds, id);
	if (*out && (!machine || (*out)->vm))
		return true;
	err_set(&err, MW_NOT_FOUND, 0,
	    *out ? "VM %s has no machine" : "no living VM %s", id);
	ctl_reply_error(req, &err);
	return false;
}

static bool
do_vanish(struct cloud_vm *v, struct mw_err *err)
{
	(void)err;
	cloud_vanish(v);
	return true;
}

static bool
do_panic(struct cloud_vm *v, struct mw_err *err)
{
	return vm_panic(v->vm, err);
}

static bool
do_freeze(struct cloud_vm *v, struct mw_err *err)
{
	return vm_freeze(v->vm, err);
}

static bool
do_thaw(struct cloud_vm *v, struct mw_err *err)
{
	return vm_thaw(v->vm, err);
}

static bool
do_host_key(struct cloud_vm *v, struct mw_err *err)
{
	return vm_new_host_key(v->vm, err);
}

static bool
do_fill_disk(struct cloud_vm *v, struct mw_err *err)
{
	return vm_fill_disk(v->vm, err);
}

static const struct {
	const char *name;
	bool (*fn)(struct cloud_vm *v, struct mw_err *err);
	bool machine;
} verbs[] = {
	{ "panic", do_panic, true },
	{ "freeze", do_freeze, true },
	{ "thaw", do_thaw, true },
	{ "vanish", do_vanish, false },
	{ "hostkey", do_host_key, true },
	{ "fillDisk", do_fill_disk, true },
};

void
ctl_lab_vm(struct httpd_req *req, void *ctx)
{
	const char *verb = httpd_param(req, "verb");
	struct mw_err err = MW_ERR_INIT;
	struct cloud_vm *v;
	size_t i = 0;

	while (i < ARRAY_LEN(verbs) && strcmp(verbs[i].name, verb) != 0)
		i++;
	if (i == ARRAY_LEN(verbs)) {
		err_set(&err, MW_NOT_FOUND, 0,
		    "panic, freeze, thaw, vanish, hostkey or fillDisk");
		ctl_reply_error(req, &err);
		return;
	}
	if (!lab_vm(ctx, req, verbs[i].machine, &v))
		return;
	if (verbs[i].fn(v, &err))
		httpd_reply_json(req, 202, cloud_vm_json(v));
	else
		ctl_reply_error(req, &err);
}

void
ctl_lab_diff(struct httpd_req *req, void *ctx)
{
	struct mw_err err = MW_ERR_INIT;
	struct str text = STR_INIT;
	struct cloud_vm *v;
	json_t *j;

	if (!lab_vm(ctx, req, true, &v))
		return;
	if (vm_diff(v->vm, &text, &err)) {
		j = json_object();
		json_put_str(j, "text", str_cstr(&text));
		httpd_reply_json(req, 200, j);
	} else {
		ctl_reply_error(req, &err);
	}
	str_free(&text);
}

void
ctl_fault_add(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	struct mw_err err = MW_ERR_INIT;
	json_t *body;
	uint64_t id;

	if (httpd_json(req, &body, &err) &&
	    faults_add(c->conf.faults, body, &id, &err))
		httpd_reply_json(req, 201, faults_one_json(c->conf.faults, id));
	else
		ctl_reply_error(req, &err);
}

void
ctl_fault_list(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	json_t *j = json_object();

	json_put(j, "items", faults_json(c->conf.faults));
	httpd_reply_json(req, 200, j);
}

void
ctl_fault_delete(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	const char *text = httpd_param(req, "id");
	struct mw_err err = MW_ERR_INIT;
	int64_t id;

	if (num_parse_i64(text, strlen(text), 1, INT64_MAX, &id) &&
	    faults_del(c->conf.faults, (uint64_t)id)) {
		httpd_reply(req, 204, "application/json", "", 0);
		return;
	}
	err_set(&err, MW_NOT_FOUND, 0, "no fault %s", text);
	ctl_reply_error(req, &err);
}
