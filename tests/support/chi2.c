/* SPDX-License-Identifier: Apache-2.0 */
#include "chi2.h"

#include <math.h>

#define EPSILON 1e-15
#define STEPS 100000

/** x^a e^-x / Γ(a), which both expansions share. */
static double prefix(double a, double x)
{
    return exp(a * log(x) - x - lgamma(a));
}

/** P(a, x) by its series; converges fast for x < a + 1. */
static double lower_by_series(double a, double x)
{
    double term = 1 / a;
    double sum = term;

    for (int i = 1; i < STEPS && term > sum * EPSILON; i++) {
        term *= x / (a + i);
        sum += term;
    }
    return sum * prefix(a, x);
}

/** Q(a, x) by its continued fraction; converges fast for x > a + 1. */
static double upper_by_fraction(double a, double x)
{
    double b = x + 1 - a;
    double c = 1e300;
    double d = 1 / b;
    double h = d;

    for (int i = 1; i < STEPS; i++) {
        double an = -i * (i - a);
        double step;

        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        step = d * c;
        h *= step;
        if (fabs(step - 1) < EPSILON)
            break;
    }
    return h * prefix(a, x);
}

double chi2_survival(double x, double degrees)
{
    double a = degrees / 2;
    double half = x / 2;

    if (x <= 0)
        return 1;
    return half < a + 1 ? 1 - lower_by_series(a, half) : upper_by_fraction(a, half);
}

static double sum_of(const uint64_t *counts, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += counts[i];
    return (double)sum;
}

double chi2_p(const uint64_t *counts, const double *shares, size_t n)
{
    double sum = sum_of(counts, n);
    double x = 0;
    size_t kinds = 0;

    for (size_t i = 0; i < n; i++) {
        double expected = shares[i] * sum;

        if (shares[i] <= 0 && counts[i] > 0)
            return 0;
        if (shares[i] <= 0)
            continue;
        x += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
        kinds++;
    }
    return kinds > 1 ? chi2_survival(x, (double)kinds - 1) : 1;
}

double largest_error(const uint64_t *counts, const double *shares, size_t n)
{
    double sum = sum_of(counts, n);
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)counts[i] - shares[i] * sum));
    return largest;
}

double largest_error_in_sigmas(const uint64_t *counts, const double *shares, size_t n)
{
    double sum = sum_of(counts, n);
    double largest = 0;

    for (size_t i = 0; i < n; i++) {
        double expected = shares[i] * sum;

        if (expected > 0)
            largest = fmax(largest, fabs((double)counts[i] - expected) / sqrt(expected));
    }
    return largest;
}
