/* SPDX-License-Identifier: Apache-2.0
 *
 * failover-sim: simulates policies in scenarios and prints what came of it; "./dev sim" builds and runs it.
 */
#include "catalog.hpp"
#include "report.hpp"
#include "scenarios.hpp"
#include "world.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Options {
    std::vector<std::string> scenarios, policies; /* empty: all */
    std::uint64_t seed = 1;
    bool full = false;
    std::string json;
};

void usage(FILE *to)
{
    std::fputs("failover-sim [--scenario NAME] ... [--policy NAME] ... [--seed N] [--full] [--json "
               "FILE]\n\n"
               "scenarios\n",
               to);
    for (const auto &scenario : sim::scenarios())
        std::fprintf(to, "  %-16s %s\n", scenario.name.c_str(), scenario.what.c_str());
    std::fputs("policies\n", to);
    for (const auto &policy : sim::policies())
        std::fprintf(to, "  %-16s %s\n", policy.name.c_str(), policy.what.c_str());
    std::fputs(
        "columns\n"
        "  success          % of the requests\n"
        "  p50 ... p99.9    ms; a request that fails counts as the timeout; TO: that or more\n"
        "  failed           requests, after their retries\n"
        "  spread           attempts of the busiest of the other servers, to their mean\n"
        "  removed          attempts on servers that were no members any more\n"
        "  known            attempts on a bad server by clients that had found out\n"
        "  shed             s until the bad got at most 1 % of their fair share\n"
        "  return           s until they had 95 % of it after\n"
        "  first            % of their fair share in the first second after\n"
        "  took             s that all requests took\n",
        to);
}

[[noreturn]] void refuse(const std::string &why)
{
    std::fprintf(stderr, "failover-sim: %s\n\n", why.c_str());
    usage(stderr);
    std::exit(2);
}

template <class Entries>
void expect_known(const Entries &entries, const std::string &name, const char *what)
{
    for (const auto &entry : entries)
        if (entry.name == name)
            return;
    refuse(std::string("no ") + what + " is called " + name);
}

std::uint64_t number_of(const char *text)
{
    char *end = nullptr;
    const std::uint64_t number = std::strtoull(text, &end, 10);

    if (end == text || *end != '\0')
        refuse(std::string("not a number: ") + text);
    return number;
}

Options options_of(int argc, char **argv)
{
    Options options;

    for (int i = 1; i < argc; i++) {
        const std::string name = argv[i];

        if (name == "--help") {
            usage(stdout);
            std::exit(0);
        }
        if (name == "--full") {
            options.full = true;
            continue;
        }
        if (i + 1 == argc)
            refuse("what about " + name + "?");
        const char *const value = argv[++i];

        if (name == "--scenario")
            options.scenarios.push_back(value);
        else if (name == "--policy")
            options.policies.push_back(value);
        else if (name == "--seed")
            options.seed = number_of(value);
        else if (name == "--json")
            options.json = value;
        else
            refuse("no option is called " + name);
    }
    for (const auto &name : options.scenarios)
        expect_known(sim::scenarios(), name, "scenario");
    for (const auto &name : options.policies)
        expect_known(sim::policies(), name, "policy");
    return options;
}

bool is_wanted(const std::vector<std::string> &wanted, const std::string &name)
{
    for (const auto &one : wanted)
        if (one == name)
            return true;
    return wanted.empty();
}

sim::Table simulate(const sim::Spec &spec, const Options &options)
{
    sim::Table table{spec, {}};

    for (const auto &policy : sim::policies()) {
        if (!is_wanted(options.policies, policy.name))
            continue;
        sim::World world(table.spec, policy.make, options.seed);

        table.rows.push_back({policy.name, world.run()});
    }
    return table;
}

void write_json(const std::string &path, const std::string &json)
{
    FILE *const file = std::fopen(path.c_str(), "w");

    if (file == nullptr || std::fputs(json.c_str(), file) < 0 || std::fclose(file) != 0) {
        std::fprintf(stderr, "failover-sim: cannot write %s\n", path.c_str());
        std::exit(1);
    }
}

} // namespace

int main(int argc, char **argv)
{
    const Options options = options_of(argc, argv);
    std::vector<sim::Table> tables;

    for (const auto &scenario : sim::scenarios()) {
        if (!is_wanted(options.scenarios, scenario.name))
            continue;
        for (const auto &spec : scenario.cases(options.seed, options.full)) {
            tables.push_back(simulate(spec, options));
            std::fputs(sim::text_of(tables.back()).c_str(), stdout);
            std::fflush(stdout);
        }
    }
    if (!options.json.empty())
        write_json(options.json, sim::json_of(tables, options.seed));
    return 0;
}
