#include "apps/pmctl/send_records.hpp"

#include <pm/json_fields.hpp>

namespace pm::ctl {

namespace {

struct node_answer {
  std::vector<record_outcome> processes;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("processes", x.processes));
  }
};

} // namespace

expected<std::vector<record_outcome>> send_records(session& here,
                                                   const std::string& records) {
  auto params = here.params();
  params.set_json("processes", "[" + records + "]");
  auto reply = here.call("migrate", params);
  if (!reply)
    return tl::make_unexpected(std::move(reply.error()));
  node_answer answer;
  if (auto ok = json::read(reply->body(), answer, {}); !ok)
    return fail(ec::protocol_violation, "migrate: the node's answer: {}",
                ok.error().text);
  return std::move(answer.processes);
}

} // namespace pm::ctl
