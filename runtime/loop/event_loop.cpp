#include <pm/event_loop.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "runtime/loop/loop_impl.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm {

namespace {

event_loop::impl& impl_of(uv_loop_t* loop) {
  return *static_cast<event_loop::impl*>(uv_loop_get_data(loop));
}

void on_async(uv_async_t* async) {
  auto& impl = impl_of(async->loop);
  if (impl.is_closing)
    return;
  impl.drain();
  if (impl.is_stopping)
    uv_stop(async->loop);
}

void on_prepare(uv_prepare_t* prepare) {
  impl_of(prepare->loop).call_hook();
}

void on_check(uv_check_t* check) {
  auto& impl = impl_of(check->loop);
  ++impl.counters.turns;
  impl.call_hook();
}

void on_idle(uv_idle_t*) {
  // Its being active is what keeps the poll from waiting.
}

// Holds the descriptors up to 2 that a host has closed: libuv ends a program
// that lets it close one of these.
class low_descriptors {
public:
  low_descriptors() {
    do
      fds_.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    while (fds_.back() && fds_.back().get() <= STDERR_FILENO);
  }

private:
  std::vector<unique_fd> fds_;
};

void on_work(uv_work_t* request) {
  static_cast<work_item*>(request->data)->fn();
}

void on_work_done(uv_work_t* request, int) {
  std::unique_ptr<work_item> item{static_cast<work_item*>(request->data)};
  item->loop->works.erase(item.get());
  if (!item->loop->is_closing && item->done)
    item->done();
}

} // namespace

bool event_loop::impl::push(std::function<void()>& fn, size_t max) {
  auto was_empty = false;
  {
    std::lock_guard guard{mutex};
    if (inbox.size() >= max)
      return false;
    was_empty = inbox.empty();
    inbox.push_back(std::move(fn));
  }
  if (was_empty)
    uv_async_send(&async);
  return true;
}

void event_loop::impl::drain() {
  std::vector<std::function<void()>> taken;
  {
    std::lock_guard guard{mutex};
    taken.swap(inbox);
  }
  counters.posted += taken.size();
  for (auto& fn : taken) {
    fn();
    fn = nullptr; // what it holds ends before the next one begins
  }
}

void event_loop::impl::call_hook() {
  if (is_closing)
    return;
  auto more = hook && hook();
  auto active = uv_is_active(reinterpret_cast<uv_handle_t*>(&idle)) != 0;
  if (more && !active)
    uv_idle_start(&idle, on_idle);
  else if (!more && active)
    uv_idle_stop(&idle);
}

void event_loop::impl::start_work(std::function<void()> fn,
                                  std::function<void()> done) {
  auto item = std::make_unique<work_item>();
  item->loop = this;
  item->fn = std::move(fn);
  item->done = std::move(done);
  item->request.data = item.get();
  auto* raw = item.release(); // until on_work_done
  works.insert(raw);
  uv_queue_work(&loop, &raw->request, on_work, on_work_done);
}

event_loop::event_loop(std::unique_ptr<impl> owned) noexcept
  : impl_(std::move(owned)) {}

expected<std::unique_ptr<event_loop>> event_loop::make() {
  low_descriptors taken;
  auto x = std::make_unique<impl>();
  if (auto error = uv_loop_init(&x->loop); error != 0)
    return fail_errno(-error, "event loop");
  uv_loop_set_data(&x->loop, x.get());
  if (auto error = uv_async_init(&x->loop, &x->async, on_async); error != 0) {
    uv_loop_close(&x->loop);
    return fail_errno(-error, "event loop");
  }
  uv_prepare_init(&x->loop, &x->prepare);
  uv_prepare_start(&x->prepare, on_prepare);
  uv_check_init(&x->loop, &x->check);
  uv_check_start(&x->check, on_check);
  uv_idle_init(&x->loop, &x->idle);
  return std::unique_ptr<event_loop>{new event_loop{std::move(x)}};
}

event_loop::~event_loop() {
  auto& x = *impl_;
  x.thread = std::this_thread::get_id();
  x.is_closing = true;
  for (auto* item : x.works)
    uv_cancel(reinterpret_cast<uv_req_t*>(&item->request));
  auto close = [](uv_handle_t* handle, void*) {
    if (!uv_is_closing(handle))
      uv_close(handle, on_handle_closed);
  };
  uv_walk(&x.loop, close, nullptr);
  do
    uv_run(&x.loop, UV_RUN_DEFAULT);
  while (uv_loop_close(&x.loop) == UV_EBUSY);
}

void event_loop::run() {
  impl_->thread = std::this_thread::get_id();
  if (!impl_->is_stopping)
    uv_run(&impl_->loop, UV_RUN_DEFAULT);
  impl_->is_stopping = false;
}

void event_loop::run_once(bool wait) {
  impl_->thread = std::this_thread::get_id();
  uv_run(&impl_->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void event_loop::stop() {
  impl_->is_stopping = true;
  uv_async_send(&impl_->async);
}

void event_loop::post(std::function<void()> fn) {
  impl_->push(fn, SIZE_MAX);
}

bool event_loop::try_post(std::function<void()> fn) {
  return impl_->push(fn, inbox_max);
}

bool event_loop::in_loop() const noexcept {
  return impl_->thread.load() == std::this_thread::get_id();
}

void event_loop::work(std::function<void()> fn, std::function<void()> done) {
  if (in_loop())
    return impl_->start_work(std::move(fn), std::move(done));
  post([this, fn = std::move(fn), done = std::move(done)]() mutable {
    impl_->start_work(std::move(fn), std::move(done));
  });
}

void event_loop::set_turn_hook(std::function<bool()> hook) {
  impl_->hook = std::move(hook);
}

void event_loop::wake() noexcept {
  uv_async_send(&impl_->async);
}

loop_counters event_loop::counters() const noexcept {
  return impl_->counters;
}

} // namespace pm
