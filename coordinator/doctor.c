/*
 * doctor.c - see doctor.h. One function per check, one table.
 */
#include "coordinator/doctor.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "common/pure/when.h"
#include "coordinator/link/agents.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/coord.h"
#include "coordinator/place/drift.h"
#include "coordinator/measure/sched.h"
#include "coordinator/measure/snap.h"
#include "lifecycle/lifecycle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SKEW_MAX_NS (60 * NS_PER_S)
#define MATRIX_MAX_NS (24 * 3600 * NS_PER_S)
#define COMMIT_SLOW_NS NS_PER_S
#define DISK_LOW (1LL << 30)
#define NAMES_MAX 5 /* in one sentence */

/* What one check found. */
struct finding {
	size_t bad; /* 0: fine */
	bool fail; /* else warn */
	struct str names; /* of the bad, the first few */
	struct str text; /* says more than the names, or empty */
};

struct check {
	const char *name, *fine, *trouble, *fix;
	void (*fn)(const struct coord *c, struct finding *f);
};

static bool report(json_t *items, const struct check *c, struct finding *f);
static void name(struct finding *f, const char *a, const char *b);
static void check_agents(const struct coord *c, struct finding *f);
static void check_clocks(const struct coord *c, struct finding *f);
static void check_versions(const struct coord *c, struct finding *f);
static void check_vms(const struct coord *c, struct finding *f);
static void check_matrix(const struct coord *c, struct finding *f);
static void check_drift(const struct coord *c, struct finding *f);
static void check_schedules(const struct coord *c, struct finding *f);
static void check_connections(const struct coord *c, struct finding *f);
static void check_prices(const struct coord *c, struct finding *f);
static void check_disk(const struct coord *c, struct finding *f);
static void check_store(const struct coord *c, struct finding *f);
static void check_binaries(const struct coord *c, struct finding *f);

static const struct check checks[] = {
	{ "agents", "all agents answer", "agents are silent or missing",
	    "milkyway agent list; milkyway agent install NAME", check_agents },
	{ "clocks", "clocks agree within 60 s", "clocks are off by > 60 s",
	    "start a time service on these VMs", check_clocks },
	{ "versions", "all agents have this version",
	    "agents have another version", "milkyway agent upgrade NAME",
	    check_versions },
	{ "vms", "no VM is Failed or Undefined", "VMs are Failed or Undefined",
	    "milkyway mcis show NAME says why; mcis reconcile tries "
	    "again",
	    check_vms },
	{ "matrix", "every matrix is younger than 24 h",
	    "latency matrices are missing or older than 24 h",
	    "milkyway matrix NAME --run", check_matrix },
	{ "placements", "every placement holds what it relied on",
	    "placements have a pair over its limit or lost",
	    "milkyway drift NAME names the move that mends it", check_drift },
	{ "schedules", "scheduled measurements run when they are due",
	    "schedules are late or their last run failed",
	    "milkyway schedule list NAME says why", check_schedules },
	{ "connections", "all connections are verified",
	    "connections are not verified", "milkyway connection list says why",
	    check_connections },
	{ "prices", "the prices of all VMs are known",
	    "VMs have no known price",
	    "their cost is left out of every sum and budget", check_prices },
	{ "disk", "there is room for the database", "the disk is nearly full",
	    "make room; below 64 MiB new requests are refused", check_disk },
	{ "store", "commits are fast", "the disk was slow",
	    "put the state directory on a faster disk", check_store },
	{ "binaries", "the agent's binaries are here",
	    "the agent's binaries are missing: nothing can be installed",
	    "--set agent.dir=DIR", check_binaries },
};

json_t *
doctor_run(struct coord *c, size_t norphans, const char *orphans,
    size_t nsilent, const char *silent)
{
	static const struct check orphan = { "orphans",
		"no VM is billed that no record explains",
		"VMs carry our tag with a generation this database does not "
		"know",
		"was a backup restored? milkyway orphans lists them, you decide",
		NULL };
	static const struct check cloud = { "clouds",
		"all clouds answer and take our credentials",
		"connections do not work",
		"milkyway connection check NAME says why; driver health",
		NULL };
	json_t *out = json_object(), *items = json_array();
	struct finding f = { .bad = norphans, .fail = true };
	bool fine = true;

	if (norphans)
		str_addf(&f.text, "%zu: %s (%s)", norphans, orphan.trouble,
		    orphans);
	fine = report(items, &orphan, &f) && fine;
	f = (struct finding){ .bad = nsilent, .fail = true };
	if (nsilent)
		str_addf(&f.text, "%zu: %s (%s)", nsilent, cloud.trouble,
		    silent);
	fine = report(items, &cloud, &f) && fine;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		f = (struct finding){ .bad = 0 };
		checks[i].fn(c, &f);
		fine = report(items, &checks[i], &f) && fine;
	}
	json_put(out, "items", items);
	json_put_bool(out, "ok", fine);
	return out;
}

/* Frees what the finding holds; true if it is fine. */
static bool
report(json_t *items, const struct check *c, struct finding *f)
{
	json_t *j = json_object();

	if (!f->text.len) {
		if (f->bad)
			str_addf(&f->text, "%zu: ", f->bad);
		str_add(&f->text, f->bad ? c->trouble : c->fine);
		if (f->names.len)
			str_addf(&f->text, " (%s%s)", f->names.p,
			    f->bad > NAMES_MAX ? ", ..." : "");
	}
	json_put_str(j, "check", c->name);
	json_put_str(j, "level", !f->bad ? "ok" : f->fail ? "fail" : "warn");
	json_put_str(j, "text", str_cstr(&f->text));
	json_put_str(j, "fix", f->bad ? c->fix : NULL);
	json_array_append_new(items, j);
	str_free(&f->names);
	str_free(&f->text);
	return !f->bad;
}

long long
doctor_disk_free(const struct coord *c)
{
	struct statvfs v;

	if (statvfs(c->conf.state_dir, &v) < 0)
		return -1;
	return (long long)v.f_bavail * (long long)v.f_frsize;
}

static void
name(struct finding *f, const char *a, const char *b)
{
	if (++f->bad > NAMES_MAX)
		return;
	str_addf(&f->names, "%s%s%s%s", f->names.len ? ", " : "", a,
	    b ? "/" : "", b ? b : "");
}

static void
check_agents(const struct coord *c, struct finding *f)
{
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next)
		for (const struct lc_slot *s = m->slots; s; s = s->next)
			if (m->row.require_agent && s->status == LC_RUNNING &&
			    agents_state(c->agents, s->row.slot_id,
				s->inst.gen) != AGENT_UP)
				name(f, m->row.name, s->vm_id);
}

static void
check_clocks(const struct coord *c, struct finding *f)
{
	for (size_t i = 0; i < agents_count(c->agents); i++) {
		const struct agent *a = agents_at(c->agents, i);

		if (llabs(a->clock_skew_ns) > SKEW_MAX_NS)
			name(f, a->mcis, a->vm);
	}
}

static void
check_versions(const struct coord *c, struct finding *f)
{
	for (size_t i = 0; i < agents_count(c->agents); i++) {
		const struct agent *a = agents_at(c->agents, i);

		if (strcmp(a->version, MW_VERSION) != 0)
			name(f, a->mcis, a->vm);
	}
}

static void
check_vms(const struct coord *c, struct finding *f)
{
	f->fail = true;
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next)
		for (const struct lc_slot *s = m->slots; s; s = s->next)
			if (s->status == LC_FAILED || s->status == LC_UNDEFINED)
				name(f, m->row.name, s->vm_id);
}

static void
check_matrix(const struct coord *c, struct finding *f)
{
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next) {
		const struct matrix *x =
		    snap_newest(c->snap, m->row.ns, m->row.name);

		if (m->counts[LC_RUNNING] < 2)
			continue;
		if (!x || clock_wall_ns() - x->at_wall_ns > MATRIX_MAX_NS)
			name(f, m->row.name, NULL);
	}
}

static void
check_drift(const struct coord *c, struct finding *f)
{
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next)
		if (drift_bad(c->drift, m))
			name(f, m->row.name, NULL);
}

static void
check_schedules(const struct coord *c, struct finding *f)
{
	int64_t now = clock_wall_ns();

	for (const struct sched_item *it = sched_first(c->sched); it;
	     it = it->next)
		if (sched_late(it, now))
			name(f, it->mcis, it->rule.id);
}

static void
check_connections(const struct coord *c, struct finding *f)
{
	for (size_t i = 0; i < conns_count(c->conns); i++)
		if (!conns_at(c->conns, i)->verified)
			name(f, conns_at(c->conns, i)->id, NULL);
}

static void
check_prices(const struct coord *c, struct finding *f)
{
	for (const struct lc_mcis *m = lc_mcis_first(c->lc); m; m = m->next)
		for (const struct lc_slot *s = m->slots; s; s = s->next) {
			const struct spec_row *p = conns_spec(c->conns,
			    s->row.spec.connection, s->row.spec.spec);

			if (!p || p->cost_per_hour_micros < 0)
				name(f, m->row.name, s->vm_id);
		}
}

static void
check_disk(const struct coord *c, struct finding *f)
{
	long long room = doctor_disk_free(c);

	f->bad = room < DISK_LOW;
	f->fail = room < DOCTOR_DISK_MIN;
	str_addf(&f->text, "%lld MiB are free for the database", room >> 20);
}

static void
check_store(const struct coord *c, struct finding *f)
{
	uint64_t commits;
	int64_t worst;

	store_stats(c->store, &commits, &worst);
	f->bad = worst > COMMIT_SLOW_NS;
	str_addf(&f->text,
	    "%" PRIu64 " commits, the slowest took %" PRId64 " ms", commits,
	    worst / NS_PER_MS);
}

static void
check_binaries(const struct coord *c, struct finding *f)
{
	static const char *const files[] = { "milkyway-agent",
		"milkyway-ping" };

	f->fail = true;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = xasprintf("%s/%s", c->conf.agent_dir, files[i]);

		if (access(path, X_OK) < 0)
			name(f, path, NULL);
		free(path);
	}
}
