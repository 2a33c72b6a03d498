/*
 * svg_curve.c - a what-if curve or Pareto front as a picture: the score of the
 * best group over the limit. A step goes down when a looser limit admits a
 * better group. Pure: JSON of the answer in, markup out.
 */
#include "cli/cli.h"

#include <math.h>

#define W 860
#define H 420
#define LEFT 110
#define RIGHT 24
#define TOP 28
#define BOTTOM 56

struct axes {
	double x0, x1, y0, y1; /* of the data */
};

static double
px(const struct axes *a, double ms)
{
	return LEFT + (W - LEFT - RIGHT) * (ms - a->x0) / (a->x1 - a->x0);
}

static double
py(const struct axes *a, double v)
{
	return H - BOTTOM - (H - TOP - BOTTOM) * (v - a->y0) / (a->y1 - a->y0);
}

static struct axes
axes_of(const json_t *points)
{
	struct axes a = { INFINITY, -INFINITY, INFINITY, -INFINITY };
	double pad;
	json_t *p;
	size_t i;

	json_array_foreach(points, i, p)
	{
		double ms = jnum(p, "aboveMs", 0);
		double v = (double)ji(p, "score", 0);

		a.x0 = fmin(a.x0, ms);
		a.x1 = fmax(a.x1, ms);
		a.y0 = fmin(a.y0, v);
		a.y1 = fmax(a.y1, v);
	}
	pad = a.x1 > a.x0 ? (a.x1 - a.x0) * 0.06 : 1;
	a.x0 = fmax(0, a.x0 - pad);
	a.x1 += pad;
	pad = a.y1 > a.y0 ? (a.y1 - a.y0) * 0.08 : 1;
	a.y0 -= pad;
	a.y1 += pad;
	return a;
}

static void
add_axes(const struct axes *a, struct str *out)
{
	str_addf(out, "<path class=\"ax\" d=\"M%d %dV%dH%d\" fill=\"none\"/>\n",
	    LEFT, TOP, H - BOTTOM, W - RIGHT);
	for (int i = 0; i <= 5; i++) {
		double ms = a->x0 + (a->x1 - a->x0) * i / 5;
		double v = a->y0 + (a->y1 - a->y0) * i / 5;

		str_addf(out,
		    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g"
		    "</text><text x=\"%d\" y=\"%.1f\" "
		    "text-anchor=\"end\">%.4g</text>\n",
		    px(a, ms), H - BOTTOM + 20, ms, LEFT - 10, py(a, v) + 4, v);
	}
	str_addf(out,
	    "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">limit on every "
	    "pair, ms</text><text x=\"%d\" y=\"%d\">score of the best group "
	    "(smaller is better)</text>\n",
	    (LEFT + W - RIGHT) / 2, H - 14, LEFT, TOP - 10);
}

static void
add_point(const struct axes *a, const json_t *p, struct str *out)
{
	double x = px(a, jnum(p, "aboveMs", 0));
	double y = py(a, (double)ji(p, "score", 0));
	json_t *m;
	size_t i;

	str_addf(out,
	    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" class=\"%s\"><title>", x,
	    y, jb(p, "knee") ? 7 : 4, jb(p, "front") ? "f" : "d");
	str_addf(out, "above %.3f ms: ", jnum(p, "aboveMs", 0));
	json_array_foreach(ja(p, "members"), i, m)
	{
		str_add(out, i ? ", " : "");
		str_add_html(out, js(m, "site"));
	}
	str_add(out, "</title></circle>\n");
	if (jb(p, "knee"))
		str_addf(out,
		    "<text x=\"%.1f\" y=\"%.1f\" class=\"k\">knee</text>\n",
		    x + 10, y - 8);
}

void
svg_curve(const json_t *answer, struct str *out)
{
	const json_t *points = ja(answer, "points");
	size_t n = json_array_size(points);
	struct axes a = axes_of(points);

	str_addf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
	    "role=\"img\" aria-label=\"what-if curve\">\n<style>text{font:13px "
	    "sans-serif;fill:#333}.ax{stroke:#888}.l{stroke:#0b7a75;"
	    "stroke-width:2}.f{fill:#0b7a75}.d{fill:#b9c7c6}.k{font-weight:"
	    "bold}</style>\n<rect width=\"%d\" height=\"%d\" "
	    "fill=\"#fff\"/>\n",
	    W, H, W, H);
	if (n == 0) {
		str_addf(out,
		    "<text x=\"%d\" y=\"%d\">no group meets the query at any "
		    "limit</text></svg>\n",
		    LEFT, H / 2);
		return;
	}
	add_axes(&a, out);
	str_add(out, "<path class=\"l\" fill=\"none\" d=\"");
	for (size_t i = 0; i < n; i++) {
		const json_t *p = json_array_get(points, i);
		double x = px(&a, jnum(p, "aboveMs", 0));
		double y = py(&a, (double)ji(p, "score", 0));

		/* From the right: flat to its own limit, then up. */
		if (i == 0)
			str_addf(out, "M%d %.1f", W - RIGHT, y);
		else
			str_addf(out, "V%.1f", y);
		str_addf(out, "H%.1f", x);
	}
	str_add(out, "\"/>\n");
	for (size_t i = 0; i < n; i++)
		add_point(&a, json_array_get(points, i), out);
	str_add(out, "</svg>\n");
}
