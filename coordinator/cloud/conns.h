/*
 * conns.h - connections (driver + endpoint + cloud + region) and what their
 * clouds offer: regions, specs with prices, images.
 *
 * Rows live in memory and in the store; a row that a pointer was given for
 * lives until the catalogue of its connection is imported again or the
 * connection is deleted: use it at once, copy what must stay. Drivers are
 * opened at the first call to their connection.
 */
#ifndef MW_COORDINATOR_CONNS_H
#define MW_COORDINATOR_CONNS_H

#include "coordinator/cloud/ssh_from.h"
#include "coordinator/store/store.h"
#include "drivers/driver.h"

struct coord;
struct conns;

struct conn_row {
	char *id; /* "aws-us-east-1" */
	char *driver, *csp, *region, *display;
	char *endpoint, *credential; /* credential: a reference */
	double lat, lon;
	bool has_location;
	bool verified;
	char *verified_reason; /* why not, or NULL */
	char *prices; /* path of a file {spec: cost per hour}, or NULL */
	char *ca_file; /* path: trusted instead of the system's, or NULL */
	char *zones; /* of its region, with blanks between; NULL: unknown */
	char *ssh_from; /* ssh_from.h, or NULL: as cloud.ssh_from says */
};

struct spec_row {
	char *spec_id; /* csp+region+name */
	char *connection, *csp, *region, *name, *arch;
	int64_t vcpu, memory_mib;
	int64_t cost_per_hour_micros; /* -1: unknown, cost_reason says why */
	char *currency, *cost_reason;
};

struct image_row {
	char *connection, *id, *name, *user, *arch;
};

/* Loads all rows; opens no driver. */
struct conns *conns_new(struct coord *c, struct mw_err *err) mw_must_check;
/* Closes the drivers: open calls end as canceled, on the loop. */
void conns_free(struct conns *cs);

/* NULL if there is none. */
const struct conn_row *conns_get(const struct conns *cs, const char *id);
/* False: its region has zones, and none of that name. "": any will do. */
bool conns_has_zone(const struct conns *cs, const char *connection,
    const char *zone);
const struct spec_row *conns_spec(const struct conns *cs,
    const char *connection, const char *name);
const struct image_row *conns_image(const struct conns *cs,
    const char *connection, const char *id);
/* May that be an image of the cloud that the catalogue does not list? */
bool conns_image_id(const struct conns *cs, const char *connection,
    const char *id);
/* Adds the images that the catalogue lists, the first ones of many, and what
 * else may be one: for people. */
void conns_image_names(const struct conns *cs, const char *connection,
    struct str *out);
/* All rows, in the order of their ids. */
size_t conns_count(const struct conns *cs);
const struct conn_row *conns_at(const struct conns *cs, size_t i);
size_t conns_spec_count(const struct conns *cs);
/* Another number after each change of the rows. */
uint64_t conns_revision(const struct conns *cs);
const struct spec_row *conns_spec_at(const struct conns *cs, size_t i);

/*
 * Sends a request to the driver of take_req->connection. done is called
 * exactly once, on the loop, never from inside; it takes the answer. An
 * unknown connection or a driver that cannot be opened answers DEFINITE with
 * reason UNSENT.
 */
void conns_submit(struct conns *cs, struct csp_req *take_req, drv_done_fn done,
    void *arg);
/* The private key that the owner of that VM named for its login; *key stays
 * empty if there is none. The caller wipes it. */
bool conns_login_key(struct conns *cs, const char *connection,
    const char *csp_id, struct str *key, struct mw_err *err) mw_must_check;
/* Capabilities and bounds of the connection's driver (its defaults until it
 * was opened); all zero for an unknown connection. */
struct csp_caps conns_caps(struct conns *cs, const char *id);
/* From where VMs of that connection let SSH in, by its setting and the newest
 * call to its cloud. KNOWN with an empty text where there are no groups. */
enum ssh_from conns_ssh_from(struct conns *cs, const char *id,
    char out[SSH_FROM_LEN], struct mw_err *err);
/* Is it left to us? */
bool conns_ssh_auto(const struct conns *cs, const char *id);

#endif
