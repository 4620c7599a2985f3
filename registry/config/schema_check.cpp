#include "registry/config/schema_check.hpp"

#include <algorithm>

#include <rapidjson/pointer.h>

#include "registry/config/schema_pattern.hpp"
#include "registry/config/value_formats.hpp"

namespace pm::config {

namespace {

using rule = rapidjson::Value;

std::string_view text_of(const rule& x) {
  return {x.GetString(), x.GetStringLength()};
}

const rule* find(const rule& x, const char* keyword) {
  auto found = x.FindMember(keyword);
  return found == x.MemberEnd() ? nullptr : &found->value;
}

const rule& resolve(const rule& x) {
  auto* to = find(x, "$ref");
  if (to == nullptr)
    return x;
  // The schema refers to itself only: "#/definitions/...".
  auto* target = rapidjson::Pointer{to->GetString(), to->GetStringLength()}.Get(
    schema_document());
  return target != nullptr ? resolve(*target) : x;
}

bool has_type(const node& x, std::string_view name) {
  switch (x.type) {
  case node_type::null:
    return name == "null";
  case node_type::boolean:
    return name == "boolean";
  case node_type::integer:
    return name == "integer" || name == "number";
  case node_type::number:
    return name == "number";
  case node_type::string:
    return name == "string";
  case node_type::array:
    return name == "array";
  case node_type::object:
    return name == "object";
  }
  return false;
}

std::string expectation(const rule& unresolved) {
  auto& x = resolve(unresolved);
  if (auto* title = find(x, "title"))
    return std::string{text_of(*title)};
  if (auto* any = find(x, "anyOf")) {
    std::string all;
    for (auto& one : any->GetArray())
      all += (all.empty() ? "" : " or ") + expectation(one);
    return all;
  }
  auto* type = find(x, "type");
  auto name = type != nullptr ? text_of(*type) : std::string_view{};
  if (name == "integer")
    return "a whole number";
  if (name == "boolean")
    return "true or false";
  if (name == "array" || name == "object")
    return fmt::format("an {}", name);
  return fmt::format("a {}", name);
}

// "; write "5"" where quotes are all that is missing.
std::string quoting_hint(const node& x, const rule& schema) {
  auto* type = find(schema, "type");
  if (type == nullptr || text_of(*type) != "string"
      || find(schema, "format") != nullptr || find(schema, "enum") != nullptr)
    return {};
  if (x.type == node_type::integer)
    return fmt::format("; write \"{}\"", x.integer);
  if (x.type == node_type::boolean)
    return fmt::format("; write \"{}\"", x.boolean);
  return {};
}

class checker {
public:
  explicit checker(problem_list& problems) : problems_(problems) {}

  void check(const node& x, const rule& unresolved, const path& at) {
    if (x.broken || problems_.full())
      return;
    auto& schema = resolve(unresolved);
    if (!check_type(x, schema, at))
      return;
    if (auto* all = find(schema, "allOf"))
      for (auto& one : all->GetArray())
        check(x, one, at);
    if (auto* not_rule = find(schema, "not"))
      check_not(x, *not_rule, schema);
    if (auto* any = find(schema, "anyOf"))
      check_any(x, *any, schema, at);
    if (x.type == node_type::object)
      check_object(x, schema, at);
    else if (x.type == node_type::array)
      check_array(x, schema, at);
    else if (x.type == node_type::string)
      check_string(x, schema, at);
    else if (x.type == node_type::integer || x.type == node_type::number)
      check_number(x, schema, at);
  }

private:
  void report(const node& x, std::string text) {
    problems_.add(*x.from, x.offset, std::move(text));
  }

  void mismatch(const node& x, const rule& schema, const path& at) {
    report(x, fmt::format("{}: expected {}, not {}{}", at.subject(),
                          expectation(schema), what_is(x),
                          quoting_hint(x, schema)));
  }

  bool check_type(const node& x, const rule& schema, const path& at) {
    auto* type = find(schema, "type");
    if (type == nullptr || has_type(x, text_of(*type)))
      return true;
    mismatch(x, schema, at);
    return false;
  }

  // The schema says `not` only of a key that must be absent.
  void check_not(const node& x, const rule& not_rule, const rule& schema) {
    if (auto* keys = find(not_rule, "required"))
      for (auto& key : keys->GetArray())
        if (auto* member = x.find(text_of(key)))
          problems_.add(*member->from, member->key_offset, expectation(schema));
  }

  // The alternatives differ in type: the one with the value's type judges.
  void check_any(const node& x, const rule& any, const rule& schema,
                 const path& at) {
    for (auto& one : any.GetArray()) {
      auto* type = find(resolve(one), "type");
      if (type == nullptr || has_type(x, text_of(*type)))
        return check(x, one, at);
    }
    mismatch(x, schema, at);
  }

  void check_object(const node& x, const rule& schema, const path& at) {
    for (auto& member : x.children) {
      if (is_later(schema, member.key)) {
        problems_.add(
          *member.from, member.key_offset,
          fmt::format("'{}' is not supported by this version", member.key));
      } else {
        check_member(member, schema, at);
      }
    }
    if (auto* keys = find(schema, "required"))
      for (auto& key : keys->GetArray())
        if (x.find(text_of(key)) == nullptr
            && !stands_for(x, text_of(key), schema))
          report_missing(x, text_of(key), at);
    if (auto* rows = find(schema, "oneOf"))
      check_one_of(x, *rows, schema, at);
  }

  void report_missing(const node& x, std::string_view key, const path& at) {
    problems_.add(*x.from, x.key.empty() ? x.offset : x.key_offset,
                  fmt::format("{} has no '{}'", at.subject(), key));
  }

  // The schema says `oneOf` only of keys that exclude each other.
  void check_one_of(const node& x, const rule& rows, const rule& schema,
                    const path& at) {
    const node* found = nullptr;
    auto is_misspelt = false;
    for (auto& row : rows.GetArray()) {
      auto key = text_of((*find(row, "required"))[0]);
      auto* member = x.find(key);
      is_misspelt = is_misspelt || stands_for(x, key, schema);
      if (member == nullptr)
        continue;
      if (found != nullptr)
        problems_.add(*member->from, member->key_offset,
                      fmt::format("{} has '{}' already: either that or "
                                  "'{}'",
                                  at.subject(), found->key, key));
      found = member;
    }
    if (found == nullptr && !is_misspelt)
      report_missing(x, text_of((*find(rows[0], "required"))[0]), at);
  }

  // A misspelt key, or one of a later version, is told by itself: what it
  // stands for is not missing as well.
  static bool stands_for(const node& x, std::string_view key,
                         const rule& schema) {
    auto* process =
      rapidjson::Pointer{"/definitions/process"}.Get(schema_document());
    auto& owner = find(schema, "properties") != nullptr ? schema : *process;
    auto names = known_keys(owner);
    return std::any_of(x.children.begin(), x.children.end(), [&](auto& y) {
      auto known = std::find(names.begin(), names.end(), y.key) != names.end();
      return is_later(owner, y.key)
             || (!known && nearest_name(y.key, names) == key);
    });
  }

  static bool is_later(const rule& schema, std::string_view key) {
    auto* later = find(schema, "x-later");
    return later != nullptr
           && std::any_of(later->Begin(), later->End(),
                          [&](auto& x) { return text_of(x) == key; });
  }

  void check_member(const node& x, const rule& schema, const path& at) {
    path below{&at, x.key};
    auto* known = find(schema, "properties");
    if (known != nullptr)
      if (auto* member = find(*known, x.key.c_str()))
        return check(x, *member, below);
    if (auto* patterns = find(schema, "patternProperties"))
      for (auto& pattern : patterns->GetObject())
        if (matches_pattern(pattern.name.GetString(), x.key))
          return check(x, pattern.value, below);
    if (auto* keys = find(schema, "x-keys"))
      return problems_.add(*x.from, x.key_offset,
                           fmt::format("{}: {} is not {}", at.subject(),
                                       in_quotes(x.key), text_of(*keys)));
    auto* others = find(schema, "additionalProperties");
    if (others != nullptr && others->IsObject())
      check(x, *others, below);
    else if (others != nullptr && !others->GetBool())
      unknown_key(x, schema, at);
  }

  static std::vector<std::string_view> known_keys(const rule& schema) {
    std::vector<std::string_view> names;
    if (auto* known = find(schema, "properties"))
      for (auto& member : known->GetObject())
        names.push_back(text_of(member.name));
    return names;
  }

  void unknown_key(const node& x, const rule& schema, const path& at) {
    problems_.add(*x.from, x.key_offset,
                  fmt::format("unknown key {}{}{}{}", in_quotes(x.key),
                              at.above != nullptr ? " in " : "",
                              at.above != nullptr ? at.subject() : "",
                              suggestion(x.key, known_keys(schema))));
  }

  void check_array(const node& x, const rule& schema, const path& at) {
    if (auto* least = find(schema, "minItems");
        least != nullptr && x.children.size() < least->GetUint())
      report(x, fmt::format("{}: the array is empty", at.subject()));
    if (auto* items = find(schema, "items"))
      for (size_t i = 0; i < x.children.size(); ++i)
        check(x.children[i], *items, path{&at, {}, static_cast<int>(i)});
  }

  void check_string(const node& x, const rule& schema, const path& at) {
    if (auto* least = find(schema, "minLength");
        least != nullptr && x.text.size() < least->GetUint())
      return report(x, fmt::format("{}: the string is empty", at.subject()));
    if (auto* values = find(schema, "enum"))
      return check_enum(x, *values, at);
    if (auto* format = find(schema, "format")) {
      if (auto ok = check_format(text_of(*format), x.text); !ok)
        report(x, fmt::format("{}: {}", at.subject(), ok.error().text));
      return;
    }
    if (auto* pattern = find(schema, "pattern");
        pattern != nullptr && !matches_pattern(pattern->GetString(), x.text))
      mismatch(x, schema, at);
  }

  void check_enum(const node& x, const rule& values, const path& at) {
    std::vector<std::string_view> names;
    std::string all;
    for (auto& value : values.GetArray()) {
      names.push_back(text_of(value));
      all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", names.back());
    }
    if (std::find(names.begin(), names.end(), x.text) == names.end())
      report(x,
             fmt::format("{}: expected one of {}, not {}{}", at.subject(), all,
                         in_double_quotes(x.text), suggestion(x.text, names)));
  }

  void check_number(const node& x, const rule& schema, const path& at) {
    auto* least = find(schema, "minimum");
    auto* most = find(schema, "maximum");
    if (least != nullptr && x.number < least->GetDouble())
      report(x, fmt::format("{}: {} is too small; at least {}", at.subject(),
                            x.number, least->GetDouble()));
    else if (most != nullptr && x.number > most->GetDouble())
      report(x, fmt::format("{}: {} is too large; at most {}", at.subject(),
                            x.number, most->GetDouble()));
  }

  problem_list& problems_;
};

} // namespace

const rapidjson::Document& schema_document() {
  static const auto* document = [] {
    auto text = config_schema();
    auto* result = new rapidjson::Document;
    result->Parse(text.data(), text.size());
    return result;
  }();
  return *document;
}

const std::vector<std::string_view>& schema_keywords() {
  static const std::vector<std::string_view> keywords{
    "$schema",
    "id",
    "title",
    "default",
    "definitions",
    "description",
    "$ref",
    "allOf",
    "anyOf",
    "not",
    "oneOf",
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "minItems",
    "items",
    "pattern",
    "format",
    "required",
    "properties",
    "x-keys",
    "x-later",
    "patternProperties",
    "additionalProperties",
  };
  return keywords;
}

std::string path::subject() const {
  std::vector<const path*> steps;
  for (auto* x = this; x != nullptr && x->above != nullptr; x = x->above)
    steps.push_back(x);
  std::reverse(steps.begin(), steps.end());
  if (steps.empty())
    return "the configuration";
  auto first = steps.begin();
  std::string owner;
  if (steps.size() > 1 && (*first)->key == "processes") {
    owner = "process " + in_quotes(steps[1]->key);
    first += 2;
  } else if (steps.size() > 1 && (*first)->key == "defaults") {
    owner = "the defaults";
    ++first;
  }
  std::string name;
  for (; first != steps.end(); ++first)
    if ((*first)->index >= 0)
      name += fmt::format("[{}]", (*first)->index);
    else
      name += (name.empty() ? "" : ".") + std::string{(*first)->key};
  if (name.empty())
    return owner;
  return owner.empty() ? in_quotes(name)
                       : fmt::format("{} of {}", in_quotes(name), owner);
}

void check_document(const node& root, problem_list& problems) {
  checker{problems}.check(root, schema_document(), path{});
}

void check_process(const node& x, std::string_view handle_id,
                   problem_list& problems) {
  path root;
  path processes{&root, "processes"};
  auto* schema =
    rapidjson::Pointer{"/definitions/whole_process"}.Get(schema_document());
  checker{problems}.check(x, *schema, path{&processes, handle_id});
}

} // namespace pm::config
