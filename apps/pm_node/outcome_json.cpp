#include "apps/pm_node/outcome_json.hpp"

#include <pm/json.hpp>

#include <pm/json_fields.hpp>

namespace pm {

std::string outcome_json(const std::string& id, const change_outcome& x) {
  return fmt::format("{{\"handle_id\":\"{}\",\"changed\":{},\"process\":{}}}",
                     id, x.changed, to_json(x.process));
}

std::string outcome_json(const std::string& id, const error& why) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartObject();
  out.Key("handle_id");
  json::write_text(out, id);
  out.Key("error");
  out.StartObject();
  out.Key("code");
  json::write_text(out, to_string(why.code));
  out.Key("message");
  json::write_text(out, why.text);
  out.EndObject();
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string outcome_json(const named_outcome& x) {
  return x.error.code == ec::none ? outcome_json(x.handle_id, x.outcome)
                                  : outcome_json(x.handle_id, x.error);
}

} // namespace pm
