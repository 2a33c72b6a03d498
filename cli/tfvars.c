/*
 * tfvars.c - a ranked group as Terraform variables: a map of VMs by name. Only
 * what Terraform needs to make them; the syntax is HCL's own.
 */
#include "cli/cli.h"

#include <string.h>

/* A string of HCL: quotes, backslashes, controls and template starts. */
static void
add_hcl(struct str *out, const char *s)
{
	str_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			str_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			str_addf(out, "\\u%04x", (unsigned)*s);
		else if ((*s == '$' || *s == '%') && s[1] == '{')
			str_addf(out, "%c%c", *s, *s);
		else
			str_addc(out, *s);
	}
	str_addc(out, '"');
}

static void
add_field(struct str *out, const char *key, const json_t *m, const char *from)
{
	str_addf(out, "    %-13s = ", key);
	if (json_is_string(json_object_get(m, from)))
		add_hcl(out, js(m, from));
	else
		str_add(out, "null");
	str_addc(out, '\n');
}

/* The cloud's own name: our key is "aws-us-east-1". */
static void
add_region(struct str *out, const json_t *m)
{
	const char *csp = js(m, "csp"), *region = js(m, "region");
	size_t n = strlen(csp);

	if (str_starts(region, csp) && region[n] == '-')
		region += n + 1;
	str_addf(out, "    %-13s = ", "region");
	add_hcl(out, region);
	str_addc(out, '\n');
}

/* "aws+us-east-1+c5.xlarge" names the type behind its last plus. */
static void
add_type(struct str *out, const json_t *m)
{
	const char *spec = js(m, "specId"), *plus = strrchr(spec, '+');

	str_addf(out, "    %-13s = ", "instance_type");
	add_hcl(out, plus ? plus + 1 : spec);
	str_addc(out, '\n');
}

void
tfvars_text(const json_t *answer, struct str *out)
{
	const json_t *best = json_array_get(ja(answer, "ranking"), 0);
	json_t *m;
	size_t i;

	if (js(answer, "placementId")[0])
		str_addf(out, "# milkyway %s, rank 1, %s\n",
		    js(answer, "placementId"), js(answer, "status"));
	str_add(out, "milkyway_vms = {\n");
	json_array_foreach(ja(best, "members"), i, m)
	{
		str_add(out, "  ");
		add_hcl(out, js(m, "vm"));
		str_add(out, " = {\n");
		add_field(out, "group", m, "group");
		add_field(out, "csp", m, "csp");
		add_region(out, m);
		add_field(out, "zone", m, "zone");
		add_type(out, m);
		str_add(out, "  }\n");
	}
	str_add(out, "}\n");
}
