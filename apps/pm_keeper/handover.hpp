#pragma once

#include <cstdint>

#include "runtime/keeper/protocol.hpp"

namespace pm::keeper {

class keeper_home;
class node_link;
struct keeper_state;

// What a keeper leaves to the program that takes its place by execve: a memfd
// with a head, the command that starts the node, and the rows of the table,
// each followed by its log's path. Descriptors are meant by their numbers. The
// layout is `handover_format`; a program reads its own format only.
struct handover_head {
  char magic[8] = {'p', 'm', 'k', 'e', 'e', 'p', 'e', 'r'};
  uint32_t format = handover_format;
  uint32_t row_size = 0;
  uint32_t row_count = 0;
  uint32_t command_size = 0; // of the node; 0: it is not started again
  int32_t lock = -1;
  int32_t listener = -1;
  int32_t node = -1;    // pidfd of the node that was here last
  int32_t started = -1; // pidfd of one that has not come yet
  int32_t started_pid = 0;
  int32_t stdio[3] = {-1, -1, -1}; // of the next node
  uint8_t node_is_dead = 0;
  uint8_t death_is_news = 0;
  uint8_t said_goodbye = 0;
  uint8_t was_ready = 0;
  uint32_t reserved = 0;
  int64_t due_ms = -1;
  int64_t pause_ms = 0;
  uint64_t journal_records = 0;
};

struct handover_row {
  run_key run_id{};
  uint64_t start_ticks = 0;
  int64_t spawned_us = 0;
  int64_t ended_us = 0;
  uint64_t moved_bytes = 0;
  uint64_t dropped_bytes = 0;
  int32_t pid = 0;
  int32_t value = 0;
  uint32_t detail = 0;
  uint32_t outcome = 0;
  uint32_t stage = 0;
  uint32_t flags = 0;
  int32_t fds[4] = {-1, -1, -1, -1}; // pidfd, stdout_r, stderr_r, stdin_w
  uint8_t is_foreign = 0;
  uint8_t is_acknowledged = 0;
  uint16_t path_size = 0; // without a NUL
  uint32_t reserved = 0;
};

// Goes on as the program `path` with this state. Returns only when that is not
// possible: then all is as before.
void hand_over(keeper_state& state, keeper_home& home, node_link& link,
               const char* path) noexcept;

// Reads the head of the memfd `memory`. False if it is not one of ours.
bool read_handover(int memory, handover_head& head) noexcept;

// Takes the rest: the table, its watches and the node's command. Returns null,
// or a sentence for people.
const char* take_handover(int memory, const handover_head& head,
                          keeper_state& state, node_link& link) noexcept;

} // namespace pm::keeper
