#include <pm/error.hpp>

#include <array>
#include <system_error>

namespace pm {

namespace {

struct code_row {
  ec code;
  std::string_view name;
  std::string_view text;
};

constexpr std::array code_rows{
#define PM_X(name, number, text) code_row{ec::name, #name, text},
  PM_ERROR_CODES(PM_X)
#undef PM_X
};

constexpr bool numbered_from_zero() {
  for (size_t i = 0; i < code_rows.size(); ++i)
    if (static_cast<size_t>(code_rows[i].code) != i)
      return false;
  return true;
}

static_assert(numbered_from_zero(), "PM_ERROR_CODES has a gap");

} // namespace

std::string_view to_string(ec code) noexcept {
  auto i = static_cast<size_t>(code);
  return i < code_rows.size() ? code_rows[i].name : "invalid_code";
}

std::string_view describe(ec code) noexcept {
  auto i = static_cast<size_t>(code);
  return i < code_rows.size() ? code_rows[i].text : "an unknown error code";
}

ec error_code_named(std::string_view name) noexcept {
  for (auto& row : code_rows)
    if (row.name == name)
      return row.code;
  return ec::none;
}

tl::unexpected<error> fail_errno(int number, std::string_view what) {
  return fail(ec::system_failed, "{}: {}", what,
              std::generic_category().message(number));
}

} // namespace pm
