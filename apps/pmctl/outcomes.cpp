#include "apps/pmctl/outcomes.hpp"

#include <fmt/ranges.h>

#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

struct outcome {
  std::string handle_id;
  bool changed = false;
  std::optional<process_view> process;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("changed", x.changed),
                 field("process", x.process));
  }
};

// The failure of one process, if it is one.
std::optional<error> failure_of(const rapidjson::Value& x) {
  if (!x.IsObject() || !x.HasMember("error") || !x["error"].IsObject())
    return std::nullopt;
  auto text = [&](const char* name) -> std::string {
    auto found = x["error"].FindMember(name);
    return found != x["error"].MemberEnd() && found->value.IsString()
             ? found->value.GetString()
             : "";
  };
  auto code = error_code_named(text("code"));
  return error{code == ec::none ? ec::system_failed : code, text("message")};
}

} // namespace

expected<process_view> process_of(const rapidjson::Value& outcome) {
  if (auto why = failure_of(outcome))
    return tl::make_unexpected(std::move(*why));
  struct outcome x;
  if (auto ok = json::read(outcome, x, "outcome"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return x.process.value_or(process_view{});
}

int show_outcomes(const session& here, const control_message& reply,
                  const std::vector<std::string>& names,
                  const outcome_words& words) {
  if (!reply.body().IsArray())
    return session::refuse(
      {ec::protocol_violation, "the node's answer is not a list of outcomes"});
  if (here.options.json)
    session::emit(json_line(reply.body()));
  int code = done;
  auto refuse = [&](const error& why) {
    auto refused = session::refuse(why);
    if (code == done)
      code = refused;
  };
  std::string out;
  for (auto& element : reply.body().GetArray()) {
    if (auto why = failure_of(element)) {
      refuse(*why);
      continue;
    }
    outcome x;
    if (auto ok = json::read(element, x, "outcome"); !ok) {
      refuse(ok.error());
      continue;
    }
    out += fmt::format("{}: {}\n", printable(x.handle_id),
                       words(x.process.value_or(process_view{}), x.changed));
  }
  if (!here.options.json && !here.options.quiet)
    session::emit(out);
  if (reply.body().Empty())
    refuse({ec::no_such_process,
            fmt::format("no process matches '{}'", fmt::join(names, "' '"))});
  return code;
}

} // namespace pm::ctl
