#include "apps/pmctl/control_message.hpp"

#include <pm/json_fields.hpp>

namespace pm::ctl {

namespace {

const rapidjson::Value null_value;

const rapidjson::Value& member(const rapidjson::Value& object,
                               const char* name) {
  if (!object.IsObject())
    return null_value;
  auto found = object.FindMember(name);
  return found == object.MemberEnd() ? null_value : found->value;
}

std::string text_of(const rapidjson::Value& x) {
  return x.IsString() ? std::string{x.GetString(), x.GetStringLength()}
                      : std::string{};
}

int id_of(const rapidjson::Value& x) {
  return x.IsInt() ? x.GetInt() : 0;
}

// The name counts; a code that this version does not know is a plain failure
// with the node's words.
error error_of(const rapidjson::Value& x) {
  auto code = error_code_named(text_of(member(member(x, "data"), "code")));
  auto text = text_of(member(x, "message"));
  if (code == ec::none)
    code = ec::system_failed;
  return {code, text.empty() ? std::string{describe(code)} : std::move(text)};
}

} // namespace

expected<control_message> control_message::parse(std::string_view line) {
  control_message x;
  x.document_ = std::make_unique<rapidjson::Document>();
  auto& document = *x.document_;
  if (!json::parse(document, line) || !document.IsObject())
    return fail(ec::protocol_violation, "the node sent a line that is not a "
                                        "JSON object");
  if (document.HasMember("method")) {
    x.method = text_of(document["method"]);
    x.body_ = &member(document, "params");
    x.id = id_of(member(*x.body_, "id"));
    return x;
  }
  x.id = id_of(member(document, "id"));
  if (document.HasMember("error")) {
    x.is = what::failure;
    x.why = error_of(document["error"]);
    x.body_ = &null_value;
    return x;
  }
  if (!document.HasMember("result"))
    return fail(ec::protocol_violation,
                "the node sent a line that is neither a reply nor a "
                "notification");
  x.is = what::reply;
  x.body_ = &document["result"];
  return x;
}

} // namespace pm::ctl
