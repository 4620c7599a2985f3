#include "runtime/keeper/keeper_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/os/unique_fd.hpp"

namespace pm::keeper {

namespace {

timestamp to_timestamp(int64_t us) {
  return timestamp{
    std::chrono::floor<milliseconds>(std::chrono::microseconds{us})};
}

run_report report_of(const journal_record& x) {
  run_report result;
  result.run_id = run_id{x.run_id};
  result.pid = x.pid;
  result.start_ticks = x.start_ticks;
  result.spawned_at = to_timestamp(x.time_us);
  result.has_stdout = result.has_stderr = false;
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
  return report_of(found->second);
}

std::optional<run_report> keeper_files::exited(const run_id& run) const {
  auto found = exits_.find(run);
  if (found == exits_.end())
    return std::nullopt;
  auto& x = found->second;
  auto result = report_of(x);
  result.ended_at = to_timestamp(x.time_us);
  if (auto begun = spawned(run))
    result.spawned_at = begun->spawned_at;
  result.outcome = static_cast<outcome>(x.outcome);
  if (result.outcome == outcome::exited)
    result.exit = exit_status{exit_reason::exited, x.value, std::nullopt};
  else if (result.outcome == outcome::signaled)
    result.exit = exit_status{exit_reason::signaled, std::nullopt, x.value};
  else
    result.outcome = outcome::lost;
  return result;
}

} // namespace pm::keeper
