#include "runtime/calls/pool_worker.hpp"

#include <array>
#include <csignal>
#include <sys/socket.h>

#include "runtime/logs/scratch.hpp"
#include "runtime/os/proc_environ.hpp"

namespace pm::calls {

namespace {

using clock = std::chrono::steady_clock;

// How long a worker that is let go may take to end.
constexpr auto farewell = std::chrono::seconds{5};

} // namespace

expected<void> pool_worker::start() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno(errno, "socketpair");
  socket_ = beyond_stdio(ends[0]);
  auto theirs = std::make_shared<unique_fd>(beyond_stdio(ends[1]));
  auto watch =
    pool_->loop().watch(socket_.get(), fd_event::readable,
                        [this](unsigned events) { on_event(events); });
  if (!watch)
    return tl::make_unexpected(watch.error());
  watch_ = std::move(*watch);
  auto& command = pool_->command();
  auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  run_ = run_id::make(now);
  spawn_request request;
  request.run_id = run_;
  request.handle_id = command.name;
  request.argv = command.argv;
  request.environment = command.environment;
  request.environment.push_back("PM_RUN_ID=" + run_.str());
  // Should this program die, the next one ends it.
  request.environment.push_back(
    fmt::format("{}={}", side_run_variable, run_.str()));
  request.working_dir = command.working_dir;
  request.limits = command.limits;
  request.output = output_mode::capture;
  request.capture_max = pool_->limits().capture_max;
  request.protect = false;
  request.input = std::move(theirs);
  outgoing_ = command.code;
  pool_->host().spawn(std::move(request), shared_from_this());
  return {};
}

void pool_worker::begin(worker_pool::pending_call call) {
  call_ = std::move(call);
  call_->begun = clock::now();
  outgoing_ += encode_frame(frame_kind::call, ++frame_number_, call_->body);
  if (call_->deadline) {
    if (!timer_)
      timer_ = pool_->loop().timer([self = weak_from_this()] {
        if (auto me = self.lock(); me && me->call_)
          me->abandon(
            {ec::timeout, fmt::format("it took longer than {}; its worker was "
                                      "killed",
                                      format_duration(me->call_->timeout))});
      });
    timer_.arm(*call_->deadline);
  }
  write_some();
}

// -- the socket ---------------------------------------------------------------

void pool_worker::on_event(unsigned events) {
  auto self = shared_from_this(); // it may leave its pool here
  if ((events & fd_event::writable) != 0)
    write_some();
  if (socket_ && (events & (fd_event::readable | fd_event::hangup)) != 0)
    read_some();
}

void pool_worker::write_some() {
  while (socket_ && sent_ < outgoing_.size()) {
    auto count = ::send(socket_.get(), outgoing_.data() + sent_,
                        outgoing_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0 && errno == EAGAIN)
      return watch_.set(fd_event::readable | fd_event::writable);
    if (count < 0) // it has ended: `exited` follows
      return watch_.set(fd_event::readable);
    sent_ += static_cast<size_t>(count);
    bytes_moved_ += static_cast<size_t>(count);
  }
  if (!outgoing_.empty() && socket_)
    watch_.set(fd_event::readable);
  outgoing_.clear();
  sent_ = 0;
}

void pool_worker::read_some() {
  auto buffer = scratch<pool_worker>();
  auto count =
    ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count == 0)
    return watch_.set(0); // `exited` follows
  if (count < 0)
    return;
  bytes_moved_ += static_cast<size_t>(count);
  incoming_.append(buffer.data(), static_cast<size_t>(count));
  if (!take_reply())
    abandon({ec::call_failed, "its worker answered what is no answer"});
}

// False if what came is no answer to the call.
bool pool_worker::take_reply() {
  if (incoming_.size() < frame_head_size)
    return true;
  auto head = decode_head(incoming_);
  if (!head || !call_ || reply_ || head->number != frame_number_
      || head->kind == frame_kind::call)
    return false;
  auto size = frame_head_size + head->size;
  if (incoming_.size() < size)
    return true;
  if (incoming_.size() > size)
    return false;
  call_reply reply;
  reply.kind = head->kind;
  reply.body = incoming_.substr(frame_head_size);
  reply.duration = std::chrono::duration_cast<std::chrono::microseconds>(
    clock::now() - call_->begun);
  reply_ = std::move(reply);
  incoming_.clear();
  pool_->host().collect(run_, [self = weak_from_this()](run_output printed) {
    if (auto me = self.lock(); me && me->reply_)
      me->finish(std::move(printed));
  });
  return true;
}

void pool_worker::finish(run_output printed) {
  auto self = shared_from_this();
  if (timer_)
    timer_.cancel();
  auto reply = std::move(*reply_);
  reply_.reset();
  reply.printed = std::move(printed);
  auto done = std::move(call_->done);
  call_.reset();
  ++calls_done_;
  auto* pool = pool_;
  if (socket_ && !is_worn_out())
    pool->on_free(*this);
  else if (socket_)
    let_go();
  done(std::move(reply));
}

bool pool_worker::is_worn_out() const {
  return calls_done_ >= pool_->limits().calls_max
         || bytes_moved_ >= pool_->limits().bytes_max;
}

// -- ending -------------------------------------------------------------------

void pool_worker::close() {
  watch_ = {};
  timer_ = {};
  socket_.reset();
}

void pool_worker::leave_pool() {
  close();
  if (!std::exchange(has_left_, true))
    pool_->on_gone(*this);
}

// The host has no more to tell.
void pool_worker::be_reaped() {
  if (pool_ == nullptr)
    return;
  pool_->host().acknowledge(run_);
  leave_pool();
  pool_->on_reaped(*this);
}

void pool_worker::fail(const error& why) {
  reply_.reset();
  if (!call_)
    return;
  auto done = std::move(call_->done);
  call_.reset();
  done(tl::make_unexpected(why));
}

void pool_worker::abandon(const error& why) {
  auto self = shared_from_this();
  if (has_left_)
    return;
  pool_->host().signal(run_, SIGKILL, signal_scope::whole_tree);
  leave_pool();
  fail(why);
}

void pool_worker::let_go() {
  watch_ = {};
  socket_.reset();
  // Whatever it does at its end, it does not stay.
  timer_ =
    pool_->loop().timer_at(clock::now() + farewell, [self = weak_from_this()] {
      if (auto me = self.lock())
        me->abandon({});
    });
}

void pool_worker::orphan() {
  close();
  pool_ = nullptr;
}

void pool_worker::spawn_failed(const error& why) {
  auto self = shared_from_this();
  be_reaped();
  fail(why);
}

void pool_worker::exited(run_exit how) {
  auto self = shared_from_this();
  if (pool_ == nullptr)
    return;
  if (socket_)
    read_some(); // it may have answered before
  if (how.group_alive)
    pool_->host().signal(run_, SIGKILL, signal_scope::whole_tree);
  error why;
  if (call_) {
    pool_->blame(call_->body);
    why = {ec::call_failed,
           fmt::format("its worker ended in the middle of the call: {}{}",
                       describe(how.exit),
                       last_words({how.stdout_text, how.stderr_text}))};
  }
  be_reaped();
  fail(why);
}

} // namespace pm::calls
