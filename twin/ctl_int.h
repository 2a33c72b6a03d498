/*
 * ctl_int.h - what the files of the control API share.
 */
#ifndef MW_TWIN_CTL_INT_H
#define MW_TWIN_CTL_INT_H

#include "common/httpd.h"
#include "twin/ctl.h"

#include <sys/queue.h>

struct ctl_later;
struct ctl_undo;

struct ctl {
	struct ctl_conf conf;
	struct httpd *httpd;
	int64_t start_ns;
	struct loop_timer *stop_timer;
	LIST_HEAD(, ctl_later) later; /* answers and late effects */
	size_t nlate; /* late effects */
	LIST_HEAD(, ctl_undo) undo; /* link rules with an end */
};

/* One call of a cloud's API, while its handler runs. */
struct ctl_call {
	struct ctl *ctl;
	struct httpd_req *req;
	size_t cloud;
	enum fault_op op;
	struct fault_hits hits;
};

/* ctl_call.c */
/* The cloud of the path; false: already answered. */
bool ctl_cloud(struct ctl *c, struct httpd_req *req, size_t *cloud);
/* Counts the call, draws its faults, asks the rate limit. False: answered. */
bool ctl_call_begin(struct ctl_call *call, struct ctl *c, struct httpd_req *req,
    size_t cloud, enum fault_op op, size_t region, const char *spec);
/* Answers after the cloud's answering time; err or body, and the faults of
 * the way back. */
void ctl_call_end(struct ctl_call *call, int status, json_t *take_body);
void ctl_call_fail(struct ctl_call *call, const struct cloud_err *err);
void ctl_call_invalid(struct ctl_call *call, const struct mw_err *err);
/* Cuts the call and runs fn(arg) after the fault's time; release frees arg. */
void ctl_call_apply_late(struct ctl_call *call, void (*fn)(void *arg),
    void (*release)(void *arg), void *take_arg);
/* An error outside of any cloud, in the same shape. */
void ctl_reply_error(struct httpd_req *req, const struct mw_err *err);
void ctl_later_free_all(struct ctl *c);

/* ctl_links.c */
void ctl_undo_free_all(struct ctl *c);

/* handlers; ctx is struct ctl */
#define CTL_HANDLER(name) void name(struct httpd_req *req, void *ctx)
CTL_HANDLER(ctl_status);
CTL_HANDLER(ctl_world);
CTL_HANDLER(ctl_doctor);
CTL_HANDLER(ctl_shutdown);
CTL_HANDLER(ctl_clouds);
CTL_HANDLER(ctl_regions);
CTL_HANDLER(ctl_specs);
CTL_HANDLER(ctl_images);
CTL_HANDLER(ctl_key_list);
CTL_HANDLER(ctl_key_put);
CTL_HANDLER(ctl_key_delete);
CTL_HANDLER(ctl_vm_create);
CTL_HANDLER(ctl_vm_list);
CTL_HANDLER(ctl_vm_get);
CTL_HANDLER(ctl_vm_console);
CTL_HANDLER(ctl_vm_action);
CTL_HANDLER(ctl_vm_delete);
CTL_HANDLER(ctl_truth);
CTL_HANDLER(ctl_wan);
CTL_HANDLER(ctl_lab_vm);
CTL_HANDLER(ctl_lab_diff);
CTL_HANDLER(ctl_links_put);
CTL_HANDLER(ctl_links_get);
CTL_HANDLER(ctl_links_delete);
CTL_HANDLER(ctl_fault_add);
CTL_HANDLER(ctl_fault_list);
CTL_HANDLER(ctl_fault_delete);

#endif
