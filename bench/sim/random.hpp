/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers that are the same everywhere: the standard library's distributions differ from one
 * implementation to the next, these do not.
 *
 * Sources: SplitMix64 (Steele, Lea, Flood 2014), one sequence for each seed and stream; the normal
 * distribution by Box and Muller 1958.
 */
#ifndef SIM_RANDOM_HPP
#define SIM_RANDOM_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sim {

class Random {
public:
    /** Streams of one seed are independent: each client and each concern has its own, so that what one
     * policy draws never changes what the world draws. */
    explicit Random(std::uint64_t seed, std::uint64_t stream = 0)
        : state_(mix(seed) ^ mix(mix(stream + 1)))
    {
    }

    std::uint64_t next()
    {
        state_ += 0x9e3779b97f4a7c15u;
        return mix(state_);
    }

    /** 0 … n − 1; n is at least 1. Off by less than n / 2^64. */
    std::size_t below(std::size_t n)
    {
        __extension__ using wide = unsigned __int128;

        return static_cast<std::size_t>((static_cast<wide>(next()) * n) >> 64);
    }

    /** [0, 1) */
    double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

    bool chance(double probability) { return uniform() < probability; }

    double exponential(double mean) { return -mean * std::log1p(-uniform()); }

    double normal(double mean, double deviation)
    {
        const double radius = std::sqrt(-2 * std::log1p(-uniform()));

        return mean + deviation * radius * std::cos(6.283185307179586 * uniform());
    }

private:
    std::uint64_t state_;

    static std::uint64_t mix(std::uint64_t z)
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
};

} // namespace sim

#endif
