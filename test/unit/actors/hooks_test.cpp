#include <boost/test/unit_test.hpp>

#include <csignal>

#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct hooks_world : actor_world {
  hooks_world() { open(); }

  static process_spec with(hook_moment moment) {
    auto spec = simple_spec();
    spec.hooks = {{moment, {"hook"}, 30s}};
    spec.restart_delay = 5s;
    return spec;
  }

  void end_hook(const std::string& name, int code) {
    host.exit(name, code);
    run();
  }

  std::string variable(const std::string& id, const std::string& name) {
    for (auto& row : host.last(id).request.environment)
      if (row.starts_with(name + "="))
        return row.substr(name.size() + 1);
    return "(none)";
  }

  std::vector<std::string> event_texts() {
    auto all = ask<std::vector<process_event>>(events_atom::value, uint64_t{0});
    std::vector<std::string> result;
    for (auto& x : value_of(all))
      result.push_back(x.text);
    return result;
  }

  bool was_told(const std::string& text) {
    auto all = event_texts();
    return std::find(all.begin(), all.end(), text) != all.end();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(hooks, hooks_world)

BOOST_AUTO_TEST_CASE(a_run_begins_when_its_pre_start_is_over) {
  auto started = define("web", with(hook_moment::pre_start));
  BOOST_TEST((status_of("web") == status::starting));
  BOOST_TEST(host.spawn_count("web") == 0u);
  auto& hook = host.last("web:pre_start").request;
  BOOST_TEST((hook.argv == std::vector<std::string>{"hook"}));
  BOOST_TEST((hook.output == output_mode::log));
  BOOST_TEST(hook.log_file == "/state/logs/web.log");
  BOOST_TEST(variable("web:pre_start", "PM_HOOK") == "pre_start");
  BOOST_TEST(variable("web:pre_start", "PM_HANDLE_ID") == "web");
  BOOST_TEST(variable("web:pre_start", "PM_MAIN_PID") == "(none)");
  BOOST_TEST(!started->has_value());
  end_hook("web:pre_start", 0);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(value_of(started).changed);
  BOOST_TEST(host.acknowledged.contains(
    host.last("web:pre_start").request.run_id.str()));
}

BOOST_AUTO_TEST_CASE(a_failed_pre_start_is_a_failed_start) {
  define("web", with(hook_moment::pre_start));
  end_hook("web:pre_start", 3);
  BOOST_TEST((status_of("web") == status::backoff));
  BOOST_TEST(view("web").status_text
             == "hook pre_start: exit 3; restarts in 5s");
  BOOST_TEST((view("web").reason == exit_reason::spawn_failed));
  advance(5s);
  BOOST_TEST(host.spawn_count("web:pre_start") == 2u);
  end_hook("web:pre_start", 0);
  BOOST_TEST((status_of("web") == status::running));
}

BOOST_AUTO_TEST_CASE(a_pre_start_has_its_time) {
  auto spec = with(hook_moment::pre_start);
  spec.restart = restart_mode::never;
  auto started = define("web", spec);
  advance(30s);
  BOOST_TEST((host.last("web:pre_start").signals == std::vector<int>{SIGKILL}));
  BOOST_TEST((status_of("web") == status::failed));
  BOOST_TEST(view("web").status_text == "hook pre_start: no end within 30s");
  BOOST_TEST((code_of(started) == ec::spawn_failed));
}

BOOST_AUTO_TEST_CASE(a_stop_ends_a_pre_start_at_once) {
  auto started = define("web", with(hook_moment::pre_start));
  auto stopped = stop("web");
  BOOST_TEST((host.last("web:pre_start").signals == std::vector<int>{SIGKILL}));
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST((code_of(started) == ec::cancelled));
  advance(1h);
  BOOST_TEST(host.spawn_count("web") == 0u);
}

BOOST_AUTO_TEST_CASE(a_failed_post_start_is_told_and_stops_nothing) {
  define("web", with(hook_moment::post_start));
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(variable("web:post_start", "PM_MAIN_PID")
             == std::to_string(*view("web").pid));
  end_hook("web:post_start", 1);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(view("web").status_text == "hook post_start: exit 1");
  BOOST_TEST(was_told("hook post_start: exit 1"));
}

BOOST_AUTO_TEST_CASE(the_stop_signal_waits_for_pre_stop) {
  define("web", with(hook_moment::pre_stop));
  auto stopped = stop("web");
  BOOST_TEST((status_of("web") == status::stopping));
  BOOST_TEST(host.last("web").signals.empty());
  end_hook("web:pre_stop", 7);
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(was_told("hook pre_stop: exit 7"));
}

BOOST_AUTO_TEST_CASE(a_forced_stop_does_not_wait_for_pre_stop) {
  define("web", with(hook_moment::pre_stop));
  stop("web");
  stop("web", true);
  BOOST_TEST((host.last("web").signals == std::vector<int>{SIGKILL}));
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(!host.is_alive("web:pre_stop"));
}

BOOST_AUTO_TEST_CASE(a_process_that_ends_in_its_pre_stop_is_over) {
  define("web", with(hook_moment::pre_stop));
  stop("web");
  host.exit("web", 0);
  run();
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(!host.is_alive("web:pre_stop"));
}

BOOST_AUTO_TEST_CASE(a_run_is_over_when_its_post_stop_is) {
  auto spec = with(hook_moment::post_stop);
  spec.restart_delay.reset();
  define("web", spec);
  host.exit("web", 1);
  run();
  BOOST_TEST(host.is_alive("web:post_stop"));
  BOOST_TEST(host.spawn_count("web") == 1u);
  BOOST_TEST(
    (code_of(ask<change_outcome>(signal_atom::value, std::string{"web"},
                                 SIGUSR1, request_context{}))
     == ec::not_running));
  end_hook("web:post_stop", 0);
  advance(1ms);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(host.spawn_count("web:post_stop") == 1u);
}

BOOST_AUTO_TEST_CASE(a_stop_within_post_stop_means_no_next_run) {
  define("web", with(hook_moment::post_stop));
  host.exit("web", 1);
  run();
  auto stopped = stop("web");
  BOOST_TEST(!stopped->has_value());
  end_hook("web:post_stop", 2);
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(was_told("hook post_stop: exit 2"));
  advance(1h);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(a_forced_stop_ends_a_post_stop) {
  define("web", with(hook_moment::post_stop));
  stop("web");
  BOOST_TEST((status_of("web") == status::stopping));
  stop("web", true);
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(!host.is_alive("web:post_stop"));
}

BOOST_AUTO_TEST_CASE(a_restart_goes_through_all_hooks_in_order) {
  auto spec = simple_spec();
  for (auto moment : {hook_moment::pre_start, hook_moment::post_start,
                      hook_moment::pre_stop, hook_moment::post_stop})
    spec.hooks.push_back({moment, {"hook"}, 30s});
  define("web", spec);
  end_hook("web:pre_start", 0);
  end_hook("web:post_start", 0);
  auto again = restart("web");
  BOOST_TEST(host.is_alive("web:pre_stop"));
  end_hook("web:pre_stop", 0);
  BOOST_TEST(host.is_alive("web:post_stop"));
  end_hook("web:post_stop", 0);
  BOOST_TEST(host.is_alive("web:pre_start"));
  BOOST_TEST(!host.is_alive("web"));
  end_hook("web:pre_start", 0);
  BOOST_TEST(value_of(again).changed);
  BOOST_TEST(host.is_alive("web"));
  BOOST_TEST(host.copies_max == 1u);
}

// A side run that nothing ends holds nothing up.
BOOST_AUTO_TEST_CASE(an_immortal_hook_is_not_waited_for) {
  define("web", with(hook_moment::post_start));
  host.immortal = true;
  auto stopped = stop("web");
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGTERM});
  run();
  BOOST_TEST((status_of("web") == status::stopping));
  advance(2s);
  BOOST_TEST((status_of("web") == status::stopped));
  host.end(host.last("web:post_start"), {exit_reason::signaled, {}, SIGKILL});
  run();
  BOOST_TEST(host.acknowledged.contains(
    host.last("web:post_start").request.run_id.str()));
}

BOOST_AUTO_TEST_SUITE_END()
