/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left of a run: the summary on the terminal (report.c), the JSON file (json.c) and the
 * plot (plot.c). The two files are written to streams that the caller opens and closes.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "cluster.h"
#include "findings.h"
#include "options.h"
#include "record.h"

struct report {
    const struct options *options;
    const struct cluster *cluster;
    struct record *record;
    const struct findings *findings;
};

void report_print(const struct report *report);

/* False when memory is short; the caller asks the stream what became of it. */
bool report_write_json(const struct report *report, FILE *file);
bool report_write_svg(const struct report *report, FILE *file);

#endif
