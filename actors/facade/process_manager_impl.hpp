#pragma once

#include <caf/actor_system.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <pm/node.hpp>
#include <pm/process_manager.hpp>

#include "actors/loop_runner.hpp"

namespace pm {

// What the courier does next. Never leaves this program.
struct courier_job {
  std::function<void(caf::event_based_actor*)> run;
};

} // namespace pm

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::shared_ptr<pm::courier_job>)

namespace pm {

inline request_context context_of(std::string_view correlation_id) {
  request_context result;
  result.correlation_id = correlation_id;
  return result;
}

inline process_handle handle_of(const process_view& x) {
  return {x.handle_id, x.kind, x.run_id, x.pid, x.log_file, x.created_at};
}

// Completes a request whose answer will never come: the courier is gone.
template <class T>
struct last_outcome {
  last_outcome(std::shared_ptr<detail::async_state<T>> x,
               detail::elsewhere where)
    : state(std::move(x)), run(std::move(where)) {}

  ~last_outcome() {
    state->complete(to_caf({ec::shutting_down, "the process manager is gone"}),
                    run);
  }

  std::shared_ptr<detail::async_state<T>> state;
  detail::elsewhere run;
};

struct process_manager::impl {
  impl(caf::actor_system& x, pm::on_exit y) : system(x), on_exit(y) {
    elsewhere = [&in = system](std::function<void()> fn) {
      in.spawn([fn = std::move(fn)](caf::event_based_actor*) { fn(); });
    };
  }

  ~impl() {
    if (courier)
      caf::anon_send_exit(courier, caf::exit_reason::user_shutdown);
  }

  void open(node_options how) {
    auto opened = pm::node::open(system, std::move(how));
    if (!opened) {
      problem = opened.error();
      return;
    }
    node = std::move(*opened);
    courier = spawn_by(node->door(), system, courier_behavior);
  }

  static caf::behavior courier_behavior(caf::event_based_actor* self) {
    return {
      [self](const std::shared_ptr<courier_job>& job) { job->run(self); }};
  }

  // Asks the manager; what it answers goes through `convert` to `to`, an error
  // by way of `explain`. One thread's requests reach the manager in its order.
  template <class Reply, class T, class Convert, class Explain, class... Ts>
  void ask_explained(const async<T>& to, caf::duration deadline,
                     Convert convert, Explain explain, Ts... message) {
    auto state = to.shared();
    if (problem)
      return state->complete(to_caf(*problem));
    auto job = std::make_shared<courier_job>();
    auto last = std::make_shared<last_outcome<T>>(state, elsewhere);
    job->run = [last, deadline, convert, explain, target = node->manager(),
                message...](caf::event_based_actor* self) {
      self->request(target, deadline, message...)
        .then(
          [last, convert](Reply& reply) {
            last->state->complete(convert(std::move(reply)), last->run);
          },
          [last, explain](const caf::error& why) {
            last->state->complete(to_caf(explain(from_caf(why))), last->run);
          });
    };
    state->on_cancel([state] {
      state->complete(to_caf({ec::cancelled, "it is not waited for any more"}));
    });
    caf::anon_send(courier, std::move(job));
  }

  template <class Reply, class T, class Convert, class... Ts>
  void ask(const async<T>& to, caf::duration deadline, Convert convert,
           Ts... message) {
    ask_explained<Reply>(
      to, deadline, std::move(convert), [](error x) { return x; },
      std::move(message)...);
  }

  template <class T, class... Ts>
  async<T> ask_for(Ts... message) {
    async<T> result;
    ask<T>(
      result, caf::infinite, [](T&& x) { return std::move(x); },
      std::move(message)...);
    return result;
  }

  // Nobody waits for an answer. Behind what this thread has asked for.
  template <class... Ts>
  void tell(Ts... message) {
    auto job = std::make_shared<courier_job>();
    job->run = [target = node->manager(),
                message...](caf::event_based_actor* self) {
      self->send(target, message...);
    };
    caf::anon_send(courier, std::move(job));
  }

  caf::actor_system& system;
  pm::on_exit on_exit;
  call_pool_options calls;
  caf::actor courier;
  detail::elsewhere elsewhere;
  std::optional<error> problem;
  std::unique_ptr<pm::node> node;
};

} // namespace pm
