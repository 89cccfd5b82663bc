/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of failover-demo.
 */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses; main.c tells when each is used. */
enum { EXIT_ALL_SAVED = 0, EXIT_REQUEST_LOST = 1, EXIT_TROUBLE = 2 };

/* Three servers are in trouble at the same time; one more must be left to save the requests. */
#define SERVERS_LEAST 4
#define SERVERS_MOST 26
#define THREADS_MOST 64
#define SECONDS_LEAST 8
#define SECONDS_MOST 600

struct options {
    unsigned servers; /* at the start; one more is added during the run */
    unsigned threads;
    unsigned seconds;
    uint64_t seed;
    bool plain; /* lines even on a terminal */
    const char *svg_path;
    const char *json_path; /* NULL: none */
};

/* Reads the command line. Prints what is wrong, naming it, and exits with EXIT_TROUBLE; exits with
 * 0 after --help and --version. */
void options_parse(struct options *options, int argc, char **argv);

#endif
