#include "apps/pmctl/call_options.hpp"

#include <CLI/App.hpp>

#include <pm/call.hpp>
#include <pm/json.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/working_dir.hpp"

namespace pm::ctl {

namespace {

expected<void> write_json(request_params& spec, std::string_view key,
                          const std::string& text) {
  if (text.empty())
    return {};
  auto value = from_json<json_text>(text);
  if (!value)
    return fail(ec::invalid_argument, "--{}: {}", key, value.error().text);
  spec.set(key, *value);
  return {};
}

// A program without a slash is looked up in PATH.
std::string program_path(const std::string& name, const std::string& base_dir) {
  return name.find('/') == std::string::npos ? name
                                             : absolute_path(name, base_dir);
}

} // namespace

void call_options::add_to(CLI::App& verb) {
  verb.add_option("--python", python, "Call this Python function instead")
    ->type_name("MODULE:FUNCTION");
  verb
    .add_option("--function", function,
                "Call this function of a plugin library instead")
    ->type_name("LIBRARY:FUNCTION");
  verb.add_option("--args", args, "Its arguments, a JSON array")
    ->type_name("JSON")
    ->transform(show_bracket, "");
  verb.add_option("--kwargs", kwargs, "Its keyword arguments, a JSON object")
    ->type_name("JSON")
    ->transform(show_bracket, "");
  verb
    .add_option("--interpreter", interpreter,
                "The Python to call it with (default: python3)")
    ->type_name("PROGRAM");
  verb
    .add_option("--python-path", python_path,
                "Where Python looks for modules first")
    ->type_name("DIR")
    ->allow_extra_args(false);
}

expected<void> call_options::write(request_params& spec,
                                   const std::string& base_dir) const {
  if (!python.empty() && !function.empty())
    return fail(ec::invalid_argument, "either --python or --function");
  if (!python.empty()) {
    spec.set("python", python);
  } else {
    auto colon = function.rfind(':');
    if (colon == std::string::npos || colon == 0
        || colon + 1 == function.size())
      return fail(ec::invalid_argument,
                  "--function '{}': LIBRARY:FUNCTION expected", function);
    spec.set("function", function.substr(colon + 1))
      .set("library", absolute_path(function.substr(0, colon), base_dir));
  }
  if (auto ok = write_json(spec, "args", args); !ok)
    return ok;
  if (auto ok = write_json(spec, "kwargs", kwargs); !ok)
    return ok;
  if (!interpreter.empty())
    spec.set("interpreter", program_path(interpreter, base_dir));
  if (python_path.empty())
    return {};
  std::vector<std::string> folders;
  for (auto& folder : python_path)
    folders.push_back(absolute_path(folder, base_dir));
  spec.set("python_path", folders);
  return {};
}

} // namespace pm::ctl
