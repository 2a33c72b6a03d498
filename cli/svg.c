/*
 * svg.c - pictures of the report as SVG text: heat map, map of sites, bars.
 * Pure: JSON of the API in, markup out; all foreign text is escaped.
 */
#include "cli/cli.h"
#include "cli/coast.h"

#include "common/pure/alloc.h"

#include <math.h>
#include <string.h>

/* Colour of an RTT: from teal (near) over yellow to red (far), by log scale
 * between 0.2 and 300 ms. */
static void
heat_color(double ms, char out[24])
{
	double x =
	    (log10(fmax(ms, 0.2)) - log10(0.2)) / (log10(300) - log10(0.2));

	x = fmin(fmax(x, 0), 1);
	snprintf(out, 24, "hsl(%.0f,65%%,%.0f%%)", 165 - 160 * x, 52 - 8 * x);
}

static double
cell_ms(const json_t *m, size_t i, size_t j)
{
	const json_t *c = json_array_get(json_array_get(ja(m, "cells"), i), j);

	return jnum(c, "rttMedianMs", NAN);
}

static const char *
vm_label(const json_t *vm)
{
	return js(vm, "site")[0] ? js(vm, "site") : js(vm, "vmId");
}

void
svg_heat(const json_t *m, struct str *out)
{
	const json_t *vms = ja(m, "vms");
	size_t n = json_array_size(vms);
	double size = n <= 40 ? 34 : 1360.0 / (double)n;
	double left = 270, w = left + (double)n * size + 10,
	       h = (double)n * size + 40;

	str_addf(out,
	    "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
	    "aria-label=\"latency matrix\">\n",
	    w, h);
	for (size_t i = 0; i < n; i++) {
		double y = 30 + (double)i * size;

		str_addf(out, "<text x=\"%.0f\" y=\"%.1f\" class=\"l\">%zu ",
		    left - 8, y + size * 0.65, i + 1);
		str_add_html(out, vm_label(json_array_get(vms, i)));
		str_addf(out,
		    "</text><text x=\"%.1f\" y=\"22\" class=\"c\">%zu"
		    "</text>\n",
		    left + ((double)i + 0.5) * size, i + 1);
		for (size_t j = 0; j < n; j++) {
			double ms = cell_ms(m, i, j);
			char color[24] = "#e8e8e8";

			if (!isnan(ms))
				heat_color(ms, color);
			str_addf(out,
			    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			    "height=\"%.1f\" fill=\"%s\"><title>%zu to %zu: ",
			    left + (double)j * size, y, size - 1, size - 1,
			    i == j ? "#f6f6f6" : color, i + 1, j + 1);
			if (isnan(ms))
				str_add(out, i == j ? "itself" : "unknown");
			else
				str_addf(out, "%.3f ms", ms);
			str_add(out, "</title></rect>");
			if (!isnan(ms) && n <= 24)
				str_addf(out,
				    "<text x=\"%.1f\" y=\"%.1f\" class=\"v\">"
				    "%.*f</text>",
				    left + ((double)j + 0.48) * size,
				    y + size * 0.6, ms < 10 ? 1 : 0, ms);
			str_addc(out, '\n');
		}
	}
	str_add(out, "</svg>\n");
}

#define MAP_W 960.0
#define MAP_H 440.0

/* Equirectangular, 78 N to 58 S. */
static void
map_point(double lat, double lon, double *x, double *y)
{
	*x = (lon + 180) / 360 * MAP_W;
	*y = (78 - lat) / 136 * MAP_H;
}

static bool
vm_point(const json_t *vm, double *x, double *y)
{
	double lat = jnum(vm, "lat", NAN), lon = jnum(vm, "lon", NAN);

	if (isnan(lat) || isnan(lon))
		return false;
	map_point(lat, lon, x, y);
	return true;
}

static void
map_coast(struct str *out)
{
	bool open = false;
	double x, y;

	str_add(out, "<path class=\"land\" d=\"");
	for (size_t i = 0; i < coast_n; i++) {
		if (coast[i].lat == COAST_END) {
			str_addc(out, 'Z');
			open = false;
			continue;
		}
		map_point(coast[i].lat, 2.0 * coast[i].half_lon, &x, &y);
		str_addf(out, "%c%.0f %.0f", open ? 'L' : 'M', x, y);
		open = true;
	}
	str_add(out, "\"/>\n");
}

static void
map_grid(struct str *out)
{
	double x, y;

	for (int lon = -150; lon <= 150; lon += 30) {
		map_point(0, lon, &x, &y);
		str_addf(out,
		    "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"0\" y2=\"%.0f\"/>"
		    "<text x=\"%.0f\" y=\"%.0f\" class=\"g\">%d&#176;%s</text>",
		    x, x, MAP_H, x + 2, MAP_H - 4, abs(lon),
		    lon < 0       ? "W"
			: lon > 0 ? "E"
				  : "");
	}
	for (int lat = -30; lat <= 60; lat += 30) {
		map_point(lat, 0, &x, &y);
		str_addf(out,
		    "<line x1=\"0\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\"%s/>"
		    "<text x=\"3\" y=\"%.0f\" class=\"g\">%d&#176;%s</text>",
		    MAP_W, y, y, lat ? "" : " class=\"eq\"", y - 3, abs(lat),
		    lat < 0       ? "S"
			: lat > 0 ? "N"
				  : "");
	}
	str_addc(out, '\n');
}

/* Edges of the chosen group with their RTT. */
static void
map_edges(const json_t *chosen, const json_t *matrix, struct str *out)
{
	const json_t *vms = ja(chosen, "vms"), *names = ja(matrix, "vms");
	size_t n = json_array_size(vms), m = json_array_size(names);
	double x1, y1, x2, y2;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			const json_t *a = json_array_get(vms, i);
			const json_t *b = json_array_get(vms, j);
			size_t ra = 0, rb = 0;
			double ms;

			while (ra < m &&
			    !str_eq(js(json_array_get(names, ra), "vmId"),
				js(a, "vmId")))
				ra++;
			while (rb < m &&
			    !str_eq(js(json_array_get(names, rb), "vmId"),
				js(b, "vmId")))
				rb++;
			ms = cell_ms(matrix, ra, rb);
			if (!vm_point(a, &x1, &y1) || !vm_point(b, &x2, &y2))
				continue;
			str_addf(out,
			    "<path d=\"M%.1f %.1fQ%.1f %.1f %.1f %.1f\" "
			    "class=\"e\"><title>",
			    x1, y1, (x1 + x2) / 2,
			    fmin(y1, y2) - fabs(x1 - x2) / 8 - 8, x2, y2);
			if (isnan(ms))
				str_add(out, "unknown");
			else
				str_addf(out, "%.3f ms", ms);
			str_add(out, "</title></path>\n");
		}
	}
}

static void
map_dots(const json_t *vms, const char *class, bool rings, struct str *out)
{
	double x, y;
	json_t *vm;
	size_t i, j;

	json_array_foreach(vms, i, vm)
	{
		size_t same = 0;

		if (!vm_point(vm, &x, &y))
			continue;
		for (j = 0; j < i; j++)
			same += str_eq(js(json_array_get(vms, j), "connection"),
			    js(vm, "connection"));
		str_addf(out,
		    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\">"
		    "<title>",
		    x, y, rings ? 7.0 + 3.0 * (double)same : 5.0, class);
		str_add_html(out, js(vm, "vmId"));
		str_addc(out, ' ');
		str_add_html(out, js(vm, "specId"));
		str_add(out, "</title></circle>");
	}
}

struct label {
	const char *name;
	double x, y;
};

/* Names of regions, each once; a name that would lie on another one moves
 * down, one near the right edge stands left of its dot. */
static void
map_labels(const json_t *vms, struct str *out)
{
	struct label *l = xcalloc(json_array_size(vms) + 1, sizeof *l);
	size_t n = 0, i, j;
	double x, y;
	json_t *vm;

	json_array_foreach(vms, i, vm)
	{
		const char *name = js(vm, "connection");
		bool left;

		if (!vm_point(vm, &x, &y))
			continue;
		for (j = 0; j < n && !str_eq(l[j].name, name); j++)
			;
		if (j < n)
			continue;
		left = x > MAP_W * 0.78;
		x += left ? -10 : 10;
		y -= 4;
		for (j = 0; j < n; j++)
			if (fabs(l[j].x - x) < 110 && fabs(l[j].y - y) < 13) {
				y = l[j].y + 14;
				j = SIZE_MAX; /* look at all again */
			}
		l[n++] = (struct label){ name, x, y };
		str_addf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"p\"%s>", x,
		    y, left ? " text-anchor=\"end\"" : "");
		str_add_html(out, name);
		str_add(out, "</text>\n");
	}
	free(l);
}

void
svg_map(const json_t *mcis, const json_t *chosen, const json_t *matrix,
    struct str *out)
{
	str_addf(out,
	    "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"map\" "
	    "class=\"map\">\n",
	    MAP_W, MAP_H);
	map_coast(out);
	map_grid(out);
	if (chosen)
		map_edges(chosen, matrix, out);
	map_dots(ja(mcis, "vms"), "s", false, out);
	if (chosen)
		map_dots(ja(chosen, "vms"), "k", true, out);
	map_labels(ja(mcis, "vms"), out);
	str_add(out, "</svg>\n");
}

/* One result: its name, then a bar with its interval, or why there is none. */
static void
bar(const json_t *r, double y, double row, double max, struct str *out)
{
	double v = jnum(r, "value", NAN), k = max > 0 ? 330 / max : 0;
	bool ok = str_eq(js(r, "validity"), "ok");

	str_addf(out, "<text x=\"208\" y=\"%.0f\" class=\"l\">", y + 14);
	str_add_html(out, js(r, "vmId"));
	str_add(out, "</text>");
	if (isnan(v)) {
		str_addf(out, "<text x=\"226\" y=\"%.0f\" class=\"n\">",
		    y + 14);
		str_add_html(out,
		    js(r, "substatus")[0] ? js(r, "substatus") : "unknown");
		str_add(out, "</text>\n");
		return;
	}
	str_addf(out,
	    "<rect x=\"224\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\" "
	    "class=\"%s\"/>",
	    y + 3, v * k, row - 6, ok ? "b" : "b w");
	if (json_is_number(json_object_get(r, "ciLow")) &&
	    json_is_number(json_object_get(r, "ciHigh")))
		str_addf(out,
		    "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\" "
		    "class=\"ci\"/>",
		    224 + jnum(r, "ciLow", v) * k,
		    224 + jnum(r, "ciHigh", v) * k, y + row / 2, y + row / 2);
	str_addf(out, "<text x=\"%.1f\" y=\"%.0f\" class=\"n\">%.*f%s</text>\n",
	    230 + jnum(r, "ciHigh", v) * k, y + 14, v < 100 ? 1 : 0, v,
	    ok ? "" : "*");
}

/* Other variants of a kind are other measurements. */
static bool
is_standard(const json_t *r, const char *kind)
{
	const char *variant = js(r, "variant");

	return str_eq(js(r, "kind"), kind) &&
	    (!variant[0] || str_eq(variant, "std"));
}

void
svg_bars(const json_t *bench, const char *kind, struct str *out)
{
	const json_t *results = ja(bench, "results");
	double max = 0, row = 20, w = 660;
	const char *unit = "";
	size_t n = 0, i;
	json_t *r;

	if (!results)
		results = ja(bench, "items");
	json_array_foreach(results, i, r)
	{
		if (!is_standard(r, kind))
			continue;
		n++;
		unit = js(r, "unit");
		max = fmax(max, jnum(r, "ciHigh", jnum(r, "value", 0)));
	}
	if (!n)
		return;
	str_addf(out, "<figure><figcaption><b>%s</b>, ", kind);
	str_add_html(out, unit);
	str_addf(out,
	    "</figcaption><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", w,
	    (double)n * row + 4);
	n = 0;
	json_array_foreach(results, i, r) if (is_standard(r, kind))
	    bar(r, (double)n++ * row, row, max, out);
	str_add(out, "</svg></figure>\n");
}
