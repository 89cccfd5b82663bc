/* SPDX-License-Identifier: Apache-2.0
 *
 * What latency a request that comes now may expect: the median of recent ones that came while about as
 * many requests were in flight as now.
 *
 * Source: Prequal (NSDI 2024), the server's side of a probe. "About as many" is the nearest number in
 * flight of which there is a sample; of each number the last 15 are kept.
 */
#ifndef SIM_LATENCY_MEMORY_HPP
#define SIM_LATENCY_MEMORY_HPP

#include "time.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace sim {

class LatencyMemory {
public:
    void add(std::size_t in_flight, Time latency)
    {
        const std::size_t place = std::min(in_flight, most);

        if (place >= rings_.size())
            rings_.resize(place + 1);
        Ring &ring = rings_[place];

        ring.samples[ring.count++ % ring.samples.size()] = latency;
    }

    /** 0 while there is no sample at all. */
    Time expected(std::size_t in_flight) const
    {
        const std::size_t wanted = std::min(in_flight, most);

        for (std::size_t off = 0; off <= most; off++) {
            if (off <= wanted && has(wanted - off))
                return median(rings_[wanted - off]);
            if (has(wanted + off))
                return median(rings_[wanted + off]);
        }
        return 0;
    }

private:
    struct Ring {
        std::array<Time, 15> samples;
        std::size_t count = 0;
    };

    static constexpr std::size_t most = 255; /* stands for more as well */

    std::vector<Ring> rings_; /* by the number in flight */

    bool has(std::size_t place) const { return place < rings_.size() && rings_[place].count > 0; }

    static Time median(const Ring &ring)
    {
        auto samples = ring.samples;
        const std::size_t size = std::min(ring.count, samples.size());
        const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(size / 2);

        std::nth_element(samples.begin(), middle,
                         samples.begin() + static_cast<std::ptrdiff_t>(size));
        return *middle;
    }
};

} // namespace sim

#endif
