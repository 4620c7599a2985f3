#include <algorithm>
#include <set>

#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "registry/config/process_reader.hpp"
#include "registry/config/schema_check.hpp"
#include "runtime/os/names.hpp"
#include "test/unit/config/config_fixture.hpp"

// The schema is what is published, what is checked and what is read: here the
// three are held against each other.

namespace fs = std::filesystem;
using pm_test::config_fixture;
using rapidjson::Value;

namespace {

using names = std::set<std::string>;

const Value& at(const char* pointer) {
  auto* found = rapidjson::Pointer{pointer}.Get(pm::config::schema_document());
  BOOST_REQUIRE_MESSAGE(found != nullptr, pointer);
  return *found;
}

names keys_of(const Value& object) {
  names result;
  for (auto& member : object.GetObject())
    result.insert(member.name.GetString());
  return result;
}

names keys_read(std::string_view object) {
  auto keys = pm::config::keys_read(object);
  return {keys.begin(), keys.end()};
}

template <class Enum>
names enum_texts() {
  auto& all = pm::enum_names<Enum>::names;
  return {all.begin(), all.end()};
}

names texts_of(const Value& array) {
  names result;
  for (auto& x : array.GetArray())
    result.insert(x.GetString());
  return result;
}

// RapidJSON's own verdict on a file: empty, or what its validator names.
std::string verdict(const std::string& text) {
  rapidjson::Document document;
  document
    .Parse<rapidjson::kParseCommentsFlag | rapidjson::kParseTrailingCommasFlag>(
      text.c_str());
  if (document.HasParseError())
    return "syntax";
  rapidjson::SchemaDocument schema{pm::config::schema_document()};
  rapidjson::SchemaValidator validator{schema};
  if (document.Accept(validator))
    return {};
  rapidjson::StringBuffer where;
  validator.GetInvalidDocumentPointer().StringifyUriFragment(where);
  return fmt::format("{} at {}", validator.GetInvalidSchemaKeyword(),
                     where.GetString());
}

// Calls `f(keyword)` for each keyword of a schema, however deep.
template <class F>
void for_each_keyword(const Value& schema, F f) {
  for (auto& member : schema.GetObject()) {
    std::string_view keyword = member.name.GetString();
    f(keyword);
    auto& x = member.value;
    if (keyword == "properties" || keyword == "patternProperties"
        || keyword == "definitions") {
      for (auto& one : x.GetObject())
        for_each_keyword(one.value, f);
    } else if (keyword == "allOf" || keyword == "anyOf") {
      for (auto& one : x.GetArray())
        for_each_keyword(one, f);
    } else if (keyword == "items" || keyword == "not"
               || (keyword == "additionalProperties" && x.IsObject())) {
      for_each_keyword(x, f);
    }
  }
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(config_schema, config_fixture)

BOOST_AUTO_TEST_CASE(the_schema_built_in_is_the_one_published) {
  BOOST_TEST(pm::config_schema()
             == read(PM_SOURCE_DIR "/conf/pm-node.schema.json"));
  BOOST_TEST(!pm::config::schema_document().HasParseError());
}

BOOST_AUTO_TEST_CASE(the_keys_of_the_schema_are_the_keys_that_are_read) {
  auto process = "/definitions/process/properties";
  BOOST_TEST((keys_of(at(process)) == keys_read("process")));
  for (std::string name :
       {"start_limit", "shutdown", "log", "hooks", "schedule"})
    BOOST_TEST((keys_of(at((process + ("/" + name) + "/properties").c_str()))
                == keys_read(name)));
  BOOST_TEST((keys_of(at((process
                          + std::string{"/shutdown/properties/then/"
                                        "items/properties"})
                           .c_str()))
              == keys_read("stop_step")));
  BOOST_TEST((keys_of(at("/definitions/dependency/properties"))
              == keys_read("dependency")));
  BOOST_TEST((keys_of(at("/definitions/limit/anyOf/2/properties"))
              == keys_read("limit")));
}

BOOST_AUTO_TEST_CASE(the_checker_knows_every_keyword_of_the_schema) {
  auto& known = pm::config::schema_keywords();
  for_each_keyword(pm::config::schema_document(), [&](auto keyword) {
    BOOST_TEST_INFO(keyword);
    BOOST_TEST((std::find(known.begin(), known.end(), keyword) != known.end()));
  });
}

BOOST_AUTO_TEST_CASE(the_names_of_the_schema_are_those_of_the_program) {
  BOOST_TEST((texts_of(at("/definitions/process/properties/restart/enum"))
              == enum_texts<pm::restart_mode>()));
  BOOST_TEST((texts_of(at("/definitions/process/properties/shutdown"
                          "/properties/kill_mode/enum"))
              == enum_texts<pm::kill_mode>()));
  BOOST_TEST((texts_of(at("/definitions/dependency/properties/condition/enum"))
              == enum_texts<pm::dependency_condition>()));
  auto limits =
    keys_of(at("/definitions/process/properties/limits/properties"));
  for (auto& name : limits)
    BOOST_TEST(pm::rlimit_number(name).has_value());
  for (int i = 0; i < 16; ++i)
    BOOST_TEST(limits.contains(pm::rlimit_name(i)));
}

BOOST_AUTO_TEST_CASE(the_defaults_of_the_schema_are_those_of_the_spec) {
  // A process that spells every default out is one that says nothing.
  std::string text = R"({"command": ["x"])";
  auto put = [&](const Value& properties, auto&& self) -> void {
    for (auto& member : properties.GetObject()) {
      if (auto x = member.value.FindMember("default");
          x != member.value.MemberEnd()) {
        rapidjson::StringBuffer buffer;
        rapidjson::Writer<rapidjson::StringBuffer> out{buffer};
        x->value.Accept(out);
        text += fmt::format("{}\"{}\": {}", text.back() == '{' ? "" : ", ",
                            member.name.GetString(), buffer.GetString());
      } else if (std::string_view name = member.name.GetString();
                 name != "limits" && name != "schedule"
                 && member.value.HasMember("properties")) {
        text += fmt::format(", \"{}\": {{", member.name.GetString());
        self(member.value["properties"], self);
        text += "}";
      }
    }
  };
  put(at("/definitions/process/properties"), put);
  auto spelt = pm::parse_process("a", text + "}", "/");
  auto silent = pm::parse_process("a", R"({"command": ["x"]})", "/");
  BOOST_REQUIRE_MESSAGE(spelt, text);
  BOOST_TEST_MESSAGE(text);
  BOOST_TEST((*spelt == *silent));
  BOOST_TEST(std::count(text.begin(), text.end(), ':') >= 15);
}

BOOST_AUTO_TEST_CASE(a_second_validator_accepts_every_sample) {
  for (auto name : {"conf/demo.json", "conf/minimal.json",
                    "test/unit/config/good/every_key.json"})
    BOOST_TEST(verdict(read(PM_SOURCE_DIR + std::string{"/"} + name)) == "",
               name);
}

BOOST_AUTO_TEST_CASE(what_a_second_validator_refuses_is_refused_here_too) {
  copy("test/unit/config/bad", "bad");
  int refused = 0;
  for (auto& entry : fs::directory_iterator{dir + "/bad"}) {
    auto path = entry.path().string();
    if (auto why = verdict(read(path)); !why.empty() && why != "syntax") {
      BOOST_TEST(problems_of(path) != "", path << ": " << why);
      ++refused;
    }
  }
  BOOST_TEST(refused > 25);
}

BOOST_AUTO_TEST_CASE(the_pattern_of_names_is_the_rule_of_handle_ids) {
  for (std::string name :
       {"a", "0", "a.b-c_D9", "-a", ".a", "_a", "", "a b", "a/b", "\xc3\xa4"}) {
    auto text =
      fmt::format(R"({{"processes": {{"{}": {{"command": "x"}}}}}})", name);
    BOOST_TEST((verdict(text).empty() == pm::check_handle_id(name).has_value()),
               name);
  }
  for (size_t length : {127, 128, 129}) {
    auto name = std::string(length, 'x');
    auto text =
      fmt::format(R"({{"processes": {{"{}": {{"command": "x"}}}}}})", name);
    BOOST_TEST((verdict(text).empty() == (length <= 128)));
    BOOST_TEST((pm::parse_config(text, dir + "/x.json", lookup()).has_value()
                == (length <= 128)));
  }
}

BOOST_AUTO_TEST_SUITE_END()
