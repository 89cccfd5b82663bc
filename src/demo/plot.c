/* SPDX-License-Identifier: Apache-2.0
 *
 * The plot: a static SVG file, with nothing in it that a viewer would have to fetch or to run.
 *
 *     healthy │ s2 killed │ s3 frozen │ …            titles of the acts
 *     ┌───────┬───────────┬───────────┬──┐
 *     │███████│▓▓▓▓▓▓▓▓▓▓▓│           │  │  s7        each server's share of the requests sent,
 *     │▒▒▒▒▒▒▒│▒▒▒▒▒▒▒▒▒▒▒│           │  │  s6        stacked: the whole height is 100 %
 *     ├───────┼───────────┼───────────┼──┤  …
 *     │       │▖          │▐▖         │  │            attempts that failed and requests that were
 *     └───────┴───────────┴───────────┴──┘            lost, per second: what callers were spared
 *
 * It brings its own background, light or dark as the viewer prefers, so it can be read on any page.
 * Every text in it is the program's own: there is nothing to escape.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "now.h"
#include "report.h"

/* Geometry, in pixels. */
enum {
    WIDTH = 960,
    HEIGHT = 520,
    LEFT = 64,
    RIGHT = 826,
    SHARES_TOP = 76,
    SHARES_BOTTOM = 356,
    TROUBLE_TOP = 404,
    TROUBLE_BOTTOM = 464,
    LEGEND_LEFT = RIGHT + 18,
    LEGEND_SIZE = 12,
    LEGEND_STEP_MOST = 24
};

/* The plot is made of at most so many columns, each of at least so much time: shares of a handful
 * of requests would be noise. */
enum { COLUMNS_MOST = 240, COLUMN_LEAST_MS = 50 };

/* Neighbours in the stack differ in hue and in lightness. */
static const char *const colours[] = {"#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f",
                                      "#edc948", "#b07aa1", "#9c755f", "#bab0ac"};
enum { COLOURS = sizeof(colours) / sizeof(colours[0]) };

static const char style[] =
    "  <style>\n"
    "    text { font: 12px system-ui, sans-serif; fill: #24292f }\n"
    "    .title { font-size: 16px; font-weight: 600 }\n"
    "    .act { font-size: 11px; text-anchor: middle }\n"
    "    .y { text-anchor: end }\n"
    "    .x { text-anchor: middle }\n"
    "    .card { fill: #ffffff; stroke: #d0d7de }\n"
    "    .grid { stroke: #d0d7de; stroke-width: 1 }\n"
    "    .mark { stroke: #24292f; stroke-width: 1; stroke-dasharray: 4 3 }\n"
    "    .area { stroke: #ffffff; stroke-width: 0.7 }\n"
    "    .failed { fill: #bf8700 }\n"
    "    .lost { fill: #cf222e }\n"
    "    @media (prefers-color-scheme: dark) {\n"
    "      text { fill: #e6edf3 }\n"
    "      .card { fill: #0d1117; stroke: #3d444d }\n"
    "      .grid { stroke: #3d444d }\n"
    "      .mark { stroke: #e6edf3 }\n"
    "      .area { stroke: #0d1117 }\n"
    "      .failed { fill: #d29922 }\n"
    "      .lost { fill: #f85149 }\n"
    "    }\n"
    "  </style>\n";

struct plot {
    FILE *file;
    const struct report *report;
    uint64_t column_ns; /* a multiple of BUCKET_NS */
    size_t columns;
    double *edges; /* [server][column]: the share of this server and of all before it */
};

static double x_of(const struct plot *plot, uint64_t at_ns)
{
    double part = (double)at_ns / (double)plot->report->record->end_ns;

    return LEFT + (part < 1 ? part : 1) * (RIGHT - LEFT);
}

static double y_of_share(double share)
{
    return SHARES_BOTTOM - share * (SHARES_BOTTOM - SHARES_TOP);
}

/* ---- Frame, axes, acts ----------------------------------------------------------------------- */

static void put_frame(const struct plot *plot)
{
    fprintf(
        plot->file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
        "height=\"%d\" role=\"img\">\n"
        "  <title>failover-demo: each server's share of the requests over time</title>\n%s"
        "  <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n"
        "  <text class=\"title\" x=\"%d\" y=\"30\">Each server's share of the requests</text>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT, style, WIDTH - 1, HEIGHT - 1, LEFT);
}

static void put_level(const struct plot *plot, double y, const char *label)
{
    fprintf(plot->file,
            "  <line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n"
            "  <text class=\"y\" x=\"%d\" y=\"%.1f\">%s</text>\n",
            LEFT, y, RIGHT, y, LEFT - 8, y + 4, label);
}

static void put_share_axis(const struct plot *plot)
{
    static const char *const labels[] = {"0 %", "25 %", "50 %", "75 %", "100 %"};

    for (int i = 0; i <= 4; i++)
        put_level(plot, y_of_share(i / 4.0), labels[i]);
    fprintf(plot->file,
            "  <text class=\"x\" transform=\"translate(18 %d) rotate(-90)\">share</text>\n",
            (SHARES_TOP + SHARES_BOTTOM) / 2);
}

/* A step that gives about ten labels at any length. */
static unsigned time_step_s(double length_s)
{
    static const unsigned steps[] = {1, 2, 5, 10, 20, 30, 60, 120};
    size_t i = 0;

    while (i + 1 < sizeof(steps) / sizeof(steps[0]) && length_s / steps[i] > 15)
        i++;
    return steps[i];
}

static void put_time_axis(const struct plot *plot)
{
    double length_s = (double)plot->report->record->end_ns / (double)NS_PER_S;
    unsigned step = time_step_s(length_s);

    for (unsigned at = 0; at <= length_s; at += step)
        fprintf(plot->file, "  <text class=\"x\" x=\"%.1f\" y=\"%d\">%u</text>\n",
                x_of(plot, at * NS_PER_S), TROUBLE_BOTTOM + 18, at);
    fprintf(plot->file, "  <text class=\"x\" x=\"%d\" y=\"%d\">time, seconds</text>\n",
            (LEFT + RIGHT) / 2, TROUBLE_BOTTOM + 38);
}

/* In two pieces: the title between the panels stays free. */
static void put_mark(const struct plot *plot, double x)
{
    fprintf(plot->file, "  <path class=\"mark\" d=\"M%.1f %dV%dM%.1f %dV%d\"/>\n", x,
            SHARES_TOP - 22, SHARES_BOTTOM, x, TROUBLE_TOP, TROUBLE_BOTTOM);
}

static void put_acts(const struct plot *plot)
{
    for (int i = 0; i < ACT_COUNT; i++) {
        const struct act_record *act = &plot->report->record->acts[i];

        if (act->begin_ns == NEVER_NS)
            continue;
        if (i > 0)
            put_mark(plot, x_of(plot, act->begin_ns));
        fprintf(plot->file, "  <text class=\"act\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                (x_of(plot, act->begin_ns) + x_of(plot, act->end_ns)) / 2, SHARES_TOP - 10,
                act->label);
    }
}

/* ---- Shares ---------------------------------------------------------------------------------- */

/* The last column takes what is left of the time, also what ended after the last act. */
static uint64_t column_end_ns(const struct plot *plot, size_t column)
{
    return column + 1 < plot->columns ? (column + 1) * plot->column_ns : NEVER_NS;
}

static void copy_column(struct plot *plot, size_t from, size_t to)
{
    for (unsigned i = 0; i < plot->report->cluster->count; i++)
        plot->edges[i * plot->columns + to] = plot->edges[i * plot->columns + from];
}

/* False when no request was sent in that time. */
static bool stack_column(struct plot *plot, size_t column)
{
    const struct record *record = plot->report->record;
    uint64_t from = column * plot->column_ns;
    uint64_t until = column_end_ns(plot, column);
    double sum = 0;

    if (record_all_sent_between(record, from, until) == 0)
        return false;
    for (unsigned i = 0; i < plot->report->cluster->count; i++) {
        sum += record_share(record, i, from, until);
        plot->edges[i * plot->columns + column] = sum;
    }
    return true;
}

/* While every client waits, the shares stay as they were; before the first request they are what
 * they will be then. */
static void stack_shares(struct plot *plot)
{
    size_t first = plot->columns;

    for (size_t column = 0; column < plot->columns; column++) {
        if (stack_column(plot, column))
            first = column < first ? column : first;
        else if (column > first)
            copy_column(plot, column - 1, column);
    }
    for (size_t column = 0; column < first && first < plot->columns; column++)
        copy_column(plot, first, column);
}

static void put_point(const struct plot *plot, uint64_t at_ns, double share)
{
    fprintf(plot->file, "%.1f,%.1f ", x_of(plot, at_ns), y_of_share(share));
}

static uint64_t middle_of(const struct plot *plot, size_t column)
{
    return column * plot->column_ns + plot->column_ns / 2;
}

/* One edge of an area, forwards or backwards; level at both ends, so that it fills the whole width.
 * No edge: the bottom. */
static void put_edge(const struct plot *plot, const double *edge, bool backwards)
{
    static const double bottom[COLUMNS_MOST];
    size_t last = plot->columns - 1;

    if (edge == NULL)
        edge = bottom;
    put_point(plot, backwards ? NEVER_NS : 0, edge[backwards ? last : 0]);
    for (size_t i = 0; i < plot->columns; i++) {
        size_t column = backwards ? last - i : i;

        put_point(plot, middle_of(plot, column), edge[column]);
    }
    put_point(plot, backwards ? 0 : NEVER_NS, edge[backwards ? 0 : last]);
}

static void put_areas(const struct plot *plot)
{
    for (unsigned i = 0; i < plot->report->cluster->count; i++) {
        const double *above = plot->edges + i * plot->columns;

        fprintf(plot->file, "  <polygon class=\"area\" fill=\"%s\" points=\"",
                colours[i % COLOURS]);
        put_edge(plot, above, false);
        put_edge(plot, i > 0 ? above - plot->columns : NULL, true);
        fputs("\"/>\n", plot->file);
    }
}

/* In the order of the stack, so the topmost area is the topmost line. With many servers the lines
 * shrink. */
static void put_legend(const struct plot *plot)
{
    const struct cluster *cluster = plot->report->cluster;
    int step = (SHARES_BOTTOM - SHARES_TOP) / (int)cluster->count;

    if (step > LEGEND_STEP_MOST)
        step = LEGEND_STEP_MOST;
    for (unsigned i = 0; i < cluster->count; i++) {
        const struct server *server = &cluster->servers[i];
        int y = SHARES_TOP + (int)(cluster->count - 1 - i) * step;
        int size = step < LEGEND_SIZE + 2 ? step - 2 : LEGEND_SIZE;

        fprintf(plot->file,
                "  <rect fill=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n"
                "  <text x=\"%d\" y=\"%d\" style=\"font-size: %dpx\">%s %s</text>\n",
                colours[i % COLOURS], LEGEND_LEFT, y, LEGEND_SIZE, size, LEGEND_LEFT + 18,
                y + size - 1, size, server->name, server->role);
    }
}

/* ---- Trouble --------------------------------------------------------------------------------- */

static uint64_t failed_in(const struct plot *plot, size_t column)
{
    const struct record *record = plot->report->record;
    uint64_t sum = 0;

    for (unsigned i = 0; i < record->server_count; i++)
        sum +=
            record_failed_between(record, i, column * plot->column_ns, column_end_ns(plot, column));
    return sum;
}

static void put_bar(const struct plot *plot, const char *class_name, size_t column, double part)
{
    double height = part * (TROUBLE_BOTTOM - TROUBLE_TOP);
    double x = x_of(plot, column * plot->column_ns);

    if (part > 0)
        fprintf(plot->file,
                "  <rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                class_name, x, TROUBLE_BOTTOM - height, x_of(plot, column_end_ns(plot, column)) - x,
                height);
}

static void put_trouble_key(const struct plot *plot, const char *class_name, int line,
                            const char *text)
{
    fprintf(plot->file,
            "  <rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"12\" height=\"12\"/>\n"
            "  <text x=\"%d\" y=\"%d\">%s</text>\n",
            class_name, LEGEND_LEFT, TROUBLE_TOP + 22 * line, LEGEND_LEFT + 18,
            TROUBLE_TOP + 22 * line + 10, text);
}

static void put_trouble(const struct plot *plot)
{
    const struct record *record = plot->report->record;
    double per_second = (double)NS_PER_S / (double)plot->column_ns;
    uint64_t most = 1;
    char label[32];

    for (size_t column = 0; column < plot->columns; column++) {
        if (failed_in(plot, column) > most)
            most = failed_in(plot, column);
    }
    snprintf(label, sizeof(label), "%.0f/s", (double)most * per_second);
    put_level(plot, TROUBLE_TOP, label);
    put_level(plot, TROUBLE_BOTTOM, "0");
    for (size_t column = 0; column < plot->columns; column++) {
        uint64_t lost =
            record_lost_between(record, column * plot->column_ns, column_end_ns(plot, column));

        put_bar(plot, "failed", column, (double)failed_in(plot, column) / (double)most);
        put_bar(plot, "lost", column, lost < most ? (double)lost / (double)most : 1);
    }
    fprintf(plot->file,
            "  <text x=\"%d\" y=\"%d\">Attempts that failed, and requests that were lost in spite "
            "of retries</text>\n",
            LEFT, TROUBLE_TOP - 12);
    put_trouble_key(plot, "failed", 0, "failed");
    put_trouble_key(plot, "lost", 1,
                    plot->report->findings->totals.lost > 0 ? "lost" : "lost: none");
}

static void set_columns(struct plot *plot, uint64_t end_ns)
{
    uint64_t buckets = end_ns / COLUMNS_MOST / BUCKET_NS + 1;

    if (buckets < COLUMN_LEAST_MS * NS_PER_MS / BUCKET_NS)
        buckets = COLUMN_LEAST_MS * NS_PER_MS / BUCKET_NS;
    plot->column_ns = buckets * BUCKET_NS;
    plot->columns = (size_t)(end_ns / plot->column_ns);
    if (plot->columns == 0)
        plot->columns = 1;
}

bool report_write_svg(const struct report *report, FILE *file)
{
    struct plot plot = {.file = file, .report = report};

    set_columns(&plot, report->record->end_ns);
    plot.edges = calloc(report->cluster->count * plot.columns, sizeof(*plot.edges));
    if (plot.edges == NULL)
        return false;
    stack_shares(&plot);
    put_frame(&plot);
    put_share_axis(&plot);
    put_areas(&plot);
    put_legend(&plot);
    put_trouble(&plot);
    put_acts(&plot);
    put_time_axis(&plot);
    fputs("</svg>\n", file);
    free(plot.edges);
    return true;
}
