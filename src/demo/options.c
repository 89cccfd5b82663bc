/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, by glibc's argp. Every refusal names the option and the text it was given.
 */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <failover/failover.h>

static const char doc[] =
    "Starts real TCP servers on the loopback interface, sends them load through libfailover, and "
    "then kills, freezes, slows, adds and removes servers and loses a whole zone of them while you "
    "watch.\v"
    "Exit status: 0 when no request was lost that a retry on another server could have saved; 1 "
    "when one was; 2 for a bad option or when the system refused something.";

enum { KEY_SERVERS = 256, KEY_THREADS, KEY_SECONDS, KEY_SEED, KEY_JSON, KEY_SVG, KEY_PLAIN };

static const struct argp_option table[] = {
    {"servers", KEY_SERVERS, "N", 0, "Servers at the start, 4 to 26 (6)", 0},
    {"threads", KEY_THREADS, "N", 0, "Client threads, 1 to 64 (8)", 0},
    {"seconds", KEY_SECONDS, "S", 0,
     "Length of the whole run, 8 to 600 (28); the acts scale with it", 0},
    {"seed", KEY_SEED, "N", 0, "Seed of the library and of the load (1); 0: from the system", 0},
    {"svg", KEY_SVG, "FILE", 0, "Where the plot goes (failover-demo.svg)", 0},
    {"json", KEY_JSON, "FILE", 0, "Write the summary as JSON, too", 0},
    {"plain", KEY_PLAIN, NULL, 0, "Print lines instead of the live table", 0},
    {0}};

static void print_version(FILE *stream, struct argp_state *state)
{
    uint32_t version = fo_version();

    (void)state;
    fprintf(stream, "failover-demo, libfailover %u.%u.%u\n", version >> 16, version >> 8 & 0xff,
            version & 0xff);
}

/* strtoull() alone would take "-1", " 7" and "7 apples". */
static uint64_t number(const struct argp_state *state, const char *option, const char *text,
                       uint64_t least, uint64_t most)
{
    char *end = NULL;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || errno == ERANGE ||
        value < least || value > most)
        argp_error(state, "%s: '%s' is not a whole number from %llu to %llu", option, text,
                   (unsigned long long)least, (unsigned long long)most);
    return value;
}

static const char *file_name(const struct argp_state *state, const char *option, const char *text)
{
    if (*text == '\0')
        argp_error(state, "%s: '' is not the name of a file", option);
    return text;
}

static error_t take(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case KEY_SERVERS:
        options->servers = (unsigned)number(state, "--servers", text, SERVERS_LEAST, SERVERS_MOST);
        return 0;
    case KEY_THREADS:
        options->threads = (unsigned)number(state, "--threads", text, 1, THREADS_MOST);
        return 0;
    case KEY_SECONDS:
        options->seconds = (unsigned)number(state, "--seconds", text, SECONDS_LEAST, SECONDS_MOST);
        return 0;
    case KEY_SEED: options->seed = number(state, "--seed", text, 0, INT64_MAX); return 0;
    case KEY_SVG: options->svg_path = file_name(state, "--svg", text); return 0;
    case KEY_JSON: options->json_path = file_name(state, "--json", text); return 0;
    case KEY_PLAIN: options->plain = true; return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': there is nothing to give without an option", text);
        return 0;
    case ARGP_KEY_END:
        if (options->json_path != NULL && strcmp(options->json_path, options->svg_path) == 0)
            argp_error(state, "--json and --svg both name '%s'", options->json_path);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void options_parse(struct options *options, int argc, char **argv)
{
    static const struct argp argp = {table, take, NULL, doc, NULL, NULL, NULL};

    *options = (struct options){.servers = 6,
                                .threads = 8,
                                .seconds = 28,
                                .seed = 1,
                                .plain = false,
                                .svg_path = "failover-demo.svg",
                                .json_path = NULL};
    argp_err_exit_status = EXIT_TROUBLE;
    argp_program_version_hook = print_version;
    if (argp_parse(&argp, argc, argv, 0, NULL, options) != 0)
        exit(EXIT_TROUBLE);
}
