#include "actors/host_bridge.hpp"

namespace pm {

void host_bridge::spawn(spawn_request what, std::shared_ptr<run_events> to) {
  auto name = what.handle_id;
  auto taken = loop_.try_post([this, what = std::move(what), to]() mutable {
    host_.spawn(std::move(what), std::move(to));
  });
  if (!taken)
    to->spawn_failed(
      {ec::busy, fmt::format("spawn '{}': the loop's inbox is full", name)});
}

void host_bridge::adopt(spawn_request what, std::shared_ptr<run_events> to) {
  loop_.post([this, what = std::move(what), to = std::move(to)]() mutable {
    host_.adopt(std::move(what), std::move(to));
  });
}

void host_bridge::signal(const run_id& run, int number, signal_scope scope) {
  loop_.post([this, run, number, scope] { host_.signal(run, number, scope); });
}

void host_bridge::watch_group(const run_id& run) {
  loop_.post([this, run] { host_.watch_group(run); });
}

void host_bridge::write_stdin(const run_id& run, std::string bytes,
                              std::function<void(expected<void>)> done) {
  auto taken = loop_.try_post([this, run, bytes = std::move(bytes), done] {
    host_.write_stdin(run, bytes, done);
  });
  if (!taken)
    done(fail(ec::busy, "stdin: the loop's inbox is full"));
}

void host_bridge::close_stdin(const run_id& run) {
  loop_.post([this, run] { host_.close_stdin(run); });
}

void host_bridge::collect(const run_id& run,
                          std::function<void(run_output)> done) {
  loop_.post([this, run, done = std::move(done)] { host_.collect(run, done); });
}

void host_bridge::consumed(const run_id& run, stream which, size_t bytes) {
  loop_.post([this, run, which, bytes] { host_.consumed(run, which, bytes); });
}

void host_bridge::limit(const run_id& run, const run_limits& allowed) {
  loop_.post([this, run, allowed] { host_.limit(run, allowed); });
}

void host_bridge::acknowledge(const run_id& run) {
  loop_.post([this, run] { host_.acknowledge(run); });
}

} // namespace pm
