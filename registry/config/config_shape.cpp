#include "registry/config/config_shape.hpp"

#include <string_view>
#include <utility>

#include <pm/json_fields.hpp>

namespace pm::config {

namespace {

using json::value;

constexpr std::string_view shell[] = {"/bin/sh", "-c"};

std::string_view text_of(const value& x) {
  return x.IsString() ? std::string_view{x.GetString(), x.GetStringLength()}
                      : std::string_view{};
}

// Rewrites one document, from the names of our structs to those of the file.
class translation {
public:
  explicit translation(rapidjson::Document& root)
    : root_(root), memory_(root.GetAllocator()) {}

  void run() {
    give_durations(root_);
    root_.RemoveMember("kind");
    root_["command"] = command(root_["command"]);
    take_call();
    take_umask();
    take_limits();
    take_exit_codes();
    take_shutdown();
    take_probes();
    take_hooks();
  }

private:
  value text(std::string_view x) {
    return {x.data(), static_cast<rapidjson::SizeType>(x.size()), memory_};
  }

  // The value of a member, which is not there any more; null if it never was.
  value take(value& from, const char* name) {
    value result;
    if (auto found = from.FindMember(name); found != from.MemberEnd()) {
      result = std::move(found->value);
      from.EraseMember(found);
    }
    return result;
  }

  void put(value& to, std::string_view name, value x) {
    to.AddMember(text(name), std::move(x), memory_);
  }

  void move(value& from, const char* name, value& to) {
    put(to, name, take(from, name));
  }

  // "period_ms": 5000 as "period": "5s", at any depth.
  void give_durations(value& x) {
    constexpr std::string_view unit = "_ms";
    if (x.IsArray())
      for (auto& element : x.GetArray())
        give_durations(element);
    if (!x.IsObject())
      return;
    for (auto& member : x.GetObject()) {
      give_durations(member.value);
      auto name = std::string{text_of(member.name)};
      auto is_duration = member.value.IsInt64() || member.value.IsNull();
      if (!name.ends_with(unit) || !is_duration) // one of the user's names
        continue;
      name.resize(name.size() - unit.size());
      member.name = text(name);
      if (member.value.IsInt64())
        member.value =
          text(format_duration(milliseconds{member.value.GetInt64()}));
    }
  }

  // What was a string in the file is one again.
  value command(value& words) {
    auto is_line = words.IsArray() && words.Size() == 3
                   && text_of(words[0]) == shell[0]
                   && text_of(words[1]) == shell[1];
    return is_line ? std::move(words[2]) : std::move(words);
  }

  // JSON that was kept as text.
  value parsed(const value& x) {
    rapidjson::Document read{&memory_};
    read.Parse(x.GetString(), x.GetStringLength());
    return read.HasParseError() ? value{x, memory_}
                                : std::move(static_cast<value&>(read));
  }

  void take_call() {
    auto call = take(root_, "call");
    if (!call.IsObject())
      return;
    auto is_python = text_of(call["name"]).find(':') != std::string_view::npos;
    put(root_, is_python ? "python" : "function", take(call, "name"));
    for (auto name : {"library", "interpreter", "python_path"})
      move(call, name, root_);
    for (auto name : {"args", "kwargs"}) {
      auto kept = take(call, name);
      put(root_, name, text_of(kept).empty() ? value{} : parsed(kept));
    }
    root_.RemoveMember("command");
  }

  void take_umask() {
    if (auto& x = root_["umask"]; x.IsInt())
      x = text(fmt::format("{:03o}", x.GetInt()));
  }

  // By name, as in {"nofile": {"soft": 1, "hard": 2}}.
  void take_limits() {
    value named{rapidjson::kObjectType};
    for (auto& x : root_["limits"].GetArray()) {
      auto name = take(x, "name");
      put(named, text_of(name), std::move(x));
    }
    root_["limits"] = std::move(named);
  }

  value signal(const value& x) {
    return x.IsInt() ? text(signal_name(x.GetInt())) : value{x, memory_};
  }

  void take_exit_codes() {
    auto signals = take(root_, "success_signals");
    for (auto& x : signals.GetArray())
      root_["success_exit_codes"].PushBack(signal(x), memory_);
  }

  void take_shutdown() {
    auto& shutdown = root_["shutdown"];
    shutdown["signal"] = signal(shutdown["signal"]);
    shutdown["command"] = command(shutdown["command"]);
    for (auto& step : shutdown["then"].GetArray())
      step["signal"] = signal(step["signal"]);
  }

  // What it asks, under the name of how it asks.
  value question(value& probe) {
    auto kind = text_of(probe["kind"]);
    if (kind == to_string(probe_kind::exec))
      return command(probe["command"]);
    if (kind == to_string(probe_kind::notify))
      return value{true};
    if (kind == to_string(probe_kind::log_line))
      return take(probe, "pattern");
    value place{rapidjson::kObjectType};
    move(probe, "host", place);
    move(probe, "port", place);
    if (kind == to_string(probe_kind::http_get)) {
      move(probe, "path", place);
      move(probe, "headers", place);
    }
    return place;
  }

  void take_probes() {
    auto probes = take(root_, "probes");
    for (auto& x : probes.GetArray()) {
      auto asks = question(x);
      auto role = take(x, "role");
      auto kind = take(x, "kind");
      for (auto name :
           {"command", "host", "port", "path", "headers", "pattern"})
        x.RemoveMember(name);
      put(x, text_of(kind), std::move(asks));
      put(root_, fmt::format("{}_probe", text_of(role)), std::move(x));
    }
  }

  void take_hooks() {
    auto hooks = take(root_, "hooks");
    value named{rapidjson::kObjectType};
    for (auto& x : hooks.GetArray()) {
      auto moment = take(x, "moment");
      x["command"] = command(x["command"]);
      put(named, text_of(moment), std::move(x));
    }
    put(root_, "hooks", std::move(named));
  }

  rapidjson::Document& root_;
  rapidjson::Document::AllocatorType& memory_;
};

} // namespace

rapidjson::Document in_config_words(const process_spec& spec) {
  rapidjson::Document result;
  auto text = to_json(spec);
  result.Parse(text.data(), text.size());
  translation{result}.run();
  return result;
}

} // namespace pm::config
