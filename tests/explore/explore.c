/* SPDX-License-Identifier: Apache-2.0 */
#include "explore.h"

#include "decisions.h"
#include "threads.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *scenario_name;

/* ---- Failing ----------------------------------------------------------------------------- */

void explore_print_schedule(void)
{
    fprintf(stderr, "  --scenario %s --replay \"", scenario_name);
    decisions_print();
    fprintf(stderr, "\"\n");
}

void explore_check(bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds)
        return;
    va_start(arguments, format);
    fprintf(stderr, "failed: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    explore_print_schedule();
    _exit(1);
}

static void crash(int signal_number)
{
    fprintf(stderr, "failed: %s\n", strsignal(signal_number));
    explore_print_schedule();
    _exit(1);
}

/* ---- Walking ----------------------------------------------------------------------------- */

static void begin(const struct explore_scenario *scenario)
{
    scenario_name = scenario->name;
    threads_set(scenario->thread);
}

static void run_schedule(const struct explore_scenario *scenario)
{
    decisions_begin();
    scenario->setup();
    threads_run();
    scenario->check();
    threads_forget_rows();
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void walk(const struct explore_scenario *scenario, unsigned bound, double seconds)
{
    double start = seconds_now();

    begin(scenario);
    for (unsigned up_to = 0; up_to <= bound; up_to++) {
        unsigned long schedules = 0;
        size_t longest = 0;
        bool more = true;

        decisions_forget();
        for (; more && seconds_now() - start < seconds; schedules++) {
            run_schedule(scenario);
            longest = decisions_count() > longest ? decisions_count() : longest;
            more = decisions_next(up_to);
        }
        printf("%s: %lu schedules of up to %u preemptions and %zu steps, %s, %.1f s\n",
               scenario->name, schedules, up_to, longest, more ? "out of time" : "all",
               seconds_now() - start);
        if (more)
            return;
    }
}

struct options {
    const char *scenario;
    const char *replay;
    long bound;
    double seconds;
};

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"scenario", required_argument, NULL, 'n'},
        {"replay", required_argument, NULL, 'r'},
        {"bound", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {NULL, NULL, -1, 40};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'n': options.scenario = optarg; break;
        case 'r': options.replay = optarg; break;
        case 'b': options.bound = strtol(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        default: exit(2);
        }
    }
    return options;
}

int explore_main(int argc, char **argv, const struct explore_scenario *scenarios, size_t count)
{
    struct options options = read_options(argc, argv);
    size_t ran = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, crash);
    signal(SIGABRT, crash);
    threads_init();
    for (size_t i = 0; i < count; i++) {
        const struct explore_scenario *scenario = &scenarios[i];

        if (options.scenario != NULL && strcmp(options.scenario, scenario->name) != 0)
            continue;
        ran++;
        if (options.replay == NULL) {
            walk(scenario, options.bound < 0 ? scenario->bound : (unsigned)options.bound,
                 options.seconds);
        } else {
            begin(scenario);
            decisions_read(options.replay);
            run_schedule(scenario);
            printf("%s: this schedule is all right\n", scenario->name);
        }
    }
    threads_fini();
    return ran > 0 ? 0 : 2;
}
