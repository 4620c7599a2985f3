#pragma once

#include <cstdint>

#include "runtime/keeper/keeper_codec.hpp"

// The one entry of the fuzzer and of the seeded random test.

namespace pm::keeper {

// Decodes `frame` as every message there is. The result depends on every byte
// that a decoder vouches for, so that a sanitizer sees each read.
inline uint64_t decode_anything(std::span<const std::byte> frame) {
  uint64_t sum = 0;
  if (auto head = decode_header(frame))
    sum += head->type;
  if (auto x = decode_hello(frame))
    sum += x->version_max;
  if (auto n = decode_run_list(frame))
    for (size_t i = 0; i < *n; ++i)
      sum += listed_run(frame, i)[15];
  if (auto x = decode_spawn_body(frame)) {
    for (size_t i = 0; i < x->body.limit_count; ++i)
      sum += limit_at(*x, i).soft;
    for (size_t i = 0; i < x->body.group_count; ++i)
      sum += group_at(*x, i);
    auto at = x->strings;
    auto has_cgroup = (x->body.flags & spawn_cgroup) != 0;
    auto count = 1 + x->body.argc + x->body.envc + (has_cgroup ? 1 : 0);
    for (uint32_t i = 0; i < count; ++i) {
      std::string_view text{at};
      sum += text.size();
      at += text.size() + 1;
    }
    auto log = log_path_of(*x);
    sum += log.size();
    if ((x->body.flags & spawn_log) != 0)
      at += log.size() + 1;
    if (at != x->strings + x->body.strings_size)
      std::abort();
  }
  if (auto x = decode_set_log(frame))
    sum += x->path.size() + x->run_id[0];
  if (auto x = decode_hold(frame))
    sum += x->log_path.size() + x->body.flags;
  if (auto x = decode_message(frame)) {
    sum += x->index();
    if (auto report = std::get_if<run_report>(&*x))
      sum += to_string(report->stage).size() + report->detail;
    if (auto refusal = std::get_if<error>(&*x))
      sum += refusal->text.size();
  }
  return sum;
}

} // namespace pm::keeper
