/*
 * Answers of a cloud, any bytes: every parser of twin_parse.c and the hosts
 * files of the static driver.
 */
#include "drivers/static_hosts.h"
#include "drivers/twin_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct static_world w = { .arena = NULL };
	struct mw_err err = MW_ERR_INIT;
	struct twin_cloud *clouds;
	struct csp_answer *a;
	struct csp_req *q;
	const char *text;
	json_t *j;
	size_t n;

	j = json_parse((const char *)data, size, 65536, &err);
	if (!j)
		return 0;
	q = csp_req_new(CSP_VM_LIST, "c");
	a = csp_answer_new(q);
	w.arena = arena_new();
	(void)!twin_parse_clouds(j, a->arena, &clouds, &n, &err);
	(void)!twin_parse_regions(j, a, &err);
	(void)!twin_parse_specs(j, a, &err);
	(void)!twin_parse_images(j, a, &err);
	/* the same page twice must not double anything */
	if (twin_parse_vms(j, a, &text, &err)) {
		n = a->nvms;
		if (!twin_parse_vms(j, a, &text, &err) || a->nvms != n)
			__builtin_trap();
	}
	(void)!twin_parse_vm(j, a, &err);
	(void)!twin_parse_error(j, a, &text, &err);
	(void)!static_hosts_parse(j, &w, &err);
	(void)!static_claims_parse(j, &w, &err);
	static_world_free(&w);
	csp_answer_free(a);
	csp_req_free(q);
	json_decref(j);
	return 0;
}
