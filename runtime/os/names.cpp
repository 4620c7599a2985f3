#include "runtime/os/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <grp.h>
#include <limits>
#include <pwd.h>
#include <sys/resource.h>

namespace pm {

namespace {

struct limit_row {
  std::string_view name;
  int number;
};

constexpr std::array limit_rows{
  limit_row{"as", RLIMIT_AS},
  limit_row{"core", RLIMIT_CORE},
  limit_row{"cpu", RLIMIT_CPU},
  limit_row{"data", RLIMIT_DATA},
  limit_row{"fsize", RLIMIT_FSIZE},
  limit_row{"locks", RLIMIT_LOCKS},
  limit_row{"memlock", RLIMIT_MEMLOCK},
  limit_row{"msgqueue", RLIMIT_MSGQUEUE},
  limit_row{"nice", RLIMIT_NICE},
  limit_row{"nofile", RLIMIT_NOFILE},
  limit_row{"nproc", RLIMIT_NPROC},
  limit_row{"rss", RLIMIT_RSS},
  limit_row{"rtprio", RLIMIT_RTPRIO},
  limit_row{"rttime", RLIMIT_RTTIME},
  limit_row{"sigpending", RLIMIT_SIGPENDING},
  limit_row{"stack", RLIMIT_STACK},
};

constexpr size_t account_buffer_max = 1u << 20;

std::optional<uint32_t> parse_number(std::string_view text) {
  uint32_t result = 0;
  auto end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, result);
  // The largest means "leave it" to setresuid(2).
  if (text.empty() || error != std::errc{} || at != end
      || result == std::numeric_limits<uint32_t>::max())
    return std::nullopt;
  return result;
}

struct account {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// Calls one of the getXXX_r functions with a buffer that grows as it asks.
// Returns the entry (none if there is no such), with its text in `buffer`.
template <class Entry, class Key, class Function>
expected<std::optional<Entry>> ask(Function function, Key key,
                                   std::vector<char>& buffer) {
  buffer.resize(1024);
  for (;;) {
    Entry entry{};
    Entry* found = nullptr;
    auto error = function(key, &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < account_buffer_max) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    if (error == EINTR)
      continue;
    // These mean "not found" as well, depending on the name service.
    if (error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
      error = 0;
    if (error != 0)
      return fail_errno(error, "name service");
    if (found == nullptr)
      return std::optional<Entry>{};
    return std::optional<Entry>{entry};
  }
}

expected<std::optional<account>> find_user(const std::string& user) {
  std::vector<char> buffer;
  auto found = ask<passwd>(::getpwnam_r, user.c_str(), buffer);
  if (auto number = parse_number(user); found && !*found && number)
    found = ask<passwd>(::getpwuid_r, *number, buffer);
  if (!found)
    return fail(found.error().code, "user '{}': {}", user, found.error().text);
  if (!*found)
    return std::optional<account>{};
  return std::optional{
    account{(*found)->pw_name, (*found)->pw_uid, (*found)->pw_gid}};
}

expected<uint32_t> find_group(const std::string& name) {
  std::vector<char> buffer;
  auto found = ask<group>(::getgrnam_r, name.c_str(), buffer);
  if (!found)
    return fail(found.error().code, "group '{}': {}", name, found.error().text);
  if (*found)
    return (*found)->gr_gid;
  if (auto number = parse_number(name))
    return *number;
  return fail(ec::invalid_argument, "group '{}': no such group", name);
}

std::vector<uint32_t> groups_of(const std::string& user, uint32_t gid) {
  std::vector<gid_t> groups(64);
  auto count = static_cast<int>(groups.size());
  while (::getgrouplist(user.c_str(), gid, groups.data(), &count) < 0)
    groups.resize(static_cast<size_t>(count));
  groups.resize(static_cast<size_t>(count));
  return groups;
}

} // namespace

bool needs_name_service(const std::string& user, const std::string& group) {
  return !user.empty() || (!group.empty() && !parse_number(group));
}

expected<credentials> resolve_credentials(const std::string& user,
                                          const std::string& group) {
  credentials result;
  if (!group.empty()) {
    auto gid = find_group(group);
    if (!gid)
      return tl::make_unexpected(gid.error());
    result.gid = *gid;
    result.groups.emplace();
  }
  if (user.empty())
    return result;
  auto found = find_user(user);
  if (!found)
    return tl::make_unexpected(found.error());
  if (*found) {
    auto& who = **found;
    result.uid = who.uid;
    if (!result.gid)
      result.gid = who.gid;
    result.groups = groups_of(who.name, *result.gid);
    return result;
  }
  auto number = parse_number(user);
  if (!number)
    return fail(ec::invalid_argument, "user '{}': no such user", user);
  if (!result.gid)
    return fail(ec::invalid_argument,
                "user '{}': no account has this number, so a group is needed",
                user);
  result.uid = *number;
  return result;
}

expected<int> rlimit_number(std::string_view name) {
  std::string lower{name};
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  if (lower.starts_with("rlimit_"))
    lower.erase(0, 7);
  for (auto& row : limit_rows)
    if (row.name == lower)
      return row.number;
  std::string known;
  for (auto& row : limit_rows)
    known.append(known.empty() ? "" : ", ").append(row.name);
  return fail(ec::invalid_argument, "limit '{}': no such limit; there are {}",
              name, known);
}

std::string rlimit_name(int number) {
  for (auto& row : limit_rows)
    if (row.number == number)
      return std::string{row.name};
  return std::to_string(number);
}

expected<std::vector<numeric_limit>>
resolve_limits(const std::vector<resource_limit>& limits) {
  constexpr auto unlimited = std::numeric_limits<uint64_t>::max();
  std::vector<numeric_limit> result;
  for (auto& limit : limits) {
    auto number = rlimit_number(limit.name);
    if (!number)
      return tl::make_unexpected(number.error());
    numeric_limit one{*number, limit.soft.value_or(unlimited),
                      limit.hard.value_or(unlimited)};
    if (one.soft > one.hard)
      return fail(ec::invalid_argument, "limit '{}': soft {} is above hard {}",
                  limit.name, one.soft, one.hard);
    auto same = [&](auto& x) { return x.resource == one.resource; };
    if (std::ranges::any_of(result, same))
      return fail(ec::invalid_argument, "limit '{}' is given twice",
                  limit.name);
    result.push_back(one);
  }
  return result;
}

} // namespace pm
