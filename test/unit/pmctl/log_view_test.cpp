#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include <pm/json.hpp>
#include <pm/log_index.hpp>

#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"

using namespace pm;
using namespace pm::test;

namespace {

const auto begin = parse_timestamp("2026-11-22T12:00:00Z").value();

// Writes logs as the runtime does: an index record before each chunk.
class written_log {
public:
  explicit written_log(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(
      std::filesystem::path{path_}.parent_path());
    run_ = run_id::make(begin);
  }

  written_log& write(std::string_view text, int second,
                     stream which = stream::stdout_stream) {
    log_index_record record;
    record.offset = size_;
    auto time = begin + std::chrono::seconds{second};
    record.time_us = time.time_since_epoch().count() * 1000;
    record.run_id = run_.bytes();
    record.which = static_cast<uint8_t>(which);
    std::ofstream{log_index_path(path_), std::ios::app | std::ios::binary}
      .write(reinterpret_cast<const char*>(&record), sizeof(record));
    std::ofstream{path_, std::ios::app | std::ios::binary} << text;
    size_ += text.size();
    return *this;
  }

  const std::string& path() const { return path_; }

  std::string run() const { return run_.str(); }

private:
  std::string path_;
  run_id run_;
  size_t size_ = 0;
};

struct fixture {
  fake_node node;
  written_log web{node.dir() + "/logs/web.log"};
  written_log db{node.dir() + "/logs/db.log"};

  fixture() {
    web.write("web 1\n", 1).write("oops\n", 3, stream::stderr_stream);
    web.write("web 5\n", 5);
    db.write("db 2\n", 2).write("db 4\n", 4);
    node.on("list", [this](fake_node& to, const rapidjson::Document& request) {
      std::string names;
      if (request["params"].HasMember("names"))
        names = request["params"]["names"][0].GetString();
      std::string views;
      for (auto log : {&db, &web}) {
        auto name = std::filesystem::path{log->path()}.stem().string();
        if (names.empty() || names == "*" || names == name)
          views += (views.empty() ? "" : ",")
                   + to_json(make_view(name, status::running, [&](auto& x) {
                       x.log_file = log->path();
                       x.run_id = log->run();
                       x.correlation_id = "c-1";
                     }));
      }
      to.reply(request, "[" + views + "]");
    });
  }

  child_outcome logs(std::vector<std::string> arguments,
                     const child_options& options = {}) {
    arguments.insert(arguments.begin(), {"--state-dir", node.dir(), "logs"});
    return run_pmctl(arguments, options);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(log_views, fixture)

BOOST_AUTO_TEST_CASE(one_log_is_printed_byte_for_byte) {
  web.write("bytes \xff\x1b[1m and no end", 6);
  BOOST_TEST(logs({"web"}).out
             == "web 1\noops\nweb 5\nbytes \xff\x1b[1m and no end");
}

BOOST_AUTO_TEST_CASE(many_logs_are_merged_by_time_with_their_names) {
  BOOST_TEST(logs({}).out
             == "web | web 1\ndb  | db 2\nweb | oops\ndb  | db 4\n"
                "web | web 5\n");
}

BOOST_AUTO_TEST_CASE(last_lines_times_and_one_stream_are_chosen) {
  BOOST_TEST(logs({"web", "-n", "1"}).out == "web 5\n");
  BOOST_TEST(logs({"web", "--stderr", "-t"}).out
             == "2026-11-22T12:00:03.000Z oops\n");
  BOOST_TEST(logs({"web", "--stdout"}).out == "web 1\nweb 5\n");
  BOOST_TEST(logs({"web", "--since", "2026-11-22T12:00:03Z"}).out
             == "oops\nweb 5\n");
}

BOOST_AUTO_TEST_CASE(json_has_an_object_for_each_line) {
  BOOST_TEST(logs({"web", "--json", "--stderr"}).out
             == fmt::format(R"({{"seq":6,"time":"2026-11-22T12:00:03.000Z",)"
                            R"("handle_id":"web","run_id":"{}",)"
                            R"("correlation_id":"c-1","stream":"stderr",)"
                            R"("message":"oops"}})"
                            "\n",
                            web.run()));
}

BOOST_AUTO_TEST_CASE(terminal_gets_no_control_bytes_out_of_a_log) {
  web.write("\x1b]0;title\x07 done\n", 6);
  child_options terminal;
  terminal.terminal = true;
  terminal.environment = {"NO_COLOR=1"};
  auto out = logs({"web", "-n", "1"}, terminal).out;
  BOOST_TEST(out == "\\x1b]0;title\\x07 done\r\n");
}

BOOST_AUTO_TEST_CASE(logs_are_read_without_a_node) {
  auto copy = node.dir() + "/down";
  std::filesystem::create_directories(copy);
  std::filesystem::copy(node.dir() + "/logs", copy + "/logs",
                        std::filesystem::copy_options::recursive);
  auto down = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--state-dir", copy, "logs"});
    return run_pmctl(words);
  };
  BOOST_TEST(down({"web"}).out == "web 1\noops\nweb 5\n");
  BOOST_TEST(down({"d*"}).out == "db 2\ndb 4\n");
  auto none = down({"nope"});
  BOOST_TEST(none.code == 7);
  BOOST_TEST(none.err.find("has no log of 'nope'") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(follow_shows_what_is_written_later) {
  child_options options;
  options.when = "web 5\n";
  options.then = [&](int) { web.write("later\n", 7).write("last\n", 8); };
  // sed ends after the last line, and the follower has no reader any more.
  auto script = fmt::format("{}/pmctl --state-dir {} logs -f -n 1 web | "
                            "sed -u 3q",
                            PM_BIN_DIR, node.dir());
  auto out = run_child({"/bin/bash", "-c", script}, options);
  BOOST_TEST(out.out == "web 5\nlater\nlast\n");
}

BOOST_AUTO_TEST_SUITE_END()
