#include "apps/pmctl/render_graph.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

hue hue_of(status x) {
  switch (x) {
  case status::running:
    return hue::green;
  case status::failed:
    return hue::red;
  case status::stopped:
    return hue::faint;
  default:
    return hue::yellow;
  }
}

// "ready, restart, stop": what is asked of a dependency.
std::string words_of(const graph_need& need) {
  std::string words{to_string(need.condition)};
  if (need.restart)
    words += ", restart";
  if (need.stop)
    words += ", stop";
  return words;
}

class tree {
public:
  tree(const std::vector<graph_node>& nodes, const look& how)
    : nodes_(nodes), how_(how) {
    for (auto& x : nodes) {
      by_name_[x.handle_id].push_back(&x);
      if (!x.replica_of.empty())
        by_name_[x.replica_of].push_back(&x);
    }
  }

  std::string draw() {
    std::set<const graph_node*> needed;
    for (auto& x : nodes_)
      for (auto& need : x.needs)
        for (auto* y : by_name_[need.name])
          needed.insert(y);
    for (auto& x : nodes_)
      if (!needed.contains(&x))
        draw_one(x, {}, {}, {});
    return std::move(out_);
  }

private:
  void draw_one(const graph_node& x, const std::string& lead,
                const std::string& below, const std::string& note) {
    auto first = drawn_.insert(&x).second;
    out_ += lead + printable(x.handle_id) + " "
            + coloured(to_string(x.status), hue_of(x.status), how_);
    if (!note.empty())
      out_ += fmt::format("  [{}]", note);
    if (!x.status_text.empty())
      out_ += "  " + printable(x.status_text);
    if (!first && !x.needs.empty())
      out_ += "  (see above)";
    out_ += '\n';
    if (!first)
      return;
    std::vector<std::pair<const graph_need*, const graph_node*>> rows;
    for (auto& need : x.needs) {
      auto& all = by_name_[need.name];
      for (auto* y : all)
        rows.emplace_back(&need, y);
      if (all.empty())
        rows.emplace_back(&need, nullptr);
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      auto last = i + 1 == rows.size();
      auto [need, y] = rows[i];
      auto branch = below + (last ? "`- " : "|- ");
      if (y == nullptr)
        out_ += fmt::format("{}{} (no such process)  [{}]\n", branch,
                            printable(need->name), words_of(*need));
      else
        draw_one(*y, branch, below + (last ? "   " : "|  "), words_of(*need));
    }
  }

  const std::vector<graph_node>& nodes_;
  const look& how_;
  std::map<std::string, std::vector<const graph_node*>> by_name_;
  std::set<const graph_node*> drawn_;
  std::string out_;
};

} // namespace

std::string graph_tree(const std::vector<graph_node>& nodes, const look& how) {
  return tree{nodes, how}.draw();
}

// Handle ids need no escapes; replicas are one box.
std::string graph_dot(const std::vector<graph_node>& nodes) {
  std::map<std::string, std::string> box_of;
  for (auto& x : nodes)
    box_of[x.handle_id] = x.replica_of.empty() ? x.handle_id : x.replica_of;
  std::string out = "digraph pm {\n  rankdir=LR;\n  node [shape=box];\n";
  std::set<std::string> lines;
  for (auto& x : nodes) {
    auto& from = box_of[x.handle_id];
    lines.insert(fmt::format("  \"{}\";\n", from));
    for (auto& need : x.needs) {
      auto found = box_of.find(need.name);
      lines.insert(fmt::format(
        "  \"{}\" -> \"{}\" [label=\"{}\"];\n", from,
        found == box_of.end() ? need.name : found->second, words_of(need)));
    }
  }
  for (auto& line : lines)
    out += line;
  return out + "}\n";
}

} // namespace pm::ctl
