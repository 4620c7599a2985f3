#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <pm/record.hpp>

#include "apps/pmctl/render_table.hpp"

namespace pm {

// What the rows of `top` are sorted by.
// clang-format off
#define PM_TOP_ORDERS(X) X(cpu) X(memory) X(name) X(uptime) X(restarts) X(pid)
// clang-format on
PM_ENUM(top_order, PM_TOP_ORDERS)

} // namespace pm

namespace pm::ctl {

// One process of a tree, as `list` with `trees` gives it.
struct top_member {
  int pid = 0;
  int parent_pid = 0;
  std::string name;
  std::string state;
  int threads = 0;
  uint64_t rss_bytes = 0;
  std::optional<double> cpu_percent;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("pid", x.pid), field("parent_pid", x.parent_pid),
                 field("name", x.name), field("state", x.state),
                 field("threads", x.threads), field("rss_bytes", x.rss_bytes),
                 field("cpu_percent", x.cpu_percent));
  }
};

// A view, as far as it is shown, with the tree of its run.
struct top_process {
  process_view view;
  std::vector<top_member> tree;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    auto& v = x.view;
    return visit(
      field("handle_id", v.handle_id), field("status", v.status),
      field("ready", v.ready), field("pid", v.pid), field("command", v.command),
      field("uptime_ms", v.uptime), field("exit_reason", v.reason),
      field("restart_count", v.restart_count),
      field("status_text", v.status_text), field("cpu_percent", v.cpu_percent),
      field("rss_bytes", v.rss_bytes), field("processes", v.processes),
      field("threads", v.threads), field("descriptors", v.descriptors),
      field("tree", x.tree));
  }
};

// What `top` shows, and where the person is in it. Pure.
class top_view {
public:
  // Takes what is there now; the selection stays with its process.
  void take(std::vector<top_process> all);

  // Sorts by `by`, the largest (or the first name) on top; by the same one
  // again: the other way round.
  void sort_by(top_order by);

  // Shows only those with `text` in their name, status or command.
  void set_filter(std::string text);
  const std::string& filter() const noexcept { return filter_; }

  // Moves the selection by so many rows, or as far as that goes.
  void move(long rows);

  // Shows or hides the tree of the selected process, or of all.
  void fold(bool hidden);
  void toggle_fold();
  void toggle_all();

  // The handle id of the selected process; empty: there is none.
  std::string selected() const;

  // One line on all processes.
  std::string summary() const;

  // The table in `height` lines, its title first, with the selected row in
  // sight. With height 0 all of it, and nothing selected.
  std::vector<std::string> lines(size_t height, const look& how);

private:
  // A process (member < 0), or one of its tree.
  struct row {
    size_t process = 0;
    long member = -1;
    size_t depth = 0;
  };

  void arrange();
  void add_tree(size_t process);
  bool is_shown(const top_process& x) const;
  bool comes_before(const top_process& x, const top_process& y) const;
  std::vector<cell> cells_of(const row& x, bool is_selected) const;
  void find_selection();

  std::vector<top_process> all_;
  std::vector<row> rows_;
  std::set<std::string> unfolded_; // handle ids
  std::string filter_;
  top_order order_ = top_order::cpu;
  bool is_reversed_ = false;
  std::string chosen_;  // handle id of the selected row
  int chosen_pid_ = 0;  // of the member; 0: the process itself
  size_t selected_ = 0; // its row
  size_t first_ = 0;    // the first row in sight
};

} // namespace pm::ctl
