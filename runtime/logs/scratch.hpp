#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace pm {

constexpr size_t scratch_size = 64u << 10;

// A buffer for bytes on their way, one for each thread and kind of user. On
// the heap: thread-local storage of this size would be taken from the stack of
// every thread of an embedding program.
template <class User>
std::span<char> scratch() {
  thread_local std::unique_ptr<std::array<char, scratch_size>> buffer;
  if (!buffer)
    buffer = std::make_unique<std::array<char, scratch_size>>();
  return *buffer;
}

} // namespace pm
