/*
 * csp.h - what lifecycle and drivers say to each other about a cloud: plain
 * requests, answers, error classes, capabilities. Both rooms see only this.
 *
 * The six classes decide the protocol, the reason explains. The default is
 * AMBIGUOUS: whatever is not provably unapplied may have been applied.
 */
#ifndef MW_COMMON_PURE_CSP_H
#define MW_COMMON_PURE_CSP_H

#include "common/pure/arena.h"
#include "common/pure/mw.h"

enum csp_op {
	CSP_VERIFY, /* credentials and endpoint work */
	CSP_REGIONS,
	CSP_SPECS, /* with prices where the cloud gives them */
	CSP_IMAGES,
	CSP_NET_ENSURE,
	CSP_SG_ENSURE,
	CSP_KEY_ENSURE,
	CSP_VM_CREATE,
	CSP_VM_GET,
	CSP_VM_LIST, /* all that carry the deployment's tag */
	CSP_VM_SUSPEND,
	CSP_VM_RESUME,
	CSP_VM_REBOOT,
	CSP_VM_TERMINATE,
	CSP_CONSOLE, /* boot log, for the host key */
	CSP_NET_DELETE,
	CSP_SG_DELETE,
	CSP_KEY_DELETE,
	CSP_PART_LIST, /* networks, groups, keys of ours: for who has no rows */
	CSP_OP_COUNT
};

enum csp_class {
	CSP_OK,
	CSP_NOT_FOUND, /* proves nothing before the visibility bound */
	CSP_CONFLICT, /* EXISTS or BUSY: not applied */
	CSP_THROTTLED, /* not applied; retry_after_ms */
	CSP_DEFINITE, /* proved not applied */
	CSP_AMBIGUOUS, /* may have been applied */
	CSP_CLASS_COUNT
};

enum csp_reason {
	CSP_R_NONE,
	CSP_R_EXISTS,
	CSP_R_BUSY,
	CSP_R_UNSENT,
	CSP_R_AUTH,
	CSP_R_CLOCK,
	CSP_R_INVALID,
	CSP_R_QUOTA,
	CSP_R_CAPACITY,
	CSP_R_DENIED,
	CSP_R_TOKEN_CLOSED,
	CSP_R_UNSUPPORTED,
	CSP_R_TOKEN_MISMATCH,
	CSP_R_TIMEOUT,
	CSP_R_RESET,
	CSP_R_SERVER,
	CSP_R_UNPARSABLE,
	CSP_R_CANCELED,
	CSP_REASON_COUNT
};

enum csp_cap {
	CSP_CAP_IDEM_TOKEN = 1 << 0, /* class T */
	CSP_CAP_UNIQUE_NAME = 1 << 1, /* class N; neither: class L */
	CSP_CAP_TAG_ATOMIC = 1 << 2, /* tags travel inside create */
	CSP_CAP_LIST_BY_TAG = 1 << 3,
	CSP_CAP_LIST_BY_TOKEN = 1 << 4,
	CSP_CAP_IMPORT_KEY = 1 << 5,
	CSP_CAP_CONSOLE = 1 << 6,
	CSP_CAP_USERDATA_PRIVATE = 1 << 7,
	CSP_CAP_CREATE = 1 << 8, /* can make VMs at all */
	CSP_CAP_NET = 1 << 9, /* a VM needs a network and a security group */
	/* zone "#N" is the N-th of the region's zones, round and round: for
	 * creates that name none and were refused for lack of capacity */
	CSP_CAP_ZONES = 1 << 10,
};

struct csp_caps {
	unsigned flags; /* enum csp_cap */
	int64_t late_apply_max_s; /* a lost request may land so late */
	int64_t list_visible_max_s; /* a new VM may stay unlisted so long */
	int64_t token_ttl_s; /* 0: for ever */
	int64_t create_deadline_s;
};

struct csp_tag {
	const char *key, *value;
};

/* What may come in. Everything may go out. */
struct csp_rule {
	const char *proto; /* "tcp", "udp", "icmp" */
	int64_t from, to; /* ports; icmp: 0 */
	const char *cidr; /* "203.0.113.7/32" */
};

/*
 * All strings live in the request's arena. Unused fields are NULL or 0.
 *
 * net_ensure, sg_ensure, key_ensure and the deletes are plans: each step is
 * "find by our tags or name, else make"; calling again after any failure goes
 * on. net_ensure (name, zone) and sg_ensure (name, network, rules: these and no
 * others) answer with the csp_id that create takes as network and
 * security_group; nobody but the driver looks into it. Deletes go by name and
 * answer CONFLICT/BUSY until nothing is left; nothing there is OK. With a
 * csp_id, that of a part, a delete means what has that id.
 */
struct csp_req {
	struct arena *arena;
	uint64_t id; /* the caller's number, echoed */
	enum csp_op op;
	const char *connection; /* picks driver, endpoint, region */
	const char *csp_id; /* get, verbs, console */
	const char *name, *token; /* create */
	const char *spec, *image, *zone;
	const char *key_name, *public_key; /* OpenSSH line */
	const char *network, *security_group, *user_data;
	const struct csp_rule *rules;
	size_t nrules;
	const struct csp_tag *tags; /* create: all; list: filter (AND) */
	size_t ntags;
	int64_t deadline_ms; /* 0: the driver's default (60 s) */
};

struct csp_vm {
	const char *csp_id, *native; /* native state as the cloud spells it */
	const char *public_ip, *private_ip; /* NULL until assigned */
	const char *zone, *token, *name;
	const char *fault; /* the cloud's text if it failed */
	const char *ssh_user; /* NULL: probe the usual ones */
	int64_t ssh_port; /* 0: 22 */
	int64_t created_at; /* wall clock, ns; 0: unknown */
	const char *host_key; /* "ssh-ed25519 AAAA..." or NULL */
	/* Machines that share hardware measure each other: VMs with equal
	 * host_id take host_need of host_slots while they benchmark. */
	const char *host_id; /* NULL: a machine of its own */
	int64_t host_slots, host_need;
	const struct csp_tag *tags;
	size_t ntags;
};

struct csp_spec {
	const char *name, *arch;
	int64_t vcpu, memory_mib;
	int64_t cost_per_hour_micros; /* -1: unknown, cost_reason says why */
	const char *currency, *cost_reason;
};

struct csp_region {
	const char *id, *csp, *display;
	double lat, lon;
	bool has_location;
	const char **zones;
	size_t nzones;
};

struct csp_image {
	const char *id, *name, *user, *arch;
};

/* A network, group or key that looks like ours. */
struct csp_part {
	enum csp_op remove; /* the delete that ends it */
	const char *id; /* as the cloud says */
	const char *key; /* name of the MCIS's key: the name for remove */
	const char *deployment; /* of its tag; NULL: it can carry none */
};

/* All memory lives in the answer's arena. */
struct csp_answer {
	struct arena *arena;
	uint64_t id; /* of the request */
	enum csp_op op;
	enum csp_class cls;
	enum csp_reason reason;
	bool sent; /* could a byte have reached the cloud? */
	int http_status;
	int64_t retry_after_ms;
	const char *code, *message, *request_id; /* the cloud's own */
	const char *csp_id; /* create, *_ensure */
	const struct csp_vm *vms; /* get: 1; list: all pages */
	size_t nvms;
	const struct csp_spec *specs;
	size_t nspecs;
	const struct csp_region *regions;
	size_t nregions;
	const struct csp_image *images;
	size_t nimages;
	const struct csp_part *parts;
	size_t nparts;
	const char *text; /* console */
};

/* Allocates request or answer in an arena of its own; class AMBIGUOUS. */
struct csp_req *csp_req_new(enum csp_op op, const char *connection);
void csp_req_free(struct csp_req *q);
struct csp_req *csp_req_copy(const struct csp_req *q); /* deep */
struct csp_answer *csp_answer_new(const struct csp_req *q);
void csp_answer_free(struct csp_answer *a);
/* Adds a part; one of the same kind, key and deployment is enough. */
void csp_answer_part(struct csp_answer *a, enum csp_op remove, const char *id,
    const char *key, const char *deployment);
/* Is that a name that an MCIS's key can have? "mw-" and 20 letters. */
bool csp_is_key_name(const char *s, size_t n);
const char *csp_op_name(enum csp_op op); /* "vm_create" */
const char *csp_class_name(enum csp_class c); /* "AMBIGUOUS" */
const char *csp_reason_name(enum csp_reason r);
bool csp_op_mutates(enum csp_op op);
/* Two OpenSSH lines of one key: type and blob alike, whatever the comment. */
bool csp_same_key(const char *a, const char *b);
/* The value of a tag, or NULL. */
const char *csp_tag_get(const struct csp_tag *tags, size_t n, const char *key);

#endif
