#pragma once

#include <string>
#include <vector>

#include <pm/process_graph.hpp>

#include "apps/pmctl/render_table.hpp"

namespace pm::ctl {

// Draws who needs whom as trees: each process with what it needs below it,
// from those that nobody needs. What has been drawn above is not again.
std::string graph_tree(const std::vector<graph_node>& nodes, const look& how);

// The same for dot(1).
std::string graph_dot(const std::vector<graph_node>& nodes);

} // namespace pm::ctl
