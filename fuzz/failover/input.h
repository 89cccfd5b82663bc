/* SPDX-License-Identifier: Apache-2.0
 *
 * What every fuzz target needs: the fuzzer's bytes, one after another, and a loud end.
 *
 * When the bytes are used up, zeros follow: every input is a whole program, and a shorter one does
 * less.
 */
#ifndef INPUT_H
#define INPUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t input_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/** 0 … bound − 1, bound ≤ 256 */
static inline unsigned input_below(struct input *input, unsigned bound)
{
    return input_byte(input) % bound;
}

static inline bool input_bit(struct input *input)
{
    return (input_byte(input) & 1) != 0;
}

static inline uint64_t input_wide(struct input *input)
{
    uint64_t wide = 0;

    for (int i = 0; i < 8; i++)
        wide = wide << 8 | input_byte(input);
    return wide;
}

static inline void broken(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, promise);
    abort();
}

/** Ends the program, which the fuzzer counts as a find, unless the promise holds. */
#define MUST(holds) ((holds) ? (void)0 : broken(#holds, __FILE__, __LINE__))

struct input_run {
    struct input input;
    void (*body)(struct input *input);
};

static inline void *input_run_body(void *arg)
{
    struct input_run *run = arg;

    run->body(&run->input);
    return NULL;
}

/**
 * Runs a target's body on a thread of its own. What the library keeps for a thread is then freed
 * with it, so an input that leaks shows at once, and none leaves anything behind for the next.
 */
static inline void input_run(const uint8_t *data, size_t size, void (*body)(struct input *input))
{
    struct input_run run = {{data, size}, body};
    pthread_t thread;

    MUST(pthread_create(&thread, NULL, input_run_body, &run) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

#endif
