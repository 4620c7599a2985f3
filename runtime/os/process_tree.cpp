#include "runtime/os/process_tree.hpp"

#include <charconv>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "runtime/os/proc.hpp"
#include "runtime/os/proc_environ.hpp"

namespace pm {

namespace {

// How often a kill looks for new ones: a fork bomb is not outrun for ever.
constexpr int rounds_max = 32;

std::string read_proc(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  char part[4096];
  for (ssize_t n = 0; file && (n = ::read(file.get(), part, sizeof(part))) > 0;)
    text.append(part, static_cast<size_t>(n));
  return text;
}

// Calls `use` with each pid in "12 34 56 ".
template <class F>
void for_each_pid(std::string_view text, F use) {
  auto* at = text.data();
  auto* end = at + text.size();
  while (at < end) {
    int pid = 0;
    auto [next, error] = std::from_chars(at, end, pid);
    if (error == std::errc{})
      use(pid);
    at = next + 1;
  }
}

// proc(5): each thread has the children that it has made.
template <class F>
void for_each_child(int pid, F use) {
  auto threads = fmt::format("/proc/{}/task", pid);
  std::unique_ptr<DIR, int (*)(DIR*)> all{::opendir(threads.c_str()),
                                          &::closedir};
  while (auto* thread = all ? ::readdir(all.get()) : nullptr)
    if (thread->d_name[0] != '.')
      for_each_pid(
        read_proc(fmt::format("{}/{}/children", threads, thread->d_name)), use);
}

bool began_with(int pid, const std::string& run_id) {
  return read_process_variable(pid, run_variable) == run_id
         || read_process_variable(pid, side_run_variable) == run_id;
}

} // namespace

void process_tree::add(int pid) {
  if (pid == leader_ || members_.contains(pid))
    return;
  auto stat = read_process_stat(pid);
  if (stat && stat->state != 'Z' && stat->state != 'X')
    members_[pid] = {stat->start_ticks, stat->group_id};
}

// Level by level: those that are found in one round are looked at in the next.
void process_tree::add_descendants() {
  if (leader_ != 0)
    for_each_child(leader_, [&](int pid) { add(pid); });
  for (size_t before = 0; before != members_.size();) {
    before = members_.size();
    auto known = members_;
    for (auto& [pid, who] : known)
      for_each_child(pid, [&](int child) { add(child); });
  }
}

bool process_tree::look(const surroundings& around) {
  std::erase_if(members_, [](auto& x) {
    auto stat = read_process_stat(x.first);
    return !stat || stat->start_ticks != x.second.start_ticks
           || stat->state == 'Z';
  });
  for (auto reaper : around.reapers)
    for_each_child(reaper, [&](int pid) {
      if (!around.is_leader(pid) && !members_.contains(pid)
          && began_with(pid, run_id_))
        add(pid);
    });
  add_descendants();
  return !members_.empty();
}

void process_tree::signal(int number) {
  for (auto& [pid, who] : members_)
    if (who.group != group_)
      if (auto fd = open_pidfd(pid, who.start_ticks))
        (void)send_signal(fd->get(), number); // its end is no failure
}

void process_tree::kill(const surroundings& around) {
  look(around);
  for (size_t before = 0, round = 0;
       members_.size() != before && round < rounds_max; ++round) {
    before = members_.size();
    signal(SIGSTOP);
    look(around);
  }
  signal(SIGKILL);
}

} // namespace pm
