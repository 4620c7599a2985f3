#include "apps/pmctl/top_view.hpp"

#include <algorithm>
#include <map>

#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

std::string share(const std::optional<double>& percent) {
  return percent ? fmt::format("{:.1f}%", *percent) : "-";
}

std::string size(const std::optional<uint64_t>& bytes) {
  return bytes ? short_size(*bytes) : "-";
}

std::string number(const std::optional<int>& x) {
  return x ? std::to_string(*x) : "-";
}

bool has_text(std::string_view text, std::string_view part) {
  auto same = [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same)
         != text.end();
}

const std::vector<column>& columns() {
  static const std::vector<column> all{
    {"NAME"},      {"STATUS"},      {"PID", true}, {"CPU", true},
    {"MEM", true}, {"PROCS", true}, {"THR", true}, {"FDS", true},
    {"UP", true},  {"RST", true},   {"COMMAND"}};
  return all;
}

} // namespace

void top_view::take(std::vector<top_process> all) {
  all_ = std::move(all);
  arrange();
}

void top_view::sort_by(top_order by) {
  is_reversed_ = by == order_ && !is_reversed_;
  order_ = by;
  arrange();
}

void top_view::set_filter(std::string text) {
  filter_ = std::move(text);
  arrange();
}

bool top_view::is_shown(const top_process& x) const {
  auto& v = x.view;
  return has_text(v.handle_id, filter_)
         || has_text(to_string(v.status), filter_)
         || has_text(command_text(v.command), filter_);
}

bool top_view::comes_before(const top_process& x, const top_process& y) const {
  auto& a = x.view;
  auto& b = y.view;
  switch (order_) {
  case top_order::cpu:
    return a.cpu_percent.value_or(-1) > b.cpu_percent.value_or(-1);
  case top_order::memory:
    return a.rss_bytes.value_or(0) > b.rss_bytes.value_or(0);
  case top_order::uptime:
    return a.uptime.value_or(milliseconds{-1})
           > b.uptime.value_or(milliseconds{-1});
  case top_order::restarts:
    return a.restart_count > b.restart_count;
  case top_order::pid:
    return a.pid.value_or(0) > b.pid.value_or(0);
  default:
    return a.handle_id < b.handle_id;
  }
}

void top_view::arrange() {
  std::vector<size_t> order;
  for (size_t i = 0; i < all_.size(); ++i)
    if (is_shown(all_[i]))
      order.push_back(i);
  // They come sorted by name; equal ones stay so.
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) {
    return is_reversed_ ? comes_before(all_[y], all_[x])
                        : comes_before(all_[x], all_[y]);
  });
  rows_.clear();
  for (auto process : order) {
    rows_.push_back({process, -1, 0});
    if (unfolded_.contains(all_[process].view.handle_id))
      add_tree(process);
  }
  find_selection();
}

// Parents before their children; who has no parent here stands beside the
// leader.
void top_view::add_tree(size_t process) {
  auto& tree = all_[process].tree;
  std::map<int, std::vector<size_t>> children;
  std::set<int> pids;
  for (auto& x : tree)
    pids.insert(x.pid);
  for (size_t i = 0; i < tree.size(); ++i)
    children[pids.contains(tree[i].parent_pid) ? tree[i].parent_pid : 0]
      .push_back(i);
  std::vector<row> open;
  auto put_children = [&](int pid, size_t depth) {
    auto& below = children[pid];
    for (auto x = below.rbegin(); x != below.rend(); ++x)
      open.push_back({process, static_cast<long>(*x), depth});
    below.clear(); // whatever the pids say, each is shown once
  };
  put_children(0, 1);
  while (!open.empty()) {
    auto next = open.back();
    open.pop_back();
    rows_.push_back(next);
    put_children(tree[static_cast<size_t>(next.member)].pid, next.depth + 1);
  }
}

void top_view::find_selection() {
  auto is_same = [&](const row& x, bool exact) {
    auto& process = all_[x.process];
    auto pid =
      x.member < 0 ? 0 : process.tree[static_cast<size_t>(x.member)].pid;
    return process.view.handle_id == chosen_ && (!exact || pid == chosen_pid_);
  };
  for (auto exact : {true, false}) {
    auto found = std::find_if(rows_.begin(), rows_.end(),
                              [&](auto& x) { return is_same(x, exact); });
    if (found != rows_.end()) {
      selected_ = static_cast<size_t>(found - rows_.begin());
      return;
    }
  }
  selected_ = std::min(selected_, rows_.empty() ? 0 : rows_.size() - 1);
  move(0);
}

void top_view::move(long rows) {
  if (rows_.empty())
    return;
  auto to = static_cast<long>(selected_) + rows;
  selected_ = static_cast<size_t>(
    std::clamp(to, 0L, static_cast<long>(rows_.size()) - 1));
  auto& at = rows_[selected_];
  auto& process = all_[at.process];
  chosen_ = process.view.handle_id;
  chosen_pid_ =
    at.member < 0 ? 0 : process.tree[static_cast<size_t>(at.member)].pid;
}

std::string top_view::selected() const {
  return rows_.empty() ? std::string{}
                       : all_[rows_[selected_].process].view.handle_id;
}

void top_view::fold(bool hidden) {
  auto name = selected();
  if (name.empty())
    return;
  if (hidden)
    unfolded_.erase(name);
  else
    unfolded_.insert(name);
  arrange();
}

void top_view::toggle_fold() {
  fold(unfolded_.contains(selected()));
}

void top_view::toggle_all() {
  if (unfolded_.empty())
    for (auto& x : all_)
      unfolded_.insert(x.view.handle_id);
  else
    unfolded_.clear();
  arrange();
}

std::string top_view::summary() const {
  std::map<status, int> counts;
  double cpu = 0;
  uint64_t memory = 0;
  int processes = 0;
  for (auto& x : all_) {
    ++counts[x.view.status];
    cpu += x.view.cpu_percent.value_or(0);
    memory += x.view.rss_bytes.value_or(0);
    processes += x.view.processes.value_or(0);
  }
  std::string states;
  for (auto& [what, count] : counts)
    states += fmt::format(", {} {}", count, to_string(what));
  return fmt::format("{} handles{}; {} processes, cpu {:.1f}%, mem {}; by "
                     "{}{}{}",
                     all_.size(), states, processes, cpu, short_size(memory),
                     to_string(order_), is_reversed_ ? ", reversed" : "",
                     filter_.empty() ? ""
                                     : ", with '" + printable(filter_) + "'");
}

std::vector<cell> top_view::cells_of(const row& x, bool is_selected) const {
  auto& process = all_[x.process];
  auto& v = process.view;
  if (x.member >= 0) {
    auto& member = process.tree[static_cast<size_t>(x.member)];
    return {{std::string(2 * x.depth, ' ') + printable(member.name)},
            {printable(member.state)},
            {std::to_string(member.pid)},
            {share(member.cpu_percent)},
            {short_size(member.rss_bytes)},
            {""},
            {std::to_string(member.threads)},
            {""},
            {""},
            {""},
            {""}};
  }
  auto& text = v.status_text;
  return {
    {printable(v.handle_id)},
    {std::string{to_string(v.status)}, is_selected ? hue::none : hue_of(v)},
    {number(v.pid)},
    {share(v.cpu_percent)},
    {size(v.rss_bytes)},
    {number(v.processes)},
    {number(v.threads)},
    {number(v.descriptors)},
    {v.uptime && is_alive(v.status) ? format_age(*v.uptime) : "-"},
    {std::to_string(v.restart_count)},
    {text.empty() ? command_text(v.command)
                  : command_text(v.command) + " [" + printable(text) + "]"}};
}

std::vector<std::string> top_view::lines(size_t height, const look& how) {
  auto is_live = height > 0;
  std::vector<std::vector<cell>> cells;
  for (size_t i = 0; i < rows_.size(); ++i)
    cells.push_back(cells_of(rows_[i], is_live && i == selected_));
  auto text = render_table(columns(), cells, how);
  std::vector<std::string> result;
  std::string_view left{text};
  for (size_t i = 0; !left.empty(); ++i) {
    auto end = left.find('\n');
    auto line = std::string{left.substr(0, end)};
    if (is_live && i == selected_ + 1)
      line = fmt::format("\x1b[7m{}\x1b[0m", line);
    result.push_back(std::move(line));
    left.remove_prefix(end + 1);
  }
  if (!is_live || height < 2)
    return result;
  auto seen = height - 1; // below the title
  first_ = std::min(first_, selected_);
  if (selected_ >= first_ + seen)
    first_ = selected_ - seen + 1;
  if (first_ + seen > rows_.size())
    first_ = rows_.size() - std::min(rows_.size(), seen);
  auto from = result.begin() + 1;
  result.erase(from, from + static_cast<long>(first_));
  if (result.size() > height)
    result.resize(height);
  return result;
}

} // namespace pm::ctl
