#include <filesystem>
#include <thread>

#include <CLI/App.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"

// upgrade.

namespace pm::ctl {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds return_max{60};
constexpr std::chrono::milliseconds pause{20};

std::string member(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsString()
           ? found->value.GetString()
           : "";
}

// Asks on a connection of its own, which the node may not outlive.
expected<control_message> ask_version(const session& here) {
  auto client = control_client::connect(here.address());
  if (!client)
    return tl::make_unexpected(std::move(client.error()));
  return client->call("version", "{}", clock::now() + std::chrono::seconds{1});
}

int upgrade(session& here, const std::string& file) {
  auto before = ask_version(here);
  if (!before)
    return session::refuse(before.error());
  auto params = here.params();
  if (!file.empty())
    params.set("binary",
               std::filesystem::absolute(file).lexically_normal().string());
  auto begun = here.call("upgrade", params);
  if (!begun)
    return session::refuse(begun.error());
  auto wanted = member(begun->body(), "binary");
  auto old = member(before->body(), "started_at");
  for (auto until = clock::now() + return_max; clock::now() < until;) {
    auto now = ask_version(here);
    if (!now || member(now->body(), "started_at") == old) {
      std::this_thread::sleep_for(pause);
      continue;
    }
    auto& x = now->body();
    auto serving = member(x, "program_path");
    if (here.options.json)
      session::emit(json_line(x));
    if (serving != wanted) {
      session::complain(fmt::format("rolled back: {} did not come up; {} ({}) "
                                    "serves",
                                    wanted, serving, member(x, "version")));
      return failed;
    }
    if (!here.options.json && !here.options.quiet)
      session::emit(
        fmt::format("{} {} serves now\n", serving, member(x, "version")));
    return done;
  }
  session::complain(
    fmt::format("no node has come up within {} s", return_max.count()));
  return failed;
}

} // namespace

void add_upgrade_verb(command_line& to) {
  auto file = std::make_shared<std::string>();
  auto& verb =
    to.add("upgrade", "Let another pm-node take over; every process lives on",
           "pmctl upgrade --binary /usr/local/bin/pm-node",
           [file](session& here) { return upgrade(here, *file); });
  verb
    .add_option("--binary", *file,
                "The new program (default: what is at the old one's path); a "
                "pm-keeper beside it takes the keeper's place")
    ->type_name("FILE");
}

} // namespace pm::ctl
