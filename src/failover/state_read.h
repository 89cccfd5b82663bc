/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved state as text (state.h has the format): what both directions agree on, and reading.
 *
 * Reading changes nothing but its own memory and trusts no byte: whoever gets FO_OK has the whole text
 * in range and without a name twice.
 */
#ifndef FO_STATE_READ_H
#define FO_STATE_READ_H

#include <failover/endpoint.h>
#include <failover/state.h>

#define FO__STATE_HEADER "failover-state 1 "
#define FO__STATE_LINE_MAX (3 * FO_NAME_MAX + 64) /* with its newline */
#define FO__STATE_LINE_MIN (sizeof("down 0 0 a\n") - 1)
#define FO__STATE_WAIT_MAX_MS UINT64_C(6000000000) /* more than any back-off */
#define FO__STATE_TIME_MAX_S UINT64_C(1000000000000000)
#define FO__STATE_TRIALS_MAX UINT64_C(1000000)
#define FO__STATE_HEALTH_ONE UINT64_C(10000000000) /* ten digits tell all steps of 2^-31 apart */

struct fo__state_record {
    const char *name; /* 1 … FO_NAME_MAX bytes, NUL-terminated */
    uint64_t line;
    uint64_t health;  /* up: 1 … FO__STATE_HEALTH_ONE; down: 0 */
    uint64_t wait_ms; /* down: until its trial */
    uint32_t trials_failed;
};

struct fo__state_text {
    struct fo__state_record *records; /* sorted by name */
    size_t count;
    char *names;
    uint64_t written_s;
    uint64_t bad_line; /* FO_EINVAL: where; from 1 */
};

/** Whether a byte of a name stands for itself. */
static inline bool fo__state_is_plain(unsigned char byte)
{
    return byte > ' ' && byte < 0x7f && byte != '%';
}

/** A caller's options (NULL: none) over our defaults, and the time if they leave it open. False: they are
 * not valid. */
bool fo__state_options_read(struct fo_state_options *ours, const struct fo_state_options *theirs);

/** FO_OK, FO_EINVAL or FO_NOMEM. Always pair with fo__state_text_fini(). */
fo_status fo__state_read(struct fo__state_text *read, const char *text, size_t length);

void fo__state_text_fini(struct fo__state_text *read);

#endif
