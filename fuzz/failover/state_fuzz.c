/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved state from anywhere: text that the fuzzer makes, as it is or with a right header and a right
 * end around it, so that it gets behind the checksum.
 *
 * Refused text has changed nothing. Accepted text is what the library would have written itself: two
 * balancers that restore it are saved alike, and what they save is accepted, too.
 */
#include "dump.h"
#include "hash.h"
#include "input.h"

#include <failover/failover.h>
#include <inttypes.h>

#define NOW_S UINT64_C(1764072000)
#define TEXT_BYTES 8192

struct process {
    uint64_t now_ns;
    struct fo_runtime *runtime;
    struct fo_balancer *balancer;
};

static uint64_t read_clock(void *arg)
{
    return *(uint64_t *)arg;
}

static void start(struct process *process)
{
    static const char *const names[] = {"a", "b", "c%", "\xff"};
    struct fo_runtime_config runtime = fo_runtime_config_init();
    struct fo_config config = fo_config_init();

    process->now_ns = 1000000000;
    runtime.clock = read_clock;
    runtime.clock_arg = &process->now_ns;
    MUST(fo_runtime_create(&runtime, &process->runtime) == FO_OK);
    config.runtime = process->runtime;
    config.seed = 1;
    MUST(fo_balancer_create(&config, &process->balancer) == FO_OK);
    for (int i = 0; i < 4; i++) {
        struct fo_endpoint_config server = fo_endpoint_config_init(names[i]);

        server.init_weight = i == 1 ? 0 : server.init_weight;
        MUST(fo_balancer_update(process->balancer, &server, 1, NULL, 0, NULL) == FO_OK);
    }
}

static void stop(struct process *process)
{
    fo_balancer_destroy(process->balancer);
    while (fo_runtime_destroy(process->runtime) == FO_BUSY)
        fo_runtime_dispatch(process->runtime);
}

/** The fuzzer's bytes between a header and an end. Returns the length. */
static size_t seal(struct input *input, char *text)
{
    size_t length = (size_t)sprintf(text, "failover-state 1 %" PRIu64 "\n", NOW_S);
    size_t count = 0;

    while (input->left > 0 && length < TEXT_BYTES - 64) {
        text[length] = (char)input_byte(input);
        count += text[length++] == '\n' ? 1 : 0;
    }
    return length + (size_t)sprintf(&text[length], "end %zu %016" PRIx64 "\n", count,
                                    fo__hash(text, length));
}

static size_t take_raw(struct input *input, char *text)
{
    size_t length = 0;

    while (input->left > 0 && length < TEXT_BYTES)
        text[length++] = (char)input_byte(input);
    return length;
}

static fo_status restore(struct process *process, const char *text, size_t length)
{
    struct fo_state_options options = fo_state_options_init();
    struct fo_state_result result = fo_state_result_init();
    char *exact = malloc(length > 0 ? length : 1); /* so that a read behind it is seen */
    char *before = dump(process->balancer);
    fo_status status;

    MUST(exact != NULL);
    memcpy(exact, text, length);
    options.now_s = NOW_S;
    status = fo_state_restore(process->balancer, &options, exact, length, &result);
    free(exact);
    if (status == FO_OK) {
        free(before);
        MUST(result.line == 0 && result.restored + result.kept <= 4);
    } else {
        MUST(status == FO_STALE || (status == FO_EINVAL && result.line > 0));
        MUST(result.restored == 0 && result.kept == 0 && dump_is_still(process->balancer, before));
    }
    return status;
}

static size_t save(struct process *process, char *text)
{
    struct fo_state_options options = fo_state_options_init();
    size_t length;

    options.now_s = NOW_S;
    MUST(fo_state_save(process->balancer, &options, text, TEXT_BYTES, &length) == FO_OK);
    return length;
}

static void run(struct input *input)
{
    static char text[TEXT_BYTES];
    static char first_text[TEXT_BYTES];
    static char second_text[TEXT_BYTES];
    struct process first, second;
    size_t length = input_bit(input) ? seal(input, text) : take_raw(input, text);

    start(&first);
    start(&second);
    if (restore(&first, text, length) == FO_OK) {
        size_t first_length = save(&first, first_text);

        MUST(restore(&second, text, length) == FO_OK);
        MUST(save(&second, second_text) == first_length);
        MUST(memcmp(first_text, second_text, first_length) == 0);
        MUST(restore(&first, first_text, first_length) == FO_OK);
        fo_runtime_dispatch(first.runtime);
        first.now_ns += UINT64_C(100000000000);
        fo_runtime_dispatch(first.runtime);
    }
    stop(&second);
    stop(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input_run(data, size, run);
    return 0;
}
