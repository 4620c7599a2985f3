#include <boost/test/unit_test.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include <unistd.h>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <pm/json.hpp>

#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"
#include "unit/registry/old_registries.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// An old registry beside a node; pmctl finds that node and no other.
struct fixture {
  fake_node node;
  std::string file = node.dir() + "/streamers.json";

  std::string write(std::string text) {
    std::ofstream{file} << text;
    return text;
  }

  // One that runs (this very process), one stopped, one lost and, with
  // `damaged`, one that cannot be understood.
  std::string write_all(bool damaged) {
    auto now =
      std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    auto running = replaced(old_streamers, "4242", fmt::format("{}", getpid()));
    running = replaced(running, "2025-11-20T10:11:12.345678+00:00",
                       format_timestamp(now));
    auto entry =
      std::string{old_streamers.substr(2, old_streamers.find("  },") + 4 - 2)};
    auto other = [&](std::string_view name) {
      return replaced(replaced(entry, "elk-streamer-myenv", name),
                      "\"elk-streamer-myenv\"", fmt::format("\"{}\"", name));
    };
    auto text = "{\n" + other("gone") + running.substr(1);
    if (damaged)
      text = "{\n" + replaced(other("odd"), "500", "\"many\"") + text.substr(1);
    return write(text);
  }

  child_outcome migrate(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"--state-dir", node.dir(), "migrate", file};
    words.insert(words.end(), more.begin(), more.end());
    return run_pmctl(words);
  }

  std::string text() const {
    std::stringstream out;
    out << std::ifstream{file}.rdbuf();
    return out.str();
  }

  // Lets the node add all but those named in `refused`.
  void answer(std::set<std::string> refused = {}) {
    node.on("migrate",
            [refused](fake_node& to, const rapidjson::Document& request) {
              std::string out;
              for (auto& x : request["params"]["processes"].GetArray()) {
                std::string id = x["definition"]["handle_id"].GetString();
                out += fmt::format(
                  R"({}{{"handle_id":"{}","outcome":"{}","text":"{}"}})",
                  out.empty() ? "" : ",", id,
                  refused.contains(id) ? "refused" : "added",
                  refused.contains(id) ? "a process of this name exists" : "");
              }
              to.reply(request, "{\"processes\":[" + out + "]}");
            });
  }
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(migrate_verb, fixture)

BOOST_AUTO_TEST_CASE(dry_run_needs_no_node_and_changes_nothing) {
  auto before = write_all(false);
  auto out = run_pmctl({"--state-dir", "/tmp/pmctl-none", "migrate", file});
  BOOST_TEST(out.code == 0, out.err);
  BOOST_TEST(out.err == "");
  BOOST_TEST(out.out.starts_with("NAME                OUTCOME  WHY\n"
                                 "gone                lost     pid 4242 "));
  BOOST_TEST(has(out.out, fmt::format("elk-streamer-myenv  adopted  pid {}, "
                                      "which has run since ",
                                      getpid())));
  BOOST_TEST(has(out.out, "elk-streamer-old    stopped  recorded as ended at "
                          "2025-11-19T09:30:00.000Z\n"));
  BOOST_TEST(has(out.out, "note on gone, elk-streamer-myenv, elk-streamer-old: "
                          "connection_profile, "));
  BOOST_TEST(out.out.ends_with("1 would be adopted, 1 stopped, 1 lost, 0 "
                               "skipped; nothing was changed; --yes does "
                               "it\n"));
  BOOST_TEST(node.seen("migrate").empty());
  BOOST_TEST(text() == before);
}

BOOST_AUTO_TEST_CASE(yes_hands_all_records_over_in_one_request) {
  auto before = write_all(false);
  answer();
  auto out = migrate({"--yes", "--correlation-id", "c-1"});
  BOOST_TEST(out.code == 0, out.err);
  BOOST_TEST(out.out.ends_with("1 adopted, 1 stopped, 1 lost, 0 refused, 0 "
                               "skipped; "
                               + file + " was not changed\n"));
  auto lines = node.seen("migrate");
  BOOST_REQUIRE_EQUAL(lines.size(), 1u);
  rapidjson::Document request;
  request.Parse(lines[0].c_str());
  auto& params = request["params"];
  BOOST_TEST(params["correlation_id"].GetString() == "c-1");
  auto& all = params["processes"];
  BOOST_REQUIRE_EQUAL(all.Size(), 3u);
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
  all[1].Accept(writer);
  auto record = from_json<process_record>(buffer.GetString());
  BOOST_REQUIRE(record);
  BOOST_TEST(record->definition.handle_id == "elk-streamer-myenv");
  BOOST_TEST(record->state.identity.pid == getpid());
  BOOST_TEST((record->state.status == status::running));
  BOOST_TEST(text() == before);
}

BOOST_AUTO_TEST_CASE(skipped_entries_are_named_and_the_others_done) {
  write_all(true);
  answer();
  auto out = migrate({"--yes"});
  BOOST_TEST(out.code == 1);
  BOOST_TEST(has(out.out, "odd                 skipped  field 'batch_size': "
                          "\"many\" is not a whole number from 0\n"));
  BOOST_TEST(has(out.out, "1 adopted, 1 stopped, 1 lost, 0 refused, 1 "));
  BOOST_TEST(node.seen("migrate").size() == 1u);
  BOOST_TEST(migrate().code == 1);
  auto quiet = migrate({"-q"});
  BOOST_TEST(quiet.out == "");
  BOOST_TEST(quiet.err
             == "pmctl: migrate 'odd': skipped: field 'batch_size': \"many\" "
                "is not a whole number from 0\n");
}

BOOST_AUTO_TEST_CASE(what_the_node_refuses_is_told_with_its_words) {
  write_all(false);
  answer({"gone"});
  auto out = migrate({"--yes"});
  BOOST_TEST(out.code == 1);
  BOOST_TEST(has(out.out, "gone                refused  a process of this name "
                          "exists\n"));
  BOOST_TEST(has(out.out, "1 adopted, 1 stopped, 0 lost, 1 refused, 0 "));
  node.on_reply("migrate", R"({"processes":[]})");
  BOOST_TEST(has(migrate({"--yes"}).out, "0 lost, 3 refused"));
  node.on_fail("migrate", ec::shutting_down, "migrate: going down");
  auto down = migrate({"--yes"});
  BOOST_TEST(down.code == 1);
  BOOST_TEST(down.out == "");
  BOOST_TEST(down.err == "pmctl: migrate: going down\n");
}

BOOST_AUTO_TEST_CASE(json_has_counts_and_records) {
  write_all(true);
  auto out = migrate({"--json"});
  BOOST_TEST(out.code == 1);
  rapidjson::Document x;
  x.Parse(out.out.c_str());
  BOOST_REQUIRE(x.IsObject());
  BOOST_TEST(x["format"].GetString() == "streamers");
  BOOST_TEST(!x["done"].GetBool());
  for (auto name : {"adopted", "stopped", "lost", "skipped"})
    BOOST_TEST(x[name].GetInt() == 1, name);
  BOOST_TEST(x["refused"].GetInt() == 0);
  auto& odd = x["processes"][0];
  BOOST_TEST(odd["handle_id"].GetString() == "odd");
  BOOST_TEST(odd["outcome"].GetString() == "skipped");
  BOOST_TEST(odd["definition"].IsNull());
  BOOST_TEST(x["processes"][1]["state"]["status"].GetString() == "stopped");
  BOOST_TEST(x["processes"].Size() == 4u);
}

BOOST_AUTO_TEST_CASE(what_is_no_old_registry_exits_with_1) {
  auto none = migrate();
  BOOST_TEST(none.code == 1);
  BOOST_TEST(none.err
             == "pmctl: cannot read '" + file
                  + "': No such file or directory\n");
  write("{\n  \"a\": oops}\n");
  auto bad = migrate({"--yes"});
  BOOST_TEST(bad.code == 1);
  BOOST_TEST(bad.err
             == "pmctl: " + file
                  + ":2:8: not JSON: Invalid value.; nothing was changed\n");
  write(R"({"format": 1, "processes": {}})");
  auto own = migrate({"--yes"});
  BOOST_TEST(own.code == 1);
  BOOST_TEST(has(own.err, "pm's own registry"));
  BOOST_TEST(node.seen("migrate").empty());
  auto dir = run_pmctl({"migrate", node.dir()});
  BOOST_TEST(dir.code == 1);
  BOOST_TEST(has(dir.err, "not a regular file"));
  BOOST_TEST(run_pmctl({"migrate"}).code == 2);
  BOOST_TEST(run_pmctl({"migrate", file, "--no-such"}).code == 2);
}

BOOST_AUTO_TEST_CASE(yes_without_a_node_exits_with_7) {
  write_all(false);
  auto out =
    run_pmctl({"--state-dir", "/tmp/pmctl-none", "migrate", file, "--yes"});
  BOOST_TEST(out.code == 7);
  BOOST_TEST(out.out == "");
  // Where there is nothing to hand over, nobody is asked.
  write("{}");
  auto empty =
    run_pmctl({"--state-dir", "/tmp/pmctl-none", "migrate", file, "--yes"});
  BOOST_TEST(empty.code == 0);
  BOOST_TEST(empty.out.starts_with("0 adopted, 0 stopped, "));
}

BOOST_AUTO_TEST_SUITE_END()
