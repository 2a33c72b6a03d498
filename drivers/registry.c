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

bool
driver_none(const char *name, struct mw_err *err)
{
	struct str s = STR_INIT;

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		str_addf(&s, "%s%s", i ? ", " : "", drivers[i]->name);
	err_set(err, MW_UNSUPPORTED, 0, "there is no driver %s; there are %s",
	    name, str_cstr(&s));
	str_free(&s);
	return err_hint(err, "name one of these");
}

const struct driver *const *
driver_all(size_t *n)
{
	*n = ARRAY_LEN(drivers);
	return drivers;
}
