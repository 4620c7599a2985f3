#include "apps/pm_keeper/handover.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/pm_keeper/keeper_home.hpp"
#include "apps/pm_keeper/node_link.hpp"

namespace pm::keeper {

namespace {

bool put(int fd, const void* data, size_t size) noexcept {
  return ::write(fd, data, size) == static_cast<ssize_t>(size);
}

bool get(int fd, void* data, size_t size) noexcept {
  return ::read(fd, data, size) == static_cast<ssize_t>(size);
}

handover_row row_of(const run_slot& slot) noexcept {
  handover_row row;
  row.run_id = slot.run_id;
  row.start_ticks = slot.start_ticks;
  row.spawned_us = slot.spawned_us;
  row.ended_us = slot.ended_us;
  row.moved_bytes = slot.moved_bytes;
  row.dropped_bytes = slot.dropped_bytes;
  row.pid = slot.pid;
  row.value = slot.value;
  row.detail = slot.detail;
  row.outcome = static_cast<uint32_t>(slot.outcome);
  row.stage = static_cast<uint32_t>(slot.stage);
  row.flags = slot.flags;
  row.fds[0] = slot.pidfd.get();
  row.fds[1] = slot.stdout_r.get();
  row.fds[2] = slot.stderr_r.get();
  row.fds[3] = slot.stdin_w.get();
  row.is_foreign = slot.is_foreign ? 1 : 0;
  row.is_acknowledged = slot.is_acknowledged ? 1 : 0;
  if (slot.log)
    row.path_size = static_cast<uint16_t>(std::strlen((*slot.log).path));
  return row;
}

void fill(run_slot& slot, const handover_row& row) noexcept {
  slot.start_ticks = row.start_ticks;
  slot.spawned_us = row.spawned_us;
  slot.ended_us = row.ended_us;
  slot.moved_bytes = row.moved_bytes;
  slot.dropped_bytes = row.dropped_bytes;
  slot.pid = row.pid;
  slot.value = row.value;
  slot.detail = row.detail;
  slot.outcome = static_cast<outcome>(row.outcome);
  slot.stage = static_cast<spawn_stage>(row.stage);
  slot.flags = static_cast<uint8_t>(row.flags);
  slot.pidfd.reset(row.fds[0]);
  slot.stdout_r.reset(row.fds[1]);
  slot.stderr_r.reset(row.fds[2]);
  slot.stdin_w.reset(row.fds[3]);
  slot.is_foreign = row.is_foreign != 0;
  slot.is_acknowledged = row.is_acknowledged != 0;
}

// Descriptors outlive an execve without FD_CLOEXEC, and only then.
void set_inherited(int fd, bool inherited) noexcept {
  if (fd >= 0)
    ::fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

void set_all_inherited(const handover_head& head, keeper_state& state,
                       bool inherited) noexcept {
  for (auto fd : {head.lock, head.listener, head.node, head.started,
                  head.stdio[0], head.stdio[1], head.stdio[2]})
    set_inherited(fd, inherited);
  for (size_t i = 0; i < state.table.end(); ++i) {
    auto& slot = state.table.at(i);
    for (auto fd : {slot.pidfd.get(), slot.stdout_r.get(), slot.stderr_r.get(),
                    slot.stdin_w.get()})
      if (slot.used)
        set_inherited(fd, inherited);
  }
}

// The memfd with all of it, to be read from its beginning; -1: no memory.
int write_handover(const handover_head& head, keeper_state& state) noexcept {
  auto fd = static_cast<int>(::memfd_create("pm-keeper", MFD_CLOEXEC));
  auto good = fd >= 0 && put(fd, &head, sizeof(head))
              && put(fd, state.starter.command(), head.command_size);
  for (size_t i = 0; good && i < state.table.end(); ++i) {
    auto& slot = state.table.at(i);
    if (!slot.used)
      continue;
    auto row = row_of(slot);
    good = put(fd, &row, sizeof(row))
           && (row.path_size == 0 || put(fd, (*slot.log).path, row.path_size));
  }
  if (good && ::lseek(fd, 0, SEEK_SET) == 0)
    return fd;
  if (fd >= 0)
    ::close(fd);
  return -1;
}

} // namespace

void hand_over(keeper_state& state, keeper_home& home, node_link& link,
               const char* path) noexcept {
  handover_head head;
  head.row_size = sizeof(handover_row);
  head.row_count = static_cast<uint32_t>(state.table.used_count());
  head.lock = home.lock();
  head.listener = home.listener();
  head.journal_records = state.journal.records();
  link.leave(head);
  state.starter.leave(head);
  auto memory = write_handover(head, state);
  if (memory < 0)
    return;
  set_inherited(memory, true);
  set_all_inherited(head, state, true);
  std::array<char, 24> limit{};
  std::array<char, 16> number{};
  std::snprintf(limit.data(), limit.size(), "%llu",
                static_cast<unsigned long long>(state.children.nofile_soft()));
  std::snprintf(number.data(), number.size(), "%d", memory);
  const char* argv[] = {path,          "--state-dir", home.path(),
                        "--nofile",    limit.data(),  "--take-over-fd",
                        number.data(), nullptr};
  ::execv(path, const_cast<char**>(argv));
  set_all_inherited(head, state, false);
  ::close(memory);
}

bool read_handover(int memory, handover_head& head) noexcept {
  constexpr handover_head ours;
  return get(memory, &head, sizeof(head))
         && std::memcmp(head.magic, ours.magic, sizeof(ours.magic)) == 0
         && head.format == ours.format && head.row_size == sizeof(handover_row);
}

const char* take_handover(int memory, const handover_head& head,
                          keeper_state& state, node_link& link) noexcept {
  auto command = state.starter.command_space(head.command_size);
  if (head.command_size != 0
      && (command == nullptr || !get(memory, command, head.command_size)))
    return "handover: the node's command is cut off";
  static std::array<char, log_path_max + 1> path;
  for (uint32_t i = 0; i < head.row_count; ++i) {
    handover_row row;
    if (!get(memory, &row, sizeof(row)) || row.path_size > log_path_max
        || !get(memory, path.data(), row.path_size))
      return "handover: the table is cut off";
    auto slot = state.table.add(row.run_id);
    if (slot == nullptr)
      return "handover: the table is too long";
    fill(*slot, row);
    slot->log = state.logs.at({path.data(), row.path_size});
    if (slot->outcome == outcome::live)
      watch(state.epoll, slot->pidfd.get(), EPOLLIN,
            tag_run + state.table.index_of(*slot));
  }
  state.journal.take(head.journal_records);
  state.starter.take(head, state.epoll, tag_started);
  link.take(head);
  set_all_inherited(head, state, false);
  return nullptr;
}

} // namespace pm::keeper
