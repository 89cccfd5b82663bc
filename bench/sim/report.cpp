/* SPDX-License-Identifier: Apache-2.0 */
#include "report.hpp"

#include <cstdarg>
#include <cstdio>

namespace sim {

namespace {

__attribute__((format(printf, 2, 3))) void append(std::string &text, const char *format, ...)
{
    char piece[512];
    va_list arguments;

    va_start(arguments, format);
    std::vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    text += piece;
}

double in_ms(Time time)
{
    return static_cast<double>(time) * 1e-6;
}

/* A latency that fits a narrow column; TO: at or beyond the timeout. */
void append_latency(std::string &text, Time latency, Time timeout)
{
    if (latency >= timeout)
        append(text, "%8s", "TO");
    else
        append(text, "%8.*f", latency < 10 * ms ? 2 : latency < 100 * ms ? 1 : 0, in_ms(latency));
}

void append_seconds(std::string &text, Time time)
{
    if (time == never)
        append(text, "%8s", "never");
    else
        append(text, "%8.1f", in_seconds(time));
}

void append_row(std::string &text, const Spec &spec, const Row &row)
{
    const Result &result = row.result;

    append(text, "  %-16s%9.3f", row.policy.c_str(), result.success() * 100);
    for (const Time latency : result.latency)
        append_latency(text, latency, spec.timeout);
    append(text, "%8zu%8.2f", result.failed, result.spread);
    if (!spec.absent.empty())
        append(text, "%8zu", result.to_absent);
    if (!spec.watch.servers.empty()) {
        append(text, "%8zu", result.to_known_bad);
        append_seconds(text, result.to_shed);
        if (spec.watch.until < spec.until) {
            append_seconds(text, result.to_return);
            append(text, "%8.0f", result.first_second * 100);
        }
    }
    if (spec.concurrency > 0)
        append(text, "%8.1f", in_seconds(result.took));
    text += "\n";
}

} // namespace

std::string text_of(const Table &table)
{
    const Spec &spec = table.spec;
    std::string text = "\n" + spec.name + ": " + spec.title + "\n";

    append(text, "  %-16s%9s%8s%8s%8s%8s%8s%8s", "", "success", "p50", "p90", "p99", "p99.9",
           "failed", "spread");
    if (!spec.absent.empty())
        append(text, "%8s", "removed");
    if (!spec.watch.servers.empty())
        append(text, "%8s%8s", "known", "shed");
    if (!spec.watch.servers.empty() && spec.watch.until < spec.until)
        append(text, "%8s%8s", "return", "first");
    if (spec.concurrency > 0)
        append(text, "%8s", "took");
    text += "\n";
    for (const Row &row : table.rows)
        append_row(text, spec, row);
    return text;
}

/* ---- JSON --------------------------------------------------------------------------------- */

namespace {

void append_time(std::string &json, const char *key, Time time, double unit)
{
    if (time == never)
        append(json, ", \"%s\": null", key);
    else
        append(json, ", \"%s\": %.9g", key, static_cast<double>(time) / unit);
}

void append_moments(std::string &json, const Result &result)
{
    json += ", \"seconds\": [";
    for (std::size_t i = 0; i < result.moments.size(); i++) {
        const Moment &moment = result.moments[i];

        append(json, "%s[%zu, %zu, %.9g, %.9g, %.6g]", i == 0 ? "" : ", ", moment.begun,
               moment.failed, in_ms(moment.p50), in_ms(moment.p99), moment.watched_share);
    }
    json += "]";
}

void append_json(std::string &json, const Row &row)
{
    const Result &result = row.result;
    static const char *const outcomes[] = {"success", "error", "refused", "overloaded", "timeout"};
    static const char *const quantiles[] = {"p50_ms", "p90_ms", "p99_ms", "p999_ms"};

    append(json, "{\"policy\": \"%s\", \"requests\": %zu, \"failed\": %zu, \"success\": %.9g",
           row.policy.c_str(), result.requests, result.failed, result.success());
    for (std::size_t i = 0; i < result.latency.size(); i++)
        append_time(json, quantiles[i], result.latency[i], 1e6);
    for (std::size_t i = 1; i < result.attempts_failed.size(); i++)
        append(json, ", \"attempts_%s\": %zu", outcomes[i], result.attempts_failed[i]);
    append(json, ", \"to_known_bad\": %zu, \"to_removed\": %zu", result.to_known_bad,
           result.to_absent);
    append_time(json, "to_shed_s", result.to_shed, 1e9);
    append_time(json, "to_return_s", result.to_return, 1e9);
    append(json, ", \"first_second\": %.6g, \"spread\": %.6g", result.first_second, result.spread);
    append_time(json, "took_s", result.took, 1e9);
    append_moments(json, result);
    json += "}";
}

} // namespace

std::string json_of(const std::vector<Table> &tables, std::uint64_t seed)
{
    std::string json;

    append(json, "{\"seed\": %llu,\n", static_cast<unsigned long long>(seed));
    json += " \"seconds\": [\"begun\", \"failed\", \"p50_ms\", \"p99_ms\", \"watched_share\"],\n"
            " \"cases\": [";
    for (std::size_t i = 0; i < tables.size(); i++) {
        const Spec &spec = tables[i].spec;

        append(json,
               "%s\n  {\"name\": \"%s\", \"title\": \"%s\", \"timeout_ms\": %.9g, \"from_s\": %.9g",
               i == 0 ? "" : ",", spec.name.c_str(), spec.title.c_str(), in_ms(spec.timeout),
               in_seconds(spec.from));
        append_time(json, "fault_from_s", spec.watch.from, 1e9);
        append_time(json, "fault_until_s", spec.watch.until, 1e9);
        json += ", \"rows\": [";
        for (std::size_t k = 0; k < tables[i].rows.size(); k++) {
            json += k == 0 ? "\n   " : ",\n   ";
            append_json(json, tables[i].rows[k]);
        }
        json += "]}";
    }
    return json + "\n ]}\n";
}

} // namespace sim
