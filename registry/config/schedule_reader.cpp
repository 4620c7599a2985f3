#include "registry/config/schedule_reader.hpp"

#include <cstdlib>
#include <fstream>

#include <pm/cron.hpp>

namespace pm::config {

namespace {

// True if the system's tz database has it (tzfile(5)).
bool is_time_zone(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find("..") != name.npos)
    return false;
  auto* dir = std::getenv("TZDIR");
  std::ifstream file{
    fmt::format("{}/{}", dir != nullptr ? dir : "/usr/share/zoneinfo", name),
    std::ios::binary};
  char magic[4] = {};
  file.read(magic, sizeof(magic));
  return file && std::string_view(magic, sizeof(magic)) == "TZif";
}

template <named_enum Enum>
void take(const node* x, Enum& to) {
  if (x != nullptr)
    to = from_name<Enum>(x->text).value_or(to);
}

} // namespace

void read_schedule(const node& x, process_spec& to,
                   const std::function<void(const node&, std::string_view,
                                            std::string)>& report) {
  auto* found = find_good(x, "schedule");
  if (found == nullptr || !found->is(node_type::object))
    return;
  schedule_spec spec;
  auto* cron = find_good(*found, "cron");
  auto* interval = find_good(*found, "interval");
  auto* timezone = find_good(*found, "timezone");
  if ((found->find("cron") != nullptr) == (found->find("interval") != nullptr))
    return report(*found, "schedule",
                  found->find("cron") != nullptr
                    ? "has both 'cron' and 'interval'; leave one out"
                    : "needs either 'cron' or 'interval'");
  if (cron != nullptr) {
    spec.cron = cron->text;
    if (auto read = cron_expression::parse(cron->text); !read)
      report(*cron, "schedule.cron", read.error().text);
  }
  if (interval != nullptr) {
    spec.interval = parse_duration(interval->text).value_or(milliseconds{0});
    if (parse_duration(interval->text) == milliseconds{0})
      report(*interval, "schedule.interval",
             fmt::format("\"{}\": must be longer than 0", interval->text));
  }
  if (timezone != nullptr) {
    spec.timezone = timezone->text;
    if (found->find("cron") == nullptr)
      report(*timezone, "schedule.timezone", "belongs to 'cron'");
    else if (!is_time_zone(timezone->text))
      report(*timezone, "schedule.timezone",
             fmt::format("no time zone '{}' is known here; the names are as in "
                         "\"Europe/Berlin\"",
                         timezone->text));
  }
  take(find_good(*found, "overlap"), spec.overlap);
  take(find_good(*found, "missed"), spec.missed);
  if (to.restart == restart_mode::always)
    report(*found, "schedule",
           "a run of it would never be over: 'restart' is always; make it "
           "on_failure or never");
  if (to.essential)
    report(*found, "schedule",
           "an essential process ends for good, one with a schedule never");
  to.schedule = std::move(spec);
}

std::vector<std::string_view> schedule_keys() {
  return {"cron", "interval", "timezone", "overlap", "missed"};
}

} // namespace pm::config
