#pragma once

#include <caf/error.hpp>
#include <caf/meta/load_callback.hpp>

#include <pm/caf_error.hpp>
#include <pm/fields.hpp>
#include <pm/json.hpp>

namespace pm {

// CAF's serialisation of everything that has a field list: as its JSON, so
// that a newer node and an older one understand each other field by field.
template <class Inspector, has_fields T>
auto inspect(Inspector& f, T& x) {
  if constexpr (Inspector::reads_state) {
    auto text = to_json(x);
    return f(text);
  } else {
    std::string text;
    auto load = [&]() -> caf::error {
      auto parsed = from_json<T>(text);
      if (!parsed)
        return to_caf(parsed.error());
      x = std::move(*parsed);
      return caf::none;
    };
    return f(text, caf::meta::load_callback(load));
  }
}

} // namespace pm
