#include "actors/facade/call_pools.hpp"

#include <pm/function.hpp>
#include <pm/json.hpp>

#include "actors/call_command.hpp"
#include "runtime/calls/python_code.hpp"

namespace pm {

namespace {

size_t place_of(kind which) {
  return which == kind::python ? 1 : 0;
}

std::vector<std::string> environment_of(const supervision& on) {
  std::vector<std::string> result;
  for (auto& [name, value] : on.environment)
    result.push_back(name + "=" + value);
  return result;
}

std::string joined_path(const std::vector<std::string>& folders,
                        const std::string& inherited) {
  auto result = fmt::format("{}", fmt::join(folders, ":"));
  if (!inherited.empty())
    result += ":" + inherited;
  return result;
}

// What a worker answered, in the caller's words.
expected<call_result> to_result(const std::string& name,
                                expected<calls::call_reply>& reply) {
  if (!reply)
    return fail(reply.error().code, "call of '{}': {}", name,
                reply.error().text);
  call_result result;
  result.stdout_text = std::move(reply->printed.stdout_text);
  result.stderr_text = std::move(reply->printed.stderr_text);
  result.duration = reply->duration;
  auto bad = [&](const error& why) {
    return fail(ec::call_failed, "call of '{}': its worker's answer: {}", name,
                why.text);
  };
  if (reply->kind == calls::frame_kind::result) {
    if (auto ok = check_json(reply->body); !ok)
      return bad(ok.error());
    if (reply->body != "null")
      result.value.text = std::move(reply->body);
    return result;
  }
  auto failure = from_json<call_failure>(reply->body);
  if (!failure)
    return bad(failure.error());
  return fail(ec::call_failed, "call of '{}': {}: {}{}{}{}", name,
              failure->type, failure->message,
              failure->traceback.empty() ? "" : "\n", failure->traceback,
              calls::last_words({std::move(result.stdout_text),
                                 std::move(result.stderr_text)}));
}

} // namespace

struct call_pools::ticket {
  kind which = kind::function;
  std::string body;
  std::optional<milliseconds> timeout;
  calls::reply_fn done;
  uint64_t number = 0; // in its pool
  bool is_cancelled = false;
};

call_pools::call_pools(event_loop& loop, process_host& host,
                       const supervision& on, call_pool_options options)
  : loop_(loop), host_(host) {
  auto& functions = commands_[place_of(kind::function)];
  functions.name = "function worker";
  functions.argv = {on.program_path, "function-worker"};
  functions.environment = environment_of(on);
  functions.environment.push_back(std::string{functions::worker_variable}
                                  + "=1");
  auto& python = commands_[place_of(kind::python)];
  python.name = "python worker";
  call_spec call;
  call.interpreter = options.interpreter;
  python.argv = python_command(call);
  python.argv.push_back("python-worker");
  python.environment = environment_of(on);
  if (!options.python_path.empty()) {
    auto inherited = on.environment.find("PYTHONPATH");
    python.environment.push_back(
      "PYTHONPATH="
      + joined_path(options.python_path, inherited == on.environment.end()
                                           ? std::string{}
                                           : inherited->second));
  }
  python.code = calls::python_code();
  for (size_t i = 0; i < 2; ++i) {
    commands_[i].working_dir = on.working_dir;
    commands_[i].limits = options.limits;
    auto& limits = limits_[i];
    limits.workers_max = std::max<size_t>(
      i == 0 ? options.function_workers : options.python_workers, 1);
    limits.calls_max = options.calls_max;
    limits.bytes_max = options.bytes_max;
    limits.idle_max = options.idle_max;
    limits.poison_max = options.poison_max;
  }
}

call_pools::~call_pools() = default;

std::shared_ptr<call_pools::ticket>
call_pools::call(kind which, const call_spec& what,
                 std::optional<milliseconds> timeout,
                 std::function<void(expected<call_result>)> done) {
  auto result = std::make_shared<ticket>();
  result->which = which;
  result->body = call_body(what);
  result->timeout = timeout;
  result->done = [name = what.name,
                  done = std::move(done)](expected<calls::call_reply> reply) {
    done(to_result(name, reply));
  };
  bool is_first;
  {
    std::lock_guard guard{mutex_};
    is_first = inbox_.empty();
    inbox_.push_back(result);
  }
  if (is_first) // of a batch: one wake-up for all
    loop_.post([this] { take_calls(); });
  return result;
}

void call_pools::take_calls() {
  std::vector<std::shared_ptr<ticket>> batch;
  {
    std::lock_guard guard{mutex_};
    batch.swap(inbox_);
  }
  for (auto& x : batch) {
    if (x->is_cancelled)
      x->done(fail(ec::cancelled, "the call was cancelled"));
    else
      x->number =
        pool(x->which).call(std::move(x->body), x->timeout, std::move(x->done));
  }
}

void call_pools::cancel(std::shared_ptr<ticket> x) {
  loop_.post([this, x = std::move(x)] {
    x->is_cancelled = true;
    if (x->number != 0)
      pool(x->which).cancel(x->number);
  });
}

calls::worker_pool& call_pools::pool(kind which) {
  auto i = place_of(which);
  if (!pools_[i])
    pools_[i] = std::make_unique<calls::worker_pool>(loop_, host_, commands_[i],
                                                     limits_[i]);
  return *pools_[i];
}

void call_pools::end(std::function<void()> done) {
  loop_.post([this, done = std::move(done)] {
    take_calls();
    auto left = std::make_shared<size_t>(1);
    auto one_less = [left, done] {
      if (--*left == 0)
        done();
    };
    for (auto& pool : pools_)
      if (pool) {
        ++*left;
        pool->end(one_less);
      }
    one_less();
  });
}

} // namespace pm
