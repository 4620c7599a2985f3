#include "runtime/loop/hosted_run.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/os/cgroup.hpp"
#include "runtime/os/cgroup_limits.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

namespace {

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

expected<pipe_ends> make_pipe(std::string_view name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail_errno(errno, name);
  return pipe_ends{beyond_stdio(ends[0]), beyond_stdio(ends[1])};
}

bool is_pipe(const unique_fd& fd) {
  struct stat status {};
  return fd && ::fstat(fd.get(), &status) == 0 && S_ISFIFO(status.st_mode);
}

constexpr stream streams[] = {stream::stdout_stream, stream::stderr_stream};

} // namespace

hosted_run::hosted_run(const run_place& place, spawn_request what,
                       std::shared_ptr<run_events> to)
  : place_(place), request_(std::move(what)), to_(std::move(to)) {
  ++place_.counters.runs;
}

hosted_run::~hosted_run() {
  forget_pipes();
  if (!cgroup_.empty() && stage_ != stage::live)
    remove_cgroup(cgroup_);
  if (stage_ == stage::live)
    place_.leaders.erase(pid_);
  --place_.counters.runs;
}

void hosted_run::forget_pipes() noexcept {
  for (auto& pipe : pipes_) {
    if (pipe && pipe->is_open())
      --place_.counters.pipes;
    pipe.reset();
  }
  loan_.reset();
  stdin_.reset();
}

// -- beginning ----------------------------------------------------------------

expected<void> hosted_run::take_output(stream which, unique_fd pipe) {
  pipe_watcher::plan how;
  how.from = {request_.run_id, which};
  how.mode = request_.output;
  how.capture_max = request_.capture_max;
  if (how.mode == output_mode::log)
    how.log = place_.logs.at(request_.log_file, request_.log_rules);
  auto x =
    std::make_unique<pipe_watcher>(std::move(pipe), std::move(how), *this);
  auto done = x->prepare(place_.loop);
  if (!done)
    return done;
  ++place_.counters.pipes;
  pipes_[static_cast<size_t>(which)] = std::move(x);
  return {};
}

// What the keeper gets, in the protocol's order: the child's ends, which are
// closed here afterwards, and copies of ours.
struct hosted_run::loan {
  unique_fd stdout_write;
  unique_fd stderr_write;
  unique_fd stdin_read;
  unique_fd input_end; // what the keeper holds where there is no pipe
  int stdout_read = -1;
  int stderr_read = -1;
  int stdin_write = -1;
};

expected<void> hosted_run::make_pipes() {
  auto x = std::make_unique<loan>();
  for (auto which : streams) {
    auto ends = make_pipe("output pipe");
    if (!ends)
      return tl::make_unexpected(ends.error());
    auto is_out = which == stream::stdout_stream;
    (is_out ? x->stdout_read : x->stderr_read) = ends->read.get();
    (is_out ? x->stdout_write : x->stderr_write) = std::move(ends->write);
    if (auto taken = take_output(which, std::move(ends->read)); !taken)
      return taken;
  }
  if (request_.input) {
    x->stdin_read.reset(::fcntl(request_.input->get(), F_DUPFD_CLOEXEC, 3));
    x->input_end.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!x->stdin_read || !x->input_end)
      return fail_errno(errno, "input");
    x->stdin_write = x->input_end.get();
  } else if (request_.stdin_pipe) {
    auto ends = make_pipe("stdin pipe");
    if (!ends)
      return tl::make_unexpected(ends.error());
    x->stdin_read = std::move(ends->read);
    x->stdin_write = ends->write.get();
    stdin_ =
      std::make_unique<stdin_writer>(place_.loop, std::move(ends->write));
  }
  loan_ = std::move(x);
  return {};
}

expected<void> hosted_run::lend_descriptors(std::vector<int>& fds) {
  if (!loan_)
    if (auto made = make_pipes(); !made) {
      forget_pipes();
      return made;
    }
  fds.insert(fds.end(), {loan_->stdout_write.get(), loan_->stderr_write.get(),
                         loan_->stdout_read, loan_->stderr_read});
  if (loan_->stdin_read)
    fds.insert(fds.end(), {loan_->stdin_read.get(), loan_->stdin_write});
  return {};
}

expected<void> hosted_run::enter_cgroup(keeper::spawn_order& order) {
  cgroup_ = place_.cgroup_home + "/" + request_.run_id.str();
  order.cgroup_file = cgroup_ + "/cgroup.procs";
  auto made = make_cgroup(cgroup_);
  if (made && request_.allowed != run_limits{})
    held_ = limit_cgroup(cgroup_, request_.allowed);
  return made;
}

void hosted_run::limit(const run_limits& allowed) {
  request_.allowed = allowed;
  if (cgroup_.empty() || stage_ != stage::live)
    return;
  held_ = limit_cgroup(cgroup_, allowed);
  place_.loop.post([to = to_, held = held_] { to->limited(held); });
}

void hosted_run::on_sent() noexcept {
  loan_.reset();
}

void hosted_run::on_spawned(const keeper::run_report& report, unique_fd pidfd) {
  if (stage_ != stage::pending)
    return;
  stage_ = stage::live;
  pid_ = report.pid;
  place_.leaders.insert(pid_);
  start_ticks_ = report.start_ticks;
  spawned_at_ = report.spawned_at;
  pidfd_ = std::move(pidfd);
  drop_words();
  request_.input.reset();
  for (auto& pipe : pipes_)
    if (pipe)
      pipe->start();
  if (wants_stdin_closed_)
    close_stdin();
  to_->spawned(who(), spawned_at_);
  if (held_ != held_limits{})
    to_->limited(held_);
  if (kill_at_birth_)
    signal(SIGKILL, *kill_at_birth_);
}

// What only the beginning of it needs, memory and all: `= {}` would keep that.
void hosted_run::drop_words() {
  std::vector<std::string>{}.swap(request_.argv);
  std::vector<std::string>{}.swap(request_.environment);
}

void hosted_run::on_failed(const error& why) {
  if (stage_ != stage::pending)
    return;
  stage_ = stage::failed;
  request_.input.reset();
  forget_pipes();
  to_->spawn_failed(why);
  place_.released(request_.run_id);
}

void hosted_run::adopt(const keeper::run_report& report,
                       keeper::frame_fds& fds) {
  stage_ = stage::live;
  pid_ = report.pid;
  place_.leaders.insert(pid_);
  start_ticks_ = report.start_ticks;
  spawned_at_ = report.spawned_at;
  dropped_bytes_ = report.dropped_bytes;
  if (auto group = place_.cgroup_home + "/" + request_.run_id.str();
      !place_.cgroup_home.empty() && is_cgroup(group))
    cgroup_ = std::move(group);
  limit(request_.allowed);
  drop_words();
  size_t next = 0;
  if (report.outcome == keeper::outcome::live)
    pidfd_ = fds.take(next++);
  for (auto which : streams) {
    auto is_out = which == stream::stdout_stream;
    if (!(is_out ? report.has_stdout : report.has_stderr))
      continue;
    if (auto pipe = fds.take(next++))
      (void)take_output(which, std::move(pipe)); // else the keeper holds it on
  }
  if (auto in = fds.take(next); is_pipe(in))
    stdin_ = std::make_unique<stdin_writer>(place_.loop, std::move(in));
  for (auto& pipe : pipes_)
    if (pipe)
      pipe->start();
}

void hosted_run::repeat(std::shared_ptr<run_events> to) {
  to_ = to;
  if (stage_ == stage::pending)
    return;
  place_.loop.post([to = std::move(to), who = who(), at = spawned_at_,
                    is = stage_, how = exit_, id = request_.handle_id] {
    if (is == stage::failed)
      return to->spawn_failed(
        {ec::spawn_failed, fmt::format("spawn '{}': it has failed", id)});
    to->spawned(who, at);
    if (is == stage::ended)
      to->exited(how);
  });
}

identity hosted_run::who() const {
  return {pid_, start_ticks_, place_.boot_id};
}

// -- being --------------------------------------------------------------------

// A pidfd that did not arrive, for want of a free descriptor, is opened when
// it is needed.
int hosted_run::pidfd() {
  if (!pidfd_ && pid_ != 0)
    if (auto opened = open_pidfd(pid_, start_ticks_))
      pidfd_ = std::move(*opened);
  return pidfd_.get();
}

void hosted_run::signal(int number, signal_scope scope) {
  if (stage_ == stage::pending && number == SIGKILL)
    kill_at_birth_ = scope;
  if (stage_ != stage::live && stage_ != stage::ended)
    return;
  if (scope == signal_scope::whole_tree)
    return signal_tree(number);
  auto fd = pidfd();
  if (fd < 0)
    return;
  if (scope == signal_scope::whole_group)
    (void)send_group_signal(fd, pid_, number); // nobody left is no failure
  else
    (void)send_signal(fd, number);
}

process_tree::surroundings hosted_run::around() const {
  return {place_.reapers(),
          [this](int pid) { return place_.leaders.contains(pid); }};
}

void hosted_run::signal_tree(int number) {
  if (!tree_)
    tree_ = std::make_unique<process_tree>(stage_ == stage::live ? pid_ : 0,
                                           request_.run_id.str());
  kills_tree_ = kills_tree_ || number == SIGKILL;
  if (!cgroup_.empty())
    return signal_cgroup(cgroup_, number);
  if (number != SIGKILL) {
    tree_->look(around());
    tree_->signal(number);
    return signal(number, signal_scope::whole_group);
  }
  signal(SIGSTOP, signal_scope::whole_group); // nobody forks meanwhile
  tree_->kill(around());
  signal(SIGKILL, signal_scope::whole_group);
}

void hosted_run::write_stdin(std::string bytes, stdin_writer::done_fn done) {
  if (stdin_ && stdin_->is_open())
    return stdin_->write(std::move(bytes), std::move(done));
  place_.loop.post([done = std::move(done), id = request_.handle_id] {
    done(fail(ec::not_running, "stdin of '{}': it is closed", id));
  });
}

void hosted_run::close_stdin() {
  wants_stdin_closed_ = true;
  if (stdin_ && stage_ == stage::live)
    stdin_->close([this] { place_.stdin_closed(request_.run_id); });
}

run_output hosted_run::collect() {
  run_output result;
  if (stage_ != stage::live)
    return result;
  auto& out = pipes_[static_cast<size_t>(stream::stdout_stream)];
  auto& err = pipes_[static_cast<size_t>(stream::stderr_stream)];
  if (out)
    result.stdout_text = out->collect(result.stdout_cut);
  if (err)
    result.stderr_text = err->collect(result.stderr_cut);
  return result;
}

void hosted_run::consumed(stream which, size_t bytes) {
  if (auto& pipe = pipes_[static_cast<size_t>(which)])
    pipe->consumed(bytes);
}

void hosted_run::on_chunk(stream which, std::string chunk) {
  to_->output(which, std::move(chunk));
}

void hosted_run::on_logged(size_t moved, size_t dropped) {
  place_.counters.log_bytes += moved;
  place_.counters.dropped_bytes += dropped;
  dropped_bytes_ += dropped;
}

void hosted_run::on_pipe_closed(stream) {
  --place_.counters.pipes;
  release_if_done();
}

} // namespace pm
