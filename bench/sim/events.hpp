/* SPDX-License-Identifier: Apache-2.0
 *
 * The heart of the simulation: what happens next, and when.
 *
 *     at(time, actor, what) ─► heap by (time, order of the calls) ─► actor.on_event(what)
 *
 * Two events of the same moment happen in the order in which they were asked for, so that a run depends
 * on its seed only. An event cannot be taken back: an actor that has changed its mind ignores what
 * arrives, by a number that it puts into `what`.
 */
#ifndef SIM_EVENTS_HPP
#define SIM_EVENTS_HPP

#include "time.hpp"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <vector>

namespace sim {

class Actor {
public:
    virtual ~Actor() = default;
    virtual void on_event(std::uint64_t what) = 0;
};

class Events {
public:
    Time now() const { return now_; }

    /** A time in the past means now. */
    void at(Time time, Actor &actor, std::uint64_t what)
    {
        heap_.push({std::max(time, now_), order_++, &actor, what});
    }

    /** Runs everything up to that time, and then it is that time. */
    void run_until(Time end)
    {
        while (!heap_.empty() && heap_.top().time <= end) {
            const Event event = heap_.top();

            heap_.pop();
            now_ = event.time;
            event.actor->on_event(event.what);
        }
        now_ = std::max(now_, end);
    }

private:
    struct Event {
        Time time;
        std::uint64_t order;
        Actor *actor;
        std::uint64_t what;

        bool operator<(const Event &other) const /* the greatest is on top of the heap */
        {
            return time != other.time ? time > other.time : order > other.order;
        }
    };

    std::priority_queue<Event> heap_;
    Time now_ = 0;
    std::uint64_t order_ = 0;
};

} // namespace sim

#endif
