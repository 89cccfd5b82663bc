/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a set of counts look like draws from a set of shares? Pearson's chi-squared test.
 *
 * The survival function of the chi-squared distribution with k degrees of freedom is the
 * regularised upper incomplete gamma function Q(k/2, x/2), by its series below a+1 and by its
 * continued fraction (Lentz's method) above: Abramowitz and Stegun 6.5.29, 6.5.31 and 26.4.19.
 */
#ifndef CHI2_H
#define CHI2_H

#include <stddef.h>
#include <stdint.h>

/** Probability that a chi-squared variable of that many degrees of freedom exceeds x. */
double chi2_survival(double x, double degrees);

/**
 * The p-value of counts against shares.
 *
 * @param shares  of 1 in all; an index of share 0 adds no degree of freedom
 * @return 0 if an index of share 0 has been counted
 */
double chi2_p(const uint64_t *counts, const double *shares, size_t n);

/** The largest |count − expected|; expected is share × the sum of all counts. */
double largest_error(const uint64_t *counts, const double *shares, size_t n);

/** The largest |count − expected| / √expected, over the shares that are not 0. */
double largest_error_in_sigmas(const uint64_t *counts, const double *shares, size_t n);

#endif
