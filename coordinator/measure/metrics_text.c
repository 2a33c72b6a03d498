/*
 * metrics_text.c - see metrics_text.h. Each family is written for all its
 * objects before the next one begins: the format asks for it.
 */
#include "coordinator/measure/metrics_text.h"

#include <math.h>
#include <string.h>

#define MIB (1024.0 * 1024)

/* Host figures of a VM, one family each. */
static const struct {
	enum host_field field;
	bool per_s; /* a sum over the minute */
	double factor;
	const char *name, *help;
} host_families[] = {
	{ HOST_CPU, false, 0.01, "milkyway_vm_cpu_used_ratio",
	    "Share of the CPUs in use, mean of the newest minute." },
	{ HOST_CPU_MAX, false, 0.01, "milkyway_vm_cpu_used_max_ratio",
	    "Largest share of the CPUs in use in 5 s of the newest minute." },
	{ HOST_STEAL, false, 0.01, "milkyway_vm_cpu_steal_ratio",
	    "Share of CPU time that the hypervisor gave to others." },
	{ HOST_STEAL_MAX, false, 0.01, "milkyway_vm_cpu_steal_max_ratio",
	    "Largest stolen share in 5 s of the newest minute." },
	{ HOST_IOWAIT, false, 0.01, "milkyway_vm_cpu_iowait_ratio",
	    "Share of CPU time idle while a disk was awaited." },
	{ HOST_LOAD1, false, 1, "milkyway_vm_load1",
	    "Load average over one minute." },
	{ HOST_MEM_USED, false, MIB, "milkyway_vm_memory_used_bytes",
	    "Memory in use, without caches that can go." },
	{ HOST_MEM_TOTAL, false, MIB, "milkyway_vm_memory_size_bytes",
	    "Memory of the VM, or the limit of its cgroup." },
	{ HOST_NET_RX, true, 1, "milkyway_vm_network_receive_bytes_per_second",
	    "Bytes received a second, all interfaces but lo." },
	{ HOST_NET_TX, true, 1, "milkyway_vm_network_transmit_bytes_per_second",
	    "Bytes sent a second, all interfaces but lo." },
	{ HOST_DISK_READ, true, 1, "milkyway_vm_disk_read_bytes_per_second",
	    "Bytes read a second from all disks." },
	{ HOST_DISK_WRITE, true, 1, "milkyway_vm_disk_write_bytes_per_second",
	    "Bytes written a second to all disks." },
};

static const struct {
	enum host_field field;
	const char *resource;
} pressures[] = {
	{ HOST_PSI_CPU, "cpu" },
	{ HOST_PSI_IO, "io" },
	{ HOST_PSI_MEM, "memory" },
};

/* Families of write_vms() besides those of the tables. */
#define VM_FAMILIES 6
#define VM_SERIES \
	(VM_FAMILIES + ARRAY_LEN(host_families) + ARRAY_LEN(pressures))
/* Per MCIS without its matrix, and with it. */
#define MCIS_SERIES (LC_STATUS_COUNT + 4 + 8)

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static void
write_plain(struct prom *p, const struct metrics_page *g)
{
	for (size_t i = 0; i < g->nplain; i++) {
		const struct metrics_plain *m = &g->plain[i];

		if (m->name != NULL)
			prom_family(p, m->name, m->type, m->help);
		if (m->label != NULL)
			prom_put(p, m->value, m->label, m->state, NULL);
		else
			prom_put(p, m->value, NULL);
	}
}

static void
write_results(struct prom *p, const struct metrics_page *g)
{
	prom_family(p, "milkyway_benchmark_results_total", "counter",
	    "Benchmark results that agents sent since the start.");
	for (unsigned k = 0; k < KIND_COUNT; k++)
		for (unsigned v = 0; v < RESULT_VALIDITY_COUNT; v++)
			if (g->results[k][v] > 0)
				prom_put(p, (double)g->results[k][v], "kind",
				    kind_info((enum kind)k)->name, "validity",
				    result_validity_name(
					(enum result_validity)v),
				    NULL);
}

static void
write_values(struct prom *p, const struct metrics_page *g)
{
	prom_family(p, "milkyway_benchmark_newest_value", "gauge",
	    "Newest stored result of each connection, spec and kind.");
	for (size_t i = 0; i < g->nvalues; i++) {
		const struct metrics_value *v = &g->values[i];

		prom_put(p, v->value, "connection", v->connection, "spec",
		    v->spec, "kind", kind_info(v->kind)->name, "variant",
		    v->variant, "unit", kind_info(v->kind)->unit, NULL);
	}
	prom_family(p, "milkyway_benchmark_newest_timestamp_seconds", "gauge",
	    "When the newest result was measured.");
	for (size_t i = 0; i < g->nvalues; i++) {
		const struct metrics_value *v = &g->values[i];

		prom_put(p, seconds(v->at_ns), "connection", v->connection,
		    "spec", v->spec, "kind", kind_info(v->kind)->name,
		    "variant", v->variant, NULL);
	}
}

/* A sample of one VM. */
static void
put_vm(struct prom *p, const struct metrics_vm *v, double value)
{
	prom_put(p, value, "ns", v->ns, "mcis", v->mcis, "vm", v->vm, NULL);
}

static bool
fresh(const struct metrics_page *g, const struct metrics_vm *v)
{
	return v->has_host &&
	    (v->host.at + 1) * 60 * NS_PER_S > g->now_ns - METRICS_STALE_NS;
}

static void
write_states(struct prom *p, const struct metrics_page *g)
{
	prom_family(p, "milkyway_vm_info", "gauge",
	    "Where a VM runs and what it is; always 1.");
	for (const struct metrics_vm *v = g->vms; v < g->vms + g->nvms; v++)
		prom_put(p, 1, "ns", v->ns, "mcis", v->mcis, "vm", v->vm,
		    "connection", v->connection, "spec", v->spec, NULL);
	prom_family(p, "milkyway_vm_status", "gauge",
	    "State of a VM as a number: docs/metrics.md names them.");
	for (const struct metrics_vm *v = g->vms; v < g->vms + g->nvms; v++)
		put_vm(p, v, (double)v->status);
	prom_family(p, "milkyway_vm_agent_up", "gauge",
	    "1: its agent is heard, 0: it is silent; absent: never heard.");
	for (const struct metrics_vm *v = g->vms; v < g->vms + g->nvms; v++)
		put_vm(p, v, v->agent ? v->agent_up : (double)NAN);
	prom_family(p, "milkyway_vm_agent_last_seen_timestamp_seconds", "gauge",
	    "When its agent was heard last.");
	for (const struct metrics_vm *v = g->vms; v < g->vms + g->nvms; v++)
		put_vm(p, v,
		    v->seen_ns > 0 ? seconds(v->seen_ns) : (double)NAN);
}

static void
write_vms(struct prom *p, const struct metrics_page *g)
{
	const struct metrics_vm *v, *end = g->vms + g->nvms;

	write_states(p, g);
	prom_family(p, "milkyway_vm_host_timestamp_seconds", "gauge",
	    "End of the newest period that host metrics are known of.");
	for (v = g->vms; v < end; v++)
		put_vm(p, v,
		    v->has_host ? (double)(v->host.at + 1) * 60 : (double)NAN);
	prom_family(p, "milkyway_vm_benchmark_ratio", "gauge",
	    "Share of that period in which an own benchmark ran.");
	for (v = g->vms; v < end; v++)
		if (fresh(g, v))
			put_vm(p, v,
			    (double)v->host.bench_s /
				(double)v->host.covered_s);
	for (size_t i = 0; i < ARRAY_LEN(host_families); i++) {
		prom_family(p, host_families[i].name, "gauge",
		    host_families[i].help);
		for (v = g->vms; v < end; v++) {
			enum host_field f = host_families[i].field;

			if (!fresh(g, v))
				continue;
			put_vm(p, v,
			    (host_families[i].per_s ? host_per_s(&v->host, f)
						    : host_value(&v->host, f)) *
				host_families[i].factor);
		}
	}
	prom_family(p, "milkyway_vm_pressure_ratio", "gauge",
	    "Share of time in which some task waited for the resource.");
	for (v = g->vms; v < end; v++)
		for (size_t i = 0; fresh(g, v) && i < ARRAY_LEN(pressures); i++)
			prom_put(p,
			    host_value(&v->host, pressures[i].field) / 100,
			    "ns", v->ns, "mcis", v->mcis, "vm", v->vm,
			    "resource", pressures[i].resource, NULL);
	p->dropped += g->vms_left * VM_SERIES;
}

/* Directed pairs of one matrix. */
struct summary {
	size_t known, unknown, flagged[8];
	uint32_t worst_us;
};

static void
summarize(const struct matrix *m, struct summary *s)
{
	memset(s, 0, sizeof *s);
	for (size_t i = 0; i < m->n; i++)
		for (size_t j = 0; j < m->n; j++) {
			const struct matrix_cell *c = matrix_at(m, i, j);

			if (i == j)
				continue;
			if (c->why != MATRIX_KNOWN) {
				s->unknown++;
				continue;
			}
			s->known++;
			if (c->p95_us != MATRIX_NO_US &&
			    c->p95_us > s->worst_us)
				s->worst_us = c->p95_us;
			for (unsigned b = 0; b < ARRAY_LEN(s->flagged); b++)
				s->flagged[b] += c->flags >> b & 1;
		}
}

static void
put_mcis(struct prom *p, const struct metrics_mcis *m, double value,
    const char *label, const char *state)
{
	if (label != NULL)
		prom_put(p, value, "ns", m->ns, "mcis", m->mcis, label, state,
		    NULL);
	else
		prom_put(p, value, "ns", m->ns, "mcis", m->mcis, NULL);
}

static void
write_summaries(struct prom *p, const struct metrics_page *g,
    const struct summary *s)
{
	const struct metrics_mcis *m = g->mcis;

	prom_family(p, "milkyway_matrix_pairs", "gauge",
	    "Directed pairs of the latency matrix.");
	for (size_t i = 0; i < g->nmcis; i++) {
		if (m[i].matrix == NULL)
			continue;
		put_mcis(p, &m[i], (double)s[i].known, "state", "known");
		put_mcis(p, &m[i], (double)s[i].unknown, "state", "unknown");
	}
	prom_family(p, "milkyway_matrix_rtt_p95_worst_seconds", "gauge",
	    "Largest p95 round-trip time of all known pairs.");
	for (size_t i = 0; i < g->nmcis; i++)
		if (m[i].matrix != NULL && s[i].known > 0)
			put_mcis(p, &m[i], s[i].worst_us / 1e6, NULL, NULL);
	prom_family(p, "milkyway_matrix_measured_timestamp_seconds", "gauge",
	    "End of the newest round of the matrix.");
	for (size_t i = 0; i < g->nmcis; i++)
		if (m[i].matrix != NULL)
			put_mcis(p, &m[i], seconds(m[i].matrix->at_wall_ns),
			    NULL, NULL);
	prom_family(p, "milkyway_matrix_rounds", "gauge",
	    "Rounds that the figures of the matrix are pooled from.");
	for (size_t i = 0; i < g->nmcis; i++)
		if (m[i].matrix != NULL)
			put_mcis(p, &m[i],
			    m[i].matrix->rounds > 0 ? m[i].matrix->rounds : 1,
			    NULL, NULL);
	prom_family(p, "milkyway_matrix_flagged_pairs", "gauge",
	    "Known pairs whose quality is flagged.");
	for (size_t i = 0; i < g->nmcis; i++)
		for (unsigned b = 0; m[i].matrix != NULL && b < 8; b++)
			if (matrix_flag_name(1u << b) != NULL)
				put_mcis(p, &m[i], (double)s[i].flagged[b],
				    "flag", matrix_flag_name(1u << b));
}

/* One of the two figures of every pair that is shown. */
static void
write_pairs(struct prom *p, const struct metrics_page *g, bool p95)
{
	for (const struct metrics_mcis *m = g->mcis; m < g->mcis + g->nmcis;
	     m++) {
		const struct matrix *x = m->matrix;

		if (x == NULL)
			continue;
		if (x->n > METRICS_PAIRS_VMS) {
			p->dropped += x->n * (x->n - 1);
			continue;
		}
		for (size_t i = 0; i < x->n; i++)
			for (size_t j = 0; j < x->n; j++) {
				const struct matrix_cell *c =
				    matrix_at(x, i, j);
				uint32_t us = p95 ? c->p95_us : c->p50_us;

				if (i == j || c->why != MATRIX_KNOWN ||
				    us == MATRIX_NO_US)
					continue;
				prom_put(p, us / 1e6, "ns", m->ns, "mcis",
				    m->mcis, "src", x->names[i], "dst",
				    x->names[j], NULL);
			}
	}
}

static void
write_mcis(struct prom *p, const struct metrics_page *g)
{
	struct summary s[METRICS_MCIS_MAX];

	prom_family(p, "milkyway_mcis_vms", "gauge",
	    "VMs of an MCIS by their state.");
	for (size_t i = 0; i < g->nmcis; i++) {
		for (unsigned k = 0; k < LC_STATUS_COUNT; k++)
			put_mcis(p, &g->mcis[i], (double)g->mcis[i].vms[k],
			    "status", lc_status_name((enum lc_status)k));
		if (g->mcis[i].matrix != NULL)
			summarize(g->mcis[i].matrix, &s[i]);
	}
	write_summaries(p, g, s);
	p->dropped += g->mcis_left * MCIS_SERIES;
	if (!g->pairs)
		return;
	prom_family(p, "milkyway_matrix_pair_rtt_p95_seconds", "gauge",
	    "p95 round-trip time of a directed pair.");
	write_pairs(p, g, true);
	prom_family(p, "milkyway_matrix_pair_rtt_median_seconds", "gauge",
	    "Median round-trip time of a directed pair.");
	write_pairs(p, g, false);
}

static void
write_schedules(struct prom *p, const struct metrics_page *g)
{
	const struct metrics_schedule *s, *end = g->schedules + g->nschedules;

	prom_family(p, "milkyway_schedule_next_timestamp_seconds", "gauge",
	    "When a schedule starts next; absent: paused.");
	for (s = g->schedules; s < end; s++)
		if (s->next_ns > 0)
			prom_put(p, seconds(s->next_ns), "ns", s->ns, "mcis",
			    s->mcis, "schedule", s->id, NULL);
	prom_family(p, "milkyway_schedule_late", "gauge",
	    "1: a schedule is enabled and has not done its work lately.");
	for (s = g->schedules; s < end; s++)
		prom_put(p, s->late, "ns", s->ns, "mcis", s->mcis, "schedule",
		    s->id, NULL);
	p->dropped += 2 * g->schedules_left;
}

static void
write_conns(struct prom *p, const struct metrics_page *g)
{
	const struct metrics_conn *c, *end = g->conns + g->nconns;

	prom_family(p, "milkyway_driver_calls_total", "counter",
	    "Calls to a cloud that ended, by class of the answer.");
	for (c = g->conns; c < end; c++)
		for (int i = 0; i < CSP_CLASS_COUNT; i++)
			prom_put(p, (double)c->by_class[i], "connection",
			    c->connection, "driver", c->driver, "class",
			    csp_class_name((enum csp_class)i), NULL);
	prom_family(p, "milkyway_driver_call_p50_seconds", "gauge",
	    "Half of all calls since the start took at most so long.");
	for (c = g->conns; c < end; c++)
		if (!isnan(c->p50_s))
			prom_put(p, c->p50_s, "connection", c->connection,
			    NULL);
	prom_family(p, "milkyway_driver_call_p95_seconds", "gauge",
	    "95 % of all calls since the start took at most so long.");
	for (c = g->conns; c < end; c++)
		if (!isnan(c->p95_s))
			prom_put(p, c->p95_s, "connection", c->connection,
			    NULL);
	prom_family(p, "milkyway_driver_open_calls", "gauge",
	    "Calls to a cloud under way.");
	for (c = g->conns; c < end; c++)
		prom_put(p, (double)c->open, "connection", c->connection, NULL);
	prom_family(p, "milkyway_driver_queued", "gauge",
	    "Requests that wait for the rate limit of their cloud.");
	for (c = g->conns; c < end; c++)
		if (!isnan(c->queued))
			prom_put(p, c->queued, "connection", c->connection,
			    NULL);
	prom_family(p, "milkyway_connection_verified", "gauge",
	    "1: the cloud took the credential when it was last checked.");
	for (c = g->conns; c < end; c++)
		prom_put(p, c->verified, "connection", c->connection, NULL);
	p->dropped += 11 * g->conns_left;
}

void
metrics_text(const struct metrics_page *page, struct str *out)
{
	struct prom p;

	prom_init(&p, METRICS_SERIES_MAX);
	write_plain(&p, page);
	write_results(&p, page);
	write_values(&p, page);
	write_mcis(&p, page);
	write_schedules(&p, page);
	write_conns(&p, page);
	write_vms(&p, page);
	prom_family(&p, "milkyway_metrics_dropped_series", "gauge",
	    "Series left out of this page because of its limits.");
	p.max = SIZE_MAX;
	prom_put(&p, (double)p.dropped, NULL);
	*out = p.text;
}
