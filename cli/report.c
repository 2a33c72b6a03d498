/*
 * report.c - one self-contained HTML page from the JSON that earlier commands
 * left: matrix, map, benchmarks, placements. Pure; escapes all foreign text.
 */
#include "cli/cli.h"

#include "cli/report.css.h"
#include "common/pure/alloc.h"
#include "common/pure/quant.h"
#include "common/pure/result.h"

#include <math.h>
#include <string.h>

static void part_answer(const json_t *entry, struct str *out);
static void part_vms(const json_t *mcis, struct str *out);
static void part_truth(const json_t *truth, struct str *out);

void
report_html(const struct report_input *in, struct str *out)
{
	json_t *entry;
	size_t i;

	str_add(out,
	    "<!doctype html>\n<html lang=\"en\"><head><meta "
	    "charset=\"utf-8\"><meta name=\"viewport\" "
	    "content=\"width=device-width\"><title>");
	str_add_html(out, in->title);
	str_add(out, "</title><style>\n");
	str_add(out, report_css);
	str_add(out, "</style></head><body>\n<h1>");
	str_add_html(out, in->title);
	str_addf(out, "</h1><p class=\"sub\">milkyway %s, measured ",
	    MW_VERSION);
	str_add_html(out, js(in->matrix, "measuredAt"));
	str_add(out, "</p>\n");
	str_add(out, "<h2>Where the VMs are</h2>\n");
	if (in->chosen)
		str_add(out,
		    "<p class=\"sub\">Grey: all measured VMs. Rings and "
		    "lines: the group that was placed.</p>\n");
	svg_map(in->mcis, in->chosen, in->matrix, out);
	str_add(out,
	    "<h2>Latency, VM to VM</h2><p class=\"sub\">Median "
	    "round-trip time in ms; row = source, column = "
	    "destination. Grey = unknown.</p>\n");
	svg_heat(in->matrix, out);
	part_truth(json_object_get(in->matrix, "truth"), out);
	if (json_array_size(in->placements) > 0)
		str_add(out, "<h2>Placement</h2>\n");
	json_array_foreach(in->placements, i, entry) part_answer(entry, out);
	str_add(out,
	    "<h2>Benchmarks</h2><p class=\"sub\">Median of the valid "
	    "repetitions; the black line is its 95 % interval; "
	    "yellow and * = not fully valid.</p><div "
	    "class=\"bars\">\n");
	for (int k = KIND_CPUS; k <= KIND_DBW; k++)
		svg_bars(in->bench, kind_info((enum kind)k)->name, out);
	str_add(out, "</div>\n");
	report_eval(in->eval, out);
	str_add(out, "<h2>VMs</h2>\n");
	part_vms(in->mcis, out);
	if (report_emulated(in))
		str_add(out,
		    "<footer>Emulated clouds: round-trip times, SSH, agents "
		    "and benchmarks are real, on one machine. Absolute CPU, "
		    "memory and disk speeds are shares of that machine, not of "
		    "a cloud; numbers marked as replayed are not measured at "
		    "all.</footer>\n");
	str_add(out, "</body></html>\n");
}

static void
part_truth(const json_t *truth, struct str *out)
{
	const json_t *err = json_object_get(truth, "error");

	if (ji(err, "pairs", 0) <= 0)
		return;
	str_addf(out,
	    "<p>Against the emulated world's true values, %lld directed pairs: "
	    "median error %+.0f us, |error| median %.0f us, p95 %.0f us, max "
	    "%.0f us; %lld pairs unknown.</p>\n",
	    (long long)ji(err, "pairs", 0), jnum(err, "medianUs", NAN),
	    jnum(err, "absMedianUs", NAN), jnum(err, "absP95Us", NAN),
	    jnum(err, "absMaxUs", NAN), (long long)ji(err, "unknown", 0));
}

/* A number of an answer; what is not known is a dash, never 0. */
static void
cell_ms(const json_t *r, const char *key, struct str *out)
{
	double v = jnum(r, key, NAN);

	str_add(out, "<td class=\"r\">");
	if (isnan(v))
		str_add(out, "-");
	else
		str_addf(out, "%.3f", v);
	str_add(out, "</td>");
}

static void
members(const json_t *ranked, struct str *out)
{
	json_t *m;
	size_t i;

	json_array_foreach(ja(ranked, "members"), i, m)
	{
		str_add(out, i ? ", " : "");
		str_add_html(out, js(m, "site"));
	}
}

static void
part_answer(const json_t *entry, struct str *out)
{
	const json_t *a = json_object_get(entry, "answer"), *r, *x;
	const char *status = js(a, "status");
	char money[32];
	size_t i;

	str_addf(out, "<div class=\"answer%s\"><b>",
	    ja(a, "ranking") && json_array_size(ja(a, "ranking")) ? "" : " no");
	str_add_html(out, js(entry, "question"));
	str_add(out, "</b> <span class=\"tag\">");
	str_add_html(out, status);
	str_add(out, "</span>");
	if (json_array_size(ja(a, "ranking")))
		str_add(out,
		    "<table><tr><th>#</th><th>Group</th><th "
		    "class=\"r\">USD/h</th><th class=\"r\">Worst pair, "
		    "ms</th><th class=\"r\">Slack, ms</th></tr>");
	json_array_foreach(ja(a, "ranking"), i, r)
	{
		cli_money(ji(r, "costPerHourMicros", -1), money);
		str_addf(out, "<tr><td>%lld</td><td>",
		    (long long)ji(r, "rank", 0));
		members(r, out);
		str_addf(out, "</td><td class=\"r\">%s</td>", money);
		cell_ms(r, "worstRttMs", out);
		cell_ms(r, "slackMs", out);
		str_add(out, "</tr>");
	}
	if (json_array_size(ja(a, "ranking")))
		str_add(out, "</table>");
	json_array_foreach(ja(a, "relaxations"), i, x)
	{
		str_add(out, "<div>would be possible: <code>");
		str_add_html(out, js(x, "pointer"));
		if (json_is_number(json_object_get(x, "above")))
			str_addf(out, "</code> above %.3f",
			    jnum(x, "above", NAN));
		else if (json_is_integer(json_object_get(x, "to")))
			str_addf(out, "</code> = %lld",
			    (long long)ji(x, "to", 0));
		else
			str_add(out, "</code> dropped");
		str_add(out, "</div>");
	}
	str_add(out, "</div>\n");
}

static void
part_vms(const json_t *mcis, struct str *out)
{
	static const char *const fields[] = { "vmId", "connection", "spec",
		"status", "nativeStatus", "publicIp" };
	char money[32];
	json_t *vm;
	size_t i;

	str_add(out,
	    "<table><tr><th>VM</th><th>Connection</th><th>Spec</th><th>Status"
	    "</th><th>Native</th><th>Address</th><th class=\"r\">vCPU</th><th "
	    "class=\"r\">USD/h</th></tr>\n");
	json_array_foreach(ja(mcis, "vms"), i, vm)
	{
		str_add(out, "<tr>");
		for (size_t k = 0; k < ARRAY_LEN(fields); k++) {
			str_add(out, "<td>");
			str_add_html(out, js(vm, fields[k]));
			str_add(out, "</td>");
		}
		cli_money(ji(vm, "costPerHourMicros", -1), money);
		if (ji(vm, "vcpu", 0) > 0)
			str_addf(out, "<td class=\"r\">%lld</td>",
			    (long long)ji(vm, "vcpu", 0));
		else
			str_add(out, "<td class=\"r\">-</td>");
		str_addf(out, "<td class=\"r\">%s</td></tr>\n", money);
	}
	str_add(out, "</table>\n");
}
