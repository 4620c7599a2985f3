#pragma once

#include <string>
#include <string_view>

#include <pm/json_fields.hpp>

namespace pm::ctl {

// One JSON object, such as the `params` of a request, written member by
// member.
class request_params {
public:
  // Adds a member of any type that has JSON.
  template <class T>
  request_params& set(std::string_view name, const T& value) {
    rapidjson::StringBuffer buffer;
    json::writer out{buffer};
    json::write(out, value);
    return set_json(name, {buffer.GetString(), buffer.GetSize()});
  }

  request_params& set(std::string_view name, const char* value) {
    return set(name, std::string{value});
  }

  // Adds a member whose JSON stands already; `name` needs no escapes.
  request_params& set_json(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? "{\"" : ",\"";
    text_ += name;
    text_ += "\":";
    text_ += value;
    return *this;
  }

  std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

private:
  std::string text_;
};

} // namespace pm::ctl
