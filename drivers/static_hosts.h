/*
 * static_hosts.h - the hosts file of the static driver and the claims on it.
 *
 * Hosts file (docs/static.md): {"hosts":[{"name","address","port",
 * "user","csp","region","zone","spec","vcpu","memoryMiB","costPerHourMicros",
 * "hostKey","keyFile"}]}. Claims file: {"claims":[{"host","token","name","tags":{}}]},
 * beside the hosts file, named <hosts file>.claims: this pair of files is the
 * "cloud", so who has which host survives restarts of the coordinator.
 */
#ifndef MW_DRIVERS_STATIC_HOSTS_H
#define MW_DRIVERS_STATIC_HOSTS_H

#include "common/json.h"
#include "common/pure/csp.h"

struct static_host {
	const char *name, *address, *user, *csp, *region, *zone, *spec;
	const char *host_key; /* NULL: learnt at first use */
	const char *key_file; /* private key for the login; NULL: the MCIS's */
	int64_t port, vcpu, memory_mib; /* 0: unknown, the last two */
	int64_t cost_per_hour_micros; /* -1: unknown */
};

struct static_claim {
	const char *host, *token, *name;
	const struct csp_tag *tags;
	size_t ntags;
};

/* All memory lives in the arena. */
struct static_world {
	struct arena *arena;
	struct static_host *hosts;
	size_t nhosts;
	struct static_claim *claims; /* room for one more */
	size_t nclaims;
};

bool static_hosts_parse(json_t *j, struct static_world *w,
    struct mw_err *err) mw_must_check;
bool static_claims_parse(json_t *j, struct static_world *w,
    struct mw_err *err) mw_must_check;
/* Reads both files; no claims file means no claims. */
bool static_load(const char *path, struct static_world *w,
    struct mw_err *err) mw_must_check;
/* Writes the claims file. */
bool static_save(const char *path, const struct static_world *w,
    struct mw_err *err) mw_must_check;
void static_world_free(struct static_world *w);

const struct static_host *static_host_find(const struct static_world *w,
    const char *name);
/* By csp id: "{host}.{first 16 of the token}", so that an old id of a host
 * that was claimed anew names nothing. */
struct static_claim *static_claim_find(const struct static_world *w,
    const char *csp_id);
const char *static_csp_id(struct arena *arena, const struct static_claim *c);

#endif
