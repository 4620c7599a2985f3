#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/error.hpp>
#include <pm/spec.hpp>

// From the names that people write to the numbers that the kernel takes.

namespace pm {

// Whom a run becomes. An absent member stays what the keeper has.
struct credentials {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<std::vector<uint32_t>> groups; // supplementary

  bool operator==(const credentials&) const = default;
};

// Resolves a user and a group, each a name, a number or empty. A user brings
// its own primary group (unless `group` is given) and its supplementary
// groups; a number without an account needs a group and has no supplementary
// ones. Both empty: nothing changes. A group alone drops the supplementary
// groups. Blocks (name services). Errors: invalid_argument ("user 'bob': no
// such user"), system_failed.
expected<credentials> resolve_credentials(const std::string& user,
                                          const std::string& group);

// True if `resolve_credentials` may ask a name service, that is, block.
bool needs_name_service(const std::string& user, const std::string& group);

// RLIMIT_* of "nofile", "core", "as" ...; in any case, with or without
// "RLIMIT_". Errors: invalid_argument, with the names there are.
expected<int> rlimit_number(std::string_view name);

// The name of RLIMIT_* `number`; its digits where it has none.
std::string rlimit_name(int number);

// One resource limit as the kernel takes it.
struct numeric_limit {
  int resource = 0;
  uint64_t soft = 0; // UINT64_MAX: unlimited
  uint64_t hard = 0;

  bool operator==(const numeric_limit&) const = default;
};

// Resolves the names in `limits`; no value becomes UINT64_MAX. Errors:
// invalid_argument (no such name, soft above hard, given twice).
expected<std::vector<numeric_limit>>
resolve_limits(const std::vector<resource_limit>& limits);

} // namespace pm
