#include <pm/status.hpp>

#include <pm/ids.hpp>

namespace pm {

std::string describe(const exit_status& x) {
  switch (x.reason) {
  case exit_reason::exited:
    return fmt::format("exit {}", x.code.value_or(-1));
  case exit_reason::signaled:
    return fmt::format("signal {} ({})", x.signal.value_or(0),
                       signal_name(x.signal.value_or(0)));
  case exit_reason::spawn_failed:
    return "spawn failed";
  case exit_reason::timeout:
    return "timed out";
  case exit_reason::lost:
    break;
  }
  return "lost";
}

} // namespace pm
