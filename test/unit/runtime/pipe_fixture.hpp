#pragma once

#include <cstring>
#include <random>
#include <thread>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>

#include "runtime/logs/log_index_file.hpp"
#include "runtime/loop/pipe_watcher.hpp"
#include "test/unit/runtime/loop_fixture.hpp"

namespace pm::test {

inline run_id run_number(uint8_t x) {
  return run_id{{1, 2, 3, x}};
}

// One pipe of a run: the end that a child would write to, and its watcher.
struct child_pipe {
  unique_fd write_end;
  std::unique_ptr<pipe_watcher> watcher;
};

struct pipe_fixture : loop_fixture, pipe_events {
  temp_dir dir;
  std::vector<std::string> troubles;
  log_table logs{64,
                 [this](const std::string& text) { troubles.push_back(text); }};
  std::string chunks[2];
  size_t chunk_max = 0;
  size_t closed = 0;
  size_t moved = 0;
  size_t dropped = 0;

  void on_chunk(stream which, std::string chunk) override {
    chunk_max = std::max(chunk_max, chunk.size());
    chunks[static_cast<size_t>(which)] += chunk;
  }

  void on_logged(size_t bytes, size_t lost) override {
    moved += bytes;
    dropped += lost;
  }

  void on_pipe_closed(stream) override { ++closed; }

  child_pipe open(pipe_watcher::plan how) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    child_pipe result;
    result.write_end.reset(ends[1]);
    result.watcher =
      std::make_unique<pipe_watcher>(unique_fd{ends[0]}, how, *this);
    BOOST_REQUIRE(result.watcher->prepare(*loop).has_value());
    result.watcher->start();
    return result;
  }

  child_pipe open_log(const std::string& path, uint8_t run = 1,
                      stream which = stream::stdout_stream) {
    return open({{run_number(run), which}, output_mode::log, 0, logs.at(path)});
  }

  // The pipe's capacity is enough for what tests write at once.
  void write(const child_pipe& to, std::string_view bytes) {
    BOOST_REQUIRE(::write(to.write_end.get(), bytes.data(), bytes.size())
                  == static_cast<ssize_t>(bytes.size()));
  }
};

inline std::string random_bytes(size_t size, unsigned seed) {
  std::mt19937_64 random{seed};
  std::string result(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    auto x = random();
    std::memcpy(result.data() + i, &x, 8);
  }
  return result;
}

inline void write_all(int fd, std::string_view bytes, unsigned seed) {
  std::minstd_rand random{seed};
  while (!bytes.empty()) {
    auto size = std::min<size_t>(bytes.size(), 1 + random() % 200'000);
    auto count = ::write(fd, bytes.data(), size);
    if (count <= 0)
      return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

} // namespace pm::test
