/* SPDX-License-Identifier: Apache-2.0
 *
 * The live table, on the terminal's second screen, so that what stood in the window before is there
 * again afterwards. A frame is put together in memory and written at once: no flicker. Every line
 * fits 80 columns; a wider window gets longer bars, a higher one more of the story.
 */
#define _GNU_SOURCE /* program_invocation_short_name */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "display.h"
#include "now.h"

#define OPEN_SCREEN "\033[?1049h\033[?25l\033[?7l" /* second screen, no cursor, no wrapping */
#define CLOSE_SCREEN "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define END_LINE "\033[K\n"
#define CLEAR_REST "\033[J"

#define PLAIN_TEXT "\033[0m"
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define REVERSE "\033[7m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"

enum { TEXT_COLUMNS = 68, BAR_LONGEST = 40, LINES_AROUND = 9 };

struct screen {
    FILE *out;
    bool colour;
    bool blocks;
    int rows;
    int columns;
};

static void write_now(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);

        if (written < 0 && errno != EINTR)
            return;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
}

/* error() calls this before it prints: its message must not vanish with the second screen. */
static void leave_before_message(void)
{
    table_close();
    fprintf(stderr, "%s: ", program_invocation_short_name);
}

void table_open(void)
{
    error_print_progname = leave_before_message;
    write_now(OPEN_SCREEN, strlen(OPEN_SCREEN));
}

void table_close(void)
{
    error_print_progname = NULL;
    write_now(CLOSE_SCREEN, strlen(CLOSE_SCREEN));
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

static void put_style(const struct screen *screen, const char *style)
{
    if (screen->colour)
        fputs(style, screen->out);
}

static void put_styled(const struct screen *screen, const char *style, const char *text)
{
    put_style(screen, style);
    fputs(text, screen->out);
    put_style(screen, PLAIN_TEXT);
}

static void put_bar(const struct screen *screen, double part, int columns)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)((part < 1 ? part : 1) * columns * 8 + 0.5);

    put_style(screen, CYAN);
    for (int i = 0; i < filled / 8; i++)
        fputs(screen->blocks ? "█" : "#", screen->out);
    if (screen->blocks)
        fputs(eighths[filled % 8], screen->out);
    put_style(screen, PLAIN_TEXT);
}

static const char *style_of(const char *word)
{
    static const struct {
        const char *word;
        const char *style;
    } styles[] = {{"up", GREEN},      {"well", GREEN},     {"down", RED},
                  {"killed", RED},    {"frozen", RED},     {"trial", YELLOW},
                  {"slowed", YELLOW}, {"drained", YELLOW}, {"leaving", YELLOW}};

    for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
        if (strcmp(styles[i].word, word) == 0)
            return styles[i].style;
    }
    return DIM;
}

static void put_word(const struct screen *screen, const char *word)
{
    put_style(screen, style_of(word));
    fprintf(screen->out, "%-8s", word);
    put_style(screen, PLAIN_TEXT);
}

/* A latency, or nothing where nothing was measured. */
static void put_latency(const struct screen *screen, double ms)
{
    if (ms > 0)
        fprintf(screen->out, "%7.1f", ms);
    else
        fprintf(screen->out, "%7s", "-");
}

/* ---- Parts of the frame ---------------------------------------------------------------------- */

static void put_head(const struct screen *screen, const struct display *display,
                     const struct figures *figures)
{
    const struct record *record = display->stage->record;
    unsigned now = atomic_load(&record->act);

    put_styled(screen, BOLD, "failover-demo  ");
    for (unsigned i = 0; i < ACT_COUNT; i++) {
        put_styled(screen, i == now ? REVERSE : i < now ? PLAIN_TEXT : DIM, record->acts[i].name);
        fputc(' ', screen->out);
    }
    fprintf(screen->out, END_LINE "Act %u of %d: ", now + 1, ACT_COUNT);
    put_styled(screen, BOLD, record->acts[now].title);
    fprintf(screen->out, "%*s%5.1f s, %.1f s left" END_LINE,
            screen->columns - 33 - (int)strlen(record->acts[now].title), "", figures->now_s,
            figures->left_s);
    fprintf(screen->out, "%llu requests/s  p50 %.1f ms  p99 %.1f ms  ",
            (unsigned long long)figures->per_second, figures->p50_ms, figures->p99_ms);
    fprintf(screen->out, "retried %llu, saved %llu, ", (unsigned long long)figures->retried,
            (unsigned long long)figures->saved);
    put_style(screen, figures->lost == 0 ? GREEN : RED);
    fprintf(screen->out, "lost %llu", (unsigned long long)figures->lost);
    put_style(screen, PLAIN_TEXT);
    fputs(END_LINE END_LINE, screen->out);
}

static void put_titles(const struct screen *screen)
{
    put_style(screen, DIM);
    fprintf(screen->out, "%-4s%-8s%-8s%6s%7s%7s%7s%7s%7s%7s", "", "truth", "library", "health",
            "weight", "leases", "p50 ms", "p99 ms", "failed", "share");
    put_style(screen, PLAIN_TEXT);
    fputs(END_LINE, screen->out);
}

/* A bar is full at two and a half fair shares: what is left when three of six servers are gone
 * fits. */
static void put_server(const struct screen *screen, const struct server *server,
                       const struct server_figures *figures, double fair_share)
{
    int bar = screen->columns - TEXT_COLUMNS - 2;

    fprintf(screen->out, "%-4s", server->name);
    put_word(screen, figures->condition);
    put_word(screen, figures->state);
    fprintf(screen->out, "%5.0f%%%7.1f%7llu", 100 * figures->health, figures->weight,
            (unsigned long long)figures->in_flight);
    put_latency(screen, figures->p50_ms);
    put_latency(screen, figures->p99_ms);
    fprintf(screen->out, "%7llu%6.1f%% ", (unsigned long long)figures->failed,
            100 * figures->share);
    put_bar(screen, figures->share / (2.5 * fair_share), bar < BAR_LONGEST ? bar : BAR_LONGEST);
    fputs(END_LINE, screen->out);
}

static void put_zones(const struct screen *screen, const struct figures *figures)
{
    for (int i = 0; i < ZONE_COUNT; i++)
        fprintf(screen->out, "%szone %s %.1f%%", i > 0 ? ", " : "", zone_names[i],
                100 * figures->zone_share[i]);
    fputs(END_LINE, screen->out);
}

/* The last things that happened, as many as there is room for. */
static void put_events(const struct screen *screen, struct record *record, int room)
{
    struct event_record event;
    size_t count = 0;
    size_t first;

    while (record_read_event(record, count, &event))
        count++;
    first = count > (size_t)room ? count - (size_t)room : 0;
    for (size_t i = first; record_read_event(record, i, &event) && i < count; i++) {
        fprintf(screen->out, "%7.3f s  %-9s  %s" END_LINE, (double)event.at_ns / (double)NS_PER_S,
                event.kind, event.text);
    }
}

static void measure(struct screen *screen)
{
    struct winsize size = {0};

    screen->rows = 24;
    screen->columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        screen->rows = size.ws_row;
        screen->columns = size.ws_col;
    }
}

static void put_frame(const struct screen *screen, const struct display *display,
                      const struct figures *figures)
{
    const struct cluster *cluster = display->stage->cluster;
    int shown = (int)cluster->count;
    int room = screen->rows - LINES_AROUND;

    if (shown > room)
        shown = room > 0 ? room : 0;
    fputs(HOME, screen->out);
    put_head(screen, display, figures);
    put_titles(screen);
    for (int i = 0; i < shown; i++)
        put_server(screen, &cluster->servers[i], &figures->servers[i], 1.0 / cluster->initial);
    if (shown < (int)cluster->count)
        fprintf(screen->out, "and %d more: the window is too low", (int)cluster->count - shown);
    put_zones(screen, figures);
    fputs(END_LINE, screen->out);
    if (room > shown)
        put_events(screen, display->stage->record, room - shown);
    fputs(CLEAR_REST, screen->out);
}

void table_draw(const struct display *display, const struct figures *figures)
{
    struct screen screen = {.colour = display->colour, .blocks = display->blocks};
    char *frame = NULL;
    size_t length = 0;

    measure(&screen);
    screen.out = open_memstream(&frame, &length);
    if (screen.out == NULL)
        return;
    put_frame(&screen, display, figures);
    if (fclose(screen.out) == 0)
        write_now(frame, length);
    free(frame);
}
