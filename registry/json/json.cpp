#include <pm/json.hpp>

#include <pm/json_fields.hpp>

namespace pm {

namespace json {

namespace {

// The length of the valid UTF-8 sequence at the front of `text`; 0 if bad
// (Unicode 15, table 3-7).
size_t sequence_length(std::string_view text) noexcept {
  auto at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto first = at(0);
  if (first < 0x80)
    return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length)
    return 0;
  uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high)
    return 0;
  for (size_t i = 2; i < length; ++i)
    if (at(i) < 0x80 || at(i) > 0xbf)
      return 0;
  return length;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto n = sequence_length(text);
    if (n == 0)
      return false;
    text.remove_prefix(n);
  }
  return true;
}

void write_text(writer& out, std::string_view text) {
  auto put = [&](std::string_view good) {
    out.String(good.data(), static_cast<rapidjson::SizeType>(good.size()));
  };
  if (is_utf8(text))
    return put(text);
  std::string mended;
  mended.reserve(text.size() + 16);
  while (!text.empty()) {
    auto n = sequence_length(text);
    mended += n == 0 ? std::string_view{"\xef\xbf\xbd"} : text.substr(0, n);
    text.remove_prefix(n == 0 ? 1 : n);
  }
  put(mended);
}

} // namespace json

// clang-format off
#define PM_JSON_TYPES(X) \
  X(error) X(exit_status) X(start_limit) X(shutdown_spec) \
  X(resource_limit) X(log_spec) X(process_spec) X(identity) \
  X(process_state) X(process_definition) X(process_record) X(process_view) \
  X(process_result) X(process_event) X(call_outcome) X(call_failure) X(json_text)
// clang-format on

PM_JSON_TYPES(PM_INSTANTIATE_JSON)

namespace {

expected<void> check_text(std::string_view text, std::string_view where) {
  if (text.find('\0') != std::string_view::npos)
    return fail(ec::invalid_argument, "{}: a NUL byte cannot be passed on",
                where);
  if (!json::is_utf8(text))
    return fail(ec::invalid_argument, "{}: not valid UTF-8", where);
  return {};
}

expected<void> check_texts(const std::map<std::string, std::string>& xs,
                           std::string_view where) {
  for (auto& [name, x] : xs) {
    auto place = fmt::format("{}.{}", where, name);
    if (auto ok = check_text(name, where); !ok)
      return ok;
    if (auto ok = check_text(x, place); !ok)
      return ok;
  }
  return {};
}

expected<void> check_call(const call_spec& call) {
  if (call.name.empty())
    return fail(ec::invalid_argument, "call: name the function");
  for (auto [name, text, is_right] :
       {std::tuple{"args", &call.args, &rapidjson::Value::IsArray},
        std::tuple{"kwargs", &call.kwargs, &rapidjson::Value::IsObject}}) {
    if (text->empty())
      continue;
    rapidjson::Document value;
    value.Parse<rapidjson::kParseIterativeFlag>(text->data(), text->size());
    if (value.HasParseError() || !(value.*is_right)())
      return fail(ec::invalid_argument, "{}: not a JSON {}", name,
                  name == std::string_view{"args"} ? "array" : "object");
  }
  return check_text(call.name, "function");
}

expected<void> check_what_runs(const process_spec& spec) {
  if (spec.kind == kind::task)
    return {};
  if (spec.kind != kind::command)
    return check_call(spec.call.value_or(call_spec{}));
  if (spec.command.empty() || spec.command[0].empty())
    return fail(ec::invalid_argument, "command: empty; name a program to run");
  return {};
}

} // namespace

expected<void> check_spec(const process_spec& spec) {
  if (auto ok = check_what_runs(spec); !ok)
    return ok;
  for (size_t i = 0; i < spec.command.size(); ++i)
    if (auto ok = check_text(spec.command[i], fmt::format("command[{}]", i));
        !ok)
      return ok;
  for (auto& word : spec.shutdown.command)
    if (auto ok = check_text(word, "shutdown.command"); !ok)
      return ok;
  for (auto& [name, x] : spec.environment)
    if (name.empty() || name.find('=') != std::string::npos)
      return fail(ec::invalid_argument,
                  "environment: '{}' is not a variable's name", name);
  for (auto [name, text] :
       {std::pair{"working_dir", &spec.working_dir},
        std::pair{"user", &spec.user}, std::pair{"group", &spec.group},
        std::pair{"log.file", &spec.log.file}})
    if (auto ok = check_text(*text, name); !ok)
      return ok;
  if (auto ok = check_texts(spec.environment, "environment"); !ok)
    return ok;
  return check_texts(spec.labels, "labels");
}

} // namespace pm
