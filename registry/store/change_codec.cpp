#include "registry/store/change_codec.hpp"

#include <cmath>

#include "registry/store/journal_frame.hpp"
#include <pm/json_fields.hpp>

namespace pm {

PM_INSTANTIATE_JSON(state_change)
PM_INSTANTIATE_JSON(removal)
PM_INSTANTIATE_JSON(node_mark)
PM_INSTANTIATE_JSON(ended_run)
PM_INSTANTIATE_JSON(request_mark)

namespace {

// JSON has no word for the other numbers, and a record that says nothing
// could not be read back.
template <class T>
bool all_finite(const T& x) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isfinite(x);
  else if constexpr (has_fields<T>)
    return T::fields(x,
                     [](auto... fs) { return (all_finite(fs.value) && ...); });
  else
    return true;
}

std::string_view handle_of(const change& x) noexcept {
  if (auto* definition = std::get_if<process_definition>(&x))
    return definition->handle_id;
  if (auto* state = std::get_if<state_change>(&x))
    return state->handle_id;
  if (auto* gone = std::get_if<removal>(&x))
    return gone->handle_id;
  if (auto* run = std::get_if<ended_run>(&x))
    return run->handle_id;
  if (auto* request = std::get_if<request_mark>(&x))
    return request->handle_id;
  return "the node";
}

template <size_t Index>
expected<change> decode_as(std::string_view payload) {
  return from_json<std::variant_alternative_t<Index, change>>(payload).map(
    [](auto x) {
      return change{std::in_place_index<Index>, std::move(x)};
    });
}

} // namespace

expected<std::string> encode_change(const change& x) {
  if (!std::visit([](auto& y) { return all_finite(y); }, x))
    return fail(ec::invalid_argument,
                "record of '{}': a number is not finite; nothing was changed",
                handle_of(x));
  auto payload = std::visit([](auto& y) { return to_sparse_json(y); }, x);
  if (payload.size() > frame_payload_max)
    return fail(ec::invalid_argument,
                "record of '{}': {} bytes, and at most {} are kept; nothing "
                "was changed",
                handle_of(x), payload.size(), frame_payload_max);
  return payload;
}

expected<change> decode_change(uint8_t type, std::string_view payload) {
  static_assert(std::variant_size_v<change> == 6, "a type has no reader");
  switch (type) {
  case 1:
    return decode_as<0>(payload);
  case 2:
    return decode_as<1>(payload);
  case 3:
    return decode_as<2>(payload);
  case 4:
    return decode_as<3>(payload);
  case 5:
    return decode_as<4>(payload);
  case 6:
    return decode_as<5>(payload);
  default:
    return fail(ec::format_refused, "a record of unknown type {}", type);
  }
}

} // namespace pm
