/* SPDX-License-Identifier: Apache-2.0
 *
 * The name index against an array that is searched from end to end.
 */
#include "dice.h"
#include "names.h"

#include <criterion/criterion.h>
#include <failover/endpoint.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 400u

struct world {
    struct fo__names names;
    char text[NAMES][FO_NAME_MAX + 1];
    void *value[NAMES]; /* the oracle; NULL: not there */
};

/** 400 different names: short, longest, sharing prefixes, of any bytes. */
static void make_text(struct world *world, uint32_t i, struct dice *dice)
{
    uint32_t length = i % 4 == 0 ? FO_NAME_MAX : 4 + dice_below(dice, 40);
    char *text = world->text[i];

    for (uint32_t at = 0; at < length; at++)
        text[at] = i % 2 == 0 ? 'x' : (char)(1 + dice_below(dice, 255));
    text[length] = '\0';
    text[length - 1] = (char)(1 + i / 20); /* what tells them apart stands at the end */
    text[length - 2] = (char)(1 + i % 20);
}

static struct world *world_of(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    struct dice dice = dice_of(seed);

    cr_assert_not_null(world);
    cr_assert(fo__names_init(&world->names));
    for (uint32_t i = 0; i < NAMES; i++)
        make_text(world, i, &dice);
    return world;
}

static void world_free(struct world *world)
{
    fo__names_fini(&world->names);
    free(world);
}

static void insert(struct world *world, uint32_t i, void *value)
{
    struct fo__name *entry = fo__names_reserve(&world->names, world->text[i]);

    cr_assert_not_null(entry);
    cr_assert_str_eq(entry->bytes, world->text[i]);
    cr_assert_null(fo__names_get(&world->names, world->text[i]), "reserved is not yet there");
    cr_assert_eq(fo__names_find(&world->names, world->text[i]), entry);
    fo__name_set(entry, value);
    world->value[i] = value;
}

static void take_out(struct world *world, uint32_t i)
{
    fo__names_remove(&world->names, fo__names_find(&world->names, world->text[i]));
    world->value[i] = NULL;
}

static void change(struct world *world, uint32_t i, struct dice *dice)
{
    void *value = (void *)(uintptr_t)(dice_next(dice) | 1);

    if (world->value[i] == NULL) {
        insert(world, i, value);
    } else if (dice_below(dice, 2) == 0) {
        take_out(world, i);
    } else {
        fo__name_set(fo__names_find(&world->names, world->text[i]), value);
        world->value[i] = value;
    }
}

static void check_all(struct world *world)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        cr_assert_eq(fo__names_get(&world->names, world->text[i]), world->value[i]);
        if (world->value[i] == NULL)
            cr_assert_null(fo__names_find(&world->names, world->text[i]));
    }
}

Test(names, agrees_with_a_searched_array_over_random_changes)
{
    struct world *world = world_of(41);
    struct dice dice = dice_of(42);

    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t which = dice_below(&dice, NAMES);

        change(world, which, &dice);
        cr_assert_eq(fo__names_get(&world->names, world->text[which]), world->value[which]);
        if (i % 100 == 0)
            check_all(world);
        if (i % 37 == 0)
            fo__names_reap(&world->names);
    }
    check_all(world);
    world_free(world);
}

Test(names, keeps_apart_names_of_any_single_byte)
{
    struct world *world = calloc(1, sizeof(*world));
    char text[2] = "";

    cr_assert(fo__names_init(&world->names));
    for (int byte = 1; byte < 256; byte++) {
        text[0] = (char)byte;
        fo__name_set(fo__names_reserve(&world->names, text), &world->text[byte]);
    }
    for (int byte = 1; byte < 256; byte++) {
        text[0] = (char)byte;
        cr_assert_eq(fo__names_get(&world->names, text), &world->text[byte]);
    }
    world_free(world);
}

Test(names, takes_a_name_and_its_beginning_for_two)
{
    struct world *world = world_of(43);
    char name[FO_NAME_MAX + 1];

    memset(name, 'n', FO_NAME_MAX);
    name[FO_NAME_MAX] = '\0';
    for (size_t length = FO_NAME_MAX; length > 0; length--) {
        name[length] = '\0';
        cr_assert_null(fo__names_find(&world->names, name));
        fo__name_set(fo__names_reserve(&world->names, name), (void *)(uintptr_t)length);
    }
    for (size_t length = 1; length <= FO_NAME_MAX; length++) {
        name[length - 1] = 'n';
        name[length] = '\0';
        cr_assert_eq(fo__names_get(&world->names, name), (void *)(uintptr_t)length);
    }
    world_free(world);
}

Test(names, copies_the_name)
{
    struct world *world = world_of(44);
    char name[] = "broker-1";

    fo__name_set(fo__names_reserve(&world->names, name), world);
    memset(name, 'z', sizeof(name) - 1);
    cr_expect_eq(fo__names_get(&world->names, "broker-1"), world);
    cr_expect_null(fo__names_get(&world->names, name));
    world_free(world);
}

Test(names, takes_a_removed_name_again_before_it_is_reaped)
{
    struct world *world = world_of(45);

    insert(world, 3, &world->value[3]);
    take_out(world, 3);
    insert(world, 3, &world->value[4]);
    fo__names_reap(&world->names);
    cr_expect_eq(fo__names_get(&world->names, world->text[3]), &world->value[4]);
    world_free(world);
}
