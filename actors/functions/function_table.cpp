#include <pm/function.hpp>

namespace pm {

function_table& function_table::global() {
  static function_table table;
  return table;
}

void function_table::add_body(std::string name, function_body body,
                              bool takes_stop) {
  bodies_.insert_or_assign(
    std::move(name), function_entry{std::move(body), takes_stop, {}, false});
}

bool function_table::add_symbol(const std::string& name,
                                const std::string& full,
                                const function_entry& what) {
  static const char several = 0;
  for (auto* one : {&name, &full}) {
    auto [found, is_new] = bodies_.try_emplace(*one, what);
    auto& entry = found->second;
    entry.is_alias = entry.is_alias || (is_new && one == &full);
    if (is_new || entry.symbol == what.symbol || entry.symbol == nullptr)
      continue;
    entry.symbol = &several;
    entry.call = [name](std::string_view, std::stop_token) -> std::string {
      throw std::invalid_argument{
        fmt::format("several functions of this program are called '{}'; "
                    "pm::register_function gives one a name of its own",
                    name)};
    };
  }
  return true;
}

const std::string& function_table::name_of(const std::string& name,
                                           const std::string& full,
                                           const void* symbol) const {
  auto* found = find(name);
  return found != nullptr && found->symbol == symbol ? name : full;
}

const function_entry* function_table::find(std::string_view name) const {
  auto found = bodies_.find(name);
  return found == bodies_.end() ? nullptr : &found->second;
}

std::string function_table::names() const {
  std::string result;
  for (auto& [name, entry] : bodies_)
    if (!entry.is_alias)
      result.append(result.empty() ? "" : ", ").append(name);
  return result.empty() ? "none" : result;
}

namespace functions {

void parse_arguments(rapidjson::Document& to, std::string_view args,
                     size_t count) {
  if (auto ok = json::parse(to, args.empty() ? "[]" : args); !ok)
    throw std::invalid_argument{"the arguments: " + ok.error().text};
  if (!to.IsArray())
    throw std::invalid_argument{"the arguments are not a JSON array"};
  if (to.Size() != count)
    throw std::invalid_argument{
      fmt::format("{} arguments expected, not {}", count, to.Size())};
}

} // namespace functions

} // namespace pm
