/* SPDX-License-Identifier: Apache-2.0
 *
 * The real library, on virtual time.
 *
 *     Library    one runtime that the simulation drives; its clock is that of the simulation
 *       └─ Ours  one client: a balancer of its own, with a seed of its own and a group of its own
 *
 * Only what is public is used. The runtime is dispatched when its next timer is due, and at once where a
 * call leaves work behind, as a program's loop would.
 */
#ifndef SIM_OURS_HPP
#define SIM_OURS_HPP

#include "policy.hpp"

#include <failover/failover.h>

#include <string>
#include <vector>

namespace sim {

/** Changes the default configuration into the one that is simulated. */
using Configure = void (*)(fo_config &config);

class Library : public Family, private Actor {
public:
    Library(Environment &environment, std::uint64_t seed, Configure configure);
    ~Library() override;
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;

    std::unique_ptr<Policy> client(std::size_t index) override;

    /** Lets the runtime do what is due, and asks to be woken for the rest. */
    void look_after();

    /** The open lease of an attempt. */
    fo_lease &lease(std::uint64_t attempt);
    const std::string &name(std::size_t server) const { return names_[server]; }

private:
    Environment &environment_;
    std::uint64_t seed_;
    Configure configure_;
    fo_runtime *runtime_ = nullptr;
    std::vector<fo_lease> leases_;
    std::vector<std::string> names_;
    Time woken_at_ = never; /* the earliest event that was asked for */

    static std::uint64_t clock(void *arg);
    void on_event(std::uint64_t what) override;
};

class Ours final : public Policy {
public:
    Ours(Environment &environment, Library &library, fo_balancer *balancer);
    ~Ours() override;
    Ours(const Ours &) = delete;
    Ours &operator=(const Ours &) = delete;

    std::size_t pick(std::uint64_t attempt, const Tried &tried) override;
    void finish(std::uint64_t attempt, const Reply &reply) override;
    void members_changed() override;

private:
    Environment &environment_;
    Library &library_;
    fo_balancer *balancer_;
    std::vector<std::uint64_t> ids_; /* by server; 0: not known */

    std::uint64_t id(std::size_t server);
};

} // namespace sim

#endif
