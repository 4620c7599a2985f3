#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <pm/event_loop.hpp>
#include <pm/ids.hpp>
#include <pm/units.hpp>

// What processes say of themselves (sd_notify(3)), and who takes it.

namespace pm {

// One message, or several that were merged, the later ones over the earlier.
struct notify_message {
  // READY=1, RELOADING=1 or STOPPING=1, whichever came last.
  enum class phase : uint8_t { none, ready, reloading, stopping };

  phase now = phase::none;
  bool is_alive = false;              // WATCHDOG=1
  bool wants_restart = false;         // WATCHDOG=trigger
  std::optional<std::string> status;  // STATUS=
  std::optional<milliseconds> extend; // EXTEND_TIMEOUT_USEC=, rounded up
  std::string refused;                // a MAINPID=, which nobody may change

  bool operator==(const notify_message&) const = default;

  // Takes in a later message.
  void merge(notify_message later);
};

// Of STATUS=, so many bytes are kept.
constexpr size_t notify_status_max = 256;

// Reads "NAME=value" lines; what is unknown or makes no sense is left out.
notify_message parse_notify(std::string_view text);

// Keeps what was said until it is taken, as one message, however often it is
// said. Any thread.
class notify_inbox {
public:
  // True if nothing was waiting: somebody must be told to take it.
  bool put(notify_message what);

  notify_message take();

private:
  std::mutex mutex_;
  std::optional<notify_message> waiting_;
};

// Takes what runs say. A sender is known by the kernel's word for its pid: it
// is the run's main process, of its session, a descendant, or began with the
// run's id in its environment. Any thread, in the order of the calls.
class notifier {
public:
  virtual ~notifier() = default;

  // What $NOTIFY_SOCKET is for a run. With `is_shared` other users reach it
  // too: for runs that become one.
  virtual std::string path(bool is_shared) const = 0;

  // Listens for a run, from before its spawn on (`pid` 0) or after it. A
  // second call for the same run adds the pid. `tell` is called on the loop's
  // thread. Trouble is told to `make_loop_notifier`'s `note`.
  virtual void expect(const run_id& run, int pid, bool is_shared,
                      std::function<void(notify_message)> tell) = 0;

  virtual void forget(const run_id& run) = 0;
};

// A notifier on `loop`, which must outlive it; `state_dir` is absolute. Its
// sockets are made when the first run needs them. Destroy it on the loop's
// thread.
std::unique_ptr<notifier>
make_loop_notifier(event_loop& loop, const std::string& state_dir,
                   std::function<void(const std::string&)> note);

} // namespace pm
