// How many changes a second the registry makes durable, for one client and for
// 32 that share syncs, against an append of 200 bytes with fdatasync and
// against SQLite (WAL, synchronous=FULL) in the same run; and how long it takes
// to open and to save 10,000 processes. Prints ratios; fails never for a
// timing.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifdef PM_WITH_SQLITE
#  include <sqlite3.h>
#endif

#include <pm/registry_store.hpp>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr int rounds = 61; // short ones: a shared disk has its moods
constexpr int opens = 7;
constexpr std::chrono::milliseconds round_time{50};
constexpr size_t floor_size = 200; // bytes of a record
constexpr size_t crowd = 32;
constexpr int process_count = 10'000;
constexpr long tmpfs_magic = 0x01021994;

double median(std::vector<double> xs) {
  std::sort(xs.begin(), xs.end());
  return xs[xs.size() / 2];
}

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

void must(bool ok, const char* what) {
  if (!ok)
    std::fprintf(stderr, "bench_registry: %s failed\n", what), std::abort();
}

template <class T>
T must(pm::expected<T> x) {
  must(x.has_value(), x ? "" : x.error().text.c_str());
  return std::move(*x);
}

void must(const pm::expected<void>& x) {
  must(x.has_value(), x ? "" : x.error().text.c_str());
}

// Repeats `step`, which makes some changes durable and says how many, for one
// round; gives changes a second.
double rate_of(const std::function<size_t()>& step) {
  auto begin = clock_type::now();
  size_t count = 0;
  while (clock_type::now() - begin < round_time)
    count += step();
  return static_cast<double>(count) / seconds_since(begin);
}

// -- the floors
// -----------------------------------------------------------------

class plain_file {
public:
  explicit plain_file(const std::string& path)
    : fd_(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    must(fd_ >= 0, "open");
  }

  ~plain_file() { ::close(fd_); }

  // Each record is a write of its own, as each request's is.
  size_t append(size_t records) {
    for (size_t i = 0; i < records; ++i)
      must(::write(fd_, bytes_.data(), bytes_.size())
             == static_cast<ssize_t>(bytes_.size()),
           "write");
    must(::fdatasync(fd_) == 0, "fdatasync");
    return records;
  }

private:
  int fd_;
  std::string bytes_ = std::string(floor_size, 'x');
};

#ifdef PM_WITH_SQLITE
class sqlite_table {
public:
  explicit sqlite_table(const std::string& path) {
    must(sqlite3_open(path.c_str(), &on_) == SQLITE_OK, "sqlite3_open");
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run("CREATE TABLE changes (number INTEGER PRIMARY KEY, body BLOB)");
    must(sqlite3_prepare_v2(on_, "INSERT INTO changes (body) VALUES (?)", -1,
                            &insert_, nullptr)
           == SQLITE_OK,
         "sqlite3_prepare_v2");
  }

  ~sqlite_table() {
    sqlite3_finalize(insert_);
    sqlite3_close(on_);
  }

  // One transaction.
  size_t append(size_t records) {
    run("BEGIN");
    for (size_t i = 0; i < records; ++i) {
      sqlite3_bind_blob(insert_, 1, bytes_.data(),
                        static_cast<int>(bytes_.size()), SQLITE_STATIC);
      must(sqlite3_step(insert_) == SQLITE_DONE, "insert");
      sqlite3_reset(insert_);
    }
    run("COMMIT");
    return records;
  }

private:
  void run(const char* text) {
    must(sqlite3_exec(on_, text, nullptr, nullptr, nullptr) == SQLITE_OK, text);
  }

  sqlite3* on_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::string bytes_ = std::string(floor_size, 'x');
};
#endif

// -- the registry
// ---------------------------------------------------------------

pm::process_definition definition_of(int i) {
  auto id = "process-" + std::to_string(i);
  pm::process_definition x;
  x.handle_id = id;
  x.created_at = pm::timestamp{pm::milliseconds{1'700'000'000'000}};
  x.spec.command = {"/usr/bin/serve", "--port", "8080", "--name", id};
  x.spec.working_dir = "/srv/" + id;
  x.spec.environment = {{"PORT", "8080"}, {"NAME", id}};
  return x;
}

pm::state_change state_of(int i, int restarts) {
  pm::state_change x;
  x.handle_id = "process-" + std::to_string(i);
  x.state.status = pm::status::running;
  x.state.restart_count = restarts;
  x.state.run_id =
    pm::run_id::make(pm::timestamp{pm::milliseconds{1'700'000'000'000}});
  x.state.identity = {4711, 123456, "0b0e3e8c-8f5f-4a34-8d5c-1c2a3b4c5d6e"};
  x.state.started_at = pm::timestamp{pm::milliseconds{1'700'000'000'123}};
  x.state.last_updated = *x.state.started_at;
  x.state.asked.correlation_id = "0123456789abcdef";
  return x;
}

// The thread that waits for the disk, as the node has one.
class work_thread {
public:
  work_thread() : thread_([this] { serve(); }) {}

  ~work_thread() {
    begin(nullptr);
    thread_.join();
  }

  void begin(pm::registry_store::job job) {
    std::lock_guard guard{lock_};
    job_ = std::move(job);
    state_ = state::given;
    changed_.notify_all();
  }

  pm::expected<void> end() {
    std::unique_lock guard{lock_};
    changed_.wait(guard, [&] { return state_ == state::done; });
    state_ = state::idle;
    return std::move(outcome_);
  }

private:
  enum class state { idle, given, done };

  void serve() {
    for (;;) {
      std::unique_lock guard{lock_};
      changed_.wait(guard, [&] { return state_ == state::given; });
      if (!job_)
        return;
      guard.unlock();
      auto outcome = job_();
      guard.lock();
      outcome_ = std::move(outcome);
      state_ = state::done;
      changed_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  pm::registry_store::job job_;
  pm::expected<void> outcome_;
  state state_ = state::idle;
  std::thread thread_;
};

// Clients that each change their process again once the last change is
// durable. Half of them write while the others' sync is under way (`halves`),
// or all of them share each sync.
class registry_clients {
public:
  registry_clients(const std::string& path, size_t count, bool halves)
    : store_(
      must(pm::registry_store::open(must(pm::open_storage(path)), report_))),
      count_(count),
      halves_(halves) {
    for (size_t i = 0; i < count_; ++i)
      write(definition_of(static_cast<int>(i)));
  }

  // Makes a change of each client durable; compacts when it is due.
  size_t step() {
    if (halves_) {
      write_some(0, count_ / 2);
      begin_job();
      write_some(count_ / 2, count_);
      end_job();
    } else {
      write_some(0, count_);
    }
    begin_job();
    end_job();
    return count_;
  }

private:
  void write(const pm::change& x) { (void)must(store_.write({&x, 1})); }

  void write_some(size_t first, size_t last) {
    for (; first < last; ++first)
      write(state_of(static_cast<int>(first), ++restarts_));
  }

  void begin_job() {
    compacting_ = store_.wants_compaction();
    worker_.begin(compacting_ ? store_.compaction_job() : store_.sync_job());
  }

  void end_job() {
    auto outcome = worker_.end();
    must(outcome);
    compacting_ ? store_.compaction_done(outcome) : store_.sync_done(outcome);
  }

  pm::open_report report_;
  pm::registry_store store_;
  work_thread worker_;
  size_t count_;
  bool halves_;
  bool compacting_ = false;
  int restarts_ = 0;
};

// -- what is compared
// -----------------------------------------------------------

struct contender {
  const char* name;
  size_t group; // the floor that it is held against
  std::function<size_t()> step;
  std::vector<double> rates = {};
};

void print_rates(const std::vector<contender>& all) {
  for (auto& x : all) {
    auto& floor = *std::find_if(all.begin(), all.end(),
                                [&](auto& y) { return y.group == x.group; });
    std::vector<double> ratios;
    for (size_t i = 0; i < x.rates.size(); ++i)
      ratios.push_back(x.rates[i] / floor.rates[i]);
    std::printf("%-52s %8.0f/s  x floor %.2f\n", x.name, median(x.rates),
                median(ratios));
  }
}

void compare_rates(const std::string& base) {
  plain_file one{base + "/floor-1"};
  plain_file many{base + "/floor-32"};
  std::vector<contender> all{
    {"append 200 B + fdatasync", 1, [&] { return one.append(1); }},
    {"the same, 32 appends a sync", crowd, [&] { return many.append(crowd); }}};
  std::vector<std::unique_ptr<registry_clients>> registries;
  auto add = [&](const char* name, size_t count, bool halves) {
    auto path = base + "/registry-" + std::to_string(registries.size());
    std::filesystem::create_directory(path);
    registries.push_back(
      std::make_unique<registry_clients>(path, count, halves));
    all.push_back(
      {name, count, [x = registries.back().get()] { return x->step(); }});
  };
  add("registry, 1 client", 1, false);
  add("registry, 32 clients, all share a sync", crowd, false);
  add("registry, 32 clients, 16 write while 16 are synced", crowd, true);
#ifdef PM_WITH_SQLITE
  sqlite_table rows{base + "/rows.db"};
  sqlite_table grouped{base + "/grouped.db"};
  all.push_back(
    {"SQLite WAL FULL, an insert each", 1, [&] { return rows.append(1); }});
  all.push_back({"SQLite WAL FULL, 32 inserts a transaction", crowd,
                 [&] { return grouped.append(crowd); }});
#else
  std::printf("built without libsqlite3-dev: SQLite is not compared\n");
#endif
  for (int i = 0; i < rounds; ++i)
    for (auto& x : all)
      x.rates.push_back(rate_of(x.step));
  print_rates(all);
}

// -- 10,000 processes
// -----------------------------------------------------------

void make_crowd(const std::string& path) {
  std::filesystem::create_directory(path);
  pm::open_report report;
  auto store =
    must(pm::registry_store::open(must(pm::open_storage(path)), report));
  for (int i = 0; i < process_count; ++i) {
    std::vector<pm::change> group{definition_of(i), state_of(i, 1)};
    (void)must(store.write(group));
  }
  must(store.sync_job()());
}

// Times in ms of opening a copy of `from`, which ends with a fresh snapshot,
// and of one more snapshot.
void time_opening(const char* name, const std::string& from,
                  const std::string& copy) {
  std::vector<double> open_times;
  std::vector<double> saving_times;
  for (int i = 0; i < opens; ++i) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(from, copy);
    ::sync(); // what the copying left is not for us to wait for
    pm::open_report report;
    auto begin = clock_type::now();
    auto store =
      must(pm::registry_store::open(must(pm::open_storage(copy)), report));
    open_times.push_back(seconds_since(begin) * 1e3);
    must(store.records().size() == process_count, "reading all processes");
    begin = clock_type::now();
    auto outcome = store.compaction_job()();
    saving_times.push_back(seconds_since(begin) * 1e3);
    must(outcome);
    store.compaction_done(outcome);
  }
  std::printf("open 10,000 processes from %-24s %6.1f ms  of it a new snapshot "
              "%.1f ms (%ju bytes)\n",
              name, median(open_times), median(saving_times),
              static_cast<uintmax_t>(
                std::filesystem::file_size(copy + "/processes.json")));
}

} // namespace

int main() {
  auto base =
    (std::filesystem::temp_directory_path() / "pm-bench-XXXXXX").string();
  must(::mkdtemp(base.data()) != nullptr, "mkdtemp");
  struct statfs disk {};
  must(::statfs(base.c_str(), &disk) == 0, "statfs");
  std::printf("in %s, a file system of type 0x%lx%s\n", base.c_str(),
              static_cast<unsigned long>(disk.f_type),
              disk.f_type == tmpfs_magic
                ? " (tmpfs: not a disk, the figures say nothing)"
                : "");
  compare_rates(base);
  make_crowd(base + "/journal");
  time_opening("a journal", base + "/journal", base + "/copy");
  std::filesystem::rename(base + "/copy", base + "/snapshot");
  time_opening("a snapshot", base + "/snapshot", base + "/copy");
  std::filesystem::remove_all(base);
  return EXIT_SUCCESS;
}
