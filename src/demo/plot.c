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

/* The plot is made of about so many columns, each of at least so much time where its act is that
 * long: shares of a handful of requests would be noise. */
enum { COLUMNS = 240, COLUMN_LEAST_MS = 50 };

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

/* A column never reaches over the beginning of an act, or what the act did would stand left of its
 * mark. */
struct column {
    uint64_t from_ns;
    uint64_t until_ns;
    bool opens_act;
    bool closes_act;
};

struct plot {
    FILE *file;
    const struct report *report;
    struct column *columns;
    size_t column_count;
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

/* The last column also counts what ended after the last act. */
static uint64_t counts_until_ns(const struct plot *plot, size_t column)
{
    return column + 1 < plot->column_count ? plot->columns[column].until_ns : NEVER_NS;
}

static void copy_column(struct plot *plot, size_t from, size_t to)
{
    for (unsigned i = 0; i < plot->report->cluster->count; i++)
        plot->edges[i * plot->column_count + to] = plot->edges[i * plot->column_count + from];
}

/* False when no request was sent in that time. */
static bool stack_column(struct plot *plot, size_t column)
{
    const struct record *record = plot->report->record;
    uint64_t from = plot->columns[column].from_ns;
    uint64_t until = counts_until_ns(plot, column);
    double sum = 0;

    if (record_all_sent_between(record, from, until) == 0)
        return false;
    for (unsigned i = 0; i < plot->report->cluster->count; i++) {
        sum += record_share(record, i, from, until);
        plot->edges[i * plot->column_count + column] = sum;
    }
    return true;
}

/* While every client waits, the shares stay as they were; before the first request they are what
 * they will be then. */
static void stack_shares(struct plot *plot)
{
    size_t first = plot->column_count;

    for (size_t column = 0; column < plot->column_count; column++) {
        if (stack_column(plot, column))
            first = column < first ? column : first;
        else if (column > first)
            copy_column(plot, column - 1, column);
    }
    for (size_t column = 0; column < first && first < plot->column_count; column++)
        copy_column(plot, first, column);
}

static void put_point(const struct plot *plot, uint64_t at_ns, double share)
{
    fprintf(plot->file, "%.1f,%.1f ", x_of(plot, at_ns), y_of_share(share));
}

/* The edge runs from middle to middle of the columns, and in a step where an act begins. */
static void put_column_edge(const struct plot *plot, const struct column *column, double share,
                            bool backwards)
{
    if (backwards ? column->closes_act : column->opens_act)
        put_point(plot, backwards ? column->until_ns : column->from_ns, share);
    put_point(plot, column->from_ns + (column->until_ns - column->from_ns) / 2, share);
    if (backwards ? column->opens_act : column->closes_act)
        put_point(plot, backwards ? column->from_ns : column->until_ns, share);
}

/* One edge of an area, forwards or backwards. No edge: the bottom. */
static void put_edge(const struct plot *plot, const double *edge, bool backwards)
{
    for (size_t i = 0; i < plot->column_count; i++) {
        size_t at = backwards ? plot->column_count - 1 - i : i;

        put_column_edge(plot, &plot->columns[at], edge != NULL ? edge[at] : 0, backwards);
    }
}

static void put_areas(const struct plot *plot)
{
    for (unsigned i = 0; i < plot->report->cluster->count; i++) {
        const double *above = plot->edges + i * plot->column_count;

        fprintf(plot->file, "  <polygon class=\"area\" fill=\"%s\" points=\"",
                colours[i % COLOURS]);
        put_edge(plot, above, false);
        put_edge(plot, i > 0 ? above - plot->column_count : NULL, true);
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
                "  <text x=\"%d\" y=\"%d\" style=\"font-size: %dpx\">%s %s%s%s</text>\n",
                colours[i % COLOURS], LEGEND_LEFT, y, LEGEND_SIZE, size, LEGEND_LEFT + 18,
                y + size - 1, size, server->name, zone_names[server->zone],
                server->role[0] != '\0' ? ", " : "", server->role);
    }
}

/* ---- Trouble --------------------------------------------------------------------------------- */

/* Per second, of what was counted in a column. */
static double rate_in(const struct plot *plot, size_t column, uint64_t count)
{
    const struct column *at = &plot->columns[column];

    return (double)count * (double)NS_PER_S / (double)(at->until_ns - at->from_ns);
}

static double failed_in(const struct plot *plot, size_t column)
{
    const struct record *record = plot->report->record;
    uint64_t sum = 0;

    for (unsigned i = 0; i < record->server_count; i++)
        sum += record_failed_between(record, i, plot->columns[column].from_ns,
                                     counts_until_ns(plot, column));
    return rate_in(plot, column, sum);
}

static double lost_in(const struct plot *plot, size_t column)
{
    return rate_in(plot, column,
                   record_lost_between(plot->report->record, plot->columns[column].from_ns,
                                       counts_until_ns(plot, column)));
}

/* The next of 10, 20, 50, 100, 200 … */
static double rounded_up(double most)
{
    double decade = 10;

    while (decade * 10 <= most)
        decade *= 10;
    if (most <= decade)
        return decade;
    if (most <= decade * 2)
        return decade * 2;
    return most <= decade * 5 ? decade * 5 : decade * 10;
}

static void put_bar(const struct plot *plot, const char *class_name, size_t column, double part)
{
    double height = part * (TROUBLE_BOTTOM - TROUBLE_TOP);
    double x = x_of(plot, plot->columns[column].from_ns);

    if (part > 0)
        fprintf(plot->file,
                "  <rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                class_name, x, TROUBLE_BOTTOM - height,
                x_of(plot, plot->columns[column].until_ns) - x, height);
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
    double most = 0;
    char label[32];

    for (size_t column = 0; column < plot->column_count; column++) {
        most = failed_in(plot, column) > most ? failed_in(plot, column) : most;
        most = lost_in(plot, column) > most ? lost_in(plot, column) : most;
    }
    most = rounded_up(most);
    snprintf(label, sizeof(label), "%.0f/s", most);
    put_level(plot, TROUBLE_TOP, label);
    put_level(plot, TROUBLE_BOTTOM, "0");
    for (size_t column = 0; column < plot->column_count; column++) {
        put_bar(plot, "failed", column, failed_in(plot, column) / most);
        put_bar(plot, "lost", column, lost_in(plot, column) / most);
    }
    fprintf(plot->file,
            "  <text x=\"%d\" y=\"%d\">Attempts that failed, and requests that were lost in spite "
            "of retries</text>\n",
            LEFT, TROUBLE_TOP - 12);
    put_trouble_key(plot, "failed", 0, "failed attempts");
    put_trouble_key(plot, "lost", 1,
                    plot->report->findings->totals.lost > 0 ? "lost requests" : "lost: none");
}

/* ---- Columns --------------------------------------------------------------------------------- */

/* Cuts an act into columns of equal length. */
static void add_columns(struct plot *plot, uint64_t from_ns, uint64_t until_ns, uint64_t wanted_ns)
{
    uint64_t length = until_ns - from_ns;
    uint64_t count = length / wanted_ns > 0 ? length / wanted_ns : 1;

    for (uint64_t i = 0; i < count; i++) {
        plot->columns[plot->column_count++] = (struct column){
            .from_ns = from_ns + length * i / count,
            .until_ns = from_ns + length * (i + 1) / count,
            .opens_act = i == 0,
            .closes_act = i + 1 == count,
        };
    }
}

/* False when there is no memory. */
static bool set_columns(struct plot *plot)
{
    const struct record *record = plot->report->record;
    uint64_t wanted_ns = record->end_ns / COLUMNS;
    uint64_t from_ns = 0;

    if (wanted_ns < COLUMN_LEAST_MS * NS_PER_MS)
        wanted_ns = COLUMN_LEAST_MS * NS_PER_MS;
    plot->columns = calloc(record->end_ns / wanted_ns + ACT_COUNT + 1, sizeof(*plot->columns));
    if (plot->columns == NULL)
        return false;
    for (int i = 1; i < ACT_COUNT; i++) {
        uint64_t begin_ns = record->acts[i].begin_ns;

        if (begin_ns == NEVER_NS || begin_ns <= from_ns || begin_ns >= record->end_ns)
            continue;
        add_columns(plot, from_ns, begin_ns, wanted_ns);
        from_ns = begin_ns;
    }
    add_columns(plot, from_ns, record->end_ns > from_ns ? record->end_ns : from_ns + 1, wanted_ns);
    return true;
}

bool report_write_svg(const struct report *report, FILE *file)
{
    struct plot plot = {.file = file, .report = report};

    if (!set_columns(&plot))
        return false;
    plot.edges = calloc(report->cluster->count * plot.column_count, sizeof(*plot.edges));
    if (plot.edges == NULL) {
        free(plot.columns);
        return false;
    }
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
    free(plot.columns);
    return true;
}
