#include "runtime/usage/tree_accounts.hpp"

#include <algorithm>
#include <unordered_map>

namespace pm {

namespace {

constexpr int nobody = -1;
constexpr int unknown_yet = -2;

// A run that nobody has asked about for so long begins anew.
constexpr std::chrono::minutes account_age_max{10};

tree_member member_of(const process_stat& x) {
  return {x.pid,   x.parent_pid, x.start_ticks, x.name,
          x.state, x.threads,    x.rss_bytes,   x.cpu};
}

size_t index_of(const std::vector<process_stat>& table, int pid) {
  auto found = std::lower_bound(
    table.begin(), table.end(), pid,
    [](const process_stat& x, int wanted) { return x.pid < wanted; });
  return found != table.end() && found->pid == pid
           ? static_cast<size_t>(found - table.begin())
           : table.size();
}

} // namespace

// Also remembers which orphans belong to nobody: their environment is read
// once.
int tree_accounts::owner_of_orphan(const process_stat& x,
                                   const std::map<std::string, int>& runs,
                                   const sample& from) {
  if (std::find(from.reapers.begin(), from.reapers.end(), x.parent_pid)
      == from.reapers.end())
    return nobody;
  auto& known = orphans_[x.pid];
  if (known.start_ticks != x.start_ticks)
    known = {x.start_ticks, from.run_of(x.pid)};
  auto run = runs.find(known.run);
  return run == runs.end() ? nobody : run->second;
}

// For each row of the table: the number of its root, or nobody.
std::vector<int> tree_accounts::owners_of(const std::vector<usage_root>& roots,
                                          const sample& from) {
  auto& table = *from.table;
  std::vector<int> owner(table.size(), unknown_yet);
  std::unordered_map<int, int> sessions;
  std::map<std::string, int> runs;
  for (int i = 0; i < static_cast<int>(roots.size()); ++i) {
    auto& root = roots[static_cast<size_t>(i)];
    auto at = index_of(table, root.pid);
    if (at == table.size()
        || (root.start_ticks != 0 && table[at].start_ticks != root.start_ticks))
      continue;
    owner[at] = i;
    sessions.emplace(root.pid, i);
    auto run = root.run_id.str();
    if (auto account = accounts_.find(run); account != accounts_.end())
      for (auto& [pid, was] : account->second.members)
        if (auto row = index_of(table, pid);
            row < table.size() && table[row].start_ticks == was.start_ticks
            && owner[row] == unknown_yet)
          owner[row] = i;
    runs.emplace(std::move(run), i);
  }
  std::vector<size_t> path;
  for (size_t row = 0; row < table.size(); ++row) {
    path.clear();
    auto at = row;
    auto found = nobody;
    // A loop of parents cannot be, but for pids that were taken again during
    // the pass.
    while (at < table.size() && path.size() <= table.size()) {
      if (owner[at] != unknown_yet) {
        found = owner[at];
        break;
      }
      path.push_back(at);
      if (auto session = sessions.find(table[at].session_id);
          session != sessions.end()) {
        found = session->second;
        break;
      }
      if (found = owner_of_orphan(table[at], runs, from); found != nobody)
        break;
      at = index_of(table, table[at].parent_pid);
    }
    for (auto step : path)
      owner[step] = found;
  }
  return owner;
}

// What a process has used is in its own count while it lives, and in its
// parent's when that has waited for it. What goes otherwise is kept here.
void tree_accounts::count_cpu(account& of, std::map<int, seen> now_there,
                              run_usage& usage) {
  std::chrono::microseconds sum{0};
  std::chrono::microseconds inherited{0};
  std::chrono::microseconds gone{0};
  for (auto& [pid, x] : now_there) {
    sum += x.cpu + x.children_cpu;
    auto before = of.members.find(pid);
    auto is_same =
      before != of.members.end() && before->second.start_ticks == x.start_ticks;
    inherited += x.children_cpu;
    if (is_same)
      inherited -= before->second.children_cpu;
  }
  for (auto& [pid, x] : of.members) {
    auto now = now_there.find(pid);
    if (now == now_there.end() || now->second.start_ticks != x.start_ticks)
      gone += x.cpu + x.children_cpu;
  }
  if (gone > inherited)
    of.ended += gone - inherited;
  of.cpu = std::max(of.cpu, of.ended + sum);
  of.members = std::move(now_there);
  usage.cpu = of.cpu;
}

void tree_accounts::forget_old(clock::time_point now) {
  std::erase_if(accounts_,
                [&](auto& x) { return now - x.second.at > account_age_max; });
}

usage_meter::answer tree_accounts::add_up(const std::vector<usage_root>& roots,
                                          const sample& from, bool members) {
  auto& table = *from.table;
  auto owner = owners_of(roots, from);
  usage_meter::answer answer(roots.size());
  std::vector<std::map<int, seen>> there(roots.size());
  for (size_t row = 0; row < table.size(); ++row) {
    if (owner[row] < 0)
      continue;
    auto& x = table[row];
    auto number = static_cast<size_t>(owner[row]);
    auto& usage = answer[number] ? *answer[number] : answer[number].emplace();
    there[number][x.pid] = {x.start_ticks, x.cpu, x.children_cpu};
    if (members)
      usage.members.push_back(member_of(x));
    if (x.state == 'Z' || x.state == 'X')
      continue;
    ++usage.processes;
    usage.threads += x.threads;
    usage.rss_bytes += x.rss_bytes;
  }
  for (size_t i = 0; i < roots.size(); ++i) {
    if (!answer[i])
      continue;
    auto& account = accounts_[roots[i].run_id.str()];
    account.at = from.now;
    count_cpu(account, std::move(there[i]), *answer[i]);
  }
  std::erase_if(orphans_, [&](auto& x) {
    auto row = index_of(table, x.first);
    return row == table.size()
           || table[row].start_ticks != x.second.start_ticks;
  });
  forget_old(from.now);
  return answer;
}

} // namespace pm
