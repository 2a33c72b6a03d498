/*
 * promtext.c - see promtext.h.
 */
#include "common/pure/promtext.h"

#include <math.h>
#include <string.h>

static void
add_label(struct str *s, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n') {
			str_add(s, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			str_addc(s, '\\');
		str_addc(s, *value);
	}
}

void
prom_init(struct prom *p, size_t max_samples)
{
	memset(p, 0, sizeof *p);
	p->max = max_samples;
}

void
prom_family(struct prom *p, const char *name, const char *type,
    const char *help)
{
	p->name = name;
	str_addf(&p->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    type);
}

void
prom_put(struct prom *p, double value, ...)
{
	const char *label;
	bool any = false;
	va_list ap;

	if (isnan(value))
		return;
	if (p->samples >= p->max) {
		p->dropped++;
		return;
	}
	p->samples++;
	str_add(&p->text, p->name);
	va_start(ap, value);
	while ((label = va_arg(ap, const char *)) != NULL) {
		str_addf(&p->text, "%s%s=\"", any ? "," : "{", label);
		add_label(&p->text, va_arg(ap, const char *));
		str_addc(&p->text, '"');
		any = true;
	}
	va_end(ap);
	str_add(&p->text, any ? "} " : " ");
	if (isinf(value))
		str_add(&p->text, value > 0 ? "+Inf\n" : "-Inf\n");
	else if (value == floor(value) && fabs(value) < 1e15)
		str_addf(&p->text, "%.0f\n", value);
	else
		str_addf(&p->text, "%.9g\n", value);
}
