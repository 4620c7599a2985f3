#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <pm/error.hpp>

// One field list for each struct, one name list for each enum: the JSON codec,
// CAF's `inspect` and the printed names all walk these.

namespace pm {

// A member with the name that it has outside.
template <class T>
struct field_ref {
  std::string_view name;
  T& value;
};

template <class T>
constexpr field_ref<T> field(std::string_view name, T& value) noexcept {
  return {name, value};
}

template <class Self, class Visit>
auto error::fields(Self& x, Visit&& visit) {
  return visit(field("code", x.code), field("text", x.text));
}

// Specialised by PM_ENUM: the names of an enum's values, in order from 0.
template <class Enum>
struct enum_names;

#define PM_ENUM_VALUE(name, ...) name,
#define PM_ENUM_NAME(name, ...) std::string_view{#name},

// Defines `enum class Type : uint8_t` and its names from the list macro LIST.
#define PM_ENUM(Type, LIST)                                 \
  enum class Type : uint8_t { LIST(PM_ENUM_VALUE) };        \
  template <>                                               \
  struct enum_names<Type> {                                 \
    static constexpr std::array names{LIST(PM_ENUM_NAME)};  \
  };                                                        \
  constexpr std::string_view to_string(Type x) noexcept {   \
    return enum_names<Type>::names[static_cast<size_t>(x)]; \
  }

// Finds the value of `Enum` with this name.
template <class Enum>
constexpr std::optional<Enum> from_name(std::string_view name) noexcept {
  constexpr auto& names = enum_names<Enum>::names;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<Enum>(i);
  return std::nullopt;
}

template <class T>
concept has_fields = requires(T& x) {
  T::fields(x, [](auto&&...) {});
};

template <class T>
concept named_enum = requires {
  enum_names<T>::names;
};

} // namespace pm
