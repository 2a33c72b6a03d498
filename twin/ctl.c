/*
 * ctl.c - the control server: its routes, its life, and the calls about the
 * twin itself. Owns struct ctl.
 */
#include "twin/ctl_int.h"

#include "common/clock.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "twin/doctor.h"

#include <math.h>
#include <unistd.h>

#define BODY_MAX (256 * 1024)
#define STOP_DELAY_NS (50 * NS_PER_MS) /* the answer leaves first */

static const struct httpd_route routes[] = {
	{ "GET", "/v1/status", ctl_status, 0 },
	{ "GET", "/v1/world", ctl_world, 0 },
	{ "GET", "/v1/doctor", ctl_doctor, 0 },
	{ "POST", "/v1/shutdown", ctl_shutdown, 0 },
	{ "GET", "/v1/clouds", ctl_clouds, 0 },
	{ "GET", "/v1/clouds/{c}/regions", ctl_regions, 0 },
	{ "GET", "/v1/clouds/{c}/specs", ctl_specs, 0 },
	{ "GET", "/v1/clouds/{c}/images", ctl_images, 0 },
	{ "GET", "/v1/clouds/{c}/keys", ctl_key_list, 0 },
	{ "PUT", "/v1/clouds/{c}/keys/{name}", ctl_key_put, 0 },
	{ "DELETE", "/v1/clouds/{c}/keys/{name}", ctl_key_delete, 0 },
	{ "POST", "/v1/clouds/{c}/vms", ctl_vm_create, 0 },
	{ "GET", "/v1/clouds/{c}/vms", ctl_vm_list, 0 },
	{ "GET", "/v1/clouds/{c}/vms/{id}", ctl_vm_get, 0 },
	{ "GET", "/v1/clouds/{c}/vms/{id}/console", ctl_vm_console, 0 },
	{ "POST", "/v1/clouds/{c}/vms/{id}/actions", ctl_vm_action, 0 },
	{ "DELETE", "/v1/clouds/{c}/vms/{id}", ctl_vm_delete, 0 },
	{ "GET", "/v1/lab/truth", ctl_truth, 0 },
	{ "GET", "/v1/lab/wan", ctl_wan, 0 },
	{ "GET", "/v1/lab/vms/{id}/diff", ctl_lab_diff, 0 },
	{ "POST", "/v1/lab/vms/{id}/{verb}", ctl_lab_vm, 0 },
	{ "PUT", "/v1/lab/links", ctl_links_put, 0 },
	{ "GET", "/v1/lab/links", ctl_links_get, 0 },
	{ "DELETE", "/v1/lab/links", ctl_links_delete, 0 },
	{ "POST", "/v1/lab/faults", ctl_fault_add, 0 },
	{ "GET", "/v1/lab/faults", ctl_fault_list, 0 },
	{ "DELETE", "/v1/lab/faults/{id}", ctl_fault_delete, 0 },
};

static void
on_stop(void *arg)
{
	struct ctl *c = arg;

	c->conf.shutdown(c->conf.arg);
}

struct ctl *
ctl_new(const struct ctl_conf *conf, struct mw_err *err)
{
	struct ctl *c = xcalloc(1, sizeof *c);
	struct httpd_conf hc = {
		.unix_path = conf->socket_path,
		.routes = routes,
		.nroutes = ARRAY_LEN(routes),
		.ctx = c,
		.body_max = BODY_MAX,
		.connections = 4096,
		.per_address = 4096,
	};

	c->conf = *conf;
	c->start_ns = clock_mono_ns();
	LIST_INIT(&c->later);
	LIST_INIT(&c->undo);
	c->httpd = httpd_new(conf->loop, &hc, err);
	if (!c->httpd) {
		free(c);
		return NULL;
	}
	c->stop_timer = loop_timer_new(conf->loop, on_stop, c);
	return c;
}

void
ctl_free(struct ctl *c)
{
	if (!c)
		return;
	ctl_later_free_all(c);
	ctl_undo_free_all(c);
	loop_timer_free(c->stop_timer);
	httpd_free(c->httpd);
	free(c);
}

void
ctl_status(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	json_t *j = json_object(), *addresses = json_object();
	struct wan_quality q;
	struct wan_stats stats;
	struct vm_set_info info;
	char ip[16];

	wan_stats(c->conf.wan, &stats);
	wan_quality(c->conf.wan, &q);
	vm_set_info(c->conf.vms, &info);
	id_ipv4_format(wan_host_address(c->conf.wan), ip);
	json_put_str(addresses, "coordinator", ip);
	json_put_str(j, "twin", "milkyway-twin");
	json_put_str(j, "version", MW_VERSION);
	json_put_str(j, "world", c->conf.world->name);
	json_put_int(j, "pid", getpid());
	json_put_num(j, "uptimeS",
	    (double)(clock_mono_ns() - c->start_ns) / 1e9);
	json_put_int(j, "vms", (int64_t)clouds_alive(c->conf.clouds));
	json_put_str(j, "rttQuality", q.quality);
	json_put_str(j, "rttQualityReason", *q.why ? q.why : NULL);
	json_put_num(j, "compUs", q.comp_us);
	json_put_num(j, "floorUs", q.floor_us);
	json_put_num(j, "errorP01Us", q.has_error ? q.error_p01_us : NAN);
	json_put_num(j, "errorP50Us", q.has_error ? q.error_p50_us : NAN);
	json_put_num(j, "errorP99Us", q.has_error ? q.error_p99_us : NAN);
	json_put_str(j, "errorReason", q.has_error ? NULL : "tooFewSamples");
	json_put_int(j, "errorSamples", (int64_t)q.n);
	json_put(j, "addresses", addresses);
	json_put_str(j, "emulated",
	    c->conf.world->replay ? "replay" : "measured");
	json_put_num(j, "timeScale", c->conf.world->time_scale);
	json_put_num(j, "cpuScale", c->conf.world->cpu_scale);
	json_put_str(j, "cgroup", info.cgroup);
	json_put_str(j, "disk", info.disk);
	json_put_str(j, "stateDir", info.state_dir);
	json_put_int(j, "hostCpus", info.cpus);
	json_put_int(j, "wanRestarts", stats.restarts);
	httpd_reply_json(req, 200, j);
}

static json_t *
site_json(const struct world *w, const struct world_site *s)
{
	const struct world_cloud *c = &w->clouds[s->cloud];
	const struct world_region *r = &c->regions[s->region];
	json_t *j = json_object();

	json_put_str(j, "site", s->name);
	json_put_str(j, "cloud", c->id);
	json_put_str(j, "csp", c->csp);
	json_put_str(j, "region", r->id);
	json_put_str(j, "spec",
	    s->spec == WORLD_NONE ? NULL : c->specs[s->spec].id);
	json_put_num(j, "lat", r->lat);
	json_put_num(j, "lon", r->lon);
	return j;
}

static json_t *
cloud_json(const struct world_cloud *c)
{
	json_t *j = json_object(), *lat = json_object();

	for (size_t i = 0; i < WORLD_OP_COUNT; i++) {
		json_t *pair = json_array();

		json_array_append_new(pair, json_real(c->latency[i].p50_ms));
		json_array_append_new(pair, json_real(c->latency[i].p99_ms));
		json_put(lat, world_op_name((enum world_op)i), pair);
	}
	json_put_str(j, "id", c->id);
	json_put_str(j, "csp", c->csp);
	json_put_int(j, "regions", (int64_t)c->nregions);
	json_put_int(j, "specs", (int64_t)c->nspecs);
	json_put_int(j, "images", (int64_t)c->nimages);
	json_put_int(j, "quotaVms", c->quota_vms);
	json_put_int(j, "quotaVcpus", c->quota_vcpus);
	json_put_num(j, "ratePerS", c->rate_per_s);
	json_put_int(j, "listLagMs", c->list_lag_ms);
	json_put_int(j, "pageSize", c->page_size);
	json_put_int(j, "terminatedListedS", c->terminated_listed_s);
	json_put(j, "latenciesMs", lat);
	return j;
}

void
ctl_world(struct httpd_req *req, void *ctx)
{
	const struct world *w = ((struct ctl *)ctx)->conf.world;
	json_t *j = json_object(), *clouds = json_array();
	json_t *sites = json_array();

	for (size_t i = 0; i < w->nclouds; i++)
		json_array_append_new(clouds, cloud_json(&w->clouds[i]));
	for (size_t i = 0; i < w->nsites; i++)
		json_array_append_new(sites, site_json(w, &w->sites[i]));
	json_put_str(j, "name", w->name);
	json_put_str(j, "about", w->about);
	json_put_int(j, "seed", (int64_t)w->seed);
	json_put_num(j, "timeScale", w->time_scale);
	json_put_num(j, "cpuScale", w->cpu_scale);
	json_put_str(j, "bench", w->replay ? "replay" : "measured");
	json_put(j, "clouds", clouds);
	json_put(j, "sites", sites);
	json_put_str(j, "coordinatorSite", w->sites[w->coordinator_site].name);
	httpd_reply_json(req, 200, j);
}

void
ctl_doctor(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	struct wan_quality q;
	struct doctor_conf dc = {
		.state_dir = c->conf.state_dir,
		.vms = 100,
		.running = true,
		.quality = &q,
	};
	json_t *j = json_object();
	struct doctor d;

	wan_quality(c->conf.wan, &q);
	doctor_run(&dc, &d);
	json_put(j, "items", doctor_json(&d));
	httpd_reply_json(req, 200, j);
}

void
ctl_shutdown(struct httpd_req *req, void *ctx)
{
	struct ctl *c = ctx;
	json_t *j = json_object();

	json_put_int(j, "pid", getpid());
	httpd_reply_json(req, 202, j);
	loop_timer_set(c->stop_timer, STOP_DELAY_NS);
}
