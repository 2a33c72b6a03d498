/*
 * hostserve.c - see hostserve.h. Called by agent.c.
 */
#include "agent/host/hostserve.h"

#include "common/httpd.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/ids.h"
#include "common/pure/num.h"
#include "common/pure/promtext.h"

#include <math.h>
#include <string.h>

#define SERIES_MAX 100
#define CONNECTIONS 8
#define MIB (1024.0 * 1024)

struct hostserve {
	struct httpd *httpd;
	struct hostmetrics *host;
	void (*state)(void *arg, struct hostserve_state *out);
	void *arg;
};

bool
hostserve_parse(const char *at, char address[16], uint16_t *port)
{
	const char *colon = strchr(at, ':');
	uint32_t ip;
	int64_t v;

	if (colon == NULL || colon - at > 15 ||
	    !num_parse_i64(colon + 1, strlen(colon + 1), 1, 65535, &v))
		return false;
	memcpy(address, at, (size_t)(colon - at));
	address[colon - at] = '\0';
	*port = (uint16_t)v;
	return id_ipv4_parse(address, &ip);
}

static double
count(int64_t v)
{
	return v < 0 ? (double)NAN : (double)v;
}

static void
write_totals(struct prom *p, const struct host_now *m)
{
	static const char *const what[] = { "cpu", "io", "memory" };

	prom_family(p, "milkyway_host_network_receive_bytes_total", "counter",
	    "Bytes received on all interfaces but lo.");
	prom_put(p, count(m->net_rx_bytes), NULL);
	prom_family(p, "milkyway_host_network_transmit_bytes_total", "counter",
	    "Bytes sent on all interfaces but lo.");
	prom_put(p, count(m->net_tx_bytes), NULL);
	prom_family(p, "milkyway_host_disk_read_bytes_total", "counter",
	    "Bytes read from all disks.");
	prom_put(p, count(m->disk_read_bytes), NULL);
	prom_family(p, "milkyway_host_disk_written_bytes_total", "counter",
	    "Bytes written to all disks.");
	prom_put(p, count(m->disk_written_bytes), NULL);
	prom_family(p, "milkyway_host_pressure_waiting_seconds_total",
	    "counter", "Time in which some task waited for the resource.");
	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		prom_put(p, count(m->psi_us[i]) / 1e6, "resource", what[i],
		    NULL);
}

static void
write_host(struct prom *p, const struct host_now *m)
{
	prom_family(p, "milkyway_host_cpu_used_ratio", "gauge",
	    "Share of the CPUs in use over the last sample of 5 s.");
	prom_put(p, m->cpu_pct / 100, NULL);
	prom_family(p, "milkyway_host_cpu_steal_ratio", "gauge",
	    "Share of CPU time that the hypervisor gave to others.");
	prom_put(p, m->steal_pct / 100, NULL);
	prom_family(p, "milkyway_host_cpu_iowait_ratio", "gauge",
	    "Share of CPU time idle while a disk was awaited.");
	prom_put(p, m->iowait_pct / 100, NULL);
	prom_family(p, "milkyway_host_load1", "gauge",
	    "Load average over one minute.");
	prom_put(p, m->load1, NULL);
	prom_family(p, "milkyway_host_memory_used_bytes", "gauge",
	    "Memory in use, without caches that can go.");
	prom_put(p, count(m->mem_used_mib) * MIB, NULL);
	prom_family(p, "milkyway_host_memory_size_bytes", "gauge",
	    "Memory of the machine or limit of the cgroup.");
	prom_put(p, count(m->mem_total_mib) * MIB, NULL);
	prom_family(p, "milkyway_host_scope_info", "gauge",
	    "Whether figures are of the whole kernel or of our cgroup.");
	prom_put(p, 1, "scope", host_scope(m->cgroup), NULL);
	write_totals(p, m);
}

void
hostserve_text(const struct host_now *m, const struct hostserve_state *state,
    struct str *out)
{
	struct prom p;

	prom_init(&p, SERIES_MAX);
	prom_family(&p, "milkyway_agent_build_info", "gauge",
	    "Version of this agent; always 1.");
	prom_put(&p, 1, "version", MW_VERSION, NULL);
	prom_family(&p, "milkyway_agent_link_up", "gauge",
	    "1 while the coordinator has welcomed us.");
	prom_put(&p, state->link_up, NULL);
	prom_family(&p, "milkyway_agent_benchmark_busy", "gauge",
	    "1 while an exclusive benchmark runs: leave this time out.");
	prom_put(&p, state->busy, NULL);
	prom_family(&p, "milkyway_agent_spool_results", "gauge",
	    "Results that wait for an acknowledgement.");
	prom_put(&p, (double)state->spooled, NULL);
	write_host(&p, m);
	*out = p.text;
}

static void
on_get(struct httpd_req *req, void *ctx)
{
	struct hostserve *s = ctx;
	struct hostserve_state state = { .link_up = false };
	struct str text = STR_INIT;
	struct host_now now;

	s->state(s->arg, &state);
	hostmetrics_now(s->host, true, &now);
	hostserve_text(&now, &state, &text);
	httpd_reply(req, 200, PROM_TYPE, text.p, text.len);
	str_free(&text);
}

static const struct httpd_route routes[] = {
	{ "GET", "/metrics", on_get, 0 },
};

bool
hostserve_new(struct loop *l, const char *at, struct hostmetrics *h,
    void (*state)(void *arg, struct hostserve_state *out), void *arg,
    struct hostserve **out, struct mw_err *err)
{
	/* A web page of somebody's browser must not reach us by a name. */
	static const char *const local[] = { "127.0.0.1", "localhost", NULL };
	struct hostserve *s;
	char address[16];
	struct httpd_conf conf = {
		.address = address,
		.routes = routes,
		.nroutes = ARRAY_LEN(routes),
		.body_max = 1024,
		.connections = CONNECTIONS,
		.per_address = CONNECTIONS,
	};

	if (!hostserve_parse(at, address, &conf.port)) {
		err_set(err, MW_INVALID, 0,
		    "--metrics %.40s is no ADDRESS:PORT", at);
		return err_hint(err, "e.g. --metrics 127.0.0.1:9470");
	}
	s = xcalloc(1, sizeof *s);
	s->host = h;
	s->state = state;
	s->arg = arg;
	conf.ctx = s;
	conf.hosts = strcmp(address, local[0]) == 0 ? local : NULL;
	s->httpd = httpd_new(l, &conf, err);
	if (s->httpd == NULL) {
		free(s);
		return err_wrap(err, "/metrics at %s", at);
	}
	log_info("agent", at, "/metrics is served%s",
	    strncmp(address, "127.", 4) == 0
		? ""
		: "\tnote=\"not on loopback: anyone who reaches it may read\"");
	*out = s;
	return true;
}

void
hostserve_free(struct hostserve *s)
{
	if (s == NULL)
		return;
	httpd_free(s->httpd);
	free(s);
}
