/*
 * drivers.h - the drivers there are, for registry.c.
 */
#ifndef MW_DRIVERS_DRIVERS_H
#define MW_DRIVERS_DRIVERS_H

#include "drivers/driver.h"

extern const struct driver driver_aws;
extern const struct driver driver_openstack;
extern const struct driver driver_static;
extern const struct driver driver_twin;

#endif
