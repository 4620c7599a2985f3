#include "runtime/keeper/keeper_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/os/unique_fd.hpp"

namespace pm::keeper {

namespace {

report_body body_of(const journal_record& x) {
  report_body result;
  result.run_id = x.run_id;
  result.pid = x.pid;
  result.start_ticks = x.start_ticks;
  result.spawned_us = x.time_us;
  result.flags = report_no_stdout | report_no_stderr;
  return result;
}

} // namespace

keeper_files::records keeper_files::read(const std::string& path) {
  records result;
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  journal_record x;
  // The files are small, and read once after a keeper's death.
  while (file && ::read(file.get(), &x, sizeof(x)) == sizeof(x))
    if (x.check == checksum(x))
      result[run_id{x.run_id}] = x;
  return result;
}

keeper_files::keeper_files(const std::string& state_dir)
  : runs_(read(state_dir + "/" + runs_name)),
    exits_(read(state_dir + "/" + exits_name)) {}

std::optional<run_report> keeper_files::spawned(const run_id& run) const {
  auto found = runs_.find(run);
  if (found == runs_.end())
    return std::nullopt;
  return to_report(frame_type::held, body_of(found->second));
}

std::vector<run_id> keeper_files::unended() const {
  std::vector<run_id> result;
  for (auto& [run, x] : runs_)
    if (!exits_.contains(run))
      result.push_back(run);
  return result;
}

std::optional<run_report> keeper_files::exited(const run_id& run) const {
  auto found = exits_.find(run);
  if (found == exits_.end())
    return std::nullopt;
  auto& x = found->second;
  auto body = body_of(x);
  body.ended_us = x.time_us;
  body.value = x.value;
  body.outcome = static_cast<outcome>(x.outcome);
  if (body.outcome != outcome::exited && body.outcome != outcome::signaled)
    body.outcome = outcome::lost;
  if (auto begun = runs_.find(run); begun != runs_.end())
    body.spawned_us = begun->second.time_us;
  return to_report(frame_type::held, body);
}

} // namespace pm::keeper
