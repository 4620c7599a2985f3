#include "registry/migrate/old_entry.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "registry/config/config_source.hpp"
#include "registry/migrate/old_time.hpp"

namespace pm::migrate {

namespace {

constexpr int pid_min = 2;
constexpr int pid_max = 4'194'304; // the kernel's own limit

std::string_view view_of(const json::value& x) {
  return {x.GetString(), x.GetStringLength()};
}

// A number, boolean or null as JSON writes it.
std::string scalar_text(const json::value& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  x.Accept(out);
  return {buffer.GetString(), buffer.GetSize()};
}

// A value in a message: short, on one line.
std::string shown(const json::value& x) {
  if (x.IsString())
    return config::in_double_quotes(view_of(x));
  if (x.IsObject())
    return "an object";
  if (x.IsArray())
    return "an array";
  return scalar_text(x);
}

// What a label keeps of a value.
std::string flat_text(const json::value& x) {
  if (x.IsString())
    return std::string{view_of(x)};
  if (!x.IsArray())
    return scalar_text(x);
  std::string all;
  for (auto& element : x.GetArray())
    all += (all.empty() ? "" : ",") + std::string{view_of(element)};
  return all;
}

} // namespace

old_entry::old_entry(const json::value& in,
                     const std::vector<std::string_view>& known)
  : in_(in) {
  if (!in.IsObject()) {
    problem_ = fmt::format("{} stands where an object is expected", shown(in));
    return;
  }
  std::set<std::string_view> seen;
  for (auto& x : in.GetObject()) {
    auto name = view_of(x.name);
    if (std::find(known.begin(), known.end(), name) == known.end())
      problem_ = fmt::format("field {}: unknown{}", config::in_quotes(name),
                             config::suggestion(name, known));
    else if (!seen.insert(name).second)
      refuse(name, "given twice");
    if (!problem_.empty())
      return;
  }
}

void old_entry::refuse(std::string_view field, std::string_view text) {
  if (problem_.empty())
    problem_ = fmt::format("field '{}': {}", field, text);
}

void old_entry::refuse_value(std::string_view field, std::string_view wanted) {
  auto* x = member(field);
  refuse(field, fmt::format("{} is not {}",
                            x == nullptr ? "nothing" : shown(*x), wanted));
}

const json::value* old_entry::member(std::string_view field) const {
  if (!in_.IsObject())
    return nullptr;
  auto found = in_.FindMember(
    json::value{field.data(), static_cast<unsigned>(field.size())});
  return found == in_.MemberEnd() ? nullptr : &found->value;
}

const json::value* old_entry::find(std::string_view field, need what) {
  auto* x = member(field);
  if (x == nullptr) {
    if (what != need::nothing)
      refuse(field, "missing");
    return nullptr;
  }
  if (!x->IsNull())
    return x;
  if (what == need::value)
    refuse(field, "null stands where a value is needed");
  return nullptr;
}

std::optional<std::string> old_entry::text(std::string_view field, need what) {
  auto* x = find(field, what);
  if (x == nullptr)
    return std::nullopt;
  if (!x->IsString())
    refuse_value(field, "a string");
  else if (view_of(*x).find('\0') != std::string_view::npos)
    refuse(field, "a NUL byte cannot be passed on");
  else
    return std::string{view_of(*x)};
  return std::nullopt;
}

std::optional<timestamp> old_entry::time(std::string_view field, need what) {
  auto written = text(field, what);
  if (!written)
    return std::nullopt;
  auto x = parse_old_time(*written);
  if (x)
    return *x;
  refuse(field, fmt::format("{} is {}", config::in_double_quotes(*written),
                            x.error().text));
  return std::nullopt;
}

std::optional<int> old_entry::whole_number(std::string_view field, need what) {
  auto* x = find(field, what);
  if (x == nullptr)
    return std::nullopt;
  if (x->IsInt())
    return x->GetInt();
  refuse_value(field, "a whole number");
  return std::nullopt;
}

std::optional<int> old_entry::pid(need what) {
  auto* x = find("pid", what);
  if (x == nullptr)
    return std::nullopt;
  if (x->IsInt() && x->GetInt() >= pid_min && x->GetInt() <= pid_max)
    return x->GetInt();
  refuse_value("pid",
               fmt::format("a process id from {} to {}", pid_min, pid_max));
  return std::nullopt;
}

void old_entry::check_amount(std::string_view field, bool whole) {
  auto* x = find(field, need::field);
  if (x == nullptr)
    return;
  if (whole ? !x->IsUint64() : !x->IsNumber() || x->GetDouble() < 0)
    refuse_value(field, whole ? "a whole number from 0" : "a number from 0");
}

std::vector<std::string> old_entry::texts(std::string_view field,
                                          bool empty_allowed) {
  std::vector<std::string> result;
  auto* x = find(field, need::value);
  if (x == nullptr)
    return result;
  if (!x->IsArray()) {
    refuse_value(field, "an array of strings");
    return result;
  }
  if (x->Empty() && !empty_allowed)
    refuse(field, "an empty array");
  for (auto& element : x->GetArray()) {
    if (!element.IsString()) {
      refuse(field, fmt::format("{} in it is not a string", shown(element)));
      return result;
    }
    if (view_of(element).find('\0') != std::string_view::npos)
      refuse(field, "a NUL byte cannot be passed on");
    result.emplace_back(view_of(element));
  }
  return result;
}

void old_entry::keep(std::string_view prefix,
                     const std::vector<std::string_view>& names,
                     process_spec& to) const {
  for (auto name : names)
    if (auto* x = member(name); x != nullptr && !x->IsNull())
      to.labels[fmt::format("{}.{}", prefix, name)] = flat_text(*x);
}

void place_log_file(const std::optional<std::string>& file,
                    std::string_view prefix, old_process& to) {
  auto& spec = to.definition.spec;
  if (!file || file->empty())
    return;
  if (file->front() == '/' || !spec.working_dir.empty()) {
    spec.log.file = *file;
    return;
  }
  auto label = fmt::format("{}.log_file", prefix);
  spec.labels[label] = *file;
  to.notes.push_back(
    fmt::format("log_file {} is relative, and the file does not tell to "
                "which directory: it is only kept as label {}",
                config::in_double_quotes(*file), label));
}

} // namespace pm::migrate
