/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers: cut into pieces as the first bytes say, the verdict is the one of a reader of the whole,
 * and was at every cut the one of what had been fed. What the rest begins with is repeated, so that
 * the limit is within reach.
 */
#include "http_answer.h"
#include "input.h"
#include "model_answer.h"

#define BYTES_MAX 40000u

static int result_of(const struct fo__http_answer *answer)
{
    if (answer->verdict == FO__HTTP_DONE)
        return answer->status;
    return answer->verdict == FO__HTTP_NEED_MORE ? MODEL_NEED_MORE : MODEL_MALFORMED;
}

/** The rest of the input; its last `unit` bytes come again and again. */
static size_t unfold(struct input *input, char *bytes)
{
    size_t unit = input_bit(input) ? input_byte(input) : 0;
    size_t wanted = input_bit(input) ? BYTES_MAX : FO__HTTP_ANSWER_MAX + input_below(input, 4);
    size_t count = input->left < BYTES_MAX ? input->left : BYTES_MAX;

    memcpy(bytes, input->at, count);
    if (unit == 0 || unit > count)
        return count;
    for (; count < wanted; count++)
        bytes[count] = bytes[count - unit];
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[BYTES_MAX];
    struct input input = {data, size};
    struct fo__http_answer answer = {0};
    size_t first = input_byte(&input);
    size_t further = (size_t)input_byte(&input) + 1;
    size_t count = unfold(&input, bytes);
    size_t cuts = 0;

    for (size_t at = 0; at < count;) {
        size_t wanted = at == 0 ? first : further;
        size_t piece = wanted < count - at ? wanted : count - at;

        if (cuts++ < 64)
            MUST(result_of(&answer) == model_answer(bytes, at));
        MUST(fo__http_answer_feed(&answer, bytes + at, piece) == answer.verdict);
        at += piece;
        first = first > 0 ? first : further;
    }
    MUST(result_of(&answer) == model_answer(bytes, count));
    MUST(answer.taken <= FO__HTTP_ANSWER_MAX && answer.taken <= count);
    return 0;
}
