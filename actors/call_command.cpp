#include "actors/call_command.hpp"

#include <pm/function.hpp>

#include "runtime/calls/call_file.hpp"
#include "runtime/calls/python_code.hpp"

namespace pm {

namespace {

// Bytes of a result that are kept on record, and of a traceback.
constexpr size_t recorded_value_max = 64u << 10;
constexpr size_t recorded_trace_max = 16u << 10;

constexpr char default_interpreter[] = "python3";

struct call_body_words {
  std::string function;
  std::string library;
  json_text args;
  json_text kwargs;
  std::vector<std::string> python_path;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("function", x.function), field("library", x.library),
                 field("args", x.args), field("kwargs", x.kwargs),
                 field("python_path", x.python_path));
  }
};

// Takes the worker's text from descriptor 0, and becomes that.
std::string python_loader() {
  return fmt::format("import os\nb=b''\nwhile len(b)<{0}:b+=os.read(0,{0}-"
                     "len(b))\nexec(compile(b,'pm-worker','exec'))",
                     calls::python_code().size());
}

call_outcome bad_answer(std::string text) {
  return {{}, call_failure{"pm.BadResult", std::move(text), {}}};
}

} // namespace

std::vector<std::string> python_command(const call_spec& call) {
  return {call.interpreter.empty() ? default_interpreter : call.interpreter,
          "-c", python_loader()};
}

std::string call_body(const call_spec& call) {
  return to_json(call_body_words{call.name,
                                 call.library,
                                 {call.args.empty() ? "[]" : call.args},
                                 {call.kwargs.empty() ? "{}" : call.kwargs},
                                 call.python_path});
}

expected<void> prepare_call(const supervision& on, const process_record& record,
                            spawn_request& to) {
  auto& call = *record.definition.spec.call;
  auto is_python = record.definition.spec.kind == kind::python;
  if (is_python) {
    to.argv = python_command(call);
  } else {
    auto program = !call.interpreter.empty() ? call.interpreter
                   : !call.library.empty()   ? on.worker_path
                                             : on.program_path;
    to.argv = {std::move(program)};
    to.environment.push_back(std::string{functions::worker_variable} + "=1");
  }
  to.argv.push_back(call.name);
  auto file = calls::make_call_file(
    calls::call_file_path(on.state_dir, to.run_id),
    is_python ? calls::python_code() : std::string_view{}, call_body(call));
  if (!file)
    return fail(file.error().code, "spawn '{}': {}", to.handle_id,
                file.error().text);
  to.input = std::make_shared<unique_fd>(std::move(*file));
  return {};
}

std::optional<call_outcome> outcome_of(const supervision& on, const run_id& run,
                                       const exit_status& exit) {
  auto answer = calls::read_call_file(calls::call_file_path(on.state_dir, run));
  if (!answer) {
    auto ended_well = exit.reason == exit_reason::exited && exit.code == 0;
    if (!ended_well)
      return std::nullopt;
    return bad_answer(std::move(answer.error().text));
  }
  if (answer->kind == calls::frame_kind::result) {
    auto value = check_json(answer->body).and_then([&] {
      return from_json<json_text>(answer->body);
    });
    if (!value)
      return bad_answer("its result is no JSON: " + value.error().text);
    if (value->text.empty())
      value->text = "null";
    return call_outcome{std::move(*value), std::nullopt};
  }
  auto failure = from_json<call_failure>(answer->body);
  if (!failure)
    return bad_answer("its exception is no JSON: " + failure.error().text);
  return call_outcome{{}, std::move(*failure)};
}

call_outcome for_the_record(const call_outcome& x) {
  if (x.value.text.size() > recorded_value_max)
    return {{},
            call_failure{"pm.TooLarge",
                         fmt::format("the result has {} bytes; above {} it is "
                                     "not kept on record",
                                     x.value.text.size(), recorded_value_max),
                         {}}};
  auto result = x;
  if (result.failure) {
    auto& trace = result.failure->traceback;
    if (trace.size() > recorded_trace_max)
      trace.erase(0, trace.size() - recorded_trace_max);
  }
  return result;
}

} // namespace pm
