#include <pm/caf_error.hpp>

#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace pm {

namespace {

constexpr auto category = caf::atom("pm");

} // namespace

caf::error to_caf(const error& x) {
  return {static_cast<uint8_t>(x.code), category, caf::make_message(x.text)};
}

error from_caf(const caf::error& x) {
  if (x.category() == category) {
    auto& context = x.context();
    return {static_cast<ec>(x.code()), context.match_elements<std::string>()
                                         ? context.get_as<std::string>(0)
                                         : std::string{}};
  }
  if (x == caf::sec::request_timeout)
    return {ec::timeout, "no answer before the deadline"};
  if (x == caf::sec::request_receiver_down || x.category() == caf::atom("exit"))
    return {ec::shutting_down, "the process's supervisor is gone"};
  return {ec::system_failed, caf::to_string(x)};
}

} // namespace pm
