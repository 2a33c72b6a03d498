/*
 * coord.c - builds the coordinator and takes it down again, in an order that
 * lets every module find those it needs.
 */
#include "coordinator/coord.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/file.h"
#include "common/log.h"
#include "common/pure/alloc.h"
#include "common/pure/str.h"
#include "coordinator/actions.h"
#include "coordinator/link/agents.h"
#include "coordinator/api/api.h"
#include "coordinator/api/api_place.h"
#include "coordinator/auth.h"
#include "coordinator/keep/backup.h"
#include "coordinator/ca.h"
#include "coordinator/cloud/conns.h"
#include "coordinator/env_real.h"
#include "coordinator/events.h"
#include "coordinator/link/link.h"
#include "coordinator/measure/bench.h"
#include "coordinator/measure/host.h"
#include "coordinator/measure/mesh.h"
#include "coordinator/measure/metrics.h"
#include "coordinator/measure/retain.h"
#include "coordinator/measure/sched.h"
#include "coordinator/measure/snap.h"
#include "coordinator/place/drift.h"
#include "coordinator/cloud/prereq.h"
#include "coordinator/mcis/quota.h"
#include "coordinator/remote/remote.h"
#include "coordinator/keep/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define POOL_THREADS 2
#define POOL_QUEUE 1100 /* all placements may wait, and others too */
#define LOCK_TRIES 50
#define QUIET_TURNS 64 /* of the loop, while modules let go */

static bool identity(struct db *db, void *arg, struct mw_err *err);
static bool build(struct coord *c, struct mw_err *err);
static bool claim(struct coord *c, struct mw_err *err);
static void lock_sign(int fd);
static bool open_store(struct coord *c, struct mw_err *err);
static void turn(struct coord *c);

struct coord *
coord_new(const struct coord_conf *conf, struct mw_err *err)
{
	struct coord *c = xcalloc(1, sizeof *c);

	c->conf = *conf;
	c->lock_fd = -1;
	if (build(c, err))
		return c;
	coord_free(c);
	return NULL;
}

/*
 * Requests stop first, then the ways out to the world, then the store, which
 * completes what was submitted; after it nothing can start any more.
 */
void
coord_free(struct coord *c)
{
	if (!c)
		return;
	api_stop(c);
	drift_stop(c->drift);
	if (c->env)
		env_real_stop(c->env);
	prereq_stop(c->prereq);
	remote_free(c->remote);
	c->remote = NULL;
	worker_pool_free(c->pool);
	c->pool = NULL; /* completions of the store ask for it */
	conns_free(c->conns);
	c->conns = NULL;
	turn(c);
	store_close(c->store);
	mesh_free(c->mesh); /* gives receipts of rows back to the link */
	link_free(c->link);
	metrics_free(c->metrics);
	host_free(c->host);
	sched_free(c->sched);
	retain_free(c->retain);
	backup_free(c->backup);
	snap_free(c->snap);
	places_free(c->places);
	drift_free(c->drift);
	quotas_free(c->quotas);
	bench_free(c->bench);
	agents_free(c->agents);
	env_real_free(c->env);
	prereq_free(c->prereq);
	actions_free(c->actions);
	events_free(c->events);
	ca_free(c->ca);
	auth_free(c->auth);
	loop_free(c->loop);
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	free(c);
}

/* Each finds those that were made before it. */
static bool
build(struct coord *c, struct mw_err *err)
{
	struct remote_conf rc = {
		.agent_dir = c->conf.agent_dir,
		.ssh_max = c->conf.ssh_max,
		.ssh_kex_max = c->conf.ssh_kex_max,
	};

	if (!claim(c, err) || !open_store(c, err))
		return false;
	rc.loop = c->loop;
	rc.pool = c->pool = worker_pool_new(c->loop, POOL_THREADS, POOL_QUEUE);
	if (!(c->auth = auth_new(c, err)) ||
	    !(c->events = events_new(c, err)) ||
	    !(c->ca = ca_open(c->conf.state_dir, c->deployment, err)) ||
	    !(c->conns = conns_new(c, err)) || !(c->remote = remote_new(&rc)) ||
	    !(c->actions = actions_open(c, err)) ||
	    !(c->prereq = prereq_new(c, err)) ||
	    !(c->env = env_real_new(c, err)) ||
	    !(c->agents = agents_new(c, err)) ||
	    !(c->snap = snap_new(c, err)) || !(c->mesh = mesh_new(c, err)) ||
	    !(c->bench = bench_new(c, err)) ||
	    !(c->sched = sched_new(c, err)) || !(c->host = host_new(c, err)) ||
	    !(c->metrics = metrics_new(c)) ||
	    !(c->places = places_new(c, err)) ||
	    !(c->quotas = quotas_new(c, err)) ||
	    !(c->drift = drift_new(c, err)) || !(c->link = link_new(c, err)))
		return false;
	/* Until here the version before this one can start again. */
	if (!ca_seal_plain(c->ca, err))
		return false;
	prereq_start(c->prereq);
	env_real_start(c->env);
	bench_resume(c->bench);
	actions_ready(c->actions);
	c->retain = retain_new(c);
	c->backup = backup_new(c);
	sched_resume(c->sched);
	drift_resume(c->drift);
	if (!api_start(c, err))
		return false;
	log_info("coord", NULL, "ready\tdeployment=%s link_port=%d",
	    c->deployment, (int)link_port(c->link));
	return true;
}

/* The directory is ours, and whole. */
static bool
claim(struct coord *c, struct mw_err *err)
{
	if (!file_mkdirs(c->conf.state_dir, 0700, err) ||
	    !coord_lock_dir(c->conf.state_dir, &c->lock_fd, err))
		return false;
	if (!restore_unfinished(c->conf.state_dir))
		return true;
	err_set(err, MW_CONFLICT, 0,
	    "a restore into %s did not come to its end", c->conf.state_dir);
	return err_hint(err, "milkyway restore FILE --replace, again");
}

static bool
open_store(struct coord *c, struct mw_err *err)
{
	uint8_t id[8];
	char *db = xasprintf("%s/milkyway.db", c->conf.state_dir);

	clock_random(id, sizeof id);
	digest_hex(id, sizeof id, c->start_id);
	c->loop = loop_new();
	if (rescue_check(db, err))
		c->store = store_open(c->loop, db, err);
	free(db);
	return c->store && store_run_now(c->store, identity, c, err);
}

/* For the error of the next one; without it that says less. */
static void
lock_sign(int fd)
{
	char pid[16];
	int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) < 0)
		log_warn("coord", NULL, "cannot sign the lock\terrno=%d",
		    errno);
}

/* Two coordinators on one database would pay for two of everything. */
bool
coord_lock_dir(const char *dir, int *fd, struct mw_err *err)
{
	char *path = xasprintf("%s/lock", dir), pid[16] = "";
	ssize_t n;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (*fd < 0)
		return err_set(err, MW_INTERNAL, errno, "cannot lock %s: %s",
		    dir, strerror(errno));
	/* One that was killed a moment ago may not be quite gone. */
	for (int i = 0; i < LOCK_TRIES; i++) {
		const struct timespec nap = { 0, 20 * NS_PER_MS };

		if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
			lock_sign(*fd);
			return true;
		}
		nanosleep(&nap, NULL);
	}
	n = pread(*fd, pid, sizeof pid - 1, 0);
	pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
	close(*fd);
	*fd = -1;
	err_set(err, MW_CONFLICT, errno, "another milkywayd%s%s%s works in %s",
	    pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "", dir);
	return err_hint(err,
	    "stop it first: milkyway down, or systemctl stop "
	    "milkywayd");
}

/* A database knows which deployment it is: tags and certificates carry it. */
static bool
identity(struct db *db, void *arg, struct mw_err *err)
{
	struct coord *c = arg;
	sqlite3_stmt *st =
	    db_stmt(db, "SELECT value FROM meta WHERE key = 'deployment'");
	uint8_t r[16];
	struct str s = STR_INIT;

	if (db_row(db, st, err)) {
		str_copy(c->deployment, sizeof c->deployment, db_text(st, 0));
		return true;
	}
	if (err->code != MW_OK)
		return false;
	clock_random(r, sizeof r);
	r[0] = (uint8_t)(0xa0 + r[0] % 0x60); /* ids start with a letter */
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof r; i++)
		str_addf(&s, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", r[i]);
	str_copy(c->deployment, sizeof c->deployment, str_cstr(&s));
	str_free(&s);
	st =
	    db_stmt(db, "INSERT INTO meta(key, value) VALUES('deployment', ?)");
	db_bind(st, "s", c->deployment);
	return db_exec(db, st, err);
}

/* What was closed ends on later turns of the loop; its owners must still be
 * there. */
static void
turn(struct coord *c)
{
	for (int i = 0; c->loop && i < QUIET_TURNS; i++)
		event_base_loop(loop_base(c->loop), EVLOOP_NONBLOCK);
}
