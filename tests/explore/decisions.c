/* SPDX-License-Identifier: Apache-2.0 */
#include "decisions.h"

#include "explore.h"

#include <stdio.h>

#define DECISIONS_MAX 20000 /* of one schedule; more: it does not end */

struct decision {
    unsigned char enabled; /* bits */
    unsigned char chosen;
    signed char before;     /* who ran, or NOBODY if it could not run on */
    unsigned char switches; /* preemptions up to here */
};

static struct decision decisions[DECISIONS_MAX];
static size_t decision_count; /* made so far in this schedule */
static size_t given_count;    /* of them given in advance */
static unsigned switches;

void decisions_forget(void)
{
    given_count = 0;
}

void decisions_begin(void)
{
    decision_count = 0;
    switches = 0;
}

size_t decisions_count(void)
{
    return decision_count;
}

/** The answer behind `last` in the order "whoever ran, then the others ascending", or NOBODY. */
static int answer_after(const struct decision *decision, int last)
{
    int from = 0;

    if (decision->before != NOBODY) {
        if (last == NOBODY)
            return decision->before;
        from = last == decision->before ? 0 : last + 1;
    } else if (last != NOBODY) {
        from = last + 1;
    }
    for (int i = from; i < EXPLORE_THREADS; i++)
        if ((decision->enabled & 1u << i) != 0 && i != decision->before)
            return i;
    return NOBODY;
}

int decide(unsigned enabled, int before)
{
    struct decision *decision = &decisions[decision_count];
    bool given = decision_count < given_count;

    if ((enabled & (enabled - 1)) == 0)
        return __builtin_ctz(enabled); /* no choice */
    explore_check(decision_count < DECISIONS_MAX, "it does not end");
    if (given)
        explore_check((enabled & 1u << decision->chosen) != 0,
                      "not repeatable: step %zu cannot be thread %u's", decision_count,
                      decision->chosen);
    decision->enabled = (unsigned char)enabled;
    decision->before = (signed char)before;
    decision->switches = (unsigned char)switches;
    if (!given)
        decision->chosen = (unsigned char)answer_after(decision, NOBODY);
    if (before != NOBODY && decision->chosen != before)
        switches++;
    decision_count++;
    return decision->chosen;
}

bool decisions_next(unsigned bound)
{
    while (decision_count > 0) {
        struct decision *decision = &decisions[decision_count - 1];
        int answer = answer_after(decision, decision->chosen);
        bool preempts = decision->before != NOBODY;

        if (answer != NOBODY && decision->switches + (preempts ? 1u : 0u) <= bound) {
            decision->chosen = (unsigned char)answer;
            given_count = decision_count;
            return true;
        }
        decision_count--;
    }
    return false;
}

void decisions_print(void)
{
    for (size_t i = 0; i < decision_count;) {
        size_t end = i;

        while (end < decision_count && decisions[end].chosen == decisions[i].chosen)
            end++;
        fprintf(stderr, "%s%u*%zu", i > 0 ? " " : "", decisions[i].chosen, end - i);
        i = end;
    }
}

void decisions_read(const char *text)
{
    unsigned thread;
    unsigned times;
    int length;

    for (given_count = 0; sscanf(text, " %u*%u%n", &thread, &times, &length) == 2; text += length)
        while (times-- > 0 && thread < EXPLORE_THREADS && given_count < DECISIONS_MAX)
            decisions[given_count++].chosen = (unsigned char)thread;
}
