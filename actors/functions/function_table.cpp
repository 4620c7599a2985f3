#include <pm/function.hpp>

namespace pm {

function_table& function_table::global() {
  static function_table table;
  return table;
}

void function_table::add_body(std::string name, function_body body) {
  bodies_.insert_or_assign(std::move(name), std::move(body));
}

const function_body* function_table::find(std::string_view name) const {
  auto found = bodies_.find(name);
  return found == bodies_.end() ? nullptr : &found->second;
}

std::string function_table::names() const {
  std::string result;
  for (auto& [name, body] : bodies_)
    result.append(result.empty() ? "" : ", ").append(name);
  return result.empty() ? "none" : result;
}

namespace functions {

void parse_arguments(rapidjson::Document& to, std::string_view args,
                     size_t count) {
  to.Parse<rapidjson::kParseIterativeFlag>(args.empty() ? "[]" : args.data(),
                                           args.empty() ? 2 : args.size());
  if (to.HasParseError() || !to.IsArray())
    throw std::invalid_argument{"the arguments are not a JSON array"};
  if (to.Size() != count)
    throw std::invalid_argument{
      fmt::format("{} arguments expected, not {}", count, to.Size())};
}

} // namespace functions

} // namespace pm
