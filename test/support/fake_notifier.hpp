#pragma once

#include <map>

#include <pm/notify.hpp>

namespace pm::test {

// A notifier without a socket: the test says what the runs say.
class fake_notifier : public notifier {
public:
  std::string path(bool is_shared) const override {
    return is_shared ? "/run/notify" : "/state/notify.sock";
  }

  void expect(const run_id& run, int pid, bool,
              std::function<void(notify_message)> tell) override {
    expected[run] = {pid, std::move(tell)};
  }

  void forget(const run_id& run) override { expected.erase(run); }

  // False if nobody listens to this run.
  bool say(const run_id& run, std::string_view text) {
    auto found = expected.find(run);
    if (found == expected.end())
      return false;
    found->second.tell(parse_notify(text));
    return true;
  }

  struct listener {
    int pid = 0;
    std::function<void(notify_message)> tell;
  };

  std::map<run_id, listener> expected;
};

} // namespace pm::test
