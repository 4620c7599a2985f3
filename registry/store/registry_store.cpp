#include <pm/registry_store.hpp>

#include "registry/store/store_impl.hpp"

namespace pm {

registry_store::registry_store(std::unique_ptr<impl> owned) noexcept
  : impl_(std::move(owned)) {}

registry_store::registry_store(registry_store&&) noexcept = default;
registry_store& registry_store::operator=(registry_store&&) noexcept = default;
registry_store::~registry_store() = default;

expected<registry_store> registry_store::open(std::shared_ptr<storage> on,
                                              open_report& report,
                                              const store_limits& limits) {
  auto store = std::make_unique<impl>();
  store->on = std::move(on);
  store->limits = limits;
  if (auto ok = store->load(report); !ok)
    return tl::make_unexpected(ok.error());
  registry_store result{std::move(store)};
  // What stands now is written anew, and only then is an old file touched: a
  // crash at any point of this leaves all that was there.
  auto written = result.compaction_job()();
  result.compaction_done(written);
  if (!written)
    report.lines.push_back(fmt::format(
      "{}; changes are refused until it can be written", written.error().text));
  return result;
}

const record_map& registry_store::records() const noexcept {
  return impl_->contents.processes;
}

const node_mark& registry_store::last_mark() const noexcept {
  return impl_->contents.mark;
}

const std::deque<request_mark>& registry_store::requests() const noexcept {
  return impl_->contents.requests;
}

registry_store::history_job
registry_store::read_history(std::string handle_id, size_t count_max) const {
  return [on = impl_->on, handle_id = std::move(handle_id), count_max,
          newer = impl_->contents.ended] {
    return pm::read_history(*on, handle_id, count_max, newer);
  };
}

bool registry_store::is_sound() const noexcept {
  return !impl_->some_sync_failed() && !impl_->journals.back()->torn;
}

uint64_t registry_store::generation() const noexcept {
  return impl_->generation;
}

uint64_t registry_store::sequence() const noexcept {
  return impl_->contents.sequence;
}

expected<uint64_t> registry_store::write(std::span<const change> changes) {
  return impl_->write(changes);
}

registry_store::job registry_store::sync_job() {
  return impl_->sync_job();
}

void registry_store::sync_done(const expected<void>& outcome) {
  impl_->sync_done(outcome);
}

bool registry_store::wants_compaction() const noexcept {
  return impl_->wants_compaction();
}

registry_store::job registry_store::compaction_job() {
  return impl_->compaction_job();
}

void registry_store::compaction_done(const expected<void>& outcome) {
  impl_->compaction_done(outcome);
}

} // namespace pm
