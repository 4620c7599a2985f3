#include "test/support/faulty_storage.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace pm::test {

namespace {

tl::unexpected<error> fault_error(int number, std::string_view what) {
  return fail(ec::storage_failed, "{}: {}", what,
              std::generic_category().message(number));
}

class faulty_file : public storage_file {
public:
  faulty_file(faulty_storage& on, std::shared_ptr<faulty_storage::contents> to)
    : on_(on), to_(std::move(to)) {}

  expected<void> append(std::string_view bytes) override {
    return on_.append(*to_, bytes);
  }

  expected<void> sync() override { return on_.sync(*to_); }

  expected<void> truncate(uint64_t size) override {
    return on_.truncate(*to_, size);
  }

private:
  faulty_storage& on_;
  std::shared_ptr<faulty_storage::contents> to_;
};

// Takes some of the sectors that reach beyond `kept` bytes: the size was on
// disk, and they were not yet.
void lose_sectors(std::string& bytes, size_t kept, std::mt19937_64& chance) {
  size_t sector = chance() % 2 == 0 ? 512 : 4096;
  for (auto begin = kept; begin < bytes.size();) {
    auto end = std::min(bytes.size(), (begin / sector + 1) * sector);
    if (chance() % 2 == 0)
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
                bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
    begin = end;
  }
}

// What a power cut makes of a file: what was synced, and some of the rest.
std::string torn(const faulty_storage::contents& x, std::mt19937_64& chance) {
  auto kept = x.synced.size();
  if (!x.written.starts_with(x.synced)) { // it was replaced or cut since
    if (chance() % 2 == 0)
      return x.synced;
    if (x.synced.starts_with(x.written))
      return x.written;
    kept = 0;
  }
  auto more = x.written.size() - kept;
  auto part = more == 0 ? 0 : chance() % (more + 1);
  switch (chance() % 4) {
  case 0:
    return x.written.substr(0, kept);
  case 1:
    return x.written;
  case 2:
    return x.written.substr(0, kept + part);
  default:
    auto left = x.written.substr(0, kept + (chance() % 2 == 0 ? more : part));
    lose_sectors(left, kept, chance);
    return left;
  }
}

} // namespace

// -- faults -------------------------------------------------------------------

void faulty_storage::fail_steps(size_t step, size_t count, int number) {
  fail_at_ = step;
  step_fault_ = {count, number};
}

void faulty_storage::fail_next_appends(size_t count, int number) {
  append_fault_ = {count, number};
}

void faulty_storage::fail_next_syncs(size_t count, int number) {
  sync_fault_ = {count, number};
}

void faulty_storage::fail_next_truncates(size_t count, int number) {
  truncate_fault_ = {count, number};
}

expected<void> faulty_storage::step(std::string call) {
  last_call_ = std::move(call);
  if (++steps_ >= stop_at_)
    return fail(ec::storage_failed, "{}: the world has stopped", last_call_);
  return steps_ >= fail_at_ ? take(step_fault_, last_call_) : expected<void>{};
}

expected<void> faulty_storage::take(fault& from, std::string_view call) {
  if (from.count == 0)
    return {};
  --from.count;
  return fault_error(from.number, call);
}

// -- after the end
// --------------------------------------------------------------

std::shared_ptr<faulty_storage>
faulty_storage::after_crash(bool power_cut) const {
  auto next = std::make_shared<faulty_storage>();
  for (auto& [name, x] : power_cut ? synced_names_ : names_) {
    auto& left = power_cut ? x->synced : x->written;
    next->names_[name] = std::make_shared<contents>(contents{left, left});
  }
  next->synced_names_ = next->names_;
  return next;
}

std::shared_ptr<faulty_storage>
faulty_storage::after_power_cut(uint64_t seed) const {
  std::mt19937_64 chance{seed};
  auto names = synced_names_;
  auto order = unsynced_;
  if (chance() % 2 == 0)
    std::shuffle(order.begin(), order.end(), chance);
  for (auto& x : order) {
    if (chance() % 2 == 0)
      continue; // this one did not reach the disk
    if (!x.to.empty())
      names[x.to] = x.file;
    if (auto found = names.find(x.from);
        found != names.end() && found->second == x.file)
      names.erase(found);
  }
  auto next = std::make_shared<faulty_storage>();
  for (auto& [name, x] : names) {
    auto left = torn(*x, chance);
    next->names_[name] = std::make_shared<contents>(contents{left, left});
  }
  next->synced_names_ = next->names_;
  return next;
}

// -- the directory
// --------------------------------------------------------------

std::string& faulty_storage::bytes(std::string_view name) {
  auto& x = names_[std::string{name}];
  if (!x)
    x = std::make_shared<contents>();
  return x->written;
}

bool faulty_storage::has(std::string_view name) const {
  return names_.contains(std::string{name});
}

expected<std::shared_ptr<storage_file>>
faulty_storage::open(const std::string& name, open_mode mode) {
  if (auto ok = step("open " + name); !ok)
    return tl::make_unexpected(ok.error());
  auto& x = names_[name];
  if (!x) {
    x = std::make_shared<contents>();
    unsynced_.push_back({{}, name, x});
  }
  if (mode == open_mode::replace) {
    x->written.clear();
    x->pages_lost = false; // there are none any more
  }
  return std::make_shared<faulty_file>(*this, x);
}

expected<std::optional<std::string>>
faulty_storage::read(const std::string& name) {
  if (auto ok = step("read " + name); !ok)
    return tl::make_unexpected(ok.error());
  auto found = names_.find(name);
  if (found == names_.end())
    return std::nullopt;
  return found->second->written;
}

expected<void> faulty_storage::rename(const std::string& from,
                                      const std::string& to) {
  auto call = "rename " + from + " " + to;
  if (auto ok = step(call); !ok)
    return ok;
  auto found = names_.find(from);
  if (found == names_.end())
    return fault_error(ENOENT, call);
  unsynced_.push_back({from, to, found->second});
  names_[to] = found->second;
  names_.erase(from);
  return {};
}

expected<void> faulty_storage::remove(const std::string& name) {
  if (auto ok = step("remove " + name); !ok)
    return ok;
  if (auto found = names_.find(name); found != names_.end()) {
    unsynced_.push_back({name, {}, found->second});
    names_.erase(found);
  }
  return {};
}

expected<std::vector<std::string>> faulty_storage::list() {
  if (auto ok = step("list"); !ok)
    return tl::make_unexpected(ok.error());
  std::vector<std::string> result;
  for (auto& [name, x] : names_)
    result.push_back(name);
  return result;
}

expected<void> faulty_storage::sync_directory() {
  if (auto ok = step("sync_directory"); !ok)
    return ok;
  if (auto ok = take(sync_fault_, "sync_directory"); !ok)
    return ok;
  synced_names_ = names_;
  unsynced_.clear();
  return {};
}

timestamp faulty_storage::now() {
  using namespace std::chrono;
  return sys_days{year{2026} / 11 / 22} + 12h + 34min + 56789ms;
}

// -- files
// ----------------------------------------------------------------------

expected<void> faulty_storage::append(contents& to, std::string_view bytes) {
  auto half = bytes.substr(0, bytes.size() / 2);
  auto ok = step("append");
  if (ok)
    ok = take(append_fault_, "append");
  else if (steps_ > stop_at_)
    return ok; // it died before this
  to.written += ok ? bytes : half;
  return ok;
}

expected<void> faulty_storage::sync(contents& to) {
  auto ok = step("sync");
  if (ok)
    ok = take(sync_fault_, "sync");
  if (!ok && steps_ < stop_at_)
    to.pages_lost = true;
  if (ok && !to.pages_lost)
    to.synced = to.written;
  return ok;
}

expected<void> faulty_storage::truncate(contents& to, uint64_t size) {
  if (auto ok = step("truncate"); !ok)
    return ok;
  if (auto ok = take(truncate_fault_, "truncate"); !ok)
    return ok;
  to.written.resize(size);
  return {};
}

} // namespace pm::test
