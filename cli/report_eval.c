/*
 * report_eval.c - the part of the HTML page about specs: what they are worth,
 * how many cores they have, VMs that are far worse than their siblings. Pure;
 * escapes all foreign text.
 */
#include "cli/cli.h"

#include "common/pure/result.h"

#include <math.h>

static void
cell_num(double v, bool starred, struct str *out)
{
	str_addf(out, "<td class=\"r\">");
	if (isnan(v))
		str_add(out, "-");
	else
		str_addf(out, fabs(v) >= 100 ? "%.0f%s" : "%.2f%s", v,
		    starred ? "*" : "");
	str_add(out, "</td>");
}

static void
cell_money(const json_t *o, const char *key, struct str *out)
{
	char money[32];

	cli_money(ji(o, key, -1), money);
	str_addf(out, "<td class=\"r\">%s</td>", money);
}

static void
row(const json_t *s, struct str *out)
{
	const json_t *values = json_object_get(s, "values");
	int64_t vms = -1;

	str_add(out, "<tr><td>");
	str_add_html(out, js(s, "spec"));
	str_add(out, "</td><td>");
	str_add_html(out, js(s, "csp"));
	str_add(out, " ");
	str_add_html(out, js(s, "region"));
	str_add(out, "</td>");
	cell_num(jnum(s, "vcpu", NAN), false, out);
	str_add(out, "<td class=\"r\" title=\"");
	str_add_html(out, js(s, "cores"));
	if (isnan(jnum(s, "effectiveCores", NAN)))
		str_add(out, "\">-</td>");
	else
		str_addf(out, "\">%.1f%s</td>", jnum(s, "effectiveCores", NAN),
		    jb(s, "scalingFlagged") ? "*" : "");
	for (int k = KIND_CPUS; k <= KIND_DBW; k++) {
		const json_t *x =
		    json_object_get(values, kind_info((enum kind)k)->name);
		int64_t n = ji(x, "nVms", 0);

		cell_num(jnum(x, "value", NAN), jb(x, "flagged"), out);
		vms = n > 0 && (vms < 0 || n < vms) ? n : vms;
	}
	cell_money(s, "costPerHourMicros", out);
	cell_num(jnum(json_object_get(values, "cpum"), "unitsPerCostHour", NAN),
	    false, out);
	cell_money(s, "costPerCoreMicros", out);
	if (vms > 0)
		str_addf(out, "<td class=\"r\">%lld</td></tr>\n",
		    (long long)vms);
	else
		str_add(out, "<td class=\"r\">-</td></tr>\n");
}

static void
lemons(const json_t *list, struct str *out)
{
	json_t *l, *k;
	size_t i, j;

	if (!json_array_size(list))
		return;
	str_add(out,
	    "<h3>Lemons</h3><p class=\"sub\">Far worse than their siblings of "
	    "the same spec (robust z below -3.5, more than 10 %).</p><table>"
	    "<tr><th>VM</th><th>Spec</th><th>Kind</th><th class=\"r\">Value"
	    "</th><th class=\"r\">Siblings</th><th class=\"r\">Worse, %</th>"
	    "<th class=\"r\">Waste a month</th></tr>\n");
	json_array_foreach(list, i, l)
	{
		json_array_foreach(ja(l, "kinds"), j, k)
		{
			str_add(out, "<tr><td>");
			str_add_html(out, js(l, "vmId"));
			str_add(out, "</td><td>");
			str_add_html(out, js(l, "spec"));
			str_add(out, "</td><td>");
			str_add_html(out, js(k, "kind"));
			str_add(out, "</td>");
			cell_num(jnum(k, "value", NAN), false, out);
			cell_num(jnum(k, "siblingsMedian", NAN), false, out);
			cell_num(jnum(k, "worsePct", NAN), false, out);
			cell_money(l, "wastePerMonthMicros", out);
			str_add(out, "</tr>\n");
		}
	}
	str_add(out, "</table>\n");
}

void
report_eval(const json_t *eval, struct str *out)
{
	json_t *s;
	size_t i;

	if (!json_array_size(ja(eval, "specs")))
		return;
	str_add(out,
	    "<h2>What the specs are worth</h2><p class=\"sub\">Medians over "
	    "VMs: cpu in events/s, memory and files in MiB/s, databases in "
	    "transactions/s. Cores = cpum / cpus. * = not fully valid.</p>"
	    "<div class=\"wide\"><table><tr><th>Spec</th><th>Region</th>"
	    "<th class=\"r\">vCPU</th><th class=\"r\">Cores</th>");
	for (int k = KIND_CPUS; k <= KIND_DBW; k++)
		str_addf(out, "<th class=\"r\">%s</th>",
		    kind_info((enum kind)k)->name);
	str_add(out,
	    "<th class=\"r\">Price/h</th><th class=\"r\">cpum/price</th>"
	    "<th class=\"r\">Price/core</th><th class=\"r\">VMs</th></tr>\n");
	json_array_foreach(ja(eval, "specs"), i, s) row(s, out);
	str_add(out, "</table></div>\n");
	lemons(ja(eval, "lemons"), out);
}

/* Any sign that clouds were emulated: their driver, replayed numbers, a true
 * matrix to compare with. */
bool
report_emulated(const struct report_input *in)
{
	const json_t *lists[] = { ja(in->bench, "results"),
		ja(in->bench, "items"), ja(in->eval, "items") };
	json_t *x;
	size_t i;

	if (json_object_get(in->matrix, "truth"))
		return true;
	json_array_foreach(ja(in->mcis, "vms"), i, x)
	{
		if (str_eq(js(x, "driver"), "twin"))
			return true;
	}
	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		json_array_foreach(lists[k], i, x)
		{
			if (str_eq(js(x, "provenance"), "replay"))
				return true;
		}
	return false;
}
