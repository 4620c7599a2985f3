#include "test/faults/killing_storage.hpp"

#include <unistd.h>

namespace pm::test {

namespace {

class killing_file : public storage_file {
public:
  killing_file(killing_storage& on, std::shared_ptr<storage_file> to)
    : on_(on), to_(std::move(to)) {}

  expected<void> append(std::string_view bytes) override {
    return on_.append(*to_, bytes);
  }

  expected<void> sync() override {
    on_.step();
    return to_->sync();
  }

  expected<void> truncate(uint64_t size) override {
    on_.step();
    return to_->truncate(size);
  }

private:
  killing_storage& on_;
  std::shared_ptr<storage_file> to_;
};

} // namespace

void killing_storage::step() {
  if (++calls_ == at_)
    ::_exit(killed_at_call);
}

expected<void> killing_storage::append(storage_file& to,
                                       std::string_view bytes) {
  if (++calls_ == at_) {
    if (in_the_middle_)
      (void)to.append(bytes.substr(0, bytes.size() / 2));
    ::_exit(killed_at_append);
  }
  return to.append(bytes);
}

expected<std::shared_ptr<storage_file>>
killing_storage::open(const std::string& name, open_mode mode) {
  step();
  auto file = on_->open(name, mode);
  if (!file)
    return file;
  return std::make_shared<killing_file>(*this, std::move(*file));
}

expected<std::optional<std::string>>
killing_storage::read(const std::string& name) {
  step();
  return on_->read(name);
}

expected<void> killing_storage::rename(const std::string& from,
                                       const std::string& to) {
  step();
  return on_->rename(from, to);
}

expected<void> killing_storage::remove(const std::string& name) {
  step();
  return on_->remove(name);
}

expected<std::vector<std::string>> killing_storage::list() {
  step();
  return on_->list();
}

expected<void> killing_storage::sync_directory() {
  step();
  return on_->sync_directory();
}

} // namespace pm::test
