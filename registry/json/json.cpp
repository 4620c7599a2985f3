#include <pm/json.hpp>

#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

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

namespace {

// Where `text` is nested deeper than `most`: the byte, or npos. Brackets
// within strings do not count; what is no JSON does not matter.
size_t too_deep_at(std::string_view text, size_t most) noexcept {
  size_t depth = 0;
  auto in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '[' || c == '{') && ++depth > most)
      return i;
    else if (!in_string && (c == ']' || c == '}') && depth > 0)
      --depth;
  }
  return std::string_view::npos;
}

expected<void> check_depth(std::string_view text, size_t most) {
  auto at = too_deep_at(text, most);
  if (at == std::string_view::npos)
    return {};
  return fail(ec::format_refused, "not JSON at byte {}: nested deeper than {}",
              at, most);
}

expected<void> outcome_of(const rapidjson::ParseResult& parsed) {
  if (!parsed.IsError())
    return {};
  return fail(ec::format_refused, "not JSON at byte {}: {}", parsed.Offset(),
              rapidjson::GetParseError_En(parsed.Code()));
}

} // namespace

expected<void> parse(rapidjson::Document& to, std::string_view text) {
  if (auto ok = check_depth(text, nesting_max); !ok)
    return ok;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag
                             | rapidjson::kParseValidateEncodingFlag
                             | rapidjson::kParseFullPrecisionFlag;
  return outcome_of(to.Parse<flags>(text.data(), text.size()));
}

} // namespace json

expected<void> check_json(std::string_view text) {
  // Other documents have it within them.
  if (auto ok = json::check_depth(text, json::nesting_max / 2); !ok)
    return ok;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag
                             | rapidjson::kParseValidateEncodingFlag
                             | rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream bytes{text.data(), text.size()};
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> in{
    bytes};
  rapidjson::BaseReaderHandler<> nobody;
  return json::outcome_of(rapidjson::Reader{}.Parse<flags>(in, nobody));
}

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

expected<void> check_call(const call_spec& call) {
  if (call.name.empty())
    return fail(ec::invalid_argument, "call: name the function");
  for (auto [name, text, opening] : {std::tuple{"args", &call.args, '['},
                                     std::tuple{"kwargs", &call.kwargs, '{'}}) {
    if (text->empty())
      continue;
    if (auto ok = check_json(*text); !ok)
      return fail(ec::invalid_argument, "{}: {}", name, ok.error().text);
    auto first = text->find_first_not_of(" \t\r\n");
    if ((*text)[first] != opening)
      return fail(ec::invalid_argument, "{}: not a JSON {}", name,
                  opening == '[' ? "array" : "object");
  }
  return check_text(call.name, "function");
}

expected<void>
check_environment(const std::map<std::string, std::string>& variables) {
  for (auto& [name, x] : variables)
    if (name.empty() || name.find('=') != std::string::npos)
      return fail(ec::invalid_argument,
                  "environment: '{}' is not a variable's name", name);
  return check_texts(variables, "environment");
}

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
  for (auto [name, text] :
       {std::pair{"working_dir", &spec.working_dir},
        std::pair{"user", &spec.user}, std::pair{"group", &spec.group},
        std::pair{"log.file", &spec.log.file}})
    if (auto ok = check_text(*text, name); !ok)
      return ok;
  if (auto ok = check_environment(spec.environment); !ok)
    return ok;
  return check_texts(spec.labels, "labels");
}

} // namespace pm
