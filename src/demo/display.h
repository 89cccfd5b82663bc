/* SPDX-License-Identifier: Apache-2.0
 *
 * What is seen while the demonstration runs: a table that is redrawn in place (table.c), or plain
 * lines (lines.c) when the output is no terminal or when they are asked for.
 */
#ifndef DEMO_DISPLAY_H
#define DEMO_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "acts.h"
#include "figures.h"

struct display {
    const struct stage *stage;
    bool live;
    bool colour; /* the live table only */
    bool blocks; /* the terminal can show block characters */
    uint64_t next_ns;
    size_t next_event; /* lines only */
    struct figures_taker taker;
};

void display_open(struct display *display, const struct stage *stage, bool plain);
/* Draws or prints when it is time to. */
void display_refresh(struct display *display);
/* Leaves the terminal as it was found. */
void display_close(struct display *display);

/* The two ways, for display.c only. */
void table_open(void);
void table_draw(const struct display *display, const struct figures *figures);
void table_close(void);
void lines_print_events(struct display *display);
void lines_print(const struct display *display, const struct figures *figures);

#endif
