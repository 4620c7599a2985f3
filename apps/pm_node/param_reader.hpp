#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>

#include <pm/error.hpp>
#include <pm/units.hpp>

namespace pm {

// Takes the parameters of one request by name; what is of the wrong type,
// missing, or not taken by anybody is an error that names it. The first error
// wins.
class param_reader {
public:
  explicit param_reader(const rapidjson::Value* params);

  std::optional<std::string> text(const char* name);
  std::string required_text(const char* name);
  std::optional<bool> flag(const char* name);
  std::optional<uint64_t> number(const char* name);
  std::vector<std::string> texts(const char* name);
  std::map<std::string, std::string> text_map(const char* name);
  std::optional<std::string> raw_object(const char* name); // as JSON text
  std::optional<std::string> raw_array(const char* name);

  bool has(const char* name) const;

  // Sets the error, unless there is one.
  void reject(std::string text);

  // Success if all went well and every parameter was taken.
  expected<void> finish();

private:
  const rapidjson::Value* take(const char* name);
  void wrong_type(const char* name, std::string_view wanted);

  const rapidjson::Value* params_;
  std::set<std::string> taken_;
  std::optional<std::string> problem_;
};

} // namespace pm
