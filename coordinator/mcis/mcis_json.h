/*
 * mcis_json.h - MCIS and VMs as the API shows them.
 */
#ifndef MW_COORDINATOR_MCIS_JSON_H
#define MW_COORDINATOR_MCIS_JSON_H

#include "common/json.h"
#include "lifecycle/lifecycle.h"

struct coord;

json_t *mcis_json(struct coord *c, const struct lc_mcis *m, bool tumblebug,
    bool vms);
json_t *mcis_vm_json(struct coord *c, const struct lc_slot *s);

#endif
