/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge is judged first: the chi-squared test that the distribution tests rely on.
 */
#include "chi2.h"
#include "dice.h"

#include <criterion/criterion.h>
#include <math.h>

static void expect_near(double got, double wanted)
{
    cr_expect(fabs(got - wanted) < 1e-9 + 1e-6 * wanted, "%.12g instead of %.12g", got, wanted);
}

/* Two degrees of freedom: e^(-x/2). One: erfc(√(x/2)). Four: e^(-x/2) (1 + x/2). */
Test(chi2, agrees_with_closed_forms)
{
    for (double x = 0.01; x < 80; x *= 1.7) {
        expect_near(chi2_survival(x, 1), erfc(sqrt(x / 2)));
        expect_near(chi2_survival(x, 2), exp(-x / 2));
        expect_near(chi2_survival(x, 4), exp(-x / 2) * (1 + x / 2));
    }
}

/* Critical values from the tables in every statistics book, to their three decimals. */
Test(chi2, agrees_with_printed_tables)
{
    static const struct {
        double x, degrees, p;
    } table[] = {{3.841, 1, 0.05},      {10.828, 1, 0.001},  {18.307, 10, 0.05},
                 {29.588, 10, 0.001},   {59.703, 30, 0.001}, {124.342, 100, 0.05},
                 {149.449, 100, 0.001}, {77.929, 100, 0.95}, {70.065, 100, 0.99}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        double p = chi2_survival(table[i].x, table[i].degrees);
        cr_expect(fabs(p - table[i].p) < 0.001 * table[i].p + 1e-5, "%g instead of %g", p,
                  table[i].p);
    }
    expect_near(chi2_survival(0, 7), 1);
}

static double p_of_dice(uint64_t seed, double bias)
{
    const double shares[] = {0.4, 0.3, 0.2, 0.1, 0};
    struct dice dice = dice_of(seed);
    uint64_t counts[5] = {0};

    for (int i = 0; i < 20000; i++) {
        double x = dice_fraction(&dice) * (1 + bias);
        counts[x < 0.4 ? 0 : x < 0.7 ? 1 : x < 0.9 ? 2 : 3]++;
    }
    return chi2_p(counts, shares, 5);
}

Test(chi2, tells_fair_dice_from_loaded_ones)
{
    int below_a_tenth = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        double p = p_of_dice(seed, 0);
        cr_expect_gt(p, 0.0005);
        below_a_tenth += p < 0.1 ? 1 : 0;
    }
    cr_expect(below_a_tenth > 8 && below_a_tenth < 35, "%d", below_a_tenth); /* 20 expected */
    for (uint64_t seed = 1; seed <= 20; seed++)
        cr_expect_lt(p_of_dice(seed, 0.05), 1e-6);
}

Test(chi2, refuses_a_count_where_the_share_is_zero)
{
    const double shares[] = {0.5, 0.5, 0};
    const uint64_t fair[] = {500, 500, 0};
    const uint64_t impossible[] = {500, 500, 1};

    expect_near(chi2_p(fair, shares, 3), 1);
    cr_expect_eq(chi2_p(impossible, shares, 3), 0);
}
