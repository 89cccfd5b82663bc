/* SPDX-License-Identifier: Apache-2.0
 *
 * Chooses between the table and the lines, and when the next is due.
 */
#include "display.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "now.h"

enum { TABLE_EVERY_MS = 200, LINES_EVERY_MS = 1000 };

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && *value != '\0';
}

static bool terminal_can_redraw(void)
{
    const char *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && terminal != NULL && *terminal != '\0' &&
           strcmp(terminal, "dumb") != 0;
}

void display_open(struct display *display, const struct stage *stage, bool plain)
{
    memset(display, 0, sizeof(*display));
    display->stage = stage;
    display->taker.stage = stage;
    display->taker.next_latency_ns = NS_PER_S;
    display->live = !plain && terminal_can_redraw();
    display->colour = !is_set("NO_COLOR");
    setlocale(LC_CTYPE, "");
    display->blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (display->live)
        table_open();
    else
        display->next_ns = NS_PER_S;
}

void display_refresh(struct display *display)
{
    struct figures figures;
    uint64_t now = record_time_ns(display->stage->record);

    if (!display->live)
        lines_print_events(display);
    if (now < display->next_ns)
        return;
    figures_take(&display->taker, &figures);
    if (display->live) {
        table_draw(display, &figures);
        display->next_ns = now + TABLE_EVERY_MS * NS_PER_MS;
    } else {
        lines_print(display, &figures);
        display->next_ns += LINES_EVERY_MS * NS_PER_MS;
    }
}

void display_close(struct display *display)
{
    if (display->live)
        table_close();
    else
        lines_print_events(display);
}
