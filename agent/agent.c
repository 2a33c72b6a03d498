/*
 * agent.c - the resident agent: link, beats, spool, jobs, matrix rounds.
 * Promises: a result is in the spool before its job is told done; the spool is
 * cut only by an acknowledgement; nothing is sent before the coordinator said
 * welcome, but hello. Called by main.c.
 */
#include "agent/agent.h"

#include "agent/bench/bench.h"
#include "agent/host/confine.h"
#include "agent/host/footprint.h"
#include "agent/host/hostmetrics.h"
#include "agent/host/hostserve.h"
#include "agent/jobs.h"
#include "agent/probe/mesh.h"
#include "agent/probe/pinger.h"
#include "agent/link/spool.h"
#include "agent/bench/sweep.h"
#include "agent/link/uplink.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/hostjson.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/pure/alloc.h"
#include "common/tls.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define TTL_DEFAULT_NS (5 * NS_PER_S)
#define WELCOME_NS (10 * NS_PER_S) /* for the answer to hello */
#define WINDOW 64 /* results under way */
#define RATE_PER_S 15 /* results sent: the coordinator allows 20 frames */
#define RESEND_NS (60 * NS_PER_S) /* without any acknowledgement */
#define TRIM_NS (2 * NS_PER_S)
#define TRIM_BEAT_NS (50 * NS_PER_MS) /* after a beat went out */
#define RENEW_RETRY_NS (3600 * NS_PER_S)
#define STOP_NS (5 * NS_PER_S)
#define STOP_POLL_NS (50 * NS_PER_MS)
#define TOOL_NAME_MAX 64
#define SAMPLE_OWN_NS (4 * NS_PER_S) /* a beat takes the sample after this */
#define SAMPLE_LATE_NS (HOSTMETRICS_EVERY_NS + NS_PER_S / 2)
#define SENT_UNSURE 2 /* minutes that a broken link may have lost */

struct agent {
	struct loop *loop;
	const char *dir;
	struct identity id;
	struct sysinfo_facts facts;
	struct sysinfo_monitor *monitor;
	struct hostmetrics *host;
	struct hostserve *serve; /* NULL: nobody asked for it */
	struct spool *spool;
	struct pinger *pinger;
	struct mesh *mesh;
	struct jobs *jobs;
	struct uplink *uplink;
	struct loop_timer *beat, *flush, *trim, *stop, *sample;
	int64_t stop_by; /* 0: nobody asked us to end */
	bool welcomed, idle;
	int64_t ttl_ns;
	uint64_t sent_seq; /* newest result sent on this link */
	int64_t last_ack_ns; /* or when there was nothing to acknowledge */
	double tokens;
	int64_t tokens_at_ns;
	struct str new_key; /* of a renewal under way */
	int64_t renew_after_ns; /* monotonic; not before */
};

static void flush_spool(void *arg);

static void
send_msg(void *arg, json_t *take_msg)
{
	struct agent *a = arg;

	if (a->welcomed)
		(void)uplink_send(a->uplink, take_msg);
	else
		json_decref(take_msg);
}

/* {"bench":{...}} into the spool, and on its way. */
static void
spool_result(void *arg, const char *key, json_t *take_body)
{
	struct agent *a = arg;
	struct mw_err err = MW_ERR_INIT;
	json_t *j = json_object();
	uint64_t seq;
	char *text;

	json_put(j, key, take_body);
	text = json_text(j, false);
	json_decref(j);
	if (!spool_put(a->spool, text, strlen(text), &seq, &err))
		log_error("agent", key, "%s\taction=\"result is lost\"",
		    err.msg);
	free(text);
	flush_spool(a);
}

static void
refill_tokens(struct agent *a, int64_t now_ns)
{
	a->tokens += (double)(now_ns - a->tokens_at_ns) / 1e9 * RATE_PER_S;
	if (a->tokens > WINDOW)
		a->tokens = WINDOW;
	a->tokens_at_ns = now_ns;
}

static bool
send_result(struct agent *a, size_t i)
{
	struct str body = STR_INIT, msg = STR_INIT;
	struct mw_err err = MW_ERR_INIT;
	bool ok = spool_get(a->spool, i, &body, &err);

	if (!ok) {
		log_error("agent", a->dir, "%s\taction=skip", err.msg);
	} else {
		/* The stored text is an object: our fields go in front. */
		str_addf(&msg,
		    "{\"type\":\"result\",\"boot\":\"%s\",\"seq\":%" PRIu64 ",",
		    spool_id(a->spool), spool_seq(a->spool, i));
		str_addn(&msg, body.p + 1, body.len - 1);
		ok = uplink_send_text(a->uplink, msg.p, msg.len);
	}
	str_free(&body);
	str_free(&msg);
	return ok;
}

/* Sends what waits and was not sent on this link, at a bounded rate. */
static void
flush_spool(void *arg)
{
	struct agent *a = arg;
	size_t n = spool_count(a->spool);
	int64_t now = clock_mono_ns();

	if (!a->welcomed)
		return;
	refill_tokens(a, now);
	for (size_t i = 0; i < n && i < WINDOW; i++) {
		uint64_t seq = spool_seq(a->spool, i);

		if (seq <= a->sent_seq)
			continue;
		if (a->tokens < 1) {
			loop_timer_set(a->flush, NS_PER_S / RATE_PER_S);
			return;
		}
		if (!send_result(a, i))
			return;
		a->tokens -= 1;
		a->sent_seq = seq;
	}
}

static void
on_row(void *arg, const struct proto_row *row)
{
	spool_result(arg, "row", proto_row_encode(row));
}

static void
on_hold(void *arg, bool hold)
{
	struct agent *a = arg;

	jobs_hold(a->jobs, hold);
}

static bool
is_busy(void *arg)
{
	const struct agent *a = arg;

	return jobs_busy(a->jobs);
}

static json_t *
kind_names(unsigned kinds, bool rtt)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < KIND_COUNT; k++)
		if (kinds >> k & 1 || k == KIND_MRTT || (k == KIND_RTT && rtt))
			json_array_append_new(list,
			    json_string(kind_info((enum kind)k)->name));
	return list;
}

static void
send_hello(struct agent *a)
{
	struct sysinfo_facts *f = &a->facts;
	char missing[TOOL_NAME_MAX];
	json_t *j = json_object(), *tools = json_array();
	unsigned kinds = bench_possible(missing, sizeof missing);

	sysinfo_read(f, "");
	if (missing[0] != '\0')
		json_array_append_new(tools, json_string(missing));
	json_put_str(j, "type", "hello");
	json_put_int(j, "proto", PROTO_VERSION);
	json_put_str(j, "agentVersion", MW_VERSION);
	json_put_str(j, "bootId", f->boot_id);
	json_put_str(j, "hostname", f->hostname);
	json_put_str(j, "arch", f->arch);
	json_put_str(j, "kernel", f->kernel);
	json_put_str(j, "cpuModel", f->cpu_model);
	json_put_int(j, "vcpus", f->vcpus);
	json_put_num(j, "cpuQuota", f->cpu_quota > 0 ? f->cpu_quota : NAN);
	json_put_int(j, "memoryMiB", f->memory_mib);
	json_put(j, "kinds", kind_names(kinds, pinger_ready(a->pinger)));
	json_put(j, "missingTools", tools);
	json_put_int(j, "echoPort", mesh_port(a->mesh));
	json_put_str(j, "emulated", f->emulated[0] ? f->emulated : NULL);
	json_put_int(j, "spooled", (int64_t)spool_count(a->spool));
	json_put_time(j, "wallAt", clock_wall_ns());
	(void)uplink_send(a->uplink, j);
}

static void
put_known(json_t *j, const char *key, int64_t v)
{
	if (v >= 0)
		json_put_int(j, key, v);
	else
		json_put(j, key, NULL);
}

/* Of this machine. A beat that comes near takes it, so that one wake-up does
 * for both. */
static void
take_sample(struct agent *a, int64_t next_ns)
{
	hostmetrics_sample(a->host, clock_mono_ns(), clock_wall_ns(),
	    jobs_busy(a->jobs));
	loop_timer_set(a->sample, next_ns);
}

static void
on_sample(void *arg)
{
	struct agent *a = arg;
	bool beats = a->welcomed && a->ttl_ns <= HOSTMETRICS_EVERY_NS;

	/* A little later each time, until a beat takes it over: apart from the
	 * beats it would leave the program's pages mapped in between. */
	take_sample(a, beats ? SAMPLE_LATE_NS : HOSTMETRICS_EVERY_NS);
	if (!a->welcomed)
		loop_timer_set(a->trim, TRIM_BEAT_NS);
}

/* Whole minutes of host metrics that were not told yet, a few at a time. */
static void
put_minutes(struct agent *a, json_t *beat)
{
	struct host_rec r[HOSTJSON_MAX];
	size_t n = hostmetrics_take(a->host, r, ARRAY_LEN(r));
	json_t *list;

	if (n == 0)
		return;
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, hostjson_encode(&r[i]));
	json_put(beat, "host", list);
}

static void
send_beat(struct agent *a)
{
	struct host_now m;
	json_t *j = json_object(), *metrics = json_object();

	if (hostmetrics_at(a->host) < clock_mono_ns() - SAMPLE_OWN_NS)
		take_sample(a, SAMPLE_LATE_NS);
	hostmetrics_now(a->host, false, &m);
	json_put_num(metrics, "load1", m.load1);
	json_put_num(metrics, "cpuPct", m.cpu_pct);
	json_put_num(metrics, "stealPct", m.steal_pct);
	put_known(metrics, "memUsedMiB", m.mem_used_mib);
	put_known(metrics, "netRxBytes", m.net_rx_bytes);
	put_known(metrics, "netTxBytes", m.net_tx_bytes);
	json_put_bool(metrics, "busy", jobs_busy(a->jobs));
	json_put_str(j, "type", "beat");
	json_put(j, "metrics", metrics);
	json_put_int(j, "spooled", (int64_t)spool_count(a->spool));
	put_minutes(a, j);
	(void)uplink_send(a->uplink, j);
}

/* Half of the certificate's life is over: a fresh key and its request. */
static void
renew_if_due(struct agent *a)
{
	struct mw_err err = MW_ERR_INIT;
	struct str csr = STR_INIT;
	int64_t at, now = clock_mono_ns();
	json_t *j;

	if (now < a->renew_after_ns)
		return;
	a->renew_after_ns = now + NS_PER_S * 60;
	if (!identity_renew_at(str_cstr(&a->id.cert), &at, &err) ||
	    clock_wall_ns() < at)
		return;
	a->renew_after_ns = now + RENEW_RETRY_NS;
	str_reset(&a->new_key);
	if (!tls_key_new(&a->new_key, &err) ||
	    !tls_csr_new(str_cstr(&a->new_key), &csr, &err)) {
		log_error("agent", a->id.uri, "%s", err.msg);
	} else {
		j = json_object();
		json_put_str(j, "type", "certRenew");
		json_put_str(j, "csr", str_cstr(&csr));
		(void)uplink_send(a->uplink, j);
	}
	str_free(&csr);
}

static void
on_beat(void *arg)
{
	struct agent *a = arg;
	int64_t now = clock_mono_ns();

	if (!a->welcomed) {
		uplink_drop(a->uplink, -1); /* no answer to hello */
		return;
	}
	send_beat(a);
	renew_if_due(a);
	if (spool_count(a->spool) == 0)
		a->last_ack_ns = now;
	if (now - a->last_ack_ns > RESEND_NS) {
		a->last_ack_ns = now;
		a->sent_seq = 0;
	}
	flush_spool(a);
	loop_timer_set(a->beat, a->ttl_ns);
	/* A beat maps some 2 MB of code back in; rest without them. */
	if (a->ttl_ns >= TRIM_NS)
		loop_timer_set(a->trim, TRIM_BEAT_NS);
}

static void
on_trim(void *arg)
{
	struct agent *a = arg;

	if (jobs_idle(a->jobs) && !mesh_active(a->mesh))
		footprint_trim();
	else
		loop_timer_set(a->trim, TRIM_NS);
}

static void
on_welcome(struct agent *a, struct msg *m)
{
	a->welcomed = true;
	hostmetrics_untake(a->host, SENT_UNSURE);
	a->ttl_ns = m->ttl_ms * NS_PER_MS;
	a->sent_seq = 0;
	a->last_ack_ns = clock_mono_ns();
	loop_timer_set(a->beat, m->not_before_ms * NS_PER_MS);
	loop_timer_set(a->trim, TRIM_NS);
	jobs_resend(a->jobs);
	flush_spool(a);
}

static void
on_ack(struct agent *a, struct msg *m)
{
	struct mw_err err = MW_ERR_INIT;

	if (strcmp(m->id, spool_id(a->spool)) != 0)
		return; /* of a spool that was emptied and named anew */
	a->last_ack_ns = clock_mono_ns();
	if (!spool_ack(a->spool, m->seq, &err))
		log_error("agent", a->dir, "%s\taction=\"go on\"", err.msg);
	flush_spool(a);
}

static void
on_job(struct agent *a, struct msg *m)
{
	jobs_submit(a->jobs, m);
	loop_timer_set(a->trim, TRIM_NS);
}

static void
on_cancel(struct agent *a, struct msg *m)
{
	jobs_cancel(a->jobs, m->id);
}

static void
on_arm(struct agent *a, struct msg *m)
{
	json_t *j = json_object();

	mesh_arm(a->mesh, &m->arm);
	json_put_str(j, "type", "armed");
	json_put_str(j, "roundId", m->id);
	json_put_int(j, "port", mesh_port(a->mesh));
	json_put_str(j, "code", NULL);
	json_put_str(j, "message", NULL);
	(void)uplink_send(a->uplink, j);
}

static void
on_go(struct agent *a, struct msg *m)
{
	struct mw_err err = MW_ERR_INIT;

	mesh_absent(a->mesh, m->id, m->absent, m->nabsent);
	if (!mesh_go(a->mesh, m->id, m->delay_ms * NS_PER_MS, &err))
		log_warn("agent", m->id, "%s\taction=ignore", err.msg);
	loop_timer_set(a->trim, TRIM_NS);
}

static void
on_disarm(struct agent *a, struct msg *m)
{
	mesh_disarm(a->mesh, m->id);
}

static void
on_cert(struct agent *a, struct msg *m)
{
	struct mw_err err = MW_ERR_INIT;

	if (a->new_key.len == 0)
		return; /* we asked for nothing */
	if (!identity_renew(a->dir, &a->id, str_cstr(&a->new_key), m->cert,
		m->ca, &err))
		log_error("agent", a->id.uri, "renewal: %s\taction=\"keep\"",
		    err.msg);
	else
		log_info("agent", a->id.uri, "certificate renewed");
	OPENSSL_cleanse(a->new_key.p, a->new_key.cap);
	str_reset(&a->new_key);
	a->renew_after_ns = clock_mono_ns() + NS_PER_S * 60;
}

static void
on_bye(struct agent *a, struct msg *m)
{
	log_warn("agent", a->id.uri,
	    "the coordinator refuses: %s %s\taction=redial", m->code,
	    m->message);
	uplink_drop(a->uplink,
	    m->reconnect_after_ms < 0
		? -1
		: m->reconnect_after_ms * NS_PER_MS + NS_PER_S);
}

static void (*const handlers[])(struct agent *a, struct msg *m) = {
	[MSG_WELCOME] = on_welcome,
	[MSG_ACK] = on_ack,
	[MSG_BENCH] = on_job,
	[MSG_RTT] = on_job,
	[MSG_CANCEL] = on_cancel,
	[MSG_ARM] = on_arm,
	[MSG_GO] = on_go,
	[MSG_DISARM] = on_disarm,
	[MSG_CERT] = on_cert,
	[MSG_BYE] = on_bye,
};

static void
on_frame(void *arg, const char *p, size_t n)
{
	struct agent *a = arg;
	struct mw_err err = MW_ERR_INIT;
	struct msg m;

	if (!msg_parse(p, n, &m, &err)) {
		log_warn("agent", a->id.coordinator, "%s\taction=%s", err.msg,
		    m.id[0] != '\0' ? "refuse" : "redial");
		if (m.id[0] != '\0')
			jobs_refuse(a->jobs, m.id, &err);
		else
			uplink_drop(a->uplink, -1);
		return;
	}
	if (a->welcomed || m.type == MSG_WELCOME || m.type == MSG_BYE)
		handlers[m.type](a, &m);
	else
		uplink_drop(a->uplink, -1);
	msg_free(&m);
}

static void
on_up(void *arg)
{
	struct agent *a = arg;

	send_hello(a);
	loop_timer_set(a->beat, WELCOME_NS);
}

static void
on_down(void *arg)
{
	struct agent *a = arg;

	a->welcomed = false;
	loop_timer_clear(a->beat);
	loop_timer_clear(a->flush);
	loop_timer_set(a->trim, TRIM_NS);
}

static void
on_stop(void *arg)
{
	struct agent *a = arg;

	if (a->idle || clock_mono_ns() >= a->stop_by)
		loop_stop(a->loop);
	/* once more when all have ended: the link takes what they said */
	a->idle = jobs_idle(a->jobs);
	loop_timer_set(a->stop, STOP_POLL_NS);
}

/* Jobs end first: their children and files must not outlive us. */
static void
on_signal(int sig, void *arg)
{
	struct agent *a = arg;

	log_info("agent", a->id.uri, "signal %d\taction=stop", sig);
	jobs_cancel_all(a->jobs);
	a->idle = jobs_idle(a->jobs);
	if (a->stop_by == 0)
		a->stop_by = clock_mono_ns() + STOP_NS;
	loop_timer_set(a->stop, a->idle ? 0 : STOP_POLL_NS);
}

/* Fresh folder for benchmark files; what a crash left goes. */
static bool
make_work_dir(const char *dir, char *work, size_t size, struct mw_err *err)
{
	struct mw_err none = MW_ERR_INIT;

	if (snprintf(work, size, "%s/work", dir) >= (int)size)
		return err_set(err, MW_INVALID, 0, "%s is too long", dir);
	(void)sweep_leftovers(work);
	(void)!file_remove_tree(work, &none);
	return file_mkdirs(work, 0700, err);
}

/* First the child that needs a raw socket, then no privilege any more. */
static bool
give_up_root(struct agent *a, const struct agent_conf *conf, struct mw_err *err)
{
	struct mw_err ping = MW_ERR_INIT;
	static const struct rlimit no_core = { 0, 0 };

	if (!pinger_start(a->loop, conf->uid, conf->gid, &a->pinger, &ping))
		log_warn("agent", conf->dir,
		    "%s\taction=\"no rtt to foreign addresses\"", ping.msg);
	if (conf->uid != 0 &&
	    !confine_own(conf->dir, conf->uid, conf->gid, err))
		return false;
	if (!confine_drop(conf->uid, conf->gid, false, err))
		return false;
	/* The key is in our memory. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return true;
}

static bool
open_parts(struct agent *a, char *work, size_t size, struct mw_err *err)
{
	static const struct mesh_ops mesh_ops = { on_row, on_hold, is_busy };
	char path[512];

	snprintf(path, sizeof path, "%s/spool", a->dir);
	if (!identity_load(a->dir, &a->id, err) ||
	    !make_work_dir(a->dir, work, size, err) ||
	    !spool_open(path, SPOOL_CAP_BYTES, &a->spool, err))
		return false;
	if (spool_torn_bytes(a->spool) > 0)
		log_warn("agent", path, "torn tail cut\tbytes=%zu",
		    spool_torn_bytes(a->spool));
	sysinfo_read(&a->facts, "");
	a->monitor = sysinfo_monitor_new("");
	a->host = hostmetrics_new("",
	    a->facts.cpu_quota > 0 && a->facts.cpu_quota < a->facts.vcpus
		? a->facts.cpu_quota
		: a->facts.vcpus);
	if (!mesh_new(a->loop, a->id.echo_port, &mesh_ops, a, &a->mesh, err))
		return false;
	mesh_use_pinger(a->mesh, a->pinger);
	return true;
}

static void
start_work(struct agent *a, const char *work)
{
	static const struct jobs_ops jobs_ops = { send_msg, spool_result };
	static const struct uplink_ops uplink_ops = { on_up, on_frame,
		on_down };
	struct jobs_conf conf = { a->loop, work, &a->facts, a->monitor,
		a->pinger };

	a->ttl_ns = TTL_DEFAULT_NS;
	a->tokens = WINDOW;
	a->tokens_at_ns = clock_mono_ns();
	a->beat = loop_timer_new(a->loop, on_beat, a);
	a->flush = loop_timer_new(a->loop, flush_spool, a);
	a->trim = loop_timer_new(a->loop, on_trim, a);
	a->stop = loop_timer_new(a->loop, on_stop, a);
	a->sample = loop_timer_new(a->loop, on_sample, a);
	a->jobs = jobs_new(&conf, &jobs_ops, a);
	a->uplink = uplink_new(a->loop, &a->id, &uplink_ops, a);
	loop_on_signal(a->loop, on_signal, a);
	take_sample(a, HOSTMETRICS_EVERY_NS);
}

static void
close_parts(struct agent *a)
{
	loop_timer_free(a->beat);
	loop_timer_free(a->flush);
	loop_timer_free(a->trim);
	loop_timer_free(a->stop);
	loop_timer_free(a->sample);
	hostserve_free(a->serve);
	uplink_free(a->uplink);
	mesh_free(a->mesh);
	jobs_free(a->jobs);
	pinger_free(a->pinger);
	spool_close(a->spool);
	hostmetrics_free(a->host);
	sysinfo_monitor_free(a->monitor);
	identity_free(&a->id);
	str_free(&a->new_key);
	loop_free(a->loop);
}

static void
serve_state(void *arg, struct hostserve_state *out)
{
	struct agent *a = arg;

	out->link_up = a->welcomed;
	out->busy = jobs_busy(a->jobs);
	out->spooled = spool_count(a->spool);
	/* A request maps in what a beat does. */
	loop_timer_set(a->trim, TRIM_NS);
}

bool
agent_run(const struct agent_conf *conf, struct mw_err *err)
{
	struct agent a = { .dir = conf->dir };
	char work[256];
	bool ok;

	footprint_init();
	a.loop = loop_new();
	ok = give_up_root(&a, conf, err) &&
	    open_parts(&a, work, sizeof work, err);
	if (ok) {
		log_info("agent", a.id.uri,
		    "started\tversion=%s vcpus=%u echo_port=%u spooled=%zu",
		    MW_VERSION, a.facts.vcpus, mesh_port(a.mesh),
		    spool_count(a.spool));
		start_work(&a, work);
		ok = conf->metrics == NULL ||
		    hostserve_new(a.loop, conf->metrics, a.host, serve_state,
			&a, &a.serve, err);
	}
	if (ok)
		loop_run(a.loop);
	close_parts(&a);
	return ok;
}
