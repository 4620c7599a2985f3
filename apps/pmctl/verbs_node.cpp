#include <CLI/App.hpp>

#include <pm/config.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/terminal_text.hpp"

// check, save, cleanup, shutdown, version.

namespace pm::ctl {

namespace {

constexpr int protocol_version = 1;

// How long the node may take to end once all is done.
constexpr milliseconds node_end_max{10'000};

std::string text_of(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsString()
           ? found->value.GetString()
           : "";
}

int64_t number_of(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsInt64()
           ? found->value.GetInt64()
           : 0;
}

std::string json_of(const config_problem& x) {
  return request_params{}
    .set("file", x.file)
    .set("line", x.line)
    .set("column", x.column)
    .set("text", x.text)
    .str();
}

int check(session& here, const std::string& file) {
  auto config = load_config(file, process_environment());
  if (here.options.json) {
    std::string out;
    if (!config)
      for (auto& x : config.error())
        out += (out.empty() ? "" : ",") + json_of(x);
    session::emit("[" + out + "]\n");
  } else if (!config) {
    // A line a problem, as editors read it, and nothing before it.
    std::string out;
    for (auto& x : config.error())
      out += printable(to_string(x)) + "\n";
    session::complain_bare(out);
  } else if (!here.options.quiet) {
    session::emit(fmt::format(
      "{} is good: {} {}\n", printable(file), config->processes.size(),
      config->processes.size() == 1 ? "process" : "processes"));
  }
  return config ? done : bad_config;
}

// Asks for something without parameters, and says what came of it.
template <class Words>
int ask(session& here, std::string_view method, request_params params,
        Words words) {
  auto reply = here.call(method, params);
  if (!reply)
    return session::refuse(reply.error());
  if (here.options.json)
    session::emit(json_line(reply->body()));
  else if (!here.options.quiet)
    session::emit(words(reply->body()));
  return done;
}

int cleanup(session& here) {
  return ask(here, "cleanup", here.params(), [](const auto& x) {
    auto n = number_of(x, "removed");
    return fmt::format("removed {} {}\n", n, n == 1 ? "record" : "records");
  });
}

int save(session& here) {
  return ask(here, "save", here.params(), [](const auto& x) {
    return fmt::format("saved generation {}\n", number_of(x, "generation"));
  });
}

int shutdown(session& here, bool leave_running) {
  auto params = here.params();
  params.set("leave_running", leave_running).set("wait", here.options.wait);
  auto code = ask(here, "shutdown", std::move(params), [&](const auto&) {
    return std::string{!here.options.wait ? "the node is going down\n"
                       : leave_running
                         ? "the node has ended; its processes run on\n"
                         : "the node and all of its processes have ended\n"};
  });
  // The node ends the connection when another one may take its place.
  auto until = std::chrono::steady_clock::now() + node_end_max;
  if (auto client = here.node(); client && code == done && here.options.wait)
    while ((*client)->receive(until))
      ;
  return code;
}

int version(session& here) {
  auto params = here.params();
  auto reply = here.call("version", params);
  // Without a node there is still something to tell.
  if (!reply && reply.error().code != ec::unreachable)
    return session::refuse(reply.error());
  if (here.options.json) {
    request_params out;
    out.set("program", "pmctl")
      .set("version", PM_VERSION)
      .set("protocol", protocol_version)
      .set_json("node", reply ? json_line(reply->body()) : "null");
    auto text = out.str();
    std::erase(text, '\n');
    session::emit(text + "\n");
    return done;
  }
  auto out = fmt::format("pmctl {}\n", PM_VERSION);
  if (reply) {
    auto& x = reply->body();
    out += printable(fmt::format(
      "{} {} '{}' (pid {}, keeper {}, since {}) in {}", text_of(x, "program"),
      text_of(x, "version"), text_of(x, "node"), number_of(x, "pid"),
      number_of(x, "keeper_pid"), text_of(x, "started_at"),
      text_of(x, "state_dir")));
    out += '\n';
  } else if (!here.options.quiet) {
    session::complain(reply.error().text);
  }
  session::emit(out);
  return done;
}

} // namespace

void add_node_verbs(command_line& to) {
  auto file = std::make_shared<std::string>();
  auto& check_verb = to.add(
    "check", "Check a config file; asks no node", "pmctl check conf/demo.json",
    [file](session& here) { return check(here, *file); });
  check_verb.add_option("FILE", *file, "The config file")
    ->type_name("")
    ->required();

  to.add("cleanup", "Remove the records of what is neither wanted nor alive",
         "pmctl cleanup", cleanup);
  to.add("save", "Write a fresh snapshot of the registry", "pmctl save", save);

  auto leave_running = std::make_shared<bool>(false);
  auto& shutdown_verb =
    to.add("shutdown", "End the node, and all of its processes in order",
           "pmctl shutdown", [leave_running](session& here) {
             return shutdown(here, *leave_running);
           });
  shutdown_verb.add_flag("--leave-running", *leave_running,
                         "Leave the processes running; a new node takes over");

  to.add("version", "Tell the version of pmctl and of the node",
         "pmctl version --json", version);
}

} // namespace pm::ctl
