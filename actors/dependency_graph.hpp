#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <pm/policy_spec.hpp>

// Who waits for whom. Pure: what holds of each process is told, what follows
// for those that depend on it is given back. The cost of a change is that of
// the dependents for which something turns, whatever the size of the graph.

namespace pm {

// What holds of a process, as those that depend on it see it.
struct dependency_facts {
  bool started = false;   // it runs, or has completed
  bool ready = false;     // it is ready to serve, or has completed
  bool healthy = false;   // its liveness probe says so
  bool completed = false; // it has ended by itself, with success
  std::string run;        // the run that this is about

  bool operator==(const dependency_facts&) const = default;
};

// True if `condition` holds of what `facts` tell.
bool holds(dependency_condition condition, const dependency_facts& facts);

// What a change means for others; each id once.
struct dependency_effects {
  std::vector<std::string> met;     // all that they wait for holds now
  std::vector<std::string> unmet;   // it does not any more
  std::vector<std::string> renewed; // what they are to restart with is back

  bool operator==(const dependency_effects&) const = default;
};

// One thing that does not hold yet. `process` is empty where nobody has the
// name.
struct unmet_need {
  std::string name;
  std::string process;
  dependency_condition condition = dependency_condition::started;
};

// The processes and what they depend on. A name means the process of that id,
// or all replicas of that name.
class dependency_graph {
public:
  using needs_map = std::map<std::string, dependency>;

  // Adds a process, or gives it other dependencies. `base` is the name that
  // its replicas share, empty where it is none.
  dependency_effects set(const std::string& id, const std::string& base,
                         const needs_map& needs);

  dependency_effects erase(const std::string& id);

  // Tells what holds of a process now.
  dependency_effects update(const std::string& id,
                            const dependency_facts& facts);

  // Tells of a run from before this graph: that it is up (again) renews
  // nobody.
  void seed_run(const std::string& id, const std::string& run);

  bool contains(const std::string& id) const { return nodes_.contains(id); }

  // True if all that the process waits for holds.
  bool is_met(const std::string& id) const;

  // What the process waits for, `count_max` at most.
  std::vector<unmet_need> unmet(const std::string& id,
                                size_t count_max = SIZE_MAX) const;

  // What the process depends on; empty for an unknown one.
  const needs_map& needs(const std::string& id) const;

  // Those that a name means, sorted.
  const std::set<std::string>& members(const std::string& name) const;

  // Those that depend on the process, by its id or its replicas' name.
  std::vector<std::string> dependents(const std::string& id) const;

  // All that are to be stopped with the process, directly or not.
  std::vector<std::string> stopped_with(const std::string& id) const;

  // The names that mean the process.
  std::vector<std::string> names_of(const std::string& id) const;

private:
  static constexpr size_t conditions = 4;

  struct node {
    std::string base;
    needs_map needs;
    dependency_facts facts;
    std::array<std::string, conditions> last_run; // for which it held
    size_t unmet = 0;                             // of `needs`
  };

  // All that one name means, and who depends on it.
  struct group {
    std::set<std::string> members;
    std::array<size_t, conditions> holding{}; // members of which it holds
    std::array<std::set<std::string>, conditions> dependents;
    std::array<bool, conditions> renewed{};

    bool holds(size_t condition) const {
      return !members.empty() && holding[condition] == members.size();
    }
  };

  template <class Change>
  void change_group(const std::string& name, Change change,
                    dependency_effects& effects);
  void turn(const std::string& id, bool met, dependency_effects& effects);
  void unlink(const std::string& id, node& x);
  void forget_if_unused(const std::string& name);

  std::unordered_map<std::string, node> nodes_;
  std::unordered_map<std::string, group> groups_;
};

// In which order some of the processes of a graph are stopped: each one after
// all of them that depend on it.
class stop_order {
public:
  stop_order(const dependency_graph& graph,
             const std::vector<std::string>& ids);

  // Those on which none of the others depends.
  const std::vector<std::string>& first() const { return first_; }

  // Tells that one has ended (or is given up); gives those that are next.
  std::vector<std::string> ended(const std::string& id);

private:
  struct member {
    std::vector<std::string> needs; // names
    std::vector<std::string> names;
    size_t blocked_by = 0; // names with living dependents
    bool is_over = false;
  };

  struct name_use {
    std::vector<std::string> members;
    size_t dependents = 0; // that are not over
  };

  std::vector<std::string> free(const std::string& id);
  void break_cycles();

  std::map<std::string, member> members_;
  std::map<std::string, name_use> names_;
  std::vector<std::string> first_;
};

} // namespace pm
