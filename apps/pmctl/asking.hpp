#pragma once

#include <string_view>

#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/request_params.hpp"
#include "apps/pmctl/session.hpp"

namespace pm::ctl {

// Asks, reads the answer as a T, and shows it.
template <class T, class Show>
int ask(session& here, std::string_view method, request_params params,
        Show show) {
  auto reply = here.call(method, params);
  if (!reply)
    return session::refuse(reply.error());
  if (here.options.json) {
    session::emit(json_line(reply->body()));
    return done;
  }
  T known;
  if (auto ok = json::read(reply->body(), known, "result"); !ok)
    return session::refuse(ok.error());
  session::emit(show(known));
  return done;
}

} // namespace pm::ctl
