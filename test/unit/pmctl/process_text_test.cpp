#include <boost/test/unit_test.hpp>

#include "apps/pmctl/render_process.hpp"
#include "unit/pmctl/fake_node.hpp"

using namespace pm;
using namespace pm::ctl;
using pm::test::make_view;

namespace {

timestamp at(std::string_view text) {
  return parse_timestamp(text).value();
}

const auto now = at("2026-11-22T12:00:00Z");

} // namespace

BOOST_AUTO_TEST_SUITE(process_text)

BOOST_AUTO_TEST_CASE(status_line_tells_pid_age_and_restarts) {
  auto web =
    make_view("web", status::running, [](auto& x) { x.restart_count = 2; });
  BOOST_TEST(status_line(web, now, {})
             == "web is running (pid 4242, for 3m12s), restarted 2 times");
  web.restart_count = 1;
  BOOST_TEST(status_line(web, now, {})
             == "web is running (pid 4242, for 3m12s), restarted once");
}

BOOST_AUTO_TEST_CASE(status_line_tells_how_it_ended) {
  auto view = make_view("job", status::failed, [](auto& x) {
    x.reason = exit_reason::signaled;
    x.exit_signal = "KILL";
    x.ended_at = at("2026-11-22T11:55:00Z");
    x.status_text = "too many starts";
  });
  BOOST_TEST(status_line(view, now, {})
             == "job has failed (signal 9 (KILL), 5m00s ago): too many "
                "starts");
  view.status = status::backoff;
  view.status_text.clear();
  view.retry_at = at("2026-11-22T12:00:02Z");
  BOOST_TEST(status_line(view, now, {})
             == "job is in backoff (signal 9 (KILL), 5m00s ago, restart in "
                "2s)");
  BOOST_TEST(status_line(make_view("new", status::pending), now, {})
             == "new is pending");
}

BOOST_AUTO_TEST_CASE(exit_word_never_invents_a_zero) {
  auto word = [](std::optional<exit_reason> reason, std::optional<int> code,
                 std::optional<std::string> signal) {
    return exit_word(make_view("x", status::failed, [&](auto& x) {
      x.reason = reason;
      x.exit_code = code;
      x.exit_signal = signal;
    }));
  };
  BOOST_TEST(word(exit_reason::exited, 0, {}) == "0");
  BOOST_TEST(word(exit_reason::exited, 3, {}) == "3");
  BOOST_TEST(word(exit_reason::signaled, {}, "TERM") == "TERM");
  BOOST_TEST(word(exit_reason::lost, {}, {}) == "lost");
  BOOST_TEST(word(exit_reason::spawn_failed, {}, {}) == "spawn");
  BOOST_TEST(word({}, {}, {}) == "-");
}

BOOST_AUTO_TEST_CASE(command_is_what_a_person_would_type) {
  BOOST_TEST(command_text({"echo", "a b", "it's"}) == "echo 'a b' 'it'\\''s'");
  BOOST_TEST(command_text({"/bin/sh", "-c", "exec ./serve --port $PORT"})
             == "exec ./serve --port $PORT");
  BOOST_TEST(command_text({"printf", "a\nb", ""}) == "printf 'a\\nb' ''");
}

BOOST_AUTO_TEST_CASE(list_table_has_its_columns) {
  std::vector<process_view> views{
    make_view("db", status::failed,
              [](auto& x) {
                x.reason = exit_reason::exited;
                x.exit_code = 3;
              }),
    make_view("web", status::running, [](auto& x) { x.restart_count = 2; })};
  BOOST_TEST(list_table(views, false, {})
             == "NAME  STATUS    PID  UPTIME  RESTARTS  EXIT  COMMAND\n"
                "db    failed      -       -         0     3  sleep 60\n"
                "web   running  4242   3m12s         2     -  sleep 60\n");
  auto wide = list_table(views, true, {});
  for (auto title :
       {"CPU", "MEM", "PROCS", "THREADS", "FDS", "READY", "RUN", "CAUSE"})
    BOOST_TEST(wide.find(title) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(sizes_are_short) {
  BOOST_TEST(short_size(512) == "512B");
  BOOST_TEST(short_size(1536) == "1.5K");
  BOOST_TEST(short_size(50u << 20) == "50M");
  BOOST_TEST(short_size(1023u << 10) == "1.0M");
}

BOOST_AUTO_TEST_CASE(show_names_every_field_that_has_a_value) {
  auto view = make_view("web", status::running, [](auto& x) {
    x.environment = {{"A", "1"}, {"B", "2"}};
    x.rss_bytes = 3u << 20;
    x.created_at = now;
  });
  process_spec spec;
  spec.command = view.command;
  spec.umask = 022;
  spec.limits = {{"nofile", 1024, std::nullopt}};
  auto text = show_text(view, spec, {});
  auto has = [&](std::string_view name, std::string_view value) {
    auto line = fmt::format("\n{:<22}{}\n", name, value);
    BOOST_TEST(text.find(line) != std::string::npos, name << " is missing in\n"
                                                          << text);
  };
  has("status", "running");
  has("uptime", "3m12s");
  has("environment", "A=1");
  has("", "B=2");
  has("rss_bytes", "3145728 (3.0M)");
  has("umask", "022");
  has("limits.nofile", "1024 (hard unlimited)");
  has("shutdown.signal", "TERM");
  has("restart", "on_failure");
  // The command is in both, and shown once.
  BOOST_TEST(text.find("sleep 60") == text.rfind("sleep 60"));
}

BOOST_AUTO_TEST_CASE(event_line_tells_what_changed_and_why) {
  process_event event;
  event.time = now;
  event.handle_id = "web";
  event.from = status::running;
  event.to = status::backoff;
  event.cause = cause::policy;
  event.exit = exit_status{exit_reason::exited, 3, std::nullopt};
  BOOST_TEST(event_line(event, {})
             == "2026-11-22T12:00:00.000Z web running -> backoff (exit 3, "
                "policy)");
}

BOOST_AUTO_TEST_CASE(no_text_of_a_process_reaches_the_terminal_raw) {
  auto view = make_view("web", status::failed, [](auto& x) {
    x.command = {"evil\x1b[2J"};
    x.status_text = "\x1b]0;title\x07";
    x.labels = {{"k", "\x1b"}};
  });
  look how{false, true, 80};
  auto text = list_table({view}, true, how) + status_line(view, now, how)
              + show_text(view, {}, how);
  BOOST_TEST(text.find('\x1b') == std::string::npos);
  BOOST_TEST(text.find('\x07') == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
