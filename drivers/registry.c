/*
 * registry.c - finds a driver by its name.
 */
#include "drivers/drivers.h"

#include "common/pure/str.h"

static const struct driver *const drivers[] = { &driver_aws, &driver_openstack,
	&driver_static, &driver_twin };

const struct driver *
driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (str_eq(drivers[i]->name, name))
			return drivers[i];
	}
	return NULL;
}

const struct driver *const *
driver_all(size_t *n)
{
	*n = ARRAY_LEN(drivers);
	return drivers;
}
