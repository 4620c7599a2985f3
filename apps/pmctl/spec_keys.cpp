#include "apps/pmctl/spec_keys.hpp"

#include <pm/json_fields.hpp>

namespace pm::ctl {

namespace {

using json::value;
using memory = rapidjson::Document::AllocatorType;

value text_value(std::string_view x, memory& in) {
  return {x.data(), static_cast<rapidjson::SizeType>(x.size()), in};
}

// What `word` says: JSON where it is some, a text where it is not.
value read_value(std::string_view word, memory& in) {
  rapidjson::Document read{&in};
  return json::parse(read, word) ? std::move(static_cast<value&>(read))
                                 : text_value(word, in);
}

// The member `key` of an object, made where it is not there.
value& member(value& of, std::string_view key, memory& in) {
  auto name = text_value(key, in);
  if (auto found = of.FindMember(name); found != of.MemberEnd())
    return found->value;
  of.AddMember(name, value{}, in);
  return (of.MemberEnd() - 1)->value;
}

expected<void> set_key(rapidjson::Document& spec, std::string_view word) {
  auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return fail(ec::invalid_argument,
                "--set {}: KEY=VALUE expected, as in memory_limit=200MB", word);
  auto& in = spec.GetAllocator();
  auto path = word.substr(0, equals);
  auto first = path.substr(0, path.find('.'));
  if (first == "command" || first == "python" || first == "function")
    return fail(ec::invalid_argument,
                "--set {}: what it runs stands behind '--', or in --python or "
                "--function",
                word);
  auto value_word = word.substr(equals + 1);
  auto is_text =
    path.starts_with("environment.") || path.starts_with("labels.");
  value* at = &spec;
  while (!path.empty()) {
    auto dot = path.find('.');
    auto key = path.substr(0, dot);
    if (!at->IsObject() && !at->IsNull())
      return fail(ec::invalid_argument,
                  "--set {}: what '{}' is in is no object", word, key);
    if (at->IsNull())
      at->SetObject();
    at = &member(*at, key, in);
    path =
      dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  *at = is_text ? text_value(value_word, in) : read_value(value_word, in);
  return {};
}

} // namespace

expected<std::string> set_keys(const std::string& spec,
                               const std::vector<std::string>& words) {
  if (words.empty())
    return spec;
  rapidjson::Document read;
  read.Parse(spec.data(), spec.size());
  for (auto& word : words)
    if (auto set = set_key(read, word); !set)
      return tl::make_unexpected(std::move(set.error()));
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  read.Accept(out);
  return std::string{buffer.GetString(), buffer.GetSize()};
}

} // namespace pm::ctl
