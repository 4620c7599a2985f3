#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>

#include <pm/dependency_cycle.hpp>

#include "actors/dependency_graph.hpp"

using namespace pm;
using dc = dependency_condition;
using ids = std::vector<std::string>;

namespace {

dependency_facts up(const std::string& run = "1") {
  return {true, true, true, false, run};
}

dependency_facts completed(const std::string& run = "1") {
  return {true, true, false, true, run};
}

// A random graph without cycles: each one needs some of those before it.
struct random_graph {
  explicit random_graph(uint32_t seed) : random(seed) {
    auto count = 5 + pick(40);
    for (int i = 0; i < count; ++i) {
      dependency_graph::needs_map needs;
      for (int j = 0; i > 0 && j < pick(4); ++j)
        needs[name(pick(i))] = {static_cast<dc>(pick(4)), pick(2) == 0, false};
      graph.set(name(i), {}, needs);
      names.push_back(name(i));
    }
  }

  static std::string name(int i) { return "p" + std::to_string(i); }

  int pick(int below) {
    return std::uniform_int_distribution<>{0, below - 1}(random);
  }

  bool all_hold(const std::string& id,
                const std::map<std::string, dependency_facts>& facts) const {
    for (auto& [need, what] : graph.needs(id)) {
      auto found = facts.find(need);
      if (found == facts.end() || !holds(what.condition, found->second))
        return false;
    }
    return true;
  }

  std::mt19937 random;
  dependency_graph graph;
  ids names;
};

} // namespace

BOOST_AUTO_TEST_SUITE(dependency_graphs)

BOOST_AUTO_TEST_CASE(each_condition_opens_with_what_it_names) {
  dependency_graph graph;
  graph.set("db", {}, {});
  for (auto c : {dc::started, dc::ready, dc::healthy, dc::completed})
    graph.set(std::string{to_string(c)}, {}, {{"db", {c}}});
  auto met = graph.update("db", {true, false, false, false, "1"}).met;
  BOOST_TEST((met == ids{"started"}));
  met = graph.update("db", {true, true, false, false, "1"}).met;
  BOOST_TEST((met == ids{"ready"}));
  met = graph.update("db", {true, true, true, false, "1"}).met;
  BOOST_TEST((met == ids{"healthy"}));
  auto turned = graph.update("db", completed());
  BOOST_TEST((turned.met == ids{"completed"}));
  BOOST_TEST((turned.unmet == ids{"healthy"}));
}

BOOST_AUTO_TEST_CASE(a_name_of_replicas_means_all_of_them) {
  dependency_graph graph;
  graph.set("web", {}, {{"db", {}}});
  graph.set("db.1", "db", {});
  graph.set("db.2", "db", {});
  BOOST_TEST(graph.update("db.1", up()).met.empty());
  BOOST_TEST((graph.update("db.2", up()).met == ids{"web"}));
  BOOST_TEST((graph.set("db.3", "db", {}).unmet == ids{"web"}));
  BOOST_TEST((graph.erase("db.3").met == ids{"web"}));
  graph.erase("db.1");
  graph.erase("db.2");
  BOOST_TEST(!graph.is_met("web"));
  BOOST_TEST(graph.unmet("web").front().process == "");
}

BOOST_AUTO_TEST_CASE(only_a_new_run_renews) {
  dependency_graph graph;
  graph.set("db", {}, {});
  graph.set("web", {}, {{"db", {dc::ready, true, false}}});
  BOOST_TEST(graph.update("db", up("1")).renewed.empty());
  graph.update("db", {true, false, false, false, "1"}); // not ready a while
  BOOST_TEST(graph.update("db", up("1")).renewed.empty());
  graph.update("db", {});
  BOOST_TEST((graph.update("db", up("2")).renewed == ids{"web"}));
}

BOOST_AUTO_TEST_CASE(what_ran_before_this_node_renews_nobody) {
  dependency_graph graph;
  graph.set("db", {}, {});
  graph.set("web", {}, {{"db", {dc::started, true, false}}});
  graph.seed_run("db", "1");
  BOOST_TEST(graph.update("db", up("1")).renewed.empty());
}

BOOST_AUTO_TEST_CASE(those_stopped_with_it_are_found_through_others) {
  dependency_graph graph;
  graph.set("db", {}, {});
  graph.set("app", {}, {{"db", {dc::started, false, true}}});
  graph.set("web", {}, {{"app", {dc::started, false, true}}});
  graph.set("log", {}, {{"db", {}}});
  BOOST_TEST((graph.stopped_with("db") == ids{"app", "web"}));
}

BOOST_AUTO_TEST_CASE(a_cycle_is_found_and_printed) {
  BOOST_TEST(find_cycle({{"a", {"b"}}, {"b", {}}, {"c", {"a", "b"}}}).empty());
  auto cycle = find_cycle({{"x", {"a"}}, {"a", {"b"}}, {"b", {"c", "a"}}});
  BOOST_TEST(cycle_text(cycle) == "a -> b -> a");
  needs_by_name chain;
  for (int i = 0; i < 200'000; ++i)
    chain["n" + std::to_string(i)] = {"n" + std::to_string(i + 1)};
  BOOST_TEST(find_cycle(chain).empty());
}

BOOST_AUTO_TEST_CASE(a_stop_order_with_a_cycle_still_ends) {
  dependency_graph graph;
  graph.set("a", {}, {{"b", {}}});
  graph.set("b", {}, {{"a", {}}});
  graph.set("c", {}, {{"a", {}}});
  stop_order order{graph, {"a", "b", "c"}};
  BOOST_TEST(order.first().size() == 3u);
  for (auto id : {"a", "b", "c"})
    BOOST_TEST(order.ended(id).empty());
}

// Random graphs with random ends: a process is met exactly while all that it
// needs holds.
BOOST_AUTO_TEST_CASE(met_is_what_a_look_at_all_needs_says) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    random_graph x{seed};
    std::map<std::string, dependency_facts> facts;
    std::map<std::string, bool> met;
    for (auto& id : x.names)
      met[id] = x.graph.is_met(id);
    for (int step = 0; step < 200; ++step) {
      auto id = x.names[static_cast<size_t>(x.pick(int(x.names.size())))];
      dependency_facts next{x.pick(2) == 0, x.pick(2) == 0, x.pick(2) == 0,
                            x.pick(2) == 0, std::to_string(x.pick(5))};
      auto turned = x.graph.update(id, next);
      facts[id] = next;
      for (auto& other : turned.unmet)
        met[other] = x.graph.is_met(other);
      for (auto& other : turned.met)
        met[other] = x.graph.is_met(other);
      BOOST_TEST_CONTEXT("seed " << seed << " step " << step)
      for (auto& other : x.names) {
        BOOST_REQUIRE(x.graph.is_met(other) == x.all_hold(other, facts));
        BOOST_REQUIRE(met[other] == x.graph.is_met(other)); // all were told
        BOOST_REQUIRE(x.graph.unmet(other).empty() == met[other]);
      }
    }
  }
}

// Each one starts when it is met and then holds all that can hold: all start.
BOOST_AUTO_TEST_CASE(when_all_succeed_all_start) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    random_graph x{seed};
    ids open;
    for (auto& id : x.names)
      if (x.graph.is_met(id))
        open.push_back(id);
    size_t started = 0;
    while (!open.empty()) {
      auto at = static_cast<size_t>(x.pick(int(open.size())));
      auto id = open[at];
      open.erase(open.begin() + static_cast<long>(at));
      ++started;
      for (auto& next : x.graph.update(id, {true, true, true, true, "1"}).met)
        open.push_back(next);
    }
    BOOST_TEST(started == x.names.size(), "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(a_stop_takes_each_one_after_its_dependents) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    random_graph x{seed};
    ids some;
    for (auto& id : x.names)
      if (x.pick(4) != 0)
        some.push_back(id);
    stop_order order{x.graph, some};
    auto open = order.first();
    std::set<std::string> over;
    while (!open.empty()) {
      auto at = static_cast<size_t>(x.pick(int(open.size())));
      auto id = open[at];
      open.erase(open.begin() + static_cast<long>(at));
      for (auto& other : x.graph.dependents(id))
        if (std::find(some.begin(), some.end(), other) != some.end())
          BOOST_REQUIRE_MESSAGE(over.contains(other), "seed " << seed);
      over.insert(id);
      for (auto& next : order.ended(id))
        open.push_back(next);
    }
    BOOST_TEST(over.size() == some.size(), "seed " << seed);
  }
}

BOOST_AUTO_TEST_SUITE_END()
